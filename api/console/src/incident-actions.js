// What is done to an incident. Nothing is shown as done before the server has said that it is.
import { command, get } from "./api.js";
import { t, word } from "./i18n.js";
import { allowed } from "./session.js";
import { incidents, keep, person, touch, wearer, wearerName } from "./store.js";
import { millis, now, span } from "./time.js";
import { calledBy } from "./timeline.js";
import { ask, failed, inWords, toast } from "./ui.js";

/** How an incident can end, in the order in which it is offered. */
export const DISPOSITIONS = ["helped", "no_help_needed", "handed_to_family", "handed_to_120", "false_alarm", "test"];
/** What a browser forgets of a row when the server says that it is otherwise. */
const ILLEGAL = 409;

async function send(incident, action, body) {
  const after = await command(`/incidents/${incident.id}/actions/${action}`, body);
  take(after);
  return after;
}

function take(entity) {
  if (!entity?.id) return;
  keep(incidents, entity);
  touch("incident");
}

/** Says who has it, when somebody else was faster, and shows it as it is. */
async function lost(incident, problem) {
  if (problem.status !== ILLEGAL) return failed(problem);
  const fresh = await get(`/incidents/${incident.id}`).catch(() => null);
  take(fresh);
  const holder = problem.document.holder ?? fresh?.acknowledged_by?.person;
  toast(holder ? t("acknowledge.lost", { who: calledBy(holder) }) : inWords(problem), { kind: "bad" });
}

const ACTS = {
  async acknowledge(incident) {
    const after = await send(incident, "acknowledge", {});
    const left = millis(after.acknowledged_by.until) - now();
    toast(t("acknowledge.done", { span: span(left) }), { kind: "good" });
  },
  extend: async (incident) => {
    const after = await send(incident, "extend", {});
    toast(t("acknowledge.done", { span: span(millis(after.acknowledged_by.until) - now()) }), { kind: "good" });
  },
  take_order: (incident) => send(incident, "take_order", {}),
  arrive: (incident) => dialog(incident, "arrive", [note()]),
  note: (incident) => dialog(incident, "note", [note(true)]),
  escalate: (incident) => dialog(incident, "escalate", [note()], { lead: t("escalate.lead"), danger: true }),
  reopen: (incident) => dialog(incident, "reopen", [{ ...note(true), label: t("field.reason") }], { lead: t("reopen.lead") }),
  resolve: (incident) => dialog(incident, "resolve", [
    { name: "disposition", label: t("field.disposition"), kind: "select", value: "helped",
      options: DISPOSITIONS.map((name) => [name, word("disposition", name)]) },
    note(incident.priority === "high"),
  ], { lead: ["sos", "fall"].includes(incident.kind) ? t("resolve.needs") : undefined }),
};

const note = (required = false) =>
  ({ name: "note", label: t(required ? "field.note_needed" : "field.note"), kind: "area", required });

function dialog(incident, action, fields, more = {}) {
  const name = `${wearerName(incident.wearer)} · ${word("kind", incident.kind)}`;
  return ask({
    title: t(`ask.${action}`, { name }), fields, action: t(`action.${action}`), ...more,
    act: (values) => send(incident, action, withoutEmpty(values)),
  });
}

const withoutEmpty = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));

/** Does one of the incident's actions, if it can be done now. */
export async function act(incident, action) {
  if (!allowed("incident", incident.state).includes(action)) return;
  try {
    await ACTS[action](incident);
  } catch (problem) {
    await lost(incident, problem);
  }
}

/** 代为确认: a guardian phoned the desk and goes. */
export function acknowledgeFor(incident) {
  const guardians = (wearer(incident.wearer).guardians ?? []).map((one) => one.person ?? one);
  return ask({
    title: t("onbehalf.title", { name: wearerName(incident.wearer) }), lead: t("action.on_behalf_hint"),
    fields: [{ name: "on_behalf_of", label: t("field.who"), kind: "select",
      options: guardians.map((id) => [id, person(id)?.name ?? id]) }, note()],
    action: t("action.acknowledge"), act: (values) => send(incident, "acknowledge", withoutEmpty(values)),
  });
}

/** Takes several with one note; those that somebody else has taken meanwhile are only counted. */
export function acknowledgeMany(ids) {
  return ask({
    title: t("acknowledge.bulk_title", { n: ids.length }), fields: [note(true)], action: t("queue.bulk"),
    act: async ({ note: text }) => {
      let lostCount = 0;
      for (const id of ids) {
        try {
          take(await command(`/incidents/${id}/actions/acknowledge`, { note: text }));
        } catch (problem) {
          if (problem.status !== ILLEGAL && problem.status !== 404) throw problem;
          lostCount += 1;
          take(await get(`/incidents/${id}`).catch(() => null));
        }
      }
      toast(t("acknowledge.bulk_done", { done: ids.length - lostCount, lost: lostCount }), { kind: lostCount ? "plain" : "good" });
    },
  });
}
