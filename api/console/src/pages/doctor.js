// 医生收件箱: what concerns the doctor, 接单, the trend, and thresholds that are tried on the elder's own past first.
import { all, command, get } from "../api.js";
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { both, t, word } from "../i18n.js";
import { act } from "../incident-actions.js";
import { allowed } from "../session.js";
import { incidents, keep, names, need, orgs, subscribe, touch, wearer, wearerName } from "../store.js";
import { ago, dated, millis, now } from "../time.js";
import { setThresholds } from "../registry-save.js";
import { ask, button, failed, inWords, incidentState, instead, kindMark, priorityMark, saved } from "../ui.js";
import { KINDS, Vitals, limitsOf, unitOf } from "./elder-vitals.js";

/** What a doctor judges, and which trend shows it. */
const TREND = {
  blood_pressure_high: "blood_pressure", blood_pressure_low: "blood_pressure", blood_pressure_watch: "blood_pressure", orthostatic_drop: "blood_pressure",
  heart_rate_high: "heart_rate", heart_rate_low: "heart_rate", irregular_pulse: "heart_rate", spo2_low: "spo2",
  temperature_high: "temperature", temperature_low: "temperature", news2_high: "heart_rate", sos: "heart_rate", fall: "heart_rate",
};
const RANK = { high: 0, medium: 1, low: 2 };
/** The thresholds that can be set here, by the trend. */
const LIMITS = { blood_pressure: ["sys_high", "dia_high", "sys_low", "repeat_within_s"], heart_rate: ["high", "low", "sustain_s"], spo2: ["low"], temperature: ["high", "low"] };

export function doctorPage(main, [id]) {
  return new Inbox(main, id);
}

class Inbox {
  constructor(main, id) {
    this.main = main;
    this.id = id ?? null;
    this.list = h("ul", { class: "inbox" });
    this.count = h("p", { class: "soft small", role: "status" });
    this.body = h("section", { class: "elder", tabindex: "-1" });
    main.append(h("section", { class: "queue", "aria-label": t("nav.doctor") }, h("header", { class: "pane-head" }, h("h1", null, t("nav.doctor")), this.count), h("div", { class: "virtual" }, this.list)), this.body);
    this.way = subscribe((topics) => ["incident", "name", "org"].some((topic) => topics.has(topic)) && this.draw());
    all("/incidents?state=open&limit=500").then((found) => { found.forEach((one) => keep(incidents, one)); touch("incident"); }).catch(failed);
    this.draw();
  }

  end() {
    this.way();
    this.vitals?.end();
  }

  go([id]) {
    this.id = id ?? null;
    this.drawn = null;
    this.draw();
    return true;
  }

  draw() {
    const mine = [...incidents.values()].filter((one) => one.state !== "resolved" && TREND[one.kind])
      .sort((a, b) => (!!a.doctor_order - !!b.doctor_order) || RANK[a.priority] - RANK[b.priority] || millis(b.raised_at) - millis(a.raised_at));
    this.main.dataset.view = this.id ? "detail" : "queue";
    this.count.textContent = t("doctor.count", { n: mine.length, waiting: mine.filter((one) => !one.doctor_order).length });
    replace(this.list, mine.length ? mine.map((one) => h("li", null, this.row(one))) : h("li", { class: "empty" }, t("doctor.empty")));
    need(this.id);
    const one = incidents.get(this.id);
    const sign = one ? `${one.id} ${one.version} ${wearerName(one.wearer)} ${wearer(one.wearer)?.thresholds !== undefined}` : this.id;
    if (sign === this.drawn) return;
    this.drawn = sign;
    this.drawOne(one);
  }

  row(one) {
    return h("a", { class: `row doctor-row ${one.priority} ${one.id === this.id ? "selected" : ""}`, href: `#/doctor/${one.id}`, "aria-current": one.id === this.id ? "true" : false, data: { focus: `order-${one.id}` } },
      h("span", { class: "row-text" }, h("span", { class: "row-title" }, h("b", null, wearerName(one.wearer)), h("span", null, word("kind", one.kind)), one.doctor_order && h("span", { class: "tag good" }, t("doctor.taken"))),
        h("span", { class: "row-what" }, both(one.explain, one.explain_en)),
        h("span", { class: "row-foot" }, priorityMark(one.priority), incidentState(one), h("span", { class: "soft" }, ago(one.raised_at)))));
  }

  /** None is chosen, or one that is not here: it may have ended before this page was opened. */
  without() {
    const { id } = this;
    replace(this.body, id ? instead(t("loading"), "#/doctor") : h("p", { class: "empty" }, t("doctor.pick")));
    if (!id || this.asked === id) return;
    this.asked = id;
    get(`/incidents/${encodeURIComponent(id)}`).then((found) => { keep(incidents, found); touch("incident"); })
      .catch((problem) => this.id === id && replace(this.body, instead(inWords(problem), "#/doctor")));
  }

  drawOne(one) {
    this.vitals?.end();
    this.vitals = null;
    if (!one) return this.without();
    const elder = wearer(one.wearer);
    const kind = TREND[one.kind];
    const offered = allowed("incident", one.state);
    const trend = h("div", { class: "elder-body" });
    const limits = h("div", { class: "elder-body" });
    replace(this.body,
      h("header", { class: `detail-head ${one.priority}` },
        h("a", { class: "button small back", href: "#/doctor" }, icon("back"), h("span", null, t("back"))),
        h("div", { class: "detail-title" }, h("h2", null, h("a", { href: `#/elders/${encodeURIComponent(one.wearer)}` }, wearerName(one.wearer))),
          elder?.birth_year && h("span", { class: "soft" }, t("detail.years", { n: new Date(now()).getFullYear() - elder.birth_year })), h("span", { class: "soft" }, orgs.get(one.org)?.name ?? "")),
        h("div", { class: "detail-marks" }, kindMark(one.kind, one.priority), priorityMark(one.priority), incidentState(one),
          one.doctor_order && h("span", { class: "tag good" }, `${t("doctor.taken")} · ${ago(one.doctor_order.at)}`)),
        h("p", { class: "explain" }, both(one.explain, one.explain_en)), h("p", { class: "soft small" }, ago(one.raised_at))),
      h("div", { class: "actions wide" },
        offered.includes("take_order") && !one.doctor_order && button(t("action.take_order"), { kind: "primary big", iconName: "check", focus: "act-take_order", click: () => act(one, "take_order") }),
        ["note", "resolve", "escalate"].filter((name) => offered.includes(name)).map((name) => button(t(`action.${name}`), { focus: `act-${name}`, click: () => act(one, name) }))),
      one.notes.length > 0 && h("ul", { class: "card notes" }, one.notes.map((note) => h("li", null, h("span", { class: "soft small" }, dated(note.at)), " ", note.text))),
      trend, limits);
    if (!elder?.thresholds) return;
    this.vitals = new Vitals(trend, elder, { kinds: [kind], span: "30d" });
    replace(limits, thresholds(elder, kind));
  }
}

/** The thresholds of one trend: try on the past, then set. */
export function thresholds(elder, kind) {
  const inForce = limitsOf(elder, kind);
  const own = elder.thresholds?.[kind] ?? {};
  const inputs = new Map(LIMITS[kind].map((name) => [name, h("input", { type: "number", step: kind === "temperature" ? "0.1" : "1", id: `limit-${name}`, value: own[name] ?? "", placeholder: inForce[name] ?? "" })]));
  const result = h("div", { class: "preview", role: "status" });
  const wanted = () => Object.fromEntries([...inputs].filter(([, input]) => input.value !== "").map(([name, input]) => [name, Number(input.value)]));
  const changed = () => ({ ...withoutAuthor(elder.thresholds), [kind]: wanted() });
  const form = h("form", { class: "card" }, h("h3", null, `${t("doctor.thresholds")} · ${word("vital", kind)}`),
    h("div", { class: "limits" }, [...inputs].map(([name, input]) => h("div", { class: "field" }, h("label", { for: input.id }, KINDS[kind].unit && !name.endsWith("_s") ? t("with_role", { name: t(`limit.${name}`), role: unitOf(kind) }) : t(`limit.${name}`)), input))),
    h("p", { class: "soft small" }, t("doctor.thresholds_hint")),
    h("div", { class: "actions" }, button(t("doctor.preview"), { iconName: "chart", focus: "preview", click: () => preview(elder, changed(), result) }), button(t("save"), { kind: "primary", focus: "save-limits", type: "submit" })), result);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ title: `${t("doctor.save_title")}${t("colon")}${elder.name}`, lead: Object.entries(wanted()).map(([name, value]) => `${t(`limit.${name}`)} ${value}`).join(t("semicolon")) || t("doctor.defaults"), action: t("save"),
      act: () => setThresholds(elder.id, kind, wanted()) })
      .then((done) => { if (done) { names.wearers.delete(elder.id); touch("name"); saved(done, () => { names.wearers.delete(elder.id); touch("name"); }, t("doctor.saved")); } }).catch(failed);
  });
  return form;
}

/** Who set them and when is the server's to say. */
function withoutAuthor(thresholds) {
  const { set_by, set_at, ...rest } = thresholds ?? {};
  return rest;
}

async function preview(elder, changed, result) {
  replace(result, h("p", { class: "soft" }, t("loading")));
  try {
    const said = await command(`/wearers/${encodeURIComponent(elder.id)}/preview`, { thresholds: changed, purpose: "thresholds" });
    const column = (name, list) => h("div", null, h("h4", null, t(`doctor.${name}`, { n: list.length })),
      list.length ? h("ul", { class: "plain-list" }, list.slice(0, 50).map((one) => h("li", null, h("span", { class: "soft small" }, dated(one.at)), " ", h("b", null, word("kind", one.kind)), " ", both(one.explain, one.explain_en)))) : h("p", { class: "soft" }, t("nothing")));
    replace(result, h("div", { class: "two" }, column("was", said.was), column("would", said.would)));
    result.scrollIntoView({ block: "nearest" });
  } catch (problem) {
    replace(result, h("p", { class: "problem" }, inWords(problem)));
  }
}
