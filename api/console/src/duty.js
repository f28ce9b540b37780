// Who watches: whoever has armed the sound of a console is there, and the console tells the server so as long as it hears
// the feed; the roster says who should be.
import { command, get, headers } from "./api.js";
import { t, listed, word } from "./i18n.js";
import { isOneOf, me } from "./session.js";
import * as sound from "./sound.js";
import { onHeartbeat, orgs, personName, touch } from "./store.js";
import { calledBy } from "./timeline.js";

const ROSTER_AGAIN_MS = 300_000;
/** Two signs of life are at least so far apart: the feed's heartbeat comes every 15 s. */
const BEAT_MS_MIN = 10_000;
/** Who can take an alarm at a console, and who can see who does; the server says the same. */
const WATCHERS = ["admin", "operator", "desk", "grid_worker", "street", "department"];
const READERS = [...WATCHERS, "integration", "doctor"];

let armed = false;
let watching = [];
let rostered = [];
let timer = null;
let beatAt = 0;

/** Follows the roster of the organisation that this person belongs to, or of the first that has a desk. */
export function watch() {
  clearInterval(timer);
  timer = setInterval(read, ROSTER_AGAIN_MS);
}

export function unwatch() {
  clearInterval(timer);
}

export async function read() {
  const mine = [...orgs.values()].filter((org) => org.path.startsWith(me?.org ?? "/"));
  const org = mine.find((one) => one.path === me?.org) ?? mine.findLast((one) => one.desk);
  if (!org || !isOneOf(...READERS)) return;
  const roster = await get(`/duty?org=${encodeURIComponent(org.path)}`).catch(() => null);
  rostered = (roster?.on_duty ?? []).flatMap((unit) => unit.people);
  touch("duty");
}

const isHere = () => armed && sound.isArmed() && isOneOf(...WATCHERS);

/** Says that this console watches, if it does, and hears who else. What does not arrive is said again in 15 s. */
async function beat() {
  if (!me || !isOneOf(...READERS)) return;
  beatAt = Date.now();
  const answer = await (isHere() ? command("/duty/watch", { on: true }) : get("/duty/watch")).catch(() => null);
  if (!answer || !me) return;
  watching = answer.data;
  touch("duty");
}

// A console that does not hear the feed does not ring: it says nothing, and the server stops to reckon with it.
onHeartbeat.add(() => { if (Date.now() - beatAt >= BEAT_MS_MIN) beat(); });

// Whoever closes the page does not watch any more; the server need not wait until it notices.
addEventListener("pagehide", () => {
  if (!isHere()) return;
  armed = false;
  fetch("/api/v1/duty/watch", { method: "POST", keepalive: true, headers: headers({ "content-type": "application/json" }), body: "{\"on\":false}" }).catch(() => {});
});

export async function begin() {
  armed = true;
  await beat();
}

export async function end() {
  const was = isHere();
  sound.disarm();
  armed = false;
  if (was) watching = (await command("/duty/watch", { on: false }).catch(() => null))?.data ?? [];
  touch("duty");
}

/** Somebody else signs in here. */
export function forget() {
  armed = false;
  watching = [];
  rostered = [];
  beatAt = 0;
}

const nameOf = (one) => (one.person === me?.person ? me.name || word("role", one.role) : calledBy(one.person));

/** Who watches a console now, as the server knows it. */
export const watchers = () => watching;
export const watcherName = nameOf;
export const somebody = () => watching.length > 0;

export function inWords() {
  if (somebody()) return `${t("on_duty")}${t("colon")}${listed([...new Set(watching.map(nameOf))])}`;
  const names = [...new Set(rostered.map((id) => personName(id)))];
  return names.length ? t("on_duty.rostered", { who: listed(names) }) : t("on_duty.nobody");
}
