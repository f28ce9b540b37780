// 报表: how fast help came, against what telecare promises.
import { get, send } from "../api.js";
import { h, replace } from "../dom.js";
import { t, word } from "../i18n.js";
import { bars } from "../plot.js";
import { me } from "../session.js";
import { orgs, subscribe } from "../store.js";
import { fieldValue, fromField, now } from "../time.js";
import { button, failed, inWords } from "../ui.js";

const DAY_MS = 86_400_000;
/** The telecare standard's shares, EN 50134-7's successors: 97.5 % within 60 s, 99 % within 180 s. */
const GOALS = { answered_60s: 0.975, answered_180s: 0.99 };
const BAD = ["false_alarm_rate", "whistle_rate", "false_alarms", "whistled"];

export function reportsPage(main) {
  const org = h("select", { "aria-label": t("duty.org"), on: { change: read } });
  const from = h("input", { type: "date", value: fieldValue(now() - 30 * DAY_MS).slice(0, 10), on: { change: read }, "aria-label": t("track.from") });
  const to = h("input", { type: "date", value: fieldValue(now() + DAY_MS).slice(0, 10), on: { change: read }, "aria-label": t("track.to") });
  const body = h("div", { class: "grid page-grid" });
  main.append(h("header", { class: "page-head" }, h("h1", null, t("nav.reports"))), h("div", { class: "tools" }, org, from, to,
    button("CSV", { kind: "small", click: () => csv().catch(failed) })), body);

  function fill() {
    if (org.options.length === orgs.size + 1 || !orgs.size) return;
    replace(org, h("option", { value: me?.org ?? "/" }, t("reports.everywhere")), [...orgs.values()].map((one) => h("option", { value: one.path }, one.name)));
  }

  const query = () => `org=${encodeURIComponent(org.value || me?.org || "/")}&from=${encodeURIComponent(fromField(`${from.value}T00:00`))}&to=${encodeURIComponent(fromField(`${to.value}T00:00`))}`;

  async function read() {
    try {
      draw(await get(`/reports/response?${query()}`));
    } catch (problem) {
      replace(body, h("p", { class: "empty" }, inWords(problem)));
    }
  }

  function draw(report) {
    replace(body, ...sections(report));
  }

  async function csv() {
    const response = await send("GET", `/reports/response?${query()}&format=csv`);
    const url = URL.createObjectURL(await response.blob());
    h("a", { href: url, download: "response.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  const way = subscribe((topics) => topics.has("org") && fill());
  fill();
  read();
  return { end: way };
}

/** Every share of the report as a bar with its goal, every count as a figure. */
function sections(report) {
  const shares = [];
  const counts = [];
  const walk = (value, name) => {
    if (value === null || value === undefined) return;
    if (typeof value === "object" && !Array.isArray(value)) {
      if (typeof value.of === "number" && typeof value.n === "number") shares.push({ name, share: value.of ? value.n / value.of : 0, text: `${value.n}/${value.of}` });
      else for (const [key, inner] of Object.entries(value)) walk(inner, key);
    } else if (typeof value === "number") {
      if (value <= 1 && /rate|share|_in_|_s$|within/.test(name)) shares.push({ name, share: value, text: `${(value * 100).toFixed(1)} %` });
      else counts.push([name, value]);
    }
  };
  walk(report, "");
  return [
    h("section", { class: "card wide" }, h("h3", null, t("reports.shares")), shares.length ? bars(shares.map(({ name, share, text }) => ({
      label: word("report", name), value: share, text, goal: GOALS[name], tone: BAD.includes(name) ? "bad" : GOALS[name] !== undefined && share < GOALS[name] ? "bad" : "good",
    }))) : h("p", { class: "soft" }, t("nothing"))),
    h("section", { class: "card wide" }, h("h3", null, t("reports.counts")), h("div", { class: "figures" }, counts.map(([name, value]) => h("div", { class: "figure" }, h("b", null, Number.isInteger(value) ? value : value.toFixed(1)), h("span", null, word("report", name)))))),
  ];
}
