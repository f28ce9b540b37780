// Which language is shown. Every string stands once per language, in words/.
import zh from "./words/zh-CN.js";
import en from "./words/en.js";

const WORDS = { "zh-CN": zh, en };
const KEPT = "yinling.language";
let current = read();

function read() {
  const kept = localStorage.getItem(KEPT);
  return kept in WORDS ? kept : "zh-CN";
}

export function language() {
  return current;
}

export const isChinese = () => current === "zh-CN";

export function setLanguage(name) {
  current = name in WORDS ? name : "zh-CN";
  localStorage.setItem(KEPT, current);
  document.documentElement.lang = current;
  document.title = t("title");
}

/** For a page that another language was chosen for: nothing is kept. */
export function useLanguage(name) {
  current = name in WORDS ? name : "zh-CN";
}

/** The string of this name with its `{places}` filled. A name that is not there shows itself: a test looks for it. */
export function t(name, places) {
  const text = WORDS[current][name];
  if (text === undefined) return `⟦${name}⟧`;
  if (!places) return text;
  // A full-width bracket brings its own room along.
  return text.replace(/\{(\w+)\}/g, (whole, place) => (place in places ? places[place] : whole)).replaceAll("） ", "）");
}

/** The string of a value that comes from the server, or the value itself: a newer server may know more words. */
export function word(group, value) {
  const name = `${group}.${value}`;
  return name in WORDS[current] ? WORDS[current][name] : String(value ?? "—");
}

/** Of a pair `x`, `x_en` or `detail`, `detail_zh` that the server sends in both languages. */
export function both(zhText, enText) {
  return (current === "zh-CN" ? zhText : enText) || zhText || enText || "";
}

/** Several names, as the language lists them. */
export function listed(names) {
  return names.join(current === "zh-CN" ? "、" : ", ");
}
