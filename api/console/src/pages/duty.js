// 值班与交接: who is on duty where, and what the next shift has to know.
import { command, get } from "../api.js";
import { handlers } from "../case-actions.js";
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { both, listed, t, word } from "../i18n.js";
import { isOneOf, me } from "../session.js";
import { cases, incidents, isRunning, orgs, person, subscribe, tasks, wearerName } from "../store.js";
import { ago, dated, millis, now } from "../time.js";
import { calledBy } from "../timeline.js";
import { ask, button, failed, inWords, toast } from "../ui.js";
import { incidentLink } from "./elder.js";

const SHIFT_MS = 12 * 3_600_000;

export function dutyPage(main) {
  const rosterHolder = h("section", { class: "card" });
  const handover = h("section", { class: "card wide" });
  const todo = h("section", { class: "card" });
  const choose = h("select", { "aria-label": t("duty.org"), on: { change: () => readRoster() } });
  main.append(h("header", { class: "page-head" }, h("h1", null, t("nav.duty")), h("label", { class: "inline-field" }, h("span", null, t("duty.org")), choose),
    button(t("duty.print"), { kind: "small", click: () => print() })), h("div", { class: "grid page-grid duty-grid" }, handover, rosterHolder, todo));
  let roster = null;
  let fault = "";
  let version = 0;

  function fill() {
    const mine = [...orgs.values()].filter((org) => !me?.org || org.path.startsWith(me.org));
    if (choose.options.length === mine.length) return;
    replace(choose, mine.map((org) => h("option", { value: org.path }, org.name)));
    const withDesk = mine.findLast((org) => org.desk) ?? mine[0];
    if (withDesk) { choose.value = withDesk.path; readRoster(); }
  }

  async function readRoster() {
    try {
      const answer = await get(`/duty?org=${encodeURIComponent(choose.value)}`);
      roster = answer;
      version = answer.version;
      drawRoster();
    } catch (problem) {
      roster = null;
      fault = problem.status === 404 ? t("duty.none") : inWords(problem);
      drawRoster();
    }
  }

  function drawRoster() {
    if (!roster) return replace(rosterHolder, h("h3", null, t("duty.roster")), desk(choose.value), fault && h("p", { class: "soft" }, fault), editButton());
    const onNow = roster.on_duty ?? [];
    const units = roster.units ?? [];
    replace(rosterHolder, h("h3", null, t("duty.roster")), desk(choose.value),
      units.length === 0 && h("p", { class: "soft" }, t("duty.none")), units.map((unit) => h("div", { class: "unit" }, h("b", null, unit.name), h("ul", { class: "contacts" }, unit.shifts.map((shift) => h("li", null,
        h("span", null, listed(shift.people.map((id) => person(id)?.name ?? id))), h("span", { class: "soft small" }, shiftWords(shift))))))),
      onNow.length > 0 && h("p", null, t("on_duty"), t("colon"), listed(onNow.flatMap((one) => one.people).map((id) => calledBy(id)))), editButton());
  }

  function desk(path) {
    const org = orgs.get(path);
    return org?.desk && h("p", null, t("desk"), t("colon"), listed((org.desk.people ?? []).map((id) => person(id)?.name ?? id)), " ", org.desk.phone && h("a", { class: "tel", href: `tel:${org.desk.phone}` }, icon("phone"), org.desk.phone));
  }

  function editButton() {
    return isOneOf("admin", "operator", "desk", "street") && button(t("duty.edit"), { kind: "small", click: () => editRoster().catch(failed) });
  }

  async function editRoster() {
    const team = await handlers();
    const units = (roster?.units ?? []).map((unit) => ({ id: unit.id, name: unit.name, level: unit.level, shifts: unit.shifts }));
    return ask({
      title: t("duty.edit"), lead: t("duty.edit_lead"), action: t("save"),
      fields: [{ name: "units", label: t("duty.units"), kind: "area", value: units.map((unit) => unitLine(unit, team)).join("\n"), hint: t("duty.units_hint") }],
      act: async ({ units: text }) => {
        const body = { units: text.split("\n").filter((line) => line.trim()).map((line, place) => unitOf(line, units[place], team)) };
        await command(`/duty?org=${encodeURIComponent(choose.value)}`, body, { method: "PUT", ifMatch: version });
        toast(t("duty.saved"), { kind: "good" });
        readRoster();
      },
    });
  }

  function draw() {
    fill();
    drawRoster();
    const open = [...incidents.values()].filter((one) => one.state !== "resolved").sort((a, b) => millis(a.raised_at) - millis(b.raised_at));
    const running = [...cases.values()].filter((one) => isRunning(one));
    replace(handover, h("h3", null, t("duty.handover")), h("p", { class: "soft small" }, dated(now())),
      h("h4", null, t("duty.open_incidents", { n: open.length })), listOf(open.map((one) => h("li", null, h("b", null, wearerName(one.wearer)), incidentLink(one)))),
      h("h4", null, t("duty.open_cases", { n: running.length })), listOf(running.map((one) => h("li", { class: "handover-line" }, h("a", { href: `#/cases/${one.id}` }, one.id), " ",
        one.wearer ? wearerName(one.wearer) : one.place?.text ?? "", " · ", word("kind", one.kind), " · ", word("case_state", one.state), " · ", one.handler ? calledBy(one.handler) : t("cases.no_handler"), one.notes.length ? ` · ${one.notes.at(-1).text}` : ""))),
      h("h4", null, t("duty.recent")), listOf([...incidents.values()].filter((one) => one.resolution && now() - millis(one.resolution.at) < SHIFT_MS).map((one) => h("li", { class: "handover-line" },
        wearerName(one.wearer), " · ", word("kind", one.kind), " · ", word("disposition", one.resolution.disposition), " · ", one.resolution.note))));
    const waiting = [...tasks.values()].filter((one) => one.state === "open");
    replace(todo, h("h3", null, t("duty.tasks", { n: waiting.length })), listOf(waiting.map(taskLine)));
  }

  const way = subscribe(draw);
  draw();
  return { end: way };
}

const listOf = (lines) => (lines.length ? h("ul", { class: "plain-list" }, lines) : h("p", { class: "soft" }, t("nothing")));

function taskLine(task) {
  const done = () => ask({ title: t("task.done"), fields: [{ name: "note", label: t("field.note"), kind: "area" }], action: t("task.done"),
    act: ({ note }) => command(`/tasks/${task.id}/actions/done`, note ? { note } : {}) }).catch(failed);
  return h("li", { class: "task" }, h("div", null, h("b", null, h("a", { href: `#/elders/${encodeURIComponent(task.wearer)}` }, wearerName(task.wearer))), " ", word("task", task.kind),
    task.person && `${t("colon")}${calledBy(task.person)}`, h("p", { class: "soft small" }, both(task.reason, task.reason_en), " · ", ago(task.opened_at))),
  button(t("task.done"), { kind: "small", iconName: "check", click: done }));
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const dayOf = (text) => DAYS.find((day) => text.toLowerCase() === day || text === t(`day.${day}`)) ?? text;

/** `周一、周二 08:00-18:00`; every day needs no days. */
function shiftWords({ days, from, to }) {
  return `${days.length === DAYS.length ? "" : `${listed(days.map((day) => t(`day.${day}`)))} `}${from}-${to}`;
}

/** `名称: 韩亮,何敏 周一,周二 08:00-18:00; 马超 18:00-08:00`: by name where only one has it, else by id. */
function unitLine(unit, team) {
  const nameOf = (id) => team.find((one) => one.id === id && team.filter((other) => other.name === one.name).length === 1 && !/[\s,，、;；]/.test(one.name))?.name ?? id;
  return `${unit.name}: ${unit.shifts.map((shift) => `${shift.people.map(nameOf).join(",")} ${shiftWords(shift).replaceAll(/, |、/g, ",")}`).join("; ")}`;
}

function unitOf(line, before, team) {
  const [name, shifts = ""] = line.split(/[:：](.*)/s);
  const id = before?.id ?? `unit-${Math.abs([...name].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) | 0, 7))}`;
  return { id, name: name.trim(), level: before?.level ?? "community", shifts: shifts.split(/[;；]/).filter((text) => text.trim()).map((text) => shiftOf(text, team)) };
}

function shiftOf(text, team) {
  const [people, ...rest] = text.trim().split(/\s+/);
  const [from = "", to = ""] = (rest.pop() ?? "").split("-");
  const days = rest.join(",").split(/[,，、]/).filter(Boolean).map(dayOf);
  const idOf = (who) => team.find((one) => one.id === who)?.id ?? team.find((one) => one.name === who)?.id ?? who;
  return { people: people.split(/[,，、]/).map(idOf), days: days.length ? days : DAYS, from, to };
}
