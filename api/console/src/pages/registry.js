// 名册: who is in it, changes of single entries, and whole files with what is wrong in which row.
import { all, command } from "../api.js";
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { both, listed, t, word } from "../i18n.js";
import { edit, guardiansAs, guardiansOf, people, phoneOf } from "../registry-save.js";
import { isOneOf } from "../session.js";
import { orgs, personName, subscribe } from "../store.js";
import { VirtualList, ask, button, failed, inWords, toast } from "../ui.js";

const NOUNS = ["wearers", "people", "devices", "orgs"];
const ROW_PX = 54;
/** With what the ids begin that are proposed. */
const LETTERS = { wearers: "w", people: "p" };
const ROLES = ["guardian", "doctor", "desk", "grid_worker", "volunteer", "street", "department", "operator"];
/** How many faults of a file are shown at once. */
const FAULTS_MAX = 500;

const text = (name, label, more) => ({ name, label: t(label), ...more });
const STAFF = ["desk", "grid_worker", "street", "department", "operator"];
const nobody = () => ["", t("none")];
/** What can be changed of an entry here; the rest stays as it is. */
const FIELDS = {
  wearers: async () => [text("id", "registry.id", { required: true }), text("name", "elder.name", { required: true }), text("org", "duty.org", { kind: "select", required: true, options: [...orgs.values()].map((org) => [org.path, `${org.name} ${org.path}`]) }), text("birth_year", "registry.birth_year", { kind: "number" }),
    text("phone", "elder.phone", { hint: t("elder.phone_hint") }), text("guardians", "elder.guardians", { kind: "people", options: await people("guardian"), hint: t("elder.guardians_hint") }),
    text("doctor", "role.doctor", { kind: "select", options: [nobody(), ...await people("doctor")] })],
  people: () => [text("id", "registry.id", { required: true }), text("name", "elder.name", { required: true }),
    text("role", "registry.role", { kind: "select", options: ROLES.map((role) => [role, word("role", role)]) }), text("phone", "registry.phone", { hint: t("elder.phone_hint") }), text("email", "registry.email")],
  devices: () => [text("id", "registry.id", { required: true }), text("kind", "registry.kind", { required: true }), text("wearer", "registry.wearer"),
    text("datum", "registry.datum", { kind: "select", options: ["wgs84", "gcj02", "bd09"].map((name) => [name, name]) }), text("secret", "registry.secret", { hint: t("registry.secret_hint") })],
  orgs: async () => [text("path", "registry.path", { required: true, hint: t("registry.path_hint") }), text("name", "fence.name", { required: true }), text("desk_phone", "registry.desk_phone", { hint: t("elder.phone_hint") }),
    text("desk_people", "registry.desk_people", { kind: "people", options: await people(...STAFF) })],
};

const shown = {
  wearers: (one) => [one.name, orgs.get(one.org)?.name ?? one.org, listed(guardiansOf(one).map((id) => personName(id)))],
  people: (one) => [one.name, word("role", one.role), one.phone ?? t("elder.no_number")],
  devices: (one) => [one.id, word("device", one.kind), one.wearer ?? t("registry.unbound")],
  orgs: (one) => [one.name, one.path, one.desk?.phone ?? t("registry.no_desk")],
};

/** The form's values as the registry takes them. */
function entryOf(noun, values, before = {}) {
  const entry = { ...before };
  for (const [name, value] of Object.entries(values)) {
    if (name === "birth_year") entry.birth_year = value ? Number(value) : null;
    else if (name === "guardians") entry.guardians = guardiansAs(value, before);
    else if (name === "phone") entry.phone = phoneOf(value) || null;
    else if (name === "desk_phone" || name === "desk_people") continue;
    else if (name === "secret" && !value) continue;
    else entry[name] = value || null;
  }
  if (noun === "orgs") {
    const people = values.desk_people;
    entry.desk = values.desk_phone || people.length ? { ...(values.desk_phone ? { phone: phoneOf(values.desk_phone) } : {}), people } : null;
  }
  for (const [name, value] of Object.entries(entry)) if (value === null) delete entry[name];
  return entry;
}

function valuesOf(noun, one) {
  if (noun === "orgs") return { ...one, desk_phone: one.desk?.phone ?? "", desk_people: one.desk?.people ?? [] };
  return { ...one, guardians: guardiansOf(one) };
}

export function registryPage(main, [tab]) {
  return new Registry(main, tab);
}

class Registry {
  constructor(main, tab) {
    this.main = main;
    this.body = h("div", { class: "registry-body" });
    this.tabs = h("div", { class: "chips", role: "group", "aria-label": t("nav.registry") });
    main.append(h("header", { class: "page-head" }, h("h1", null, t("nav.registry")), this.tabs), this.body);
    this.way = subscribe((topics) => {
      if (topics.has("registry") && this.noun) this.read();
      else if (topics.has("name") || topics.has("org")) this.list?.paint();
    });
    this.go([tab]);
  }

  end() {
    this.way();
    this.list?.end();
  }

  go([tab]) {
    this.tab = [...NOUNS, "import"].includes(tab) ? tab : "wearers";
    this.noun = NOUNS.includes(this.tab) ? this.tab : null;
    replace(this.tabs, [...NOUNS, ...(isOneOf("admin", "operator", "integration") ? ["import"] : [])].map((name) =>
      h("a", { class: "chip link-chip", href: `#/registry/${name}`, "aria-current": name === this.tab ? "true" : false }, t(`registry.${name}`))));
    this.list?.end();
    if (this.noun) this.table();
    else replace(this.body, importForm());
    return true;
  }

  table() {
    const { noun } = this;
    this.list = new VirtualList({ height: ROW_PX, label: t(`registry.${noun}`), key: (one) => one.id ?? one.path, sign: (one) => JSON.stringify([one, shown[this.noun](one)]), draw: (one) => this.row(one) });
    this.count = h("span", { class: "soft small", role: "status" }, t("loading"));
    this.search = h("input", { type: "search", "aria-label": t("registry.search"), placeholder: t("registry.search"), on: { input: () => this.update() } });
    replace(this.body, h("div", { class: "tools" }, h("div", { class: "search" }, icon("search"), this.search), this.count,
      isOneOf("admin", "operator", "integration") && button(t("registry.add"), { kind: "small primary", focus: "add", click: () => this.add().catch(failed) })), this.list.element);
    this.read();
  }

  async read() {
    const { noun } = this;
    try {
      const entries = await all(`/${noun}?limit=500`);
      // Another list may have been chosen meanwhile.
      if (noun !== this.noun) return;
      this.entries = entries;
      this.update();
    } catch (problem) {
      this.count.textContent = inWords(problem);
    }
  }

  update() {
    const wanted = this.search.value.trim().toLowerCase();
    const found = wanted ? this.entries.filter((one) => `${one.id ?? ""} ${shown[this.noun](one).join(" ")}`.toLowerCase().includes(wanted)) : this.entries;
    this.count.textContent = t("registry.count", { n: found.length });
    this.list.set(found);
  }

  row(one) {
    const [title, second, third] = shown[this.noun](one);
    return h("div", { class: "registry-row" }, h("b", null, title), h("span", { class: "soft" }, second), h("span", { class: "soft" }, third), h("span", { class: "soft small" }, one.id ?? ""),
      isOneOf("admin", "operator", "integration") && button(t("elder.edit"), { kind: "small", focus: `edit-${one.id ?? one.path}`, click: () => this.change(one).catch(failed) }));
  }

  async change(one) {
    const { noun } = this;
    const fields = await FIELDS[noun]();
    const before = valuesOf(noun, one);
    const key = one.id ?? one.path;
    return ask({
      title: `${t("elder.edit")}${t("colon")}${shown[noun](one)[0]}`, action: t("save"),
      fields: fields.filter((field) => !["id", "path"].includes(field.name)).map((field) => ({ ...field, value: field.name === "secret" ? "" : before[field.name] ?? "" })),
      act: (values) => edit(noun, key, (entry) => entryOf(noun, values, entry)),
    }).then((done) => done && this.saved());
  }

  async add() {
    const { noun } = this;
    const fields = (await FIELDS[noun]()).map((field) => (field.name === "id" ? { ...field, value: this.free(), hint: t("registry.id_hint") } : field));
    return ask({ title: `${t("registry.add")}${t("colon")}${t(`registry.${noun}`)}`, action: t("save"), fields,
      act: (values) => command("/import", { [noun]: [entryOf(noun, values)] }) }).then((done) => done && this.saved());
  }

  /** An id that nobody has yet; a device brings its own. */
  free() {
    if (!(this.noun in LETTERS)) return "";
    const taken = new Set(this.entries?.map((one) => one.id));
    let number = taken.size + 1;
    while (taken.has(`${LETTERS[this.noun]}${number}`)) number += 1;
    return `${LETTERS[this.noun]}${number}`;
  }

  saved() {
    toast(t("registry.saved"), { kind: "good" });
    this.read();
  }
}

/** A whole file: checked first, row by row, then written all or nothing. */
function importForm() {
  const file = h("input", { type: "file", id: "import-file", accept: ".json,.csv,application/json,text/csv" });
  const area = h("textarea", { id: "import-text", rows: 10, spellcheck: "false", class: "code" });
  const result = h("div", { role: "status" });
  file.addEventListener("change", async () => { area.value = await file.files[0]?.text() ?? ""; });
  const run = async (dry) => {
    replace(result, h("p", { class: "soft" }, t("loading")));
    const type = /^\s*[{[]/.test(area.value) ? "application/json" : "text/csv";
    try {
      const done = await command(`/import${dry ? "?dry_run=true" : ""}`, area.value, { type });
      replace(result, h("p", { class: "good-note" }, t(dry ? "import.would" : "import.done", done.counts)), rows(done.warnings, "warn"));
    } catch (problem) {
      const errors = problem.document?.errors ?? [];
      replace(result, h("p", { class: "problem" }, problem.message), rows(errors, "bad"));
    }
  };
  return h("section", { class: "card import" }, h("h2", null, t("registry.import")), h("p", { class: "soft" }, t("import.lead")),
    h("div", { class: "field" }, h("label", { for: "import-file" }, t("import.file")), file), h("div", { class: "field" }, h("label", { for: "import-text" }, t("import.text")), area),
    h("div", { class: "actions" }, button(t("import.check"), { iconName: "check", focus: "check", click: () => run(true) }), button(t("import.go"), { kind: "primary", focus: "go", click: () => run(false) })), result);
}

/** `/wearers/0/org` is the first elder's organisation, `/rows/3/phone` the phone in row 3. */
function placeOf(pointer = "") {
  const [, noun, place, ...member] = pointer.split("/");
  if (place === undefined) return "";
  const where = noun === "rows" ? t("import.row", { n: place }) : t("import.entry", { what: word("registry", noun), n: Number(place) + 1 });
  return [where, ...member].join(" · ");
}

function rows(faults, tone) {
  if (!faults?.length) return null;
  return h("div", { class: "table-holder" }, h("table", { class: "as-cards" },
    h("thead", null, h("tr", null, h("th", { scope: "col" }, t("import.place")), h("th", { scope: "col" }, t("import.what")))),
    h("tbody", null, faults.slice(0, FAULTS_MAX).map((one) => h("tr", null, h("td", null, h("code", { class: `tag ${tone}` }, one.pointer || "/"), " ", h("span", { class: "soft small" }, placeOf(one.pointer))), h("td", null, both(one.detail_zh, one.detail)))))));
}
