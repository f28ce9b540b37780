// Elements without a framework: made by `h`, exchanged by `replace`, which keeps the focus where it was.

/** An element. `props`: `class`, `on: {click: f}`, `data: {key: …}`, anything else an attribute (false: left out). */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  if (props) apply(element, props);
  append(element, children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for drawings. */
export function svg(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props ?? {})) element.setAttribute(name, value);
  append(element, children);
  return element;
}

function apply(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "on") for (const [event, f] of Object.entries(value)) element.addEventListener(event, f);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
}

function append(element, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/** Exchanges what an element holds. What had the focus gets it again, found by its `data-focus`. */
export function replace(element, ...children) {
  const scroll = element.scrollTop;
  refill(element, ...children);
  if (element.scrollTop !== scroll) element.scrollTop = scroll;
}

/** The same for what does not scroll itself: to ask how far it is scrolled lays the whole page out. */
export function refill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  element.replaceChildren();
  append(element, children);
  if (focused) refocus(element, focused);
}

/** Gives the focus to what stands where it was: to its like, or to the first of its neighbours, so that a key goes on from there. */
export function refocus(element, name) {
  const like = name && element.querySelector(`[data-focus="${CSS.escape(name)}"]`);
  (like ?? element.querySelector("[data-focus]:not(:disabled)"))?.focus({ preventScroll: true });
}

/** The same, but only when `sign` is another than the last time: a button must not go away under a finger. */
export function replaceIf(element, sign, make) {
  if (element.dataset.sign === sign) return;
  element.dataset.sign = sign;
  replace(element, make());
}

/** Whether somebody is writing: then keys are letters. */
export function isWriting() {
  const element = document.activeElement;
  // A field of a dialog that has just been closed keeps the focus until the next frame.
  return !!element && !element.closest("dialog:not([open])") && (element.matches("input, textarea, select") || element.isContentEditable);
}

/** Calls `f` once for any number of calls within a frame. */
export function coalesced(f) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    // A page in the background draws no frames, but has to ring.
    const go = () => { waits = false; f(); };
    if (document.hidden) setTimeout(go, 50);
    else requestAnimationFrame(go);
  };
}
