// One incident: what is so now, what can be done, who can be reached, and what happened so far.
import { get } from "../api.js";
import { h, replace, replaceIf } from "../dom.js";
import { icon } from "../icons.js";
import { both, listed, t, word } from "../i18n.js";
import { act, acknowledgeFor } from "../incident-actions.js";
import { allowed } from "../session.js";
import * as sound from "../sound.js";
import { cases, incidents, isRunning, keep, nameOf, orgs, person, touch, wearer, wearerName } from "../store.js";
import { ago, clock, countdown, millis, now } from "../time.js";
import { calledBy, callingNow, lines, timeline } from "../timeline.js";
import { button, inWords, incidentState, instead, kindMark, priorityMark } from "../ui.js";

/** Device and server disagree by more than this: both times are shown. */
const CLOCKS_APART_MS = 60_000;
const MAIN = { notifying: "acknowledge", raised: "acknowledge", exhausted: "acknowledge", acknowledged: "arrive", on_site: "resolve" };
const ICONS = { acknowledge: "check", extend: "clock", arrive: "door", resolve: "flag", escalate: "up", reopen: "back", note: "note", take_order: "doctor" };

export class Detail {
  constructor({ onBack }) {
    this.onBack = onBack;
    this.now = h("div", { class: "now", role: "status" });
    this.parts = Object.fromEntries(["head", "actions", "warnings", "story", "contacts"].map((name) => [name, h("div")]));
    this.parts.columns = h("div", { class: "columns" }, this.parts.story, this.parts.contacts);
    this.element = h("section", { class: "detail", "aria-label": t("detail.timeline"), tabindex: "-1" });
    /** Incidents that were asked for one by one, with why one cannot be shown. */
    this.asked = new Map();
  }

  /** `anybody`: whether there is anything to pick. */
  show(id, incident, anybody = true) {
    this.incident = incident;
    if (!id && anybody) return this.say(t("queue.pick"));
    if (!id) return replace(this.element, h("div", { class: "empty calm" }, icon("check"), h("p", { class: "calm-said" }, t("queue.empty_pick")), !sound.isArmed() && h("p", null, t("queue.empty_silent"))));
    if (!incident) {
      this.fetch(id);
      const missing = this.asked.get(id);
      if (!missing) return this.say(t("loading"));
      // Once it is said it stays, with its way back under the finger, whatever else is drawn anew.
      return this.element.querySelector(".empty .back") ? undefined : replace(this.element, instead(missing, "#/alerts"));
    }
    this.drawNow();
    const { head, actions, warnings, story, contacts: people, columns } = this.parts;
    const elder = wearer(incident.wearer);
    const sign = [incident.id, incident.version, elder?.name, orgs.get(incident.org)?.name, elder?.guardians?.length, cases.get(incident.case)?.state].join("|");
    replaceIf(head, sign, () => this.head(incident));
    replaceIf(actions, sign, () => this.actions(incident));
    replaceIf(warnings, sign, () => this.warnings(incident));
    replaceIf(story, JSON.stringify(lines(incident)), () => h("div", { class: "block story" }, h("h3", null, t("detail.timeline")), timeline(incident)));
    replaceIf(people, `${sign} ${(elder?.guardians ?? []).map((one) => person(one.person ?? one)?.name)} ${elder?.doctor && person(elder.doctor)?.name}`,
      () => h("div", { class: "block" }, h("h3", null, t("detail.contacts")), contacts(incident)));
    if (!head.isConnected) replace(this.element, head, this.now, actions, warnings, columns);
  }

  say(text) {
    replace(this.element, h("p", { class: "empty" }, text));
  }

  /** An incident that ended before this page was opened is not in the list of open ones. */
  fetch(id) {
    if (this.asked.has(id)) return;
    this.asked.set(id, "");
    get(`/incidents/${encodeURIComponent(id)}`).then((incident) => keep(incidents, incident))
      .catch((problem) => this.asked.set(id, inWords(problem))).finally(() => touch("incident"));
  }

  tick() {
    if (!this.incident) return;
    this.drawNow();
    for (const element of this.element.querySelectorAll("[data-ago]")) element.textContent = ago(element.dataset.ago);
  }

  head(incident) {
    const elder = wearer(incident.wearer);
    const years = elder?.birth_year && new Date(now()).getFullYear() - elder.birth_year;
    const [occurrence] = incident.occurrences;
    const apart = occurrence && Math.abs(millis(occurrence.at) - millis(occurrence.measured)) > CLOCKS_APART_MS;
    return h("header", { class: `detail-head ${incident.priority}` },
      h("div", { class: "head-ways" }, h("button", { class: "button small back", type: "button", on: { click: this.onBack } }, icon("back"), h("span", null, t("back"))),
        button(t("map.where"), { kind: "small", iconName: "map", click: () => document.querySelector(".map-pane")?.scrollIntoView() })),
      h("div", { class: "detail-title" },
        h("h2", null, h("a", { href: `#/elders/${encodeURIComponent(incident.wearer)}` }, wearerName(incident.wearer))),
        years && h("span", { class: "soft" }, t("detail.years", { n: years })),
        h("span", { class: "soft" }, orgs.get(incident.org)?.name ?? incident.org)),
      h("div", { class: "detail-marks" }, kindMark(incident.kind, incident.priority), priorityMark(incident.priority), incidentState(incident),
        incident.condition === "cleared" && h("span", { class: "tag good" }, t("condition.cleared")),
        incident.late && h("span", { class: "tag" }, t("late")), incident.test && h("span", { class: "tag" }, t("test")),
        incident.occurrence_count > 1 && h("span", { class: "tag" }, t("detail.occurrences", { n: incident.occurrence_count }))),
      h("p", { class: "explain" }, both(incident.explain, incident.explain_en)),
      h("p", { class: "soft small" }, apart
        ? t("detail.measured", { measured: clock(occurrence.measured), received: clock(occurrence.at) })
        : h("span", { data: { ago: incident.raised_at } }, ago(incident.raised_at)),
      incident.case && [" · ", h("a", { href: `#/cases/${incident.case}` }, `${t("detail.case")} ${incident.case}`)]));
  }

  /** The one sentence: what is happening at this moment. */
  drawNow() {
    const incident = this.incident;
    const [tone, text] = sentence(incident);
    if (this.now.dataset.tone === tone && this.now.textContent === text) return;
    this.now.dataset.tone = tone;
    replace(this.now, icon(tone === "calling" ? "phone" : tone === "good" ? "check" : "bell"), h("strong", null, text));
  }

  actions(incident) {
    const offered = allowed("incident", incident.state);
    const main = MAIN[incident.state];
    const sorted = [...offered].sort((a, b) => (b === main) - (a === main));
    const followUp = incident.state === "resolved" && cases.get(incident.case);
    return h("div", { class: "actions wide" }, followUp && isRunning(followUp) && h("a", { class: "button primary big", href: `#/cases/${followUp.id}` }, icon("case"),
      h("span", null, t("detail.case_goes_on", { state: word("case_state", followUp.state) }))), sorted.map((action) => button(t(`action.${action}`), {
      kind: action === main ? "primary big" : action === "escalate" ? "warn" : "", iconName: ICONS[action], focus: `act-${action}`,
      title: action === "acknowledge" ? t("action.hint.acknowledge") : undefined, click: () => act(incident, action),
    })), offered.includes("acknowledge") && (wearer(incident.wearer)?.guardians ?? []).length > 0 &&
      button(t("action.on_behalf"), { iconName: "person", focus: "act-behalf", title: t("action.on_behalf_hint"), click: () => acknowledgeFor(incident) }));
  }

  warnings(incident) {
    const said = [];
    if (incident.unreachable) said.push(t("detail.unreachable"));
    if (incident.contacts_to_fix.length) {
      said.push(t("detail.contacts_to_fix", { who: listed(incident.contacts_to_fix.map((id) => calledBy(id))) }));
    }
    return said.map((text) => h("p", { class: "warning" }, icon("sos"), h("span", null, text)));
  }
}

/** `[tone, text]` */
function sentence(incident) {
  const by = incident.acknowledged_by;
  if (incident.state === "acknowledged" && by) {
    const left = millis(by.until) - now();
    return [left < 60_000 ? "late" : "good", t("now.acknowledged", { who: calledBy(by.person), left: countdown(left) })];
  }
  if (incident.state === "on_site") return ["good", t("now.on_site", { who: calledBy(incident.on_site_by) })];
  if (incident.state === "exhausted") {
    const left = millis(incident.console_until ?? 0) - now();
    return ["late", left > 0 ? t("now.console_first", { left: countdown(left) }) : t("now.exhausted")];
  }
  if (incident.state === "resolved") {
    const { by: who, at, disposition } = incident.resolution ?? {};
    return ["done", t("now.resolved", { who: calledBy(who), time: clock(at ?? incident.changed_at), what: word("disposition", disposition) })];
  }
  const calling = callingNow(incident);
  if (!calling) return incident.priority === "low" ? ["done", t("now.told")] : ["calling", t("now.between")];
  return ["calling", t(calling.answered ? "now.answered" : calling.attempt.state === "accepted" || calling.attempt.state === "delivered" ? "now.ringing" : "now.calling", { who: calling.name })];
}

/** Who is called for this elder, in this order, with the number where it may be seen. */
export function contacts(incident) {
  const elder = wearer(incident.wearer);
  const people = [...(elder?.guardians ?? []).map((one) => one.person ?? one), ...(elder?.doctor ? [elder.doctor] : [])];
  const desk = deskOf(incident.org);
  const entry = (name, role, phone) => h("li", null, h("b", null, name), h("span", { class: "soft" }, role),
    phone && (phone.includes("*") ? h("span", { class: "soft" }, phone) : h("a", { class: "tel", href: `tel:${phone}` }, icon("phone"), phone)));
  return h("ul", { class: "contacts" }, people.map((id) => {
    const known = person(id);
    return entry(nameOf(known, id), known?.role ? word("role", known.role) : "", known?.phone);
  }), desk && entry(t("desk"), desk.name, desk.phone), elder?.phone && entry(wearerName(incident.wearer), t("role.wearer"), elder.phone));
}

function deskOf(org) {
  for (let path = org; path && path.length > 1; path = path.replace(/[^/]+\/$/, "")) {
    const found = orgs.get(path);
    if (found?.desk) return { name: found.name, phone: found.desk.phone };
  }
  return null;
}
