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
    const rows = data.map((one) => h("tr", null,
      h("td", null, dated(one.at)), h("td", null, calledBy(one.person, one.role)), h("td", null, word("look", one.action)),
      h("td", null, listed((one.fields ?? []).map((field) => word("field_name", field)))), h("td", null, why(one.purpose))));
    const heads = ["when", "who", "what", "fields", "why"].map((name) => h("th", { scope: "col" }, t(`looks.${name}`)));
    replace(body, h("section", { class: "card" }, h("p", { class: "soft" }, t("looks.lead")), rows.length
      ? h("div", { class: "table-holder" }, h("table", null, h("thead", null, h("tr", null, heads)), h("tbody", null, rows))) : h("p", { class: "soft" }, t("nothing"))));
  }).catch((problem) => replace(body, h("p", { class: "empty" }, inWords(problem))));
  return {};
}
