// 工单: every open case by stage, with the clock of its stage, and one case with all that was done.
import { get } from "../api.js";
import { actOnCase, actionsOf, caseTitle, isOwn, picture } from "../case-actions.js";
import { h, replace, replaceIf } from "../dom.js";
import { icon, kindIcon } from "../icons.js";
import { both, t, word } from "../i18n.js";
import { answersOf, startPatrol } from "../patrols.js";
import { isOneOf } from "../session.js";
import { cases, keep, orgs, subscribe, touch, wearerName } from "../store.js";
import { ago, clock, countdown, millis, now } from "../time.js";
import { calledBy } from "../timeline.js";
import { button, failed, inWords, instead, priorityMark } from "../ui.js";

const STAGES = ["filed", "dispatched", "accepted", "on_site", "feedback", "verified"];
const RANK = { high: 0, medium: 1, low: 2 };
/** The action that brings a case on, by its stage. */
const NEXT = { filed: "dispatch", dispatched: "accept", accepted: "arrive", on_site: "feedback", feedback: "verify", verified: "close", closed: "rate" };
/** What is rarely right comes last. */
const LAST = ["merge", "hand_off", "reject"];
const ICONS = { merge: "case", reassign: "person", dispatch: "person", accept: "check", arrive: "door", check_in: "map", feedback: "note", verify: "check", close: "flag",
  whistle: "sos", note: "note", photo: "camera", voice: "phone", hand_over: "doctor", hand_off: "up", reopen: "back", return: "back", reject: "cross" };

export function casesPage(main, [id]) {
  return new Cases(main, id);
}

class Cases {
  constructor(main, id) {
    this.main = main;
    this.id = id ?? null;
    this.board = h("div", { class: "board" });
    this.side = h("aside", { class: "case-side", "aria-label": t("detail.case"), tabindex: "-1" });
    main.append(h("header", { class: "page-head" }, h("h1", null, t("cases.title")), this.count = h("p", { class: "soft small" }),
      isOneOf("admin", "operator", "desk", "street") && button(t("patrol.start"), { kind: "small", iconName: "walk", focus: "patrol", click: () => startPatrol().catch(failed) })), this.board, this.side);
    this.way = subscribe((topics) => ["case", "name", "org", "incident"].some((topic) => topics.has(topic)) && this.draw());
    this.draw();
  }

  end() {
    this.way();
  }

  go([id]) {
    this.id = id ?? null;
    this.draw();
    return true;
  }

  tick() {
    for (const element of this.main.querySelectorAll("[data-due]")) {
      const left = Number(element.dataset.due) - now();
      element.lastChild.textContent = countdown(left);
      element.classList.toggle("late", left < 0);
      element.classList.toggle("soon", left >= 0 && left < 60_000);
    }
  }

  draw() {
    const open = [...cases.values()].filter((one) => STAGES.includes(one.state));
    const late = open.filter((one) => one.due_at && millis(one.due_at) < now()).length;
    this.count.textContent = t("cases.count", { n: open.length, late });
    replace(this.board, STAGES.map((stage) => {
      const here = open.filter((one) => one.state === stage)
        .sort((a, b) => RANK[a.priority] - RANK[b.priority] || millis(a.due_at ?? a.filed_at) - millis(b.due_at ?? b.filed_at));
      return h("section", { class: "stage", "aria-label": word("case_state", stage) },
        h("h2", null, word("case_state", stage), h("span", { class: "count" }, here.length)),
        here.length ? h("ul", null, here.map((one) => h("li", null, this.card(one)))) : h("p", { class: "soft small" }, t("cases.none_here")));
    }));
    this.drawSide();
    this.tick();
  }

  card(one) {
    return h("a", { class: `case-card ${one.priority}`, href: `#/cases/${one.id}`, "aria-current": one.id === this.id ? "true" : false, data: { focus: `case-${one.id}` } },
      h("span", { class: "case-top" }, kindIcon(one.kind), h("b", null, one.wearer ? wearerName(one.wearer) : one.place?.text || word("kind", one.kind)), dueMark(one)),
      h("span", { class: "case-kind" }, word("kind", one.kind), " · ", orgs.get(one.org)?.name ?? one.org),
      h("span", { class: "case-foot" }, priorityMark(one.priority), one.level !== "community" && h("span", { class: "tag bad" }, word("level", one.level)),
        h("span", { class: "soft" }, one.handler ? calledBy(one.handler) : t("cases.no_handler"))));
  }

  drawSide() {
    this.main.dataset.view = this.id ? "detail" : "board";
    this.side.hidden = !this.id;
    if (!this.id) return;
    const one = cases.get(this.id);
    if (!one) {
      if (this.asked !== this.id) {
        this.asked = this.id;
        get(`/cases/${encodeURIComponent(this.id)}`).then((found) => { keep(cases, found); touch("case"); })
          .catch((problem) => replace(this.side, instead(inWords(problem), "#/cases")));
      }
      return replaceIf(this.side, "loading", () => h("p", { class: "empty" }, t("loading")));
    }
    replaceIf(this.side, signOf(one), () => caseView(one));
  }
}

/** Changes when one case has to be drawn anew. */
export const signOf = (one) => [one.id, one.version, one.wearer && wearerName(one.wearer), one.handler && calledBy(one.handler),
  orgs.get(one.org)?.name, ...one.steps.map((step) => step.by && calledBy(step.by))].join("|");

export function dueMark(one) {
  return one.due_at && h("span", { class: "due", data: { due: millis(one.due_at) }, title: t("cases.due") }, icon("clock"), h("span", null, ""));
}

/** One case, whole: for the board's side and for the phone. */
export function caseView(one, { close = true } = {}) {
  const possible = actionsOf(one);
  // Who cannot send anybody takes it themselves.
  const main = [NEXT[one.state], "accept"].find((action) => possible.includes(action));
  const offered = possible.sort((a, b) => (b === main) - (a === main) || LAST.includes(a) - LAST.includes(b));
  return [
    h("header", { class: `side-head ${one.priority}` },
      close && h("a", { class: "button small", href: "#/cases" }, icon("cross"), h("span", null, t("close"))),
      h("h2", null, one.wearer ? h("a", { href: `#/elders/${encodeURIComponent(one.wearer)}` }, wearerName(one.wearer)) : one.place?.text || word("kind", one.kind)),
      h("p", { class: "detail-marks" }, kindIcon(one.kind), word("kind", one.kind), priorityMark(one.priority), h("span", { class: "state" }, word("case_state", one.state)), dueMark(one)),
      h("p", { class: "soft small" }, one.id, " · ", orgs.get(one.org)?.name ?? one.org, " · ", ago(one.filed_at)),
      one.text && h("p", null, one.text), one.place?.text && h("p", { class: "soft" }, icon("map"), " ", one.place.text),
      h("p", { class: "small" }, t("cases.handler"), t("colon"), one.handler ? calledBy(one.handler) : t("cases.no_handler"),
        one.incident && [" · ", h("a", { href: `#/alerts/${one.incident}` }, t("cases.incident"))])),
    h("div", { class: "actions wide" }, offered.map((action) => button(t(`case_action.${action}`), {
      kind: action === main ? "primary big" : action === "whistle" || action === "reject" ? "warn" : "", iconName: ICONS[action],
      focus: `case-act-${action}`, click: () => actOnCase(one, action),
    }))),
    one.state === "feedback" && isOwn(one) && h("p", { class: "now", data: { tone: "done" } }, icon("clock"), h("span", null, t("cases.wait_verified"))),
    answersOf(one),
    h("div", { class: "block" }, h("h3", null, t("detail.timeline")), story(one)),
    (one.photos ?? []).length > 0 && h("div", { class: "block" }, h("h3", null, t("cases.photos")), h("div", { class: "photos" }, one.photos.map(photo))),
  ];
}

function photo(one) {
  const image = h("img", { alt: t("cases.photo_by", { who: calledBy(one.by), time: clock(one.at) }), loading: "lazy" });
  picture(one.hash).then((url) => { image.src = url; }).catch(() => image.replaceWith(t("cases.photo_gone")));
  return image;
}

/** What the system notes is in both languages, `派遣逾期 / stage is late`, with as many strokes in either; what a person wrote is as it is. */
function noteOf({ by, note }) {
  const parts = note.split(" / ");
  const [zh, en] = [parts.slice(0, parts.length / 2), parts.slice(parts.length / 2)].map((half) => half.join(" / "));
  // That another case was merged into this one the system says in a person's name.
  return parts.length % 2 === 0 && (!by || /^c\w+ 并入(：|$)/.test(zh)) ? both(zh, en) : note;
}

/** Everything that was done to a case, oldest first. */
function story(one) {
  const lines = [
    ...one.steps.map((step) => ({ at: step.at, text: `${step.by ? calledBy(step.by, step.role) : t("engine")}${t("colon")}${word("case_done", step.action)}${step.note ? ` · ${noteOf(step)}` : ""}` })),
    ...one.notes.map((note) => ({ at: note.at, text: t("line.note", { who: calledBy(note.by), text: note.text }) })),
    ...(one.records ?? []).map((record) => ({ at: record.at, text: t(`cases.record.${record.kind}`, { who: calledBy(record.by), with: record.with, said: record.said }) })),
    ...(one.check_ins ?? []).map((check) => ({ at: check.at, text: check.distance_m === null ? t("cases.check_in", { who: calledBy(check.by) }) : t("cases.check_in_at", { who: calledBy(check.by), n: check.distance_m }) })),
  ].sort((a, b) => millis(a.at) - millis(b.at));
  return h("ol", { class: "timeline" }, lines.map(({ at, text }) =>
    h("li", { class: "line short" }, h("time", { datetime: at }, clock(at)), h("span", { class: "text" }, text))));
}

export { caseTitle };
