// 巡访: a round of visits with questions, and what was found at each.
import { all, command } from "./api.js";
import { h } from "./dom.js";
import { listed, t } from "./i18n.js";
import { orgs } from "./store.js";
import { ask, toast } from "./ui.js";

const WHO = ["living_alone", "uncovered", "listed"];
const names = (line) => line.split(/[\s,，、]+/).filter(Boolean);

/** The questions of a visit as fields of a dialog. */
export function questions(one) {
  const yesNo = [["", "—"], ["true", t("yes")], ["false", t("no")]];
  return (one.form ?? []).map((question) => ({
    name: `answer:${question.id}`, label: question.label, required: question.required,
    ...{ yes_no: { kind: "select", value: "", options: yesNo }, choice: { kind: "select", value: "", options: [["", "—"], ...(question.choices ?? []).map((choice) => [choice, choice])] },
      number: { kind: "number", step: "any" }, text: { kind: "text" } }[question.kind],
  }));
}

/** Takes the answers out of a dialog's values, as the API takes them. */
export function answered(values) {
  const answers = {};
  const rest = {};
  for (const [name, value] of Object.entries(values)) {
    if (!name.startsWith("answer:")) rest[name] = value;
    else if (value !== "") answers[name.slice("answer:".length)] = value;
  }
  return Object.keys(answers).length ? { ...rest, answers } : rest;
}

/** What was asked at a visit, and what was found. */
export function answersOf(one) {
  if (!one.form?.length) return null;
  const found = new Map((one.answers ?? []).map((answer) => [answer.id, answer.value]));
  const said = (value) => ({ true: t("yes"), false: t("no") })[value] ?? value ?? t("patrol.not_asked");
  return h("div", { class: "block" }, h("h3", null, t("patrol.answers")), h("dl", { class: "values" },
    one.form.map((question) => [h("dt", null, question.label), h("dd", null, said(found.get(question.id)))])));
}

/** Elders as somebody writes them, by name or by number, as the API takes them. */
async function idsOf(written) {
  const elders = await all("/wearers?limit=500");
  return written.map((text) => {
    const found = elders.filter((one) => one.id === text || one.name === text);
    if (found.length === 1) return found[0].id;
    throw new Error(found.length ? t("patrol.several", { name: text, ids: listed(found.map((one) => one.id)) }) : t("patrol.unknown", { name: text }));
  });
}

/** Begins a round: whom to visit, and what to ask. */
export function startPatrol() {
  const withDesk = [...orgs.values()].findLast((org) => org.desk) ?? [...orgs.values()][0];
  return ask({
    title: t("patrol.start"), lead: t("patrol.lead"), action: t("patrol.start"), wide: true,
    fields: [{ name: "name", label: t("fence.name"), required: true, value: t("patrol.name") },
      { name: "org", label: t("field.org"), kind: "select", value: withDesk?.path, options: [...orgs.values()].map((org) => [org.path, org.name]) },
      { name: "who", label: t("patrol.who"), kind: "select", value: WHO[0], options: WHO.map((who) => [who, t(`patrol.who.${who}`)]) },
      { name: "wearers", label: t("patrol.wearers"), required: true, when: ({ who }) => who === "listed" },
      { name: "form", label: t("patrol.form"), kind: "questions", value: usual() }],
    act: async ({ name, org, who, wearers, form }) => command("/patrols", { name, org, who, wearers: who === "listed" ? await idsOf(names(wearers)) : [], form }),
  }).then((made) => made && toast(t("patrol.started", { n: made.cases?.length ?? 0 }), { kind: "good" }));
}

/** What is asked as a rule, to begin with. */
function usual() {
  return [{ label: t("patrol.usual.spirits"), kind: "yes_no" },
    { label: t("patrol.usual.medicine"), kind: "choice", choices: [t("patrol.usual.on_time"), t("patrol.usual.sometimes"), t("patrol.usual.not_taken")] },
    { label: t("patrol.usual.needs"), kind: "text" }];
}
