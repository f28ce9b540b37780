// Pieces that every page uses: dialogs, short messages, lists that are drawn only where they are seen.
import { coalesced, h, refill, refocus } from "./dom.js";
import { icon, kindIcon } from "./icons.js";
import { both, t, word } from "./i18n.js";
import { Problem } from "./api.js";
import { peopleField } from "./people-field.js";
import { questionsField } from "./questions-field.js";
import { rosterField } from "./roster-field.js";

const GONE = 404;
/** How long a short message stays. */
const TOAST_MS = 7_000;

/**
 * Asks for values in a dialog. `fields`: `{name, label, kind: "text"|"area"|"select"|"number"|"file"|"people"|…, options:
 * [[value, text]], value, required, hint, when}`; one with a `when(values)` is there only while that is true. `act(values)`
 * does it; while it is refused the dialog stays and says why. Resolves to what `act` gave, or null when it was cancelled.
 */
export function ask({ title, lead, fields = [], action, act, danger = false, wide = false }) {
  const back = wayBack();
  // What was said of the step before is read by now; what can be taken back stays.
  for (const old of [...toasts.children]) if (!old.querySelector("button")) old.remove();
  return new Promise((resolve) => {
    const problem = h("p", { class: "problem", role: "alert", hidden: true });
    const inputs = new Map(fields.map((field) => [field.name, input(field)]));
    const rows = new Map(fields.map((field) => [field.name, row(field, inputs.get(field.name))]));
    const values = () => Object.fromEntries(fields.map((field) => [field.name, valueOf(field, inputs.get(field.name))]));
    const shown = () => fields.filter((field) => !rows.get(field.name).hidden);
    const fit = () => { for (const field of fields) rows.get(field.name).hidden = field.when?.(values()) === false; };
    const submit = h("button", { class: danger ? "button danger" : "button primary", type: "submit" }, action);
    const form = h("form", { class: "form", novalidate: true },
      h("h2", { id: "dialog-title" }, title),
      lead && h("p", { class: "soft" }, lead),
      [...rows.values()],
      problem,
      h("div", { class: "actions" },
        h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, t("cancel")), submit));
    const dialog = h("dialog", { class: `dialog${wide ? " wide" : ""}`, "aria-labelledby": "dialog-title" }, form);
    let result = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      // A field of its own kind says itself what is missing.
      const wrong = shown().map((field) => inputs.get(field.name).check?.()).find(Boolean);
      if (wrong) return wrong.focus();
      const missing = shown().find((field) => field.required && !String(inputs.get(field.name).value).trim());
      if (missing) {
        say(problem, `${missing.label}${t("colon")}${t("required")}`);
        inputs.get(missing.name).focus();
        return;
      }
      submit.disabled = true;
      try {
        result = (await act(values())) ?? true;
        dialog.close();
      } catch (error) {
        say(problem, inWords(error));
      } finally {
        submit.disabled = false;
      }
    });
    form.addEventListener("change", fit);
    fit();
    dialog.addEventListener("close", () => { dialog.remove(); back(); resolve(result); });
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector("input, select, textarea") ?? submit).focus();
  });
}

/** Remembers who has the focus; gives it back later, or to what stands there instead when that is gone. */
export function wayBack() {
  const opener = document.activeElement;
  const around = [];
  for (let one = opener?.parentElement; one; one = one.parentElement) around.push(one);
  return () => {
    if (document.activeElement && document.activeElement !== document.body) return;
    if (opener?.isConnected) return opener.focus({ preventScroll: true });
    const place = around.find((one) => one.isConnected);
    if (place) refocus(place, opener.dataset.focus);
  };
}

function say(element, text) {
  element.textContent = text;
  element.hidden = false;
}

function input(field) {
  const common = { id: `field-${field.name}`, name: field.name, "aria-describedby": field.hint && `hint-${field.name}` };
  if (field.kind === "area") return h("textarea", { ...common, rows: 3, maxlength: 600, value: field.value ?? "" });
  if (field.kind === "people") return peopleField(field);
  if (field.kind === "roster") return rosterField(field);
  if (field.kind === "questions") return questionsField(field);
  if (field.kind === "select") {
    return h("select", common, field.options.map(([value, text]) =>
      h("option", { value, selected: value === field.value }, text)));
  }
  // Dates and times are the browser's own: a phone brings its wheel, a screen reader knows them, and they speak its language.
  return h("input", {
    ...common, type: field.kind ?? "text", value: field.value ?? "", step: field.step, min: field.min, max: field.max,
    accept: field.accept, capture: field.capture, autocomplete: field.autocomplete ?? "off",
  });
}

function valueOf(field, element) {
  if (field.kind === "file") return element.files[0] ?? null;
  if (["people", "roster", "questions"].includes(field.kind)) return element.chosen;
  return element.value.trim();
}

function row(field, element) {
  return h("div", { class: "field" },
    field.label && (field.kind === "questions" ? h("b", null, field.label) : h("label", { for: `field-${field.name}` }, field.label)), element,
    field.hint && h("p", { class: "soft small", id: `hint-${field.name}` }, field.hint));
}

/** What went wrong, in words; with the single faults of a form. */
export function inWords(error) {
  if (error.status === GONE && error.code === "not-found") return t("detail.gone");
  if (!(error instanceof Problem)) return String(error.message ?? error);
  const faults = (error.document.errors ?? []).slice(0, 5).map((one) => [one.pointer, both(one.detail_zh, one.detail)].filter(Boolean).join(" "));
  return faults.length ? t("with_role", { name: error.message, role: faults.join(t("semicolon")) }) : error.message;
}

/** What cannot be shown; on a phone, where the list is not beside it, with the way back to it. */
export const instead = (text, href) => h("div", { class: "empty" }, h("p", null, text),
  h("a", { class: "button small back", href }, icon("back"), h("span", null, t("back"))));

const toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });

/** A short message; `kind` is "good", "bad" or "plain"; `undo` offers a way back. */
export function toast(text, { kind = "plain", undo } = {}) {
  if (!toasts.isConnected) document.body.append(toasts);
  const message = h("div", { class: `toast ${kind}` }, h("span", null, text));
  if (undo) {
    message.append(h("button", { class: "button small", on: { click: () => { undo(); message.remove(); } } }, t("undo")));
  }
  toasts.append(message);
  setTimeout(() => message.remove(), TOAST_MS);
}

/** Something was saved, and can be taken back: nobody has acted on it yet. `again()` shows how it is then. */
export function saved(done, again = () => {}, text = t("saved")) {
  toast(text, { kind: "good", undo: done.undo && (() => done.undo().then(() => { toast(t("undone")); again(); }).catch(failed)) });
}

export const failed = (error) => toast(inWords(error), { kind: "bad" });

/** Colour, icon and text: never colour alone. */
export function priorityMark(priority) {
  return h("span", { class: `mark ${priority}` }, word("priority", priority));
}

export function kindMark(kind, priority) {
  return h("span", { class: `kind ${priority}` }, kindIcon(kind), h("span", null, word("kind", kind)));
}

export function stateMark(state, group = "state") {
  return h("span", { class: `state ${group}-${state}` }, word(group, state));
}

/** How far an incident is. Of a low priority nobody is called: they are told. */
export function incidentState({ state, priority }) {
  return stateMark(state === "notifying" && priority === "low" ? "told" : state);
}

export function button(text, { kind = "", iconName, click, focus, title, disabled, type = "button" } = {}) {
  return h("button", {
    class: `button ${kind}`, type, title, disabled, data: focus ? { focus } : {}, on: click ? { click } : {},
  }, iconName && icon(iconName), h("span", null, text));
}

/** A list of any length, of which only what is in sight is drawn. Rows have one height. */
export class VirtualList {
  /** `draw(item)` makes a row's content; `key(item)` its name; `sign(item)` changes when the row has to be drawn anew. */
  constructor({ height, draw, key, sign, label }) {
    Object.assign(this, { height, draw, key, sign, items: [], rows: new Map() });
    this.inner = h("ul", { class: "virtual-inner", role: "list" });
    this.element = h("div", { class: "virtual", tabindex: "0", role: "group", "aria-label": label }, this.inner);
    // Once a frame, however often the wheel turns.
    this.element.addEventListener("scroll", coalesced(() => this.paint()), { passive: true });
    this.observer = new ResizeObserver(() => this.paint());
    this.observer.observe(this.element);
  }

  set(items) {
    this.items = items;
    this.inner.style.height = `${items.length * this.height}px`;
    this.paint();
  }

  paint() {
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / this.height) - 4);
    const to = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / this.height) + 4);
    const wanted = new Set();
    // Everything is measured above and only written below, or every row would lay the page out once more.
    const fresh = document.createDocumentFragment();
    for (let place = from; place < to; place += 1) {
      const item = this.items[place];
      const key = this.key(item);
      wanted.add(key);
      let row = this.rows.get(key);
      if (!row) {
        row = { element: h("li", { class: "virtual-row" }), sign: null, place: -1, item };
        row.element.style.height = `${this.height}px`;
        this.rows.set(key, row);
        fresh.append(row.element);
      }
      if (row.place !== place) {
        row.place = place;
        row.element.style.transform = `translateY(${place * this.height}px)`;
        row.element.setAttribute("aria-posinset", place + 1);
      }
      if (row.of !== this.items.length) {
        row.of = this.items.length;
        row.element.setAttribute("aria-setsize", row.of);
      }
      row.item = item;
      const sign = this.sign(item);
      if (row.sign !== sign) {
        row.sign = sign;
        refill(row.element, this.draw(item));
      }
    }
    this.inner.append(fresh);
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.element.remove();
      this.rows.delete(key);
    }
  }

  /** Brings an item into sight. */
  reveal(place) {
    const { scrollTop, clientHeight } = this.element;
    const top = place * this.height;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) this.element.scrollTop = top + this.height - clientHeight;
  }

  end() {
    this.observer.disconnect();
  }
}
