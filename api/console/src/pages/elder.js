// One elder's page, in sections that are read when they are opened: every look at a place or a vital sign is on record.
import { all, get } from "../api.js";
import { h, replace } from "../dom.js";
import { icon, kindIcon } from "../icons.js";
import { breakGlass } from "../glass.js";
import { both, t, word } from "../i18n.js";
import { isOneOf } from "../session.js";
import { devices, nameOf, names, orgs, person } from "../store.js";
import { ago, dated, millis, now } from "../time.js";
import { button, failed, inWords, incidentState, instead, priorityMark, saved } from "../ui.js";
import { consentCard, hasWithdrawn } from "./elder-consent.js";
import { Track } from "./elder-track.js";
import { Vitals } from "./elder-vitals.js";
import { editElder } from "./elder-edit.js";
import { lookedAt } from "./elder-looks.js";

/** Who changes the registry; the server says the same. */
export const KEEPERS = ["admin", "operator", "integration"];
const TABS = ["now", "track", "vitals", "fences", "history", "looks"];
/** Who sees an exact position only on account of something. */
const BEHIND_GLASS = ["operator", "desk", "doctor", "street", "department", "grid_worker", "volunteer"];
/** Who reads the audit. */
const AUDITORS = ["admin", "operator"];
const VITALS = { heart_rate: (v) => `${v.bpm} ${t("unit.bpm")}`, blood_pressure: (v) => `${v.sys}/${v.dia} mmHg`, spo2: (v) => `${v.pct} %`,
  temperature: (v) => `${v.celsius} °C`, steps: (v) => `${v.count}`, battery: (v) => `${v.pct} %` };

export class Elder {
  constructor(holder, id) {
    Object.assign(this, { holder, id, tab: "now", part: null });
    replace(holder, h("p", { class: "empty" }, t("loading")));
    this.read();
  }

  end() {
    this.gone = true;
    this.part?.end?.();
  }

  async read() {
    try {
      this.elder = await get(`/wearers/${encodeURIComponent(this.id)}`);
      names.wearers.set(this.id, this.elder);
      if (this.gone) return;
      this.draw();
    } catch (problem) {
      if (!this.gone) replace(this.holder, instead(inWords(problem), "#/elders"));
    }
  }

  written(done) {
    saved(done, () => this.read());
    this.read();
  }

  changed(topics) {
    if (!this.elder) return;
    if (topics.has("registry")) return this.read();
    // Several may come in one frame.
    if (topics.has("org")) this.drawHead();
    if (topics.has("name") || topics.has("device")) this.part?.again?.();
  }

  draw() {
    this.head = h("header", { class: "detail-head plain-head" });
    this.body = h("div", { class: "elder-body" });
    replace(this.holder, this.head, this.body);
    this.drawHead();
    this.part?.end?.();
    this.part = this.open();
  }

  drawHead() {
    const { elder } = this;
    const years = elder.birth_year && new Date(now()).getFullYear() - elder.birth_year;
    replace(this.head,
        h("a", { class: "button small back", href: "#/elders" }, icon("back"), h("span", null, t("back"))),
        h("div", { class: "detail-title" }, h("h2", null, elder.name), years && h("span", { class: "soft" }, t("detail.years", { n: years })),
          h("span", { class: "soft" }, orgs.get(elder.org)?.name ?? elder.org), h("span", { class: "soft small" }, elder.id),
          isOneOf(...KEEPERS) && button(t("elder.edit"), { kind: "small push", iconName: "gear", focus: "edit", click: () => editElder(elder).then((done) => done && this.written(done)).catch(failed) })),
        h("div", { class: "detail-marks" },
          elder.mode?.kind === "test" && h("span", { class: "tag warn" }, t("elder.test_mode", { until: dated(elder.mode.until) })),
          elder.suspension && h("span", { class: "tag warn" }, t("elder.suspended", { kind: word("suspension", elder.suspension.kind), until: dated(elder.suspension.until) })),
          elder.phone && h("a", { class: "tel", href: `tel:${elder.phone}` }, icon("phone"), elder.phone),
        ),
        h("div", { class: "tabs", role: "tablist" }, TABS.filter((name) => name !== "looks" || isOneOf(...AUDITORS)).map((name) => h("button", {
          class: "tab", type: "button", role: "tab", "aria-selected": String(name === this.tab), data: { focus: `tab-${name}` },
          on: { click: () => { this.tab = name; this.draw(); } },
        }, t(`elder.tab.${name}`)))));
    // On a phone not all of them fit.
    this.head.querySelector('[aria-selected="true"]').scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  open() {
    const { elder, body, tab } = this;
    if (tab === "track") return new Track(body, elder);
    if (tab === "fences") return new Track(body, elder, { fencesOnly: true, onChanged: () => this.read() });
    if (tab === "vitals") return new Vitals(body, elder);
    if (tab === "history") return history(body, elder);
    if (tab === "looks") return lookedAt(body, elder);
    return new Now(body, elder, (done) => this.written(done));
  }
}

/** How things are: last values, devices, whom they have. */
class Now {
  constructor(body, elder, written) {
    Object.assign(this, { body, elder, written, latest: null, worn: [], reached: new Map() });
    replace(body, h("p", { class: "empty" }, t("loading")));
    this.read();
  }

  async read() {
    const { id } = this.elder;
    const [latest, worn, open, reach] = await Promise.all([
      get(`/wearers/${encodeURIComponent(id)}/latest?purpose=elder%20page`).catch(() => null),
      all(`/devices?wearer=${encodeURIComponent(id)}&limit=100`).catch(() => []),
      all(`/incidents?wearer=${encodeURIComponent(id)}&state=open`).catch(() => []),
      get(`/wearers/${encodeURIComponent(id)}/reach`).catch(() => ({ data: [] })),
    ]);
    Object.assign(this, { latest, worn, open, reached: new Map(reach.data.map((one) => [one.person, one.reached_at])) });
    this.again();
  }

  again() {
    const { elder, latest, worn, open } = this;
    if (!open) return;
    const ids = elder.guardians.map((one) => one.person ?? one);
    replace(this.body, h("div", { class: "grid" },
      open.length > 0 && h("section", { class: "card wide" }, h("h3", null, t("elder.open")), h("ul", { class: "plain-list" }, open.map(incidentLine))),
      h("section", { class: "card" }, h("h3", null, t("elder.values")),
        latest?.seen ? h("dl", { class: "values" }, latest.vitals.filter((one) => VITALS[one.type]).map((one) => [
          h("dt", null, word("vital", one.type)), h("dd", null, h("b", null, VITALS[one.type](one)), " ", h("span", { class: "soft small" }, ago(one.measured)))]),
        !latest.position && (isOneOf(...BEHIND_GLASS) || hasWithdrawn(elder, "location")) && [h("dt", null, t("elder.position")), h("dd", null,
          button(t("glass.go"), { kind: "small", focus: "glass", click: () => breakGlass(elder).then((done) => done && this.read()) }))],
        latest.position && [h("dt", null, t("elder.position")), h("dd", null, `${latest.position.lat.toFixed(5)}, ${latest.position.lon.toFixed(5)}`, " ",
          h("span", { class: "soft small" }, `${t("map.accuracy", { n: Math.round(latest.position.accuracy_m) })} · ${ago(latest.position.measured)}`))])
          : h("p", { class: "soft" }, t("elder.nothing_heard"))),
      h("section", { class: "card" }, h("h3", null, t("elder.contacts")), h("ol", { class: "contacts numbered" }, ids.map((one) => this.contact(one))),
        elder.doctor && h("ul", { class: "contacts apart" }, this.contact(elder.doctor))),
      h("section", { class: "card" }, h("h3", null, t("elder.devices")), worn.length ? h("ul", { class: "contacts" }, worn.map((one) => device(one, latest))) : h("p", { class: "soft" }, t("nothing"))),
      consentCard(elder, this.written),
      h("section", { class: "card" }, h("h3", null, t("elder.plan")), plan(elder))));
  }

  contact(id) {
    const known = person(id);
    const at = this.reached.get(id);
    return h("li", null, h("b", null, nameOf(known, id)), h("span", { class: "soft" }, known?.role ? word("role", known.role) : ""),
      known?.phone && (known.phone.includes("*") ? h("span", { class: "soft" }, known.phone) : h("a", { class: "tel", href: `tel:${known.phone}` }, icon("phone"), known.phone)),
      !known?.phone && !known?.asked && h("span", { class: "tag bad" }, t("elder.no_number")),
      this.reached.has(id) && known?.phone && h("span", { class: at ? "small soft" : "tag warn" }, at ? t("reach.reached", { ago: ago(at) }) : t("reach.never")));
  }
}

function device(one, latest) {
  const said = devices.get(one.id);
  const battery = said?.battery_percent ?? (latest?.device === one.id ? latest.vitals.find((v) => v.type === "battery")?.pct : null);
  return h("li", null, h("b", null, word("device", one.kind)), h("span", { class: "soft small" }, one.id),
    said && h("span", { class: `tag ${said.online ? "good" : "bad"}` }, t(said.online ? "device.online" : "device.offline")),
    battery !== null && battery !== undefined && h("span", { class: battery <= 15 ? "tag bad" : "tag" }, t("device.battery", { n: battery })),
    latest?.device === one.id && latest.seen && h("span", { class: "small soft" }, t("device.seen", { ago: ago(latest.seen) })));
}

function plan({ plan: p, thresholds }) {
  const long = (seconds) => (seconds >= 60 && seconds % 60 === 0 ? t("span.minutes", { n: seconds / 60 }) : t("span.seconds", { n: seconds }));
  const rows = ["next_after_s", "ring_s", "gap_s", "cycles", "lease_s", "fall_window_s"]
    .map((name) => [h("dt", null, t(`plan.${name}`)), h("dd", null, name === "cycles" ? p[name] : long(p[name]))]);
  const own = Object.entries(thresholds ?? {}).filter(([, section]) => typeof section === "object")
    .flatMap(([section, values]) => Object.entries(values).map(([name, value]) => `${word("vital", section)} ${word("limit", name)} ${JSON.stringify(value)}`));
  return [h("dl", { class: "values" }, rows), own.length > 0 && h("p", { class: "small" }, t("elder.own_thresholds"), t("colon"),
    thresholds.set_at ? t("with_role", { name: own.join(t("semicolon")), role: dated(thresholds.set_at) }) : own.join(t("semicolon")))];
}

const incidentLine = (incident) => h("li", null, incidentLink(incident));

export function incidentLink(incident) {
  return h("a", { class: "incident-line", href: `#/alerts/${incident.id}` }, kindIcon(incident.kind),
    h("b", null, word("kind", incident.kind)), priorityMark(incident.priority), incidentState(incident),
    h("span", { class: "soft small" }, ago(incident.raised_at)), h("span", { class: "what" }, both(incident.explain, incident.explain_en)),
    incident.resolution && h("span", { class: "soft small" }, word("disposition", incident.resolution.disposition)));
}

/** Every incident, newest first. */
function history(body, elder) {
  replace(body, h("p", { class: "empty" }, t("loading")));
  all(`/incidents?wearer=${encodeURIComponent(elder.id)}&limit=500`).then((found) => {
    found.sort((a, b) => millis(b.raised_at) - millis(a.raised_at));
    replace(body, h("section", { class: "card" }, found.length ? h("ul", { class: "plain-list" }, found.map(incidentLine)) : h("p", { class: "soft" }, t("nothing"))));
  }).catch((problem) => replace(body, h("p", { class: "empty" }, inWords(problem))));
  return {};
}

