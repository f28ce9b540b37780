// The guardian's pages once the code was entered: the map over the drawing, the track, the trends, the fence editor.
// The server has written the page; what is here makes it live.
import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { t, useLanguage } from "./i18n.js";
import { Vitals } from "./pages/elder-vitals.js";
import { Track } from "./pages/elder-track.js";
import { readHouse } from "./session.js";
import { guardianSource } from "./sources.js";
import { setZone } from "./time.js";
import { button, failed } from "./ui.js";

const HOUR_MS = 3_600_000;
const SPANS = [["3h", 3 * HOUR_MS], ["24h", 24 * HOUR_MS], ["7d", 168 * HOUR_MS]];
const CODE_NEEDED = "code-needed";

const live = document.getElementById("live");
const { token } = live.dataset;
let shown = [];

async function show() {
  shown.forEach((one) => one.end());
  const elder = await get(`/guardian/${encodeURIComponent(token)}/elder`);
  const source = guardianSource(token, elder);
  const whole = { ...elder.wearer, fences: elder.fences };
  document.getElementById("drawing")?.remove();
  const trends = document.getElementById("vitals");
  trends.hidden = false;
  const places = [h("div"), h("div")];
  replace(live, places[0]);
  replace(trends.querySelector("div"), places[1]);
  const fences = document.getElementById("fences");
  shown = [
    new Track(places[0], whole, { source, spans: SPANS }),
    new Vitals(places[1], whole, { source, span: "24h", kinds: ["heart_rate", "blood_pressure", "spo2", "temperature"] }),
    new Track(fences, whole, { source, fencesOnly: true, onChanged: () => show().catch(refused) }),
  ];
}

/** Half an hour is over, or the code was entered elsewhere: the server asks for another. */
function refused(problem) {
  if (problem.code === CODE_NEEDED) location.reload();
  else {
    failed(problem);
    replace(live, button(t("again"), { click: () => show().catch(refused) }));
  }
}

useLanguage(document.documentElement.lang);
readHouse().then(({ zone }) => setZone(zone), () => {}).then(show).catch(refused);
