// 上门: for volunteers and grid workers, on a phone: my cases, open ones near by, take, go there, check in, photo, feedback.
import { command, get } from "../api.js";
import { here } from "../case-actions.js";
import { h, replace } from "../dom.js";
import { icon, kindIcon } from "../icons.js";
import { t, word } from "../i18n.js";
import { Chart } from "../map.js";
import { me } from "../session.js";
import { cases, incidents, isRunning, keep, orgs, subscribe, touch, wearerName } from "../store.js";
import { countdown, millis, now } from "../time.js";
import { ask, button, failed, inWords, priorityMark, toast } from "../ui.js";
import { caseView, dueMark, signOf } from "./cases.js";

const RANK = { high: 0, medium: 1, low: 2 };
const EARTH_KM = 6371;
const OPEN_TO_ALL = ["filed", "dispatched"];

export function fieldPage(main, [id]) {
  return new Field(main, id);
}

/** Where a case is, if this person may know. */
function placeOf(one) {
  return one.place?.position ?? (one.incident && incidents.get(one.incident)?.position) ?? null;
}

function kilometres(a, b) {
  const rad = Math.PI / 180;
  const x = (b.lon - a.lon) * rad * Math.cos(((a.lat + b.lat) / 2) * rad);
  const y = (b.lat - a.lat) * rad;
  return EARTH_KM * Math.hypot(x, y);
}

class Field {
  constructor(main, id) {
    Object.assign(this, { main, id: id ?? null, mine: null, spot: null });
    this.body = h("div", { class: "field-body" });
    main.append(this.body);
    this.way = subscribe((topics) => ["case", "name", "incident", "org"].some((topic) => topics.has(topic)) && this.draw());
    here().then((spot) => { this.spot = spot; this.draw(); }).catch(() => {});
    this.draw();
  }

  end() {
    this.way();
    this.chart?.end();
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
    }
  }

  draw() {
    const one = cases.get(this.id);
    const sign = one ? `${signOf(one)} ${JSON.stringify(placeOf(one))} ${this.spot?.lat}` : null;
    if (sign && sign === this.drawn) return;
    this.drawn = sign;
    this.chart?.end();
    this.chart = null;
    if (this.id) this.drawOne();
    else this.drawList();
    this.tick();
  }

  drawList() {
    this.asked = null;
    const open = [...cases.values()].filter((one) => isRunning(one))
      .sort((a, b) => RANK[a.priority] - RANK[b.priority] || this.far(a) - this.far(b) || millis(a.filed_at) - millis(b.filed_at));
    const mine = open.filter((one) => one.handler && one.handler === me?.person);
    const free = open.filter((one) => !mine.includes(one) && OPEN_TO_ALL.includes(one.state));
    const part = (name, list) => [h("h2", null, t(`field.${name}`, { n: list.length })), list.length
      ? h("ul", { class: "field-list" }, list.map((one) => h("li", null, this.card(one)))) : h("p", { class: "empty" }, t(`field.empty.${name}`))];
    replace(this.body, h("h1", { class: "hidden" }, t("nav.field")), part("mine", mine), part("free", free),
      button(t("field.report"), { kind: "big wide-button", iconName: "camera", click: () => report(this.spot).catch(failed) }));
  }

  far(one) {
    const at = placeOf(one);
    return this.spot && at ? kilometres(this.spot, at) : 0;
  }

  card(one) {
    const far = this.far(one);
    return h("a", { class: `case-card field-card ${one.priority}`, href: `#/field/${one.id}`, data: { focus: `field-${one.id}` } },
      h("span", { class: "case-top" }, kindIcon(one.kind), h("b", null, one.wearer ? wearerName(one.wearer) : one.place?.text || word("kind", one.kind)), dueMark(one)),
      h("span", null, word("kind", one.kind), " · ", orgs.get(one.org)?.name ?? one.org, far ? ` · ${t("field.km", { n: far.toFixed(1) })}` : ""),
      h("span", { class: "case-foot" }, priorityMark(one.priority), h("span", { class: "state" }, word("case_state", one.state))));
  }

  /** A case that is not in the list: it may be over. */
  without() {
    const { id } = this;
    const say = (text) => replace(this.body, h("a", { class: "button", href: "#/field" }, icon("back"), h("span", null, t("back"))), h("p", { class: "empty" }, text));
    // What the answer was stays, however often the rest is drawn anew.
    if (this.asked === id) return;
    this.asked = id;
    say(t("loading"));
    get(`/cases/${encodeURIComponent(id)}`).then((found) => { keep(cases, found); touch("case"); })
      .catch((problem) => this.id === id && say(inWords(problem)));
  }

  drawOne() {
    const one = cases.get(this.id);
    if (!one) return this.without();
    this.asked = null;
    const at = placeOf(one);
    const holder = h("div", { class: "map-holder field-map" });
    // Who is on the way wants the way before the story.
    const [head, actions, ...rest] = caseView(one, { close: false });
    replace(this.body, h("a", { class: "button", href: "#/field" }, icon("back"), h("span", null, t("back"))), head, actions,
      at ? [h("a", { class: "button big wide-button", href: `geo:${at.lat},${at.lon}?q=${at.lat},${at.lon}` }, icon("map"), h("span", null, t("field.navigate"))), holder]
        : h("p", { class: "soft pad-all" }, t("field.no_place")), rest);
    if (!at) return;
    this.chart = new Chart(holder, { wheel: false });
    this.chart.place(at, { tone: one.priority, label: one.wearer ? wearerName(one.wearer) : one.place?.text });
    if (this.spot) this.chart.place(this.spot, { tone: "accent", label: t("field.me") });
    this.chart.fit();
  }
}

/** 随手拍: something that a person saw. */
export async function report(spot) {
  const places = [...orgs.values()].map((org) => [org.path, org.name]);
  return ask({
    title: t("field.report"), lead: t("field.report_lead"), action: t("send"),
    fields: [
      { name: "text", label: t("field.what"), kind: "area", required: true },
      { name: "where", label: t("field.where"), required: true },
      { name: "org", label: t("field.org"), kind: "select", options: places, value: places.at(-1)?.[0] },
      { name: "priority", label: t("field.urgent"), kind: "select", value: "medium", options: ["high", "medium", "low"].map((name) => [name, word("priority", name)]) },
      { name: "photo", label: t("field.photo"), kind: "file", accept: "image/jpeg,image/png,image/webp", capture: "environment" },
    ],
    act: async ({ text, where, org, priority, photo }) => {
      const filed = await command("/cases", { text, org, priority, place: { text: where, ...(spot ? { lat: spot.lat, lon: spot.lon } : {}) } });
      const entity = photo && filed?.id ? await command(`/cases/${filed.id}/photos`, photo, { type: photo.type }) : filed;
      if (entity?.id) keep(cases, entity);
      touch("case");
      toast(t("field.reported"), { kind: "good" });
    },
  });
}
