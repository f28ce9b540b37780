// An incident's story in words: made of the incident, its attempts and what the feed told, one line for each step.
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { both, listed, t, word } from "./i18n.js";
import { me } from "./session.js";
import { attempts, devices, nameOf, person, steps, wearerName } from "./store.js";
import { clock, millis } from "./time.js";

/** Texts of one kind that were decided within so long are told as one; every call is told. */
const TOGETHER_MS = 1_500;
/** A token's public name: no person in the registry. */
const TOKEN_ID = /^[0-9a-f]{10}$/;
/** Of what happened in the same millisecond, the cause is told before its effect. */
const CAUSES_FIRST = ["occurrence", "outcome", "taken", "case", "exhausted", "console", "sent"];

/** A person as a sentence names them. */
export function calledBy(id, role) {
  if (!id) return t("engine");
  if (id === "desk") return t("desk");
  if (TOKEN_ID.test(id)) return t("token_of", { id: id.slice(0, 4) });
  if (id === me?.person && me.name) return me.name;
  const known = person(id);
  const name = nameOf(known, id);
  const said = role ?? known?.role;
  return said && said !== "guardian" && known?.name ? t("with_role", { name, role: word("role", said) }) : name;
}

const callee = (attempt) => calledBy(attempt.callee.person, attempt.callee.role);

/** The lines, oldest first: `{at, icon, tone, text, key}`. */
export function lines(incident) {
  const found = new Map();
  const add = (key, at, iconName, text, tone = "") => {
    if (!found.has(key)) found.set(key, { key, at: millis(at), icon: iconName, text, tone });
  };
  begin(incident, add);
  sent([...attempts(incident.id).values()], add);
  for (const attempt of attempts(incident.id).values()) ended(attempt, add);
  for (const event of steps(incident.id)) told(incident, event, add);
  asItStands(incident, add);
  const rank = ({ key }) => CAUSES_FIRST.indexOf(key.split(":")[0]);
  return [...found.values()].sort((a, b) => a.at - b.at || rank(a) - rank(b));
}

function begin(incident, add) {
  incident.occurrences.forEach((occurrence, place) => {
    const kind = word("kind", occurrence.kind);
    const places = {
      name: wearerName(incident.wearer), kind, explain: beyond(kind, both(occurrence.explain.zh, occurrence.explain.en)), battery: battery(occurrence.device),
    };
    const plain = ["sos", "fall"].includes(occurrence.kind) ? `line.${occurrence.kind}` : "line.raised";
    const name = place === 0 || occurrence.kind === "sos" ? plain : "line.recurred";
    add(`occurrence:${place}`, occurrence.at, "bell", t(name, places), occurrence.priority);
  });
}

/** What the explanation adds to the kind, which stands before it. */
const beyond = (kind, explain) => (explain.startsWith(`${kind}：`) ? explain.slice(kind.length + 1) : explain);

function battery(device) {
  const percent = devices.get(device)?.battery_percent;
  return percent === undefined || percent === null ? "" : t("line.battery", { n: percent });
}

const PURPOSES = { alert: null, taken: "line.taken", ended: "line.told_end", reminder: "line.reminder", position: "line.position" };
const ICONS = { sms: "message", push: "message", email: "message", robot: "message", voice: "phone" };

/** Who was written to or called, those of one moment in one line. */
function sent(all, add) {
  const groups = [];
  for (const attempt of all.toSorted((a, b) => millis(a.created_at) - millis(b.created_at))) {
    const at = millis(attempt.created_at);
    const group = attempt.channel !== "voice" && groups.find((one) => one.channel === attempt.channel && one.purpose === attempt.purpose &&
      at - one.at <= TOGETHER_MS);
    const who = callee(attempt);
    if (!group) groups.push({ at, channel: attempt.channel, purpose: attempt.purpose, who: [who], id: attempt.id });
    else if (!group.who.includes(who)) group.who.push(who);
  }
  for (const group of groups) {
    const name = PURPOSES[group.purpose] ?? `line.sent.${group.channel}`;
    add(`sent:${group.id}`, group.at, ICONS[group.channel], t(name, { who: listed(group.who) }));
  }
}

/** How a call ended; that a text was received is not worth a line of its own. */
function ended(attempt, add) {
  // Whoever pressed 2 or wrote that they cannot come used a key or a reply, too; whoever rejected the call said nothing.
  const isRejected = attempt.state === "declined" && attempt.outcome === "declined";
  const outcome = isRejected ? "rejected" : ["cancelled", "declined"].includes(attempt.state) ? attempt.state : attempt.outcome;
  if (!outcome || (attempt.channel !== "voice" && !["failed", "reply", "unreachable", "declined"].includes(outcome))) return;
  if (outcome === "delivered") return;
  const tone = ["key", "reply"].includes(outcome) ? "good" : outcome === "answered" || outcome === "cancelled" ? "" : "bad";
  const text = t(`line.outcome.${outcome}`, { who: callee(attempt), channel: word("channel", attempt.channel) });
  const iconName = tone === "good" ? "check" : tone === "bad" ? "cross" : ICONS[attempt.channel];
  add(`outcome:${attempt.id}:${outcome}`, attempt.changed_at, iconName, text, tone);
}

/** What only the feed knows: steps that a later one has overwritten. */
function told(incident, { type, time, data }, add) {
  if (type.startsWith("attempt.")) return ended({ ...data, changed_at: time }, add);
  if (type === "incident.acknowledged") taken(data, add);
  else if (type === "incident.lease_expired") add(`expired:${time}`, time, "clock", t("line.lease_expired"), "bad");
  else if (type === "incident.exhausted") exhausted(data, time, add);
  else if (type === "incident.reopened") add(`reopened:${time}`, time, "back", t("line.reopened"), "medium");
  else if (type === "incident.cleared") add(`cleared:${time}`, time, "check", t("line.cleared"), "good");
  else if (type === "incident.on_site") arrived(data, time, add);
}

function taken(incident, add) {
  const by = incident.acknowledged_by;
  if (!by) return;
  const how = by.channel ? t("line.how", { channel: word("channel", by.channel) }) : "";
  const places = { who: calledBy(by.person), how, time: clock(by.until) };
  add(`taken:${by.at}:${by.person}`, by.at, "person", t("line.acknowledged", places), "good");
}

/** It became the desk's: where somebody watches a console, that has it before the phones ring. */
function exhausted(incident, time, add) {
  add(`exhausted:${time}`, time, "bell", t("line.exhausted"), "high");
  if (incident.console_until) add(`console:${time}`, time, "clock", t("line.console_first", { n: Math.round((millis(incident.console_until) - millis(time)) / 1000), time: clock(incident.console_until) }));
}

function arrived(incident, time, add) {
  add("on_site", time, "door", t("line.on_site", { who: calledBy(incident.on_site_by) }), "good");
}

/** What the incident itself says, for the part that the feed no longer tells. */
function asItStands(incident, add) {
  taken(incident, add);
  if (incident.on_site_by) arrived(incident, incident.changed_at, add);
  if (incident.doctor_order) {
    const { by, at } = incident.doctor_order;
    add(`order:${at}`, at, "doctor", t("line.order", { who: calledBy(by) }), "good");
  }
  if (incident.case) add("case", incident.raised_at, "case", t("line.case", { id: incident.case }));
  incident.notes.forEach((note, place) =>
    add(`note:${place}`, note.at, "note", t("line.note", { who: calledBy(note.by), text: note.text })));
  if (incident.resolution) {
    const { by, at, disposition, note } = incident.resolution;
    const what = word("disposition", disposition);
    add("resolved", at, "check", t("line.resolved", { who: calledBy(by), what, note: note ? ` · ${note}` : "" }), "good");
  }
}

/** The list as it is shown. */
export function timeline(incident) {
  return h("ol", { class: "timeline" }, lines(incident).map((line) => {
    const thousandths = String(((line.at % 1000) + 1000) % 1000).padStart(3, "0");
    return h("li", { class: `line ${line.tone}` },
      h("time", { datetime: new Date(line.at).toISOString() }, clock(line.at), h("small", null, `.${thousandths}`)),
      icon(line.icon), h("span", { class: "text" }, line.text));
  }));
}

/** Who is being called at this moment: `{attempt, name, answered}` of the newest open call, or null. */
export function callingNow(incident, ask = true) {
  let newest = null;
  for (const attempt of attempts(incident.id, ask).values()) {
    if (attempt.channel !== "voice" || attempt.purpose !== "alert") continue;
    if (!["pending", "sending", "accepted", "delivered", "answered"].includes(attempt.state)) continue;
    if (!newest || millis(attempt.created_at) > millis(newest.created_at)) newest = attempt;
  }
  return newest && { attempt: newest, name: callee(newest), answered: newest.state === "answered" };
}
