// What the larger fields of a form are made of: small buttons, labelled inputs, and a line that says what is missing.
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";

export const wide = (text, click, kind = "") => h("button", { class: `button small ${kind}`, type: "button", on: { click } }, h("span", null, text));
export const labelled = (text, field) => h("div", { class: "field" }, h("label", { for: field.id }, text), field);
export const faultLine = () => h("p", { class: "problem", role: "alert", hidden: true });

/** A button that is only a sign; `text` says what it does. */
export const sign = (iconName, text, click) => h("button", { class: "button small", type: "button", "aria-label": text, title: text, on: { click } }, icon(iconName));

/** Says the first of `[isWrong, word, where]` that is; gives where, or null. */
export function told(line, faults) {
  const [, name, where] = faults.find(([isWrong]) => isWrong) ?? [];
  line.hidden = !name;
  line.textContent = name ? t(name) : "";
  return where ?? null;
}

/** Asks all, so that each says its own; gives the place of the first. */
export function firstFault(parts, first = null) {
  return parts.map((part) => part.check()).reduce((found, one) => found ?? one, first);
}
