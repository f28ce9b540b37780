// 老人: who they are, how they are, where they were, whom they have, and who looked.
import { all } from "../api.js";
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { t, word } from "../i18n.js";
import { incidents, knowWearers, orgs, subscribe } from "../store.js";
import { now } from "../time.js";
import { VirtualList, inWords } from "../ui.js";
import { Elder } from "./elder.js";

const ROW_PX = 62;

export function eldersPage(main, [id]) {
  return new Elders(main, id);
}

class Elders {
  constructor(main, id) {
    this.main = main;
    this.elders = [];
    this.text = "";
    this.list = new VirtualList({
      height: ROW_PX, label: t("nav.elders"), key: (elder) => elder.id, draw: (elder) => this.row(elder),
      sign: (elder) => `${elder.name} ${orgs.get(elder.org)?.name} ${this.worst(elder.id)} ${elder.id === this.id}`,
    });
    this.count = h("p", { class: "soft small", role: "status" }, t("loading"));
    this.search = h("input", { type: "search", placeholder: t("elders.search"), "aria-label": t("elders.search"),
      on: { input: () => { this.text = this.search.value.trim().toLowerCase(); this.update(); } } });
    this.aside = h("section", { class: "queue", "aria-label": t("nav.elders") },
      h("header", { class: "pane-head" }, h("h1", null, t("nav.elders")), this.count, h("div", { class: "search" }, icon("search"), this.search)),
      this.list.element);
    this.holder = h("section", { class: "elder", tabindex: "-1" });
    main.append(this.aside, this.holder);
    this.way = subscribe((topics) => {
      if (topics.has("incident")) { this.worstOf = null; this.list.paint(); }
      if (topics.has("org")) this.list.paint();
      this.elder?.changed(topics);
    });
    this.read();
    this.go([id]);
  }

  end() {
    this.way();
    this.list.end();
    this.elder?.end();
  }

  async read() {
    try {
      this.elders = await all("/wearers?limit=500");
      knowWearers(this.elders);
      this.update();
    } catch (problem) {
      this.count.textContent = inWords(problem);
    }
  }

  update() {
    const found = this.text
      ? this.elders.filter((elder) => `${elder.name} ${elder.id} ${orgs.get(elder.org)?.name ?? ""}`.toLowerCase().includes(this.text))
      : this.elders;
    this.count.textContent = t("elders.count", { n: found.length });
    this.list.set(found);
  }

  /** The gravest open incident of each elder, reckoned once for all. */
  worst(id) {
    if (!this.worstOf) {
      this.worstOf = new Map();
      const rank = { high: 3, medium: 2, low: 1 };
      for (const one of incidents.values()) {
        if (one.state === "resolved") continue;
        if ((rank[one.priority] ?? 0) > (rank[this.worstOf.get(one.wearer)] ?? 0)) this.worstOf.set(one.wearer, one.priority);
      }
    }
    return this.worstOf.get(id) ?? "";
  }

  row(elder) {
    const worst = this.worst(elder.id);
    const years = elder.birth_year && new Date(now()).getFullYear() - elder.birth_year;
    return h("a", { class: `row plain-row ${worst} ${elder.id === this.id ? "selected" : ""}`, href: `#/elders/${encodeURIComponent(elder.id)}`, "aria-current": elder.id === this.id ? "true" : false },
      h("span", { class: "row-text" }, h("span", { class: "row-title" }, h("b", null, elder.name), years && h("span", { class: "soft" }, t("detail.years", { n: years })),
        worst && h("span", { class: `mark ${worst}` }, word("priority", worst))),
      h("span", { class: "soft small" }, orgs.get(elder.org)?.name ?? elder.org)));
  }

  go([id]) {
    this.id = id ?? null;
    this.main.dataset.view = id ? "detail" : "queue";
    this.list.paint();
    this.elder?.end();
    this.elder = null;
    if (!id) replace(this.holder, h("p", { class: "empty" }, t("elders.pick")));
    else this.elder = new Elder(this.holder, id);
    return true;
  }

  tick() {
    this.elder?.tick?.();
  }

  key(name) {
    if (name === "/") { this.search.focus(); return true; }
    if (name !== "j" && name !== "k") return false;
    const at = this.list.items.findIndex((elder) => elder.id === this.id);
    const next = this.list.items[Math.max(0, Math.min(this.list.items.length - 1, at + (name === "j" ? 1 : -1)))];
    if (next) location.hash = `#/elders/${encodeURIComponent(next.id)}`;
    return true;
  }
}

