// A field for the questions of a visit: what is asked, in which way it is answered, and between what one chooses.
import { faultLine, firstFault, labelled, sign, told, wide } from "./form-parts.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";

const KINDS = ["yes_no", "choice", "number", "text"];
/** What the server takes at most; in bytes there, where a Chinese character has three. */
const QUESTIONS_MAX = 50;
const CHOICES_MAX = 20;
const CHOICES_MIN = 2;
const LABEL_MAX = 66;
const CHOICE_MAX = 33;

let made = 0;

/**
 * `value` as the server takes them. The element's `chosen` are the questions; `check()` says what is missing and gives
 * where, or null.
 */
export function questionsField({ value = [] }) {
  const list = h("div", { class: "questions" });
  const add = wide(t("question.add"), () => insert({ label: "", kind: "yes_no" }).querySelector("input").focus());
  const element = h("div", { class: "questions-field" }, list, add);

  function insert(question) {
    const part = questionPart(question, { up: () => part.previousElementSibling?.before(part), remove: () => { part.remove(); count(); add.focus(); } });
    list.append(part);
    count();
    return part;
  }

  function count() {
    add.disabled = list.children.length >= QUESTIONS_MAX;
  }

  for (const question of value) insert(question);
  Object.defineProperty(element, "chosen", { get: () => [...list.children].map((part, place) => ({ id: `q${place + 1}`, ...part.chosen })) });
  element.check = () => firstFault([...list.children]);
  return element;
}

function questionPart(question, { up, remove }) {
  made += 1;
  const label = h("input", { id: `question-${made}`, type: "text", maxlength: LABEL_MAX, value: question.label, autocomplete: "off" });
  const kind = h("select", { id: `question-kind-${made}`, on: { change: () => show() } }, KINDS.map((one) => h("option", { value: one, selected: one === question.kind }, t(`question.kind.${one}`))));
  const required = h("input", { type: "checkbox", checked: question.required });
  const choices = choicesPart(question.choices ?? []);
  const fault = faultLine();
  const part = h("div", { class: "question", role: "group", "aria-label": t("question.one") },
    h("div", { class: "question-head" }, labelled(t("question.label"), label), labelled(t("question.kind"), kind)), choices, fault,
    h("div", { class: "actions" }, h("label", { class: "day" }, required, h("span", null, t("question.required"))),
      sign("up", t("question.up"), (event) => { up(); event.currentTarget.focus(); }), sign("cross", t("question.remove"), remove)));
  const isChoice = () => kind.value === "choice";

  function show() {
    choices.hidden = !isChoice();
    if (isChoice()) choices.fill();
  }

  Object.defineProperty(part, "chosen", { get: () => ({ label: label.value.trim(), kind: kind.value, required: required.checked, ...(isChoice() ? { choices: choices.chosen } : {}) }) });
  part.check = () => told(fault, [
    [!label.value.trim(), "question.no_label", label],
    [isChoice() && choices.chosen.length < CHOICES_MIN, "question.few_choices", choices.empty()],
    [isChoice() && new Set(choices.chosen).size < choices.chosen.length, "question.same_choice", choices.empty()],
  ]);
  show();
  return part;
}

/** Between what one chooses: an input for each, and one more as soon as the last is written in. */
function choicesPart(values) {
  const list = h("div", { class: "choices", role: "group", "aria-label": t("question.choices"), on: { input: () => grow() } });
  const inputs = () => [...list.children];
  const insert = (value = "") => list.append(h("input", { type: "text", maxlength: CHOICE_MAX, value, autocomplete: "off", "aria-label": t("question.choice"), placeholder: t("question.choice") }));

  function grow() {
    if (inputs().length < CHOICES_MAX && (inputs().at(-1)?.value ?? "x").trim()) insert();
  }

  list.fill = () => { while (inputs().length < CHOICES_MIN) insert(); grow(); };
  list.empty = () => inputs().find((one) => !one.value.trim()) ?? inputs()[0];
  Object.defineProperty(list, "chosen", { get: () => inputs().map((one) => one.value.trim()).filter(Boolean) });
  for (const value of values) insert(value);
  return list;
}
