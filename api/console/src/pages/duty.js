// 值班与交接: who is on duty where, and what the next shift has to know.
import { command, get } from "../api.js";
import { handlers } from "../case-actions.js";
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { both, listed, t, word } from "../i18n.js";
import { DAYS, LEVELS } from "../roster-field.js";
import { isOneOf, me } from "../session.js";
import { SHIFT_MS, cases, incidents, isRunning, orgs, personName, recallEnded, subscribe, tasks, wearerName } from "../store.js";
import { ago, dated, millis, now } from "../time.js";
import { calledBy } from "../timeline.js";
import { ask, button, failed, inWords, toast } from "../ui.js";
import { incidentLink } from "./elder.js";

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
        h("span", null, listed(shift.people.map((id) => personName(id)))), h("span", { class: "soft small" }, shiftWords(shift))))))),
      onNow.length > 0 && h("p", null, t("on_duty"), t("colon"), listed(onNow.flatMap((one) => one.people).map((id) => calledBy(id)))), editButton());
  }

  function desk(path) {
    const org = orgs.get(path);
    return org?.desk && h("p", null, t("desk"), t("colon"), listed((org.desk.people ?? []).map((id) => personName(id))), " ", org.desk.phone && h("a", { class: "tel", href: `tel:${org.desk.phone}` }, icon("phone"), org.desk.phone));
  }

  function editButton() {
    return isOneOf("admin", "operator", "desk", "street", "department") && button(t("duty.edit"), { kind: "small", focus: "roster", click: () => editRoster().catch(failed) });
  }

  async function editRoster() {
    const org = choose.value;
    // As it is now: somebody else may have changed it since the page was opened.
    const [team] = await Promise.all([handlers(), readRoster()]);
    const units = roster?.units ?? [];
    const known = new Set(team.map((one) => one.id));
    // Whoever stands on the roster stays there, whatever they are now.
    const others = [...new Set(units.flatMap((unit) => unit.shifts.flatMap((shift) => shift.people)))].filter((id) => !known.has(id));
    const options = [...team.map((one) => [one.id, t("with_role", { name: one.name, role: word("role", one.role) })]), ...others.map((id) => [id, calledBy(id)])];
    return ask({
      title: `${t("duty.edit")}${t("colon")}${orgs.get(org)?.name ?? org}`, lead: t("duty.edit_lead"), action: t("save"), wide: true,
      fields: [{ name: "units", kind: "roster", units, options, level: levelOf(org) }],
      act: async (body) => {
        await command(`/duty?org=${encodeURIComponent(org)}`, body, { method: "PUT", ifMatch: version });
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
      h("h4", null, t("duty.open_incidents", { n: open.length })), listOf("incidents", open.map((one) => h("li", null, h("b", null, wearerName(one.wearer)), incidentLink(one)))),
      h("h4", null, t("duty.open_cases", { n: running.length })), listOf("cases", running.map((one) => h("li", { class: "handover-line" }, h("a", { href: `#/cases/${one.id}` }, one.id), " ",
        one.wearer ? wearerName(one.wearer) : one.place?.text ?? "", " · ", word("kind", one.kind), " · ", word("case_state", one.state), " · ", one.handler ? calledBy(one.handler) : t("cases.no_handler"), one.notes.length ? ` · ${one.notes.at(-1).text}` : ""))),
      h("h4", null, t("duty.recent")), listOf("recent", [...incidents.values()].filter((one) => one.resolution && now() - millis(one.resolution.at) < SHIFT_MS)
      .sort((a, b) => millis(b.resolution.at) - millis(a.resolution.at)).map((one) => h("li", { class: "handover-line" },
        h("a", { href: `#/alerts/${one.id}` }, wearerName(one.wearer)), " · ", word("kind", one.kind), " · ", word("disposition", one.resolution.disposition), " · ", one.resolution.note))));
    const waiting = [...tasks.values()].filter((one) => one.state === "open");
    replace(todo, h("h3", null, t("duty.tasks", { n: waiting.length })), listOf("tasks", waiting.map(taskLine)));
  }

  const way = subscribe(draw);
  recallEnded();
  draw();
  return { end: way };
}

const listOf = (name, lines) => (lines.length ? h("ul", { class: "plain-list" }, lines) : h("p", { class: "soft" }, t(`duty.no.${name}`)));

function taskLine(task) {
  const done = () => ask({ title: t("task.done"), fields: [{ name: "note", label: t("field.note"), kind: "area" }], action: t("task.done"),
    act: ({ note }) => command(`/tasks/${task.id}/actions/done`, note ? { note } : {}) }).catch(failed);
  return h("li", { class: "task" }, h("div", null, h("b", null, h("a", { href: `#/elders/${encodeURIComponent(task.wearer)}` }, wearerName(task.wearer))), " ", word("task", task.kind),
    task.person && `${t("colon")}${calledBy(task.person)}`, h("p", { class: "soft small" }, both(task.reason, task.reason_en), " · ", ago(task.opened_at))),
  button(t("task.done"), { kind: "small", iconName: "check", click: done }));
}

/** A community's people are the desk's, a street's are asked when a case is whistled up to it. */
const levelOf = (org) => LEVELS[Math.max(0, LEVELS.length - org.split("/").filter(Boolean).length)];

/** `周一、周二 08:00-18:00`; every day needs no days. */
function shiftWords({ days, from, to }) {
  return `${days.length === DAYS.length ? "" : `${listed(days.map((day) => t(`day.${day}`)))} `}${from}-${to}`;
}
