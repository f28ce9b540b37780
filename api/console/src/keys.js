// Keys, for those who work with both hands. Never while somebody writes; can be switched off.
import { h, isWriting } from "./dom.js";
import { t } from "./i18n.js";
import * as sound from "./sound.js";
import { toast, wayBack } from "./ui.js";

const KEPT = "yinling.keys";
const SHOWN = [["j", "j"], ["k", "k"], ["Enter", "enter"], ["a", "a"], ["d", "d"], ["e", "e"], ["n", "n"], ["m", "m"], ["/", "slash"], ["?", "help"]];

export const keysAreOn = () => localStorage.getItem(KEPT) !== "off";
export function setKeys(on) {
  localStorage.setItem(KEPT, on ? "on" : "off");
}

/** `page()` is the page that is shown; it takes a key by its `key(name)` and says whether it did. */
export function startKeys(page) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!keysAreOn() || isWriting() || document.querySelector("dialog[open]")) return;
    if (event.key === "?") showKeys();
    else if (event.key === "m") toggleMute();
    else if (!page()?.key?.(event.key)) return;
    event.preventDefault();
  });
}

export function toggleMute() {
  if (sound.muteLeft() > 0) return sound.unmute();
  sound.mute();
  toast(t("sound.muted_said"), { undo: sound.unmute });
}

function showKeys() {
  const back = wayBack();
  const close = h("button", { class: "button", on: { click: () => dialog.close() } }, t("close"));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "keys-title", on: { close: () => { dialog.remove(); back(); } } },
    h("h2", { id: "keys-title" }, t("keys.title")),
    h("dl", { class: "keys" }, SHOWN.map(([key, name]) => [h("dt", null, h("kbd", null, key)), h("dd", null, t(`keys.${name}`))])),
    h("div", { class: "actions" }, close));
  document.body.append(dialog);
  dialog.showModal();
}
