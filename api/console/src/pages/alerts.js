// 实时告警: who needs help, what is being done about it, and where the elder is.
import { h, isWriting, replace } from "../dom.js";
import { t, word } from "../i18n.js";
import { icon, kindIcon } from "../icons.js";
import { me } from "../session.js";
import { attempts, incidents, knowsEnded, live, orgs, recall, recallEnded, subscribe, wearer, wearerName } from "../store.js";
import { millis, now, span } from "../time.js";
import { callingNow, calledBy } from "../timeline.js";
import { VirtualList, button, incidentState, priorityMark } from "../ui.js";
import { act, acknowledgeMany } from "../incident-actions.js";
import { Detail } from "./alert-detail.js";
import { IncidentMap } from "./alert-map.js";

const ROW_PX = 84;
const RANK = { high: 0, medium: 1, low: 2 };
/** Within a priority: who waits comes before who is looked after. */
const STAGE = { exhausted: 0, raised: 1, notifying: 1, acknowledged: 2, on_site: 3, resolved: 4 };
const FILTERS = ["open", "waiting", "mine", "ended"];

/** When something is due: a lease's end, or at once. */
function due(incident) {
  if (incident.state === "acknowledged") return millis(incident.acknowledged_by?.until ?? incident.changed_at);
  if (incident.state === "resolved") return -millis(incident.changed_at);
  return millis(incident.raised_at);
}

function order(a, b) {
  return RANK[a.priority] - RANK[b.priority] || STAGE[a.state] - STAGE[b.state] || due(a) - due(b) ||
    (a.id < b.id ? -1 : 1);
}

const isOpen = (incident) => incident.state !== "resolved";
const isWaiting = (incident) => ["raised", "notifying", "exhausted"].includes(incident.state);
const isMine = (incident) => isOpen(incident) && !!me &&
  (incident.acknowledged_by?.person === me.person || incident.on_site_by === me.person);
const PASSES = { open: isOpen, waiting: isWaiting, mine: isMine, ended: (incident) => !isOpen(incident) };

/** With so many, names on the map are too many to read. */
const FEW = 100;

export function alertsPage(main, [id]) {
  return new Alerts(main, id);
}

class Alerts {
  constructor(main, id) {
    this.filter = "open";
    this.text = "";
    this.chosen = new Set();
    this.selected = id ?? null;
    this.list = new VirtualList({
      height: ROW_PX, label: t("queue.title"), key: (incident) => incident.id,
      draw: (incident) => this.row(incident), sign: (incident) => this.sign(incident),
    });
    this.count = h("p", { class: "soft small", role: "status" });
    this.filters = h("div", { class: "chips", role: "group", "aria-label": t("queue.filter.label") });
    this.search = h("input", {
      type: "search", placeholder: t("queue.search"), "aria-label": t("queue.search"),
      on: { input: () => { this.text = this.search.value.trim().toLowerCase(); this.update(); }, keydown: (e) => e.key === "Escape" && this.search.blur() },
    });
    this.bulk = h("div", { class: "bulk", hidden: true });
    this.empty = h("p", { class: "empty" });
    this.queue = h("section", { class: "queue", "aria-label": t("queue.title") },
      h("header", { class: "pane-head" }, h("h1", null, t("queue.title")), this.count, this.filters,
        h("div", { class: "search" }, icon("search"), this.search)),
      this.bulk, this.empty, this.list.element);
    this.detail = new Detail({ onBack: () => this.select(null) });
    this.detail.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || isWriting()) return;
      this.list.element.querySelector(`[data-focus="${CSS.escape(`row-${this.selected}`)}"]`)?.focus();
    });
    this.map = new IncidentMap();
    main.append(this.queue, this.detail.element, this.map.element);
    this.main = main;
    this.way = subscribe((topics) => this.changed(topics));
    this.update();
    this.show();
  }

  end() {
    this.ended = true;
    this.way();
    this.list.end();
    this.map.end();
  }

  go([id]) {
    this.selected = id ?? null;
    this.update();
    this.show();
    return true;
  }

  /** Names and calls only change how rows look, not which there are. */
  changed(topics) {
    if (topics.has("incident") || topics.has("link")) this.update();
    else if (topics.has("name") || topics.has("attempt") || topics.has("org")) this.list.paint();
    const concerned = this.selected ? ["incident", "attempt", "name", "case", "registry", "device"] : incidents.size <= FEW ? ["incident", "name"] : ["incident"];
    if (!concerned.some((topic) => topics.has(topic))) return;
    // With many on the map it is a task of its own: the queue comes first.
    if (this.selected) this.show();
    else setTimeout(() => this.ended || this.show(), 0);
  }

  /** Every second: what is said of time. */
  tick() {
    for (const row of this.list.inner.querySelectorAll("[data-since]")) {
      row.textContent = span(now() - Number(row.dataset.since));
    }
    for (const { element, item } of this.list.rows.values()) {
      const what = element.querySelector(".row-what");
      const text = this.what(incidents.get(item.id) ?? item);
      if (what.textContent !== text) what.textContent = text;
    }
    this.detail.tick();
    this.map.tick();
  }

  update() {
    const all = [...incidents.values()];
    const passes = PASSES[this.filter];
    this.shown = all.filter((incident) => passes(incident) && this.matches(incident)).sort(this.filter === "ended" ? (a, b) => due(a) - due(b) : order);
    this.list.set(this.shown);
    const open = all.filter(isOpen);
    const high = open.filter((incident) => incident.priority === "high").length;
    this.count.textContent = t("queue.count", { n: open.length, high });
    replace(this.filters, FILTERS.map((name) => h("button", {
      class: "chip", type: "button", "aria-pressed": String(name === this.filter), data: { focus: `filter-${name}` },
      on: { click: () => { this.filter = name; if (name === "ended") recallEnded(); this.update(); } },
    }, t(`queue.filter.${name}`, { n: name === "ended" && !knowsEnded() ? "" : all.filter(PASSES[name]).length }).trim())));
    const nothing = !this.shown.length && (live.state !== "connecting" || all.length > 0);
    this.empty.hidden = !nothing;
    this.empty.textContent = !open.length && this.filter === "open" && !this.text ? t("queue.empty") : t("queue.empty_filter");
    for (const id of this.chosen) if (!PASSES.waiting(incidents.get(id) ?? { state: "resolved" })) this.chosen.delete(id);
    this.drawBulk();
  }

  matches(incident) {
    if (!this.text) return true;
    const known = wearer(incident.wearer);
    const org = orgs.get(incident.org)?.name ?? "";
    return [incident.id, incident.wearer, known?.name, org, word("kind", incident.kind)]
      .some((field) => String(field ?? "").toLowerCase().includes(this.text));
  }

  sign(incident) {
    const calling = isWaiting(incident) ? callingNow(incident)?.name ?? "" : "";
    return [incident.version, wearerName(incident.wearer), calling, orgs.get(incident.org)?.name, incident.id === this.selected,
      this.chosen.has(incident.id), calledBy(incident.acknowledged_by?.person ?? incident.on_site_by)].join("|");
  }

  row(incident) {
    const name = wearerName(incident.wearer);
    const box = h("input", {
      type: "checkbox", "aria-label": t("queue.select", { name }), data: { focus: `box-${incident.id}` },
      disabled: !isWaiting(incident), on: { change: () => this.choose(incident.id, box.checked) },
    });
    box.checked = this.chosen.has(incident.id);
    const selected = incident.id === this.selected;
    return h("div", { class: `row ${incident.priority} ${selected ? "selected" : ""} ${isWaiting(incident) ? "waits" : ""}` }, box,
      h("button", {
        class: "row-main", type: "button", "aria-current": selected ? "true" : false, data: { focus: `row-${incident.id}` },
        on: { click: (event) => this.select(incident.id, event.detail === 0) },
      },
      h("span", { class: "row-icon" }, kindIcon(incident.kind)),
      h("span", { class: "row-text" },
        h("span", { class: "row-title" }, h("b", null, name), h("span", null, word("kind", incident.kind)),
          incident.test && h("span", { class: "tag" }, t("test")), incident.late && h("span", { class: "tag" }, t("late"))),
        h("span", { class: "row-what" }, this.what(incident)),
        h("span", { class: "row-foot" }, priorityMark(incident.priority), incidentState(incident),
          h("span", { class: "soft" }, orgs.get(incident.org)?.name ?? ""),
          h("span", { class: "soft since", data: { since: millis(incident.raised_at) } }, span(now() - millis(incident.raised_at)))))));
  }

  /** What matters most about it now, in a few words. */
  what(incident) {
    const by = incident.acknowledged_by;
    if (incident.state === "exhausted") return t(millis(incident.console_until ?? 0) > now() ? "row.console_first" : "row.exhausted");
    if (incident.state === "acknowledged" && by) {
      const left = millis(by.until) - now();
      return t(left > 0 ? "row.lease" : "row.lease_over", { who: calledBy(by.person), span: span(left) });
    }
    if (incident.state === "on_site") return t("row.on_site", { who: calledBy(incident.on_site_by) });
    if (incident.state === "resolved") return word("disposition", incident.resolution?.disposition ?? "");
    const calling = callingNow(incident);
    if (calling) return t("row.calling", { who: calling.name });
    return t("row.waiting", { span: span(now() - millis(incident.raised_at)) });
  }

  choose(id, on) {
    if (on) this.chosen.add(id);
    else this.chosen.delete(id);
    this.list.paint();
    this.drawBulk();
  }

  drawBulk() {
    this.bulk.hidden = this.chosen.size === 0;
    if (this.bulk.hidden) return replace(this.bulk);
    replace(this.bulk, h("span", null, t("queue.selected", { n: this.chosen.size })),
      button(t("queue.bulk"), { kind: "primary small", iconName: "check", focus: "bulk", click: () => this.takeAll() }),
      button(t("queue.clear"), { kind: "small", focus: "bulk-clear", click: () => { this.chosen.clear(); this.update(); } }));
  }

  async takeAll() {
    const done = await acknowledgeMany([...this.chosen]);
    if (!done) return;
    this.chosen.clear();
    this.update();
  }

  /** `byKey`: whoever works with keys goes on in the detail, and comes back to the row with Escape. */
  select(id, byKey = false) {
    location.hash = id ? `#/alerts/${id}` : "#/alerts";
    if (byKey) this.detail.element.focus();
  }

  show() {
    const incident = this.selected ? incidents.get(this.selected) : null;
    this.main.dataset.view = this.selected ? "detail" : "queue";
    this.detail.show(this.selected, incident, [...incidents.values()].some(isOpen));
    this.map.show(incident);
    if (incident) { attempts(incident.id); recall(incident); }
  }

  key(name) {
    const at = this.shown.findIndex((incident) => incident.id === this.selected);
    if (name === "j" || name === "k") {
      const next = at < 0 ? 0 : Math.min(this.shown.length - 1, Math.max(0, at + (name === "j" ? 1 : -1)));
      if (this.shown[next]) { this.select(this.shown[next].id); this.list.reveal(next); }
      return true;
    }
    if (name === "Enter" && at < 0 && this.shown.length) { this.select(this.shown[0].id); return true; }
    if (name === "/") { this.search.focus(); return true; }
    const action = { a: "acknowledge", d: "resolve", e: "escalate", n: "note" }[name];
    const incident = incidents.get(this.selected);
    if (!action || !incident) return false;
    act(incident, action);
    return true;
  }
}
