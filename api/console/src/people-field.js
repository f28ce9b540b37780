// A field for several people in their order: chosen by name, moved up, taken out.
import { h, replace } from "./dom.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";

/** `field`: `{name, value: [id, …], options: [[id, name], …]}`. The element's `chosen` are the ids, the first first. */
export function peopleField({ name, value = [], options }) {
  const nameOf = new Map(options);
  const list = h("ol", { class: "chosen" });
  const add = h("select", { id: `field-${name}`, name, on: { change: () => { change([...element.chosen, add.value]); add.focus(); } } });
  const element = h("div", { class: "people-field", id: `people-${name}` }, list, add);

  function change(chosen) {
    element.chosen = chosen;
    const left = options.filter(([id]) => !chosen.includes(id));
    replace(add, h("option", { value: "" }, t("people.add")), left.map(([id, text]) => h("option", { value: id }, text)));
    add.value = "";
    replace(list, chosen.map((id, place) => {
      const who = nameOf.get(id) ?? id;
      const press = (iconName, word, act) => h("button", { class: "button small", type: "button", "aria-label": t(word, { who }), title: t(word, { who }), data: { focus: `${word}-${id}` }, on: { click: act } }, icon(iconName));
      return h("li", null, h("span", null, who), place > 0 && press("up", "people.up", () => change(swapped(chosen, place))),
        press("cross", "people.out", () => change(chosen.filter((one) => one !== id))));
    }));
  }

  change(value);
  return element;
}

function swapped(chosen, place) {
  const next = [...chosen];
  [next[place - 1], next[place]] = [next[place], next[place - 1]];
  return next;
}
