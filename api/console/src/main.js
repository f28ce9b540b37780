// The frame around every page: who is signed in, the strip that always says how things are, and which page is shown.
import { onSlow, onUnauthenticated, setToken, token } from "./api.js";
import { h, replace } from "./dom.js";
import * as duty from "./duty.js";
import { language, setLanguage, t } from "./i18n.js";
import { startKeys } from "./keys.js";
import { PAGES, homeOf, pagesFor } from "./routes.js";
import { house, mayBeSignedIn, me, readHouse, resume, signInWithToken } from "./session.js";
import * as sound from "./sound.js";
import * as store from "./store.js";
import { Strip } from "./strip.js";
import { setZone } from "./time.js";
import { applyTheme } from "./theme.js";
import { signInPage } from "./pages/signin.js";
import { failed, toast } from "./ui.js";

const SECOND_MS = 1_000;

let page = null;
let strip = null;
let main = null;
/** Counts who signed in and out: what was asked for before is not for who is here now. */
let entered = 0;

/** What the address asks for: `#/alerts/i1` is `["alerts", "i1"]`. */
function place() {
  return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
}

/** Goes to a page. */
export function go(...parts) {
  location.hash = `#/${parts.map(encodeURIComponent).join("/")}`;
}

async function start() {
  setLanguage(language());
  applyTheme();
  const given = /^#token=([\w.-]+)$/.exec(location.hash)?.[1];
  if (given) history.replaceState(null, "", location.pathname);
  try {
    setZone((await readHouse()).zone);
  } catch (error) {
    failed(error);
  }
  onUnauthenticated(() => me && signedOut(t("signin.ended")));
  onSlow(() => toast(t("problem.slow"), { kind: "bad" }));
  store.onRefused(() => signedOut(t("signin.ended")));
  try {
    if (given) await signInWithToken(given);
    else if (mayBeSignedIn()) await resume();
    else return showSignIn();
    await enter();
  } catch (error) {
    if (token()) setToken(null);
    showSignIn(given ? t("signin.failed", { why: error.message }) : "");
  }
}

function showSignIn(said = "") {
  leave();
  document.body.className = "signed-out";
  replace(document.body, signInPage({ said, onDone: enter }));
}

export function signedOut(said) {
  entered += 1;
  store.forget();
  duty.forget();
  sound.disarm();
  strip?.end();
  strip = null;
  showSignIn(said);
}

function leave() {
  page?.end?.();
  page = null;
}

/** Somebody is signed in: reads the house and shows the page that was asked for. */
async function enter() {
  document.body.className = "signed-in";
  strip?.end();
  strip = new Strip({ onLanguage: redraw, onSignOut: () => signedOut("") });
  main = h("main", { id: "main", tabindex: "-1" });
  const skip = h("a", { class: "skip", href: "#main", on: { click: (e) => { e.preventDefault(); main.focus(); } } }, t("skip"));
  replace(document.body, skip, strip.element, strip.banner, main);
  show();
  const mine = ++entered;
  const cursor = await store.load().catch((error) => { if (mine === entered) failed(error); return null; });
  // Whoever signed out meanwhile is not to be followed by the feed.
  if (mine === entered) store.live.start(cursor);
}

function redraw() {
  setLanguage(language());
  leave();
  strip.end();
  strip = new Strip({ onLanguage: redraw, onSignOut: () => signedOut("") });
  replace(document.body, h("a", { class: "skip", href: "#main" }, t("skip")), strip.element, strip.banner, main);
  show();
}

function show() {
  if (!me || !main) return;
  const [name, ...rest] = place();
  const mine = pagesFor(me.role);
  const wanted = PAGES.find((one) => one.name === name && mine.includes(one)) ?? homeOf(me.role);
  if (page?.name === wanted.name && page.go?.(rest)) return strip.mark(wanted.name);
  leave();
  main.className = `page-${wanted.name}`;
  document.body.dataset.page = wanted.name;
  replace(main);
  strip.mark(wanted.name);
  page = wanted.open(main, rest);
  page.name = wanted.name;
}

/** What has to happen every second, whatever page is shown. */
function everySecond() {
  strip?.tick();
  page?.tick?.();
  if (!me) return;
  const waiting = { high: 0, medium: 0 };
  for (const incident of store.incidents.values()) {
    if (["notifying", "raised", "exhausted"].includes(incident.state) && !incident.test && incident.priority in waiting) {
      waiting[incident.priority] += 1;
    }
  }
  sound.tick({ waiting, isLost: store.live.state === "lost" });
}

store.onAlarm.add((incident) => { if (!incident.test) sound.announce(incident.priority); });
store.onMoved.add((incident) => toast(t("alarm.moved", { who: store.wearerName(incident.wearer) }), { kind: "bad" }));
window.addEventListener("hashchange", show);
startKeys(() => page);
setInterval(everySecond, SECOND_MS);
start();

export { house };
