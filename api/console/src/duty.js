// Who watches: the roster says who is on duty, and whoever has armed the sound of this console is there.
import { get } from "./api.js";
import { t, listed } from "./i18n.js";
import { me } from "./session.js";
import * as sound from "./sound.js";
import { orgs, person, touch } from "./store.js";

const AGAIN_MS = 300_000;

let armed = false;
let rostered = [];
let timer = null;

/** Follows the roster of the organisation that this person belongs to, or of the first that has a desk. */
export function watch() {
  clearInterval(timer);
  timer = setInterval(read, AGAIN_MS);
}

export function unwatch() {
  clearInterval(timer);
}

export async function read() {
  const mine = [...orgs.values()].filter((org) => org.path.startsWith(me?.org ?? "/"));
  const org = mine.find((one) => one.path === me?.org) ?? mine.findLast((one) => one.desk);
  if (!org) return;
  const roster = await get(`/duty?org=${encodeURIComponent(org.path)}`).catch(() => null);
  rostered = (roster?.on_duty ?? []).flatMap((unit) => unit.people);
  touch("duty");
}

export async function begin() {
  armed = true;
}

export async function end() {
  sound.disarm();
  armed = false;
  touch("duty");
}

const people = () => [...new Set([...(armed ? [me.name || t("duty.on")] : []), ...rostered.map((id) => person(id)?.name ?? id)])];

export const somebody = () => armed || rostered.length > 0;

export function inWords() {
  return somebody() ? `${t("on_duty")}${t("colon")}${listed(people())}` : t("on_duty.nobody");
}
