// 四色地图 and 街道大屏: who is at risk where, in four colours, each with its figure; points on canvas.
import { all } from "../api.js";
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { both, t } from "../i18n.js";
import { homeOf } from "../fences.js";
import { Chart } from "../map.js";
import { cases, incidents, isRunning, knowWearers, orgs, subscribe, wearerName } from "../store.js";
import { clock, countdown, millis, now, span } from "../time.js";
import { callingNow, calledBy } from "../timeline.js";
import { incidentState, kindMark } from "../ui.js";

/** From the gravest on; the first whose condition holds is an elder's colour. */
const COLOURS = ["red", "orange", "yellow", "green"];
const RADIUS = { red: 11, orange: 9, yellow: 8, green: 5 };
const WALL_ROWS = 8;
const RANK = { high: 0, medium: 1, low: 2 };
/** Who waits comes before who is looked after. */
const isTaken = (incident) => ["acknowledged", "on_site"].includes(incident.state);
const FIT_MOST = 16;

/** 红: high and nobody is there yet; 橙: high and taken, or medium; 黄: low; 绿: nothing open. */
export function colourOf(open) {
  if (open.some((one) => one.priority === "high" && ["raised", "notifying", "exhausted"].includes(one.state))) return "red";
  if (open.some((one) => one.priority === "high" || one.priority === "medium")) return "orange";
  return open.length ? "yellow" : "green";
}

class Risk {
  constructor() {
    this.elders = new Map();
  }

  async read() {
    const elders = await all("/wearers?limit=500");
    knowWearers(elders);
    for (const elder of elders) this.elders.set(elder.id, { id: elder.id, name: elder.name, org: elder.org, at: homeOf(elder), colour: "green", open: [] });
  }

  /** Every elder's colour by what is open now. */
  weigh() {
    for (const one of this.elders.values()) { one.open = []; one.seen = null; }
    for (const incident of incidents.values()) {
      if (incident.state === "resolved" || incident.test) continue;
      const elder = this.elders.get(incident.wearer);
      if (!elder) continue;
      elder.open.push(incident);
      if (incident.position) elder.seen = incident.position;
    }
    const counts = { red: 0, orange: 0, yellow: 0, green: 0 };
    for (const elder of this.elders.values()) {
      elder.colour = colourOf(elder.open);
      counts[elder.colour] += 1;
    }
    return counts;
  }
}

function legend(counts) {
  return h("ul", { class: "legend" }, COLOURS.map((colour) => h("li", { class: `legend-${colour}` },
    h("span", { class: "dot", "aria-hidden": "true" }), h("b", null, counts[colour]), h("span", null, t(`colour.${colour}`)))));
}

function paint(chart, risk) {
  chart.clear();
  for (const org of orgs.values()) for (const fence of org.fences ?? []) chart.fence(fence, { label: org.name });
  const ordered = [...risk.elders.values()].sort((a, b) => COLOURS.indexOf(b.colour) - COLOURS.indexOf(a.colour));
  for (const elder of ordered) {
    const at = elder.seen ?? elder.at;
    if (!at) continue;
    chart.place(at, {
      tone: elder.colour, radius: RADIUS[elder.colour], permanent: elder.colour === "red", label: elder.open.length ? elder.name : undefined,
      click: () => { location.hash = elder.open.length ? `#/alerts/${elder.open[0].id}` : `#/elders/${encodeURIComponent(elder.id)}`; },
    });
  }
}

export function mapPage(main) {
  const risk = new Risk();
  const holder = h("div", { class: "map-holder" });
  const side = h("div", { class: "legend-holder" });
  const list = h("ul", { class: "plain-list risk-list" });
  main.append(holder, h("aside", { class: "side-panel" }, h("h1", null, t("nav.map")), h("p", { class: "soft small" }, t("map.colours")), side, h("h2", null, t("community.by_org")), list));
  const chart = new Chart(holder);
  const draw = () => {
    replace(side, legend(risk.weigh()));
    paint(chart, risk);
    replace(list, byOrg(risk));
  };
  const way = subscribe((topics) => (topics.has("incident") || topics.has("org")) && draw());
  risk.read().then(() => { draw(); chart.fit(FIT_MOST); }).catch(() => draw());
  return { end() { way(); chart.end(); } };
}

/** Each community with its four figures. */
function byOrg(risk) {
  const found = new Map();
  for (const { org, colour } of risk.elders.values()) {
    if (!found.has(org)) found.set(org, { red: 0, orange: 0, yellow: 0, green: 0 });
    found.get(org)[colour] += 1;
  }
  return [...found].sort((a, b) => b[1].red - a[1].red || b[1].orange - a[1].orange).map(([org, counts]) => h("li", { class: "org-line" },
    h("b", null, orgs.get(org)?.name ?? org), COLOURS.map((colour) => h("span", { class: `pill legend-${colour}`, title: t(`colour.${colour}`) },
      h("span", { class: "dot", "aria-hidden": "true" }), counts[colour]))));
}

/** Read-only, for a wall: no names beyond what is open, figures that can be read from two metres. */
export function wallPage(main) {
  const risk = new Risk();
  const holder = h("div", { class: "map-holder" });
  const head = h("div", { class: "wall-head" });
  const rows = h("ol", { class: "wall-rows" });
  const figures = h("div", { class: "wall-figures" });
  const left = h("div", { class: "wall-left" }, rows);
  main.append(head, left, h("div", { class: "wall-right" }, figures, holder));
  const chart = new Chart(holder, { wheel: false });
  const draw = () => {
    const counts = risk.weigh();
    replace(head, h("h1", null, t("nav.wall")), legend(counts), h("time", { class: "wall-clock" }, clock(now())));
    const open = [...incidents.values()].filter((one) => one.state !== "resolved" && !one.test)
      .sort((a, b) => RANK[a.priority] - RANK[b.priority] || (b.state === "exhausted") - (a.state === "exhausted") || isTaken(a) - isTaken(b) || millis(a.raised_at) - millis(b.raised_at));
    // As many as the screen has room for: nobody stands half below its edge.
    for (let n = Math.min(open.length, WALL_ROWS); n >= 0; n -= 1) {
      replace(rows, open.slice(0, n).map(wallRow), open.length > n && h("li", { class: "wall-more" }, t("wall.more", { n: open.length - n })),
        !open.length && h("li", { class: "wall-calm" }, icon("check"), t("queue.empty")));
      if (n < 2 || left.scrollHeight <= left.clientHeight) break;
    }
    const running = [...cases.values()].filter((one) => isRunning(one));
    const late = running.filter((one) => one.due_at && millis(one.due_at) < now()).length;
    replace(figures, [["wall.open", open.length], ["wall.waiting", open.filter((one) => ["notifying", "raised", "exhausted"].includes(one.state)).length], ["wall.cases", running.length], ["wall.late", late]]
      .map(([name, n]) => h("div", { class: `figure ${name === "wall.late" && n ? "bad" : ""}` }, h("b", null, n), h("span", null, t(name)))));
  };
  const way = subscribe(() => { draw(); paint(chart, risk); });
  risk.read().then(() => { draw(); paint(chart, risk); chart.fit(FIT_MOST); }).catch(draw);
  draw();
  return { tick: draw, end() { way(); chart.end(); } };
}

function wallRow(incident) {
  const by = incident.acknowledged_by;
  const calling = callingNow(incident);
  const said = incident.state === "acknowledged" && by ? t("now.acknowledged", { who: calledBy(by.person), left: countdown(millis(by.until) - now()) })
    : incident.state === "on_site" ? t("now.on_site", { who: calledBy(incident.on_site_by) })
      : incident.state === "exhausted" ? t("now.exhausted") : calling ? t("now.calling", { who: calling.name }) : both(incident.explain, incident.explain_en);
  return h("li", { class: `wall-row ${incident.priority}` }, kindMark(incident.kind, incident.priority), h("b", null, wearerName(incident.wearer)),
    h("span", { class: "soft" }, orgs.get(incident.org)?.name ?? ""), incidentState(incident), h("span", { class: "wall-said" }, said),
    h("span", { class: "wall-since" }, span(now() - millis(incident.raised_at))));
}

