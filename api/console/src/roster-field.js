// A field for a duty roster: departments, and in each who is on duty, on which days, from when to when. Only a department's
// name is written; everything else is chosen, so that nothing can stand there that nobody can be called by.
import { h } from "./dom.js";
import { faultLine, firstFault, labelled, told, wide } from "./form-parts.js";
import { listed, t } from "./i18n.js";
import { peopleField } from "./people-field.js";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export const LEVELS = ["community", "street", "department"];
/** What the server takes at most. */
const UNITS_MAX = 50;
const SHIFTS_MAX = 100;
const NAME_MAX = 33;
const DAY_MINUTES = 24 * 60;
/** How many of the times that nobody covers are told. */
const GAPS_TOLD = 3;
const DAYTIME = { people: [], days: DAYS, from: "08:00", to: "20:00" };

let made = 0;

/**
 * `units` as the server gives them, `options`: `[[id, name], …]` of whoever can be on duty, `level` of a new department.
 * The element's `chosen` are the units as the server takes them; `check()` says what is missing, goes there, and gives
 * whether all is there.
 */
export function rosterField({ units, options, level }) {
  const list = h("div", { class: "roster-units" });
  const gaps = h("p", { class: "gaps", role: "status" });
  const add = wide(t("roster.add_unit"), () => insert({ name: "", level, shifts: [DAYTIME] }).querySelector("input").focus());
  const element = h("div", { class: "roster", on: { change: () => tell(), click: () => tell() } }, list, add, gaps);

  function insert(unit) {
    const part = unitPart(unit, options, () => { part.remove(); add.focus(); });
    list.append(part);
    return part;
  }

  /** The times of the week at which nobody is on duty. */
  function tell() {
    add.disabled = list.children.length >= UNITS_MAX;
    const open = uncovered(element.chosen);
    gaps.hidden = open.length === 0 || list.children.length === 0;
    gaps.textContent = `${t("roster.gaps")}${t("colon")}${listed(open.slice(0, GAPS_TOLD))}${open.length > GAPS_TOLD ? t("roster.more", { n: open.length - GAPS_TOLD }) : ""}`;
  }

  Object.defineProperty(element, "chosen", { get: () => {
    const ids = new Set([...list.children].map((part) => part.unit.id));
    return [...list.children].map((part) => ({ ...part.chosen, id: part.unit.id ?? free(ids) }));
  } });
  element.check = () => firstFault([...list.children]);
  for (const unit of units.length ? units : [{ name: "", level, shifts: [DAYTIME] }]) insert(unit);
  tell();
  return element;
}

function unitPart(unit, options, remove) {
  made += 1;
  const name = h("input", { id: `unit-${made}`, type: "text", maxlength: NAME_MAX, value: unit.name, autocomplete: "off" });
  const level = h("select", { id: `level-${made}` }, LEVELS.map((one) => h("option", { value: one, selected: one === unit.level }, t(`roster.level.${one}`))));
  const shifts = h("div", { class: "roster-shifts" });
  const add = wide(t("roster.add_shift"), () => insert(after(shifts.lastElementChild?.chosen)).querySelector("select").focus());
  const fault = faultLine();
  const part = h("fieldset", { class: "roster-unit" }, h("legend", null, t("roster.unit")),
    h("div", { class: "two" }, labelled(t("roster.name"), name), labelled(t("roster.level"), level)), shifts,
    h("div", { class: "actions" }, wide(t("roster.drop_unit"), remove, "warn"), add), fault);

  function insert(shift) {
    const line = shiftPart(shift, options, () => { line.remove(); add.disabled = false; add.focus(); });
    shifts.append(line);
    add.disabled = shifts.children.length >= SHIFTS_MAX;
    return line;
  }

  for (const shift of unit.shifts) insert(shift);
  part.unit = unit;
  Object.defineProperty(part, "chosen", { get: () => ({ name: name.value.trim(), level: level.value, shifts: [...shifts.children].map((line) => line.chosen) }) });
  part.check = () => firstFault([...shifts.children], told(fault, [
    [!name.value.trim(), "roster.no_name", name],
    [!shifts.children.length, "roster.no_shift", add],
  ]));
  return part;
}

function shiftPart(shift, options, remove) {
  made += 1;
  const people = peopleField({ name: `shift-${made}`, value: shift.people, options });
  people.querySelector("select").setAttribute("aria-label", t("roster.who"));
  const days = DAYS.map((day) => h("input", { type: "checkbox", value: day, checked: shift.days.includes(day) }));
  const time = (name, value) => h("input", { id: `${name}-${made}`, type: "time", step: 60, required: true, value: value === "24:00" ? "00:00" : value });
  const [from, to] = [time("from", shift.from), time("to", shift.to)];
  const over = h("span", { class: "soft small", role: "status" });
  const fault = faultLine();
  const all = (title, wanted) => wide(title, () => { for (const box of days) box.checked = wanted.includes(box.value); });
  const line = h("div", { class: "roster-shift", role: "group", "aria-label": t("roster.shift") }, h("b", null, t("roster.who")), people,
    h("div", { class: "roster-days", role: "group", "aria-label": t("roster.days") }, days.map((box) => h("label", { class: "day" }, box, h("span", null, t(`day.${box.value}`))))),
    h("div", { class: "actions roster-quick" }, all(t("roster.every_day"), DAYS), all(t("roster.workdays"), DAYS.slice(0, 5)), all(t("roster.weekend"), DAYS.slice(5))),
    h("div", { class: "roster-times" }, labelled(t("roster.from"), from), labelled(t("roster.to"), to), over), fault,
    wide(t("roster.drop_shift"), remove, "warn"));
  const say = () => { over.textContent = !from.value || !to.value || from.value < to.value ? "" : t(from.value === to.value ? "roster.whole_day" : "roster.next_day"); };
  line.addEventListener("input", say);
  say();
  Object.defineProperty(line, "chosen", { get: () => ({ people: people.chosen, days: days.filter((box) => box.checked).map((box) => box.value), from: from.value, to: to.value }) });
  line.check = () => told(fault, [
    [!people.chosen.length, "roster.no_people", people.querySelector("select")],
    [!days.some((box) => box.checked), "roster.no_day", days[0]],
    [!from.value, "roster.no_from", from], [!to.value, "roster.no_to", to],
  ]);
  return line;
}

/** The shift that follows: from when the last one ends to when it began. */
const after = (last) => (last ? { people: [], days: last.days, from: last.to, to: last.from } : DAYTIME);

function free(ids) {
  let number = 1;
  while (ids.has(`unit-${number}`)) number += 1;
  ids.add(`unit-${number}`);
  return `unit-${number}`;
}

/** `周六 08:00 – 周日 20:00`, for each stretch of the week in which no shift runs. */
function uncovered(units) {
  const week = new Array(DAYS.length * DAY_MINUTES).fill(false);
  const minute = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  for (const { people, days, from, to } of units.flatMap((unit) => unit.shifts)) {
    if (!people.length || !from || !to) continue;
    const long = (minute(to) - minute(from) + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES;
    for (const day of days) for (let n = 0; n < long; n += 1) week[(DAYS.indexOf(day) * DAY_MINUTES + minute(from) + n) % week.length] = true;
  }
  const first = week.indexOf(true);
  if (first < 0) return [t("roster.always")];
  const at = (place) => `${t(`day.${DAYS[Math.floor(place / DAY_MINUTES) % DAYS.length]}`)} ${String(Math.floor(place / 60) % 24).padStart(2, "0")}:${String(place % 60).padStart(2, "0")}`;
  const found = [];
  // Once around the week, beginning where somebody is there.
  for (let n = first, began = null; n <= first + week.length; n += 1) {
    if (!week[n % week.length]) began ??= n;
    else if (began !== null) { found.push(`${at(began)}–${at(n)}`); began = null; }
  }
  return found;
}
