// 报表: how fast help came, against what telecare promises.
import { get, send } from "../api.js";
import { h, replace } from "../dom.js";
import { t } from "../i18n.js";
import { bars, lines } from "../plot.js";
import { me } from "../session.js";
import { orgs, subscribe } from "../store.js";
import { fieldValue, fromField, now, span } from "../time.js";
import { button, failed, inWords } from "../ui.js";

const DAY_MS = 86_400_000;
/** The telecare standard's shares, which the server counts against, too. */
const GOALS = { answered_60s: 0.975, answered_180s: 0.99 };
/** The shares that are shown, `[part, name, of]`: how many of how many. */
const SHARES = [
  ["alarms", "answered_60s", "count"], ["alarms", "answered_180s", "count"], ["alarms", "on_site_45min", "count"], ["alarms", "on_site_60min", "count"],
  ["cases", "accepted", "count"], ["cases", "closed", "count"], ["cases", "false_alarms", "count"], ["cases", "whistled", "count"],
];
const BAD = ["false_alarms", "whistled"];

const labelled = (name, field) => h("label", { class: "inline-field" }, h("span", null, t(name)), field);
const percent = (part) => `${Math.round(part * 1000) / 10} %`;

export function reportsPage(main) {
  const org = h("select", { on: { change: read } });
  const from = h("input", { type: "date", value: fieldValue(now() - 30 * DAY_MS).slice(0, 10), on: { change: read } });
  const to = h("input", { type: "date", value: fieldValue(now()).slice(0, 10), on: { change: read } });
  const body = h("div", { class: "grid page-grid" });
  main.append(h("header", { class: "page-head" }, h("h1", null, t("nav.reports"))), h("div", { class: "tools" }, labelled("duty.org", org), labelled("track.from", from), labelled("track.to", to),
    button("CSV", { kind: "small", click: () => csv().catch(failed) })), body);

  function fill() {
    if (org.options.length === orgs.size + 1 || !orgs.size) return;
    replace(org, h("option", { value: me?.org ?? "/" }, t("reports.everywhere")), [...orgs.values()].map((one) => h("option", { value: one.path }, one.name)));
  }

  const query = () => `org=${encodeURIComponent(org.value || me?.org || "/")}&from=${encodeURIComponent(fromField(`${from.value}T00:00`))}&to=${encodeURIComponent(new Date(Date.parse(fromField(`${to.value}T00:00`)) + DAY_MS).toISOString())}`;

  async function read() {
    // Somebody is still choosing.
    if (!from.value || !to.value) return;
    try {
      await draw(await get(`/reports/response?${query()}`));
    } catch (problem) {
      replace(body, h("p", { class: "empty" }, inWords(problem)));
    }
  }

  async function draw(report) {
    const days = await get(`/reports/response?${query()}&period=day`).catch(() => ({ rows: [] }));
    replace(body, ...sections(report.total), trend(days.rows));
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

/** Every share as a bar with its goal, every count as a figure. */
function sections({ alarms, cases }) {
  const parts = { alarms, cases };
  const rows = SHARES.map(([part, name, of]) => {
    const all = parts[part][of];
    const value = all ? parts[part][name] / all : 0;
    const goal = GOALS[name];
    const label = h("span", null, t(`report.${part}.${name}`), goal !== undefined && h("span", { class: "soft small" }, ` ${t("reports.goal", { n: percent(goal) })}`));
    return { label, value, text: all ? `${percent(value)} · ${parts[part][name]}/${all}` : "—", goal, tone: BAD.includes(name) || (goal !== undefined && value < goal) ? "bad" : goal === undefined ? "" : "good" };
  });
  const seconds = (value) => (value === null ? "—" : span(value * 1000));
  const figures = [["alarms", alarms.count], ["median", seconds(alarms.answer_seconds_median)], ["p90", seconds(alarms.answer_seconds_p90)], ["cases", cases.count], ["open", cases.open], ["rejected", cases.rejected]];
  return [
    h("section", { class: "card wide" }, h("h3", null, t("reports.shares")), alarms.count + cases.count ? bars(rows) : h("p", { class: "soft" }, t("reports.none"))),
    h("section", { class: "card wide" }, h("div", { class: "figures" }, figures.map(([name, value]) => h("div", { class: "figure" }, h("b", null, value), h("span", null, t(`reports.${name}`)))))),
  ];
}

/** How fast alarms were answered, day by day. */
function trend(rows) {
  const days = new Map();
  for (const { period, alarms } of rows) {
    const one = days.get(period) ?? { count: 0, fast: 0 };
    days.set(period, { count: one.count + alarms.count, fast: one.fast + alarms.answered_60s });
  }
  const ordered = [...days].filter(([day]) => day).sort(([a], [b]) => (a < b ? -1 : 1));
  if (ordered.length < 2) return null;
  const place = h("div", { class: "plot" });
  requestAnimationFrame(() => place.isConnected && lines(place, {
    times: ordered.map(([day]) => Date.parse(`${day}T12:00:00Z`) / 1000), unit: "%", limits: [{ value: 97.5, label: "97.5 %" }],
    series: [{ label: t("report.alarms.answered_60s"), colour: "accent", values: ordered.map(([, { count, fast }]) => (count ? (100 * fast) / count : null)) }],
  }));
  return h("section", { class: "card wide" }, h("h3", null, t("report.alarms.answered_60s")), place);
}
