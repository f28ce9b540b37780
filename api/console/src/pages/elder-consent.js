// 知情同意: who agreed to what, how and when, and when it was taken back. Alarms need none.
import { h } from "../dom.js";
import { t, word } from "../i18n.js";
import { edit } from "../registry-save.js";
import { isOneOf } from "../session.js";
import { personName } from "../store.js";
import { dated, fieldValue, fromField, millis, now } from "../time.js";
import { ask, button, failed } from "../ui.js";

const TO = ["location", "vital_signs"];
const WAYS = ["paper", "spoken", "online"];
const WRITERS = ["admin", "operator", "integration"];

/** The newest entry for a purpose: it holds, or was taken back. */
const newest = (elder, to) => (elder.consents ?? []).filter((one) => one.to === to).sort((a, b) => millis(b.given_at) - millis(a.given_at))[0];

export const hasWithdrawn = (elder, to) => millis(newest(elder, to)?.withdrawn_at ?? Infinity) <= now();

/** The card on the elder's page; `changed()` when something was written. */
export function consentCard(elder, changed) {
  const may = isOneOf(...WRITERS);
  const past = (elder.consents ?? []).filter((one) => !TO.some((to) => newest(elder, to) === one));
  return h("section", { class: "card", id: "consents" }, h("h3", null, t("consent.title")),
    h("ul", { class: "consents" }, TO.map((to) => h("li", null, standing(elder, to),
      may && actions(elder, to, changed)))),
    past.length > 0 && h("details", null, h("summary", { class: "small" }, t("consent.past", { n: past.length })),
      h("ul", { class: "plain-list" }, past.map((one) => h("li", { class: "soft small" }, word("consent_to", one.to), " · ", inWords(elder, one))))),
    h("p", { class: "soft small" }, t("consent.emergency")));
}

function standing(elder, to) {
  const one = newest(elder, to);
  const [tone, said] = !one ? ["warn", "consent.none"] : hasWithdrawn(elder, to) ? ["bad", "consent.withdrawn"] : ["good", "consent.given"];
  return h("div", null, h("b", null, word("consent_to", to)), " ", h("span", { class: `tag ${tone}` }, t(said)),
    one && h("p", { class: "soft small" }, inWords(elder, one)));
}

/** `王芳 · 书面 · 3月1日 09:00 · 编号 2026-031 · 6月1日 00:00 撤回` */
function inWords(elder, one) {
  const who = one.by ? personName(one.by) : elder.name;
  return [who, word("consent_way", one.how), dated(one.given_at), one.note, one.withdrawn_at && t("consent.withdrawn_at", { time: dated(one.withdrawn_at) })].filter(Boolean).join(" · ");
}

function actions(elder, to, changed) {
  const holds = newest(elder, to) && !hasWithdrawn(elder, to);
  const name = holds ? "consent.withdraw" : "consent.record";
  return button(t(name), { kind: "small", focus: `consent-${to}`, title: `${t(name)}${t("colon")}${word("consent_to", to)}`,
    click: () => (holds ? withdraw : record)(elder, to).then((done) => done && changed(done)).catch(failed) });
}

function record(elder, to) {
  const people = elder.guardians.map((one) => one.person ?? one);
  return ask({
    title: `${t("consent.record")}${t("colon")}${word("consent_to", to)}`, lead: t("consent.lead", { name: elder.name }), action: t("save"),
    fields: [
      { name: "by", label: t("consent.who"), kind: "select", value: "", options: [["", t("with_role", { name: elder.name, role: t("role.wearer") })], ...people.map((id) => [id, personName(id)])] },
      { name: "how", label: t("consent.how"), kind: "select", value: "paper", options: WAYS.map((way) => [way, word("consent_way", way)]) },
      { name: "given_at", label: t("looks.when"), kind: "datetime-local", value: fieldValue(now()), required: true },
      { name: "note", label: t("consent.note"), hint: t("consent.note_hint") },
    ],
    act: ({ by, how, given_at, note }) => edit("wearers", elder.id, (entry) => ({ ...entry,
      consents: [...(entry.consents ?? []), { to, how, given_at: notAhead(given_at), ...(by ? { by } : {}), ...(note ? { note } : {}) }] })),
  });
}

/** A field knows minutes only: this very minute is now, and not up to a minute ago. */
function notAhead(text) {
  return text === fieldValue(now()) ? new Date(now()).toISOString() : fromField(text);
}

function withdraw(elder, to) {
  return ask({
    title: `${t("consent.withdraw")}${t("colon")}${word("consent_to", to)}`, lead: t("consent.withdraw_lead", { name: elder.name }), action: t("consent.withdraw"), danger: true,
    act: () => edit("wearers", elder.id, (entry) => {
      const standing = newest(entry, to);
      return { ...entry, consents: entry.consents.map((one) => (one === standing ? { ...one, withdrawn_at: new Date(now()).toISOString() } : one)) };
    }),
  });
}
