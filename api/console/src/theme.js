// Light, dark, or as the system has it.
const KEPT = "yinling.theme";
export const THEMES = ["auto", "light", "dark"];

export function theme() {
  const kept = localStorage.getItem(KEPT);
  return THEMES.includes(kept) ? kept : "auto";
}

export function setTheme(name) {
  localStorage.setItem(KEPT, name);
  applyTheme();
}

/** Calls `f` when light becomes dark or the other way round: what is on canvas has its colours from before. Gives the way out. */
export function onTheme(f) {
  watchers.add(f);
  return () => watchers.delete(f);
}
const watchers = new Set();
const tell = () => { for (const f of watchers) f(); };
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);

export function applyTheme() {
  const wanted = theme();
  if (wanted === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wanted;
  tell();
}
