// Times in the house's zone, and the server's clock.
import { language, t } from "./i18n.js";

let zone = "Asia/Shanghai";
let ahead = 0;
const formats = new Map();

export function setZone(name) {
  zone = name;
  formats.clear();
}

/** The server said what time it is: this machine's clock may be wrong. */
export function serverSays(instant) {
  const seen = Date.parse(instant);
  if (!Number.isNaN(seen)) ahead = seen - Date.now();
}

/** Now, by the server's clock, in milliseconds. */
export const now = () => Date.now() + ahead;

function format(name, options) {
  const key = `${language()} ${name}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat(language(), { timeZone: zone, hourCycle: "h23", ...options }));
  }
  return formats.get(key);
}

const millis = (instant) => (typeof instant === "number" ? instant : Date.parse(instant));

/** `14:05:32` */
export function clock(instant) {
  return format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(millis(instant));
}

/** `14:05` */
export function minute(instant) {
  return format("minute", { hour: "2-digit", minute: "2-digit" }).format(millis(instant));
}

/** `11月22日 14:05` */
export function dated(instant) {
  return format("dated", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }).format(millis(instant));
}

/** `11月22日` */
export function day(instant) {
  return format("day", { month: "short", day: "numeric" }).format(millis(instant));
}

/** `2026-11-22T14:05` in the house's zone, for a date field; `hours` from now. */
export function fieldValue(instant) {
  const parts = new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
  }).format(millis(instant));
  return parts.replace(" ", "T");
}

/** The instant that a date field means in the house's zone. */
export function fromField(text) {
  const asUtc = Date.parse(`${text}Z`);
  const offset = Date.parse(`${fieldValue(asUtc)}Z`) - asUtc;
  return new Date(asUtc - offset).toISOString();
}

/** `3 分钟前`, `8 秒`: how long, in the largest unit that says enough. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return t("span.seconds", { n: seconds });
  if (seconds < 3600) return t("span.minutes", { n: Math.floor(seconds / 60) });
  if (seconds < 86_400) return t("span.hours", { n: Math.floor(seconds / 3600), m: Math.floor((seconds % 3600) / 60) });
  return t("span.days", { n: Math.floor(seconds / 86_400) });
}

/** `04:59`, `−00:12` for a clock that runs down; `22 小时 59 分` where it would look like a time of day. */
export function countdown(milliseconds) {
  const late = milliseconds < 0;
  const seconds = Math.floor(Math.abs(milliseconds) / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const left = !hours ? `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}` : t("span.hours", { n: hours, m: Math.floor((seconds % 3600) / 60) });
  return `${late ? "−" : ""}${left}`;
}

/** `3 分钟前 · 14:05:32` */
export function ago(instant) {
  const at = millis(instant);
  if (Number.isNaN(at)) return "—";
  const passed = now() - at;
  const time = passed > 86_400_000 ? dated(at) : clock(at);
  return `${t("span.ago", { span: span(passed) })} · ${time}`;
}

export { millis };
