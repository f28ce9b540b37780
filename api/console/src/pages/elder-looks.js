// Who looked at this elder's places and vital signs, and why.
import { get } from "../api.js";
import { h, replace } from "../dom.js";
import { listed, t, word } from "../i18n.js";
import { calledBy } from "../timeline.js";
import { dated } from "../time.js";
import { inWords } from "../ui.js";

/** A reason: what these pages give themselves in words, what a person wrote as it is. */
function why(purpose) {
  const incident = /^incident (\S+)$/.exec(purpose ?? "")?.[1];
  return incident ? t("looks.incident", { id: incident }) : purpose ? word("look_purpose", purpose) : "";
}

export function lookedAt(body, elder) {
  replace(body, h("p", { class: "empty" }, t("loading")));
  get(`/audit?wearer=${encodeURIComponent(elder.id)}&limit=200`).then(({ data }) => {
    const names = ["when", "who", "what", "fields", "why"].map((name) => t(`looks.${name}`));
    const rows = data.map((one) => h("tr", null, [dated(one.at), calledBy(one.person, one.role), word("look", one.action),
      listed((one.fields ?? []).map((field) => word("field_name", field))), why(one.purpose)].map((text, place) => h("td", text ? { data: { label: names[place] } } : { class: "none" }, text))));
    const heads = names.map((name) => h("th", { scope: "col" }, name));
    replace(body, h("section", { class: "card" }, h("p", { class: "soft" }, t("looks.lead")), rows.length
      ? h("div", { class: "table-holder" }, h("table", { class: "as-cards" }, h("thead", null, h("tr", null, heads)), h("tbody", null, rows))) : h("p", { class: "soft" }, t("nothing"))));
  }).catch((problem) => replace(body, h("p", { class: "empty" }, inWords(problem))));
  return {};
}
