// What is done to a case. Who acts names the version that they saw: somebody else may have been faster.
import { command, get, send } from "./api.js";
import { t, word } from "./i18n.js";
import { answered, questions } from "./patrols.js";
import { DISPOSITIONS } from "./incident-actions.js";
import { allowed, me } from "./session.js";
import { all, cases, isRunning, keep, knowPeople, touch, wearerName } from "./store.js";
import { calledBy } from "./timeline.js";
import { ask, failed, inWords, toast } from "./ui.js";

/** Whose turn it can be, after the server's table; who goes on foot is offered first. */
const HANDLER_ROLES = ["grid_worker", "volunteer", "desk", "street", "department"];
const ELSEWHERE = [409, 412];
/** How long a phone may look for its own position. */
const POSITION_WAIT_MS = 15_000;

let staff = null;

/** The people who can be sent, read once. */
export async function handlers() {
  staff ??= all("/people?limit=500").then((people) => {
    knowPeople(people);
    return people.filter((one) => HANDLER_ROLES.includes(one.role)).sort((a, b) => HANDLER_ROLES.indexOf(a.role) - HANDLER_ROLES.indexOf(b.role));
  });
  return staff.catch(() => { staff = null; return []; });
}

export const caseTitle = (one) =>
  `${one.wearer ? wearerName(one.wearer) : one.place?.text || word("kind", one.kind)} · ${word("kind", one.kind)}`;

const reason = { name: "note", label: t("field.reason"), kind: "area", required: true };
const remark = { name: "note", label: t("field.note"), kind: "area" };

async function fieldsOf(action, one) {
  const people = ["dispatch", "reassign"].includes(action) ? await handlers() : [];
  const handler = { name: "handler", label: t("field.handler"), kind: "select", required: true,
    options: people.map((one) => [one.id, t("with_role", { name: one.name, role: word("role", one.role) })]) };
  const disposition = { name: "disposition", label: t("field.disposition"), kind: "select", value: "helped",
    options: DISPOSITIONS.map((name) => [name, word("disposition", name)]) };
  const withWhom = { name: "with", label: t("field.with"), required: true };
  return {
    reject: [reason], return: [reason], reopen: [reason], dispatch: [handler, remark], reassign: [handler, reason],
    feedback: [...questions(one), { ...remark, required: true, label: t("field.note_needed") }], note: [{ ...remark, required: true, label: t("field.note_needed") }],
    close: [disposition, remark], merge: [{ name: "into", label: t("field.into"), kind: "select", required: true, options: othersOf(one) }, reason],
    rate: [{ name: "rating", label: t("field.rating"), kind: "select", value: "5", options: ["5", "4", "3", "2", "1"].map((n) => [n, n]) }, remark],
    voice: [withWhom, { ...remark, label: t("field.said"), required: true }],
    hand_over: [withWhom, { ...remark, label: t("field.said"), required: true }],
    hand_off: [{ name: "system", label: t("field.system"), required: true }, remark],
  }[action] ?? [remark];
}

/** The cases that this one can be merged into: those about the same elder first. */
const othersOf = (one) => [...cases.values()].filter((other) => other.id !== one.id && isRunning(other))
  .sort((a, b) => (b.wearer === one.wearer) - (a.wearer === one.wearer)).map((other) => [other.id, `${other.id} · ${caseTitle(other)}`]);

function bodyOf(values) {
  const body = Object.fromEntries(Object.entries(answered(values)).filter(([, value]) => value !== "" && value !== null));
  if (body.rating) body.rating = Number(body.rating);
  return body;
}

async function post(one, action, body) {
  try {
    const after = await command(`/cases/${one.id}/actions/${action}`, body, { ifMatch: one.version });
    take(after);
    return after;
  } catch (problem) {
    if (ELSEWHERE.includes(problem.status)) take(await get(`/cases/${one.id}`).catch(() => null));
    throw problem;
  }
}

function take(entity) {
  if (!entity?.id) return;
  keep(cases, entity);
  touch("case");
}

/** Whether the one who looks is the one who handles it. */
export const isOwn = (one) => !!one.handler && one.handler === me?.person;

/** What may be done now, without what has an address of its own or is the other system's. */
export function actionsOf(one) {
  // Whoever handled it does not verify it, and closes it only when somebody else has.
  const own = !isOwn(one) ? [] : one.state === "verified" ? ["verify"] : ["verify", "close"];
  return allowed("case", one.state).filter((action) => !["receipt", "file", ...own].includes(action));
}

/** Does an action; asks first for what it needs. */
export async function actOnCase(one, action) {
  if (action === "photo") return addPhoto(one);
  try {
    if (action === "check_in") return await checkIn(one);
    if (action === "accept") {
      await post(one, "accept", {});
      return toast(t("case.taken"), { kind: "good" });
    }
    return await ask({
      title: `${t(`case_action.${action}`)}${t("colon")}${caseTitle(one)}`, fields: await fieldsOf(action, one), action: t(`case_action.${action}`),
      danger: action === "reject", act: (values) => post(cases.get(one.id) ?? one, action, bodyOf(values)),
    });
  } catch (problem) {
    const holder = problem.document?.holder;
    if (holder && holder !== me?.person) toast(t("case.lost", { who: calledBy(holder) }), { kind: "bad" });
    else failed(problem);
  }
}

/** 打卡: where this phone is, against where the case is. */
async function checkIn(one) {
  const position = await here().catch(() => null);
  const after = await post(one, "check_in", position ? { position } : {});
  const last = after.check_ins?.at(-1);
  const metres = last?.distance_m;
  toast(metres === null || metres === undefined ? t("case.checked_in") : t("case.checked_in_at", { n: metres }),
    { kind: last?.is_there === false ? "bad" : "good" });
}

/** This phone's position, as the API takes it. */
export function here() {
  return new Promise((resolve, reject) => {
    if (!navigator.geolocation) return reject(new Error("no position"));
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve({ lat: coords.latitude, lon: coords.longitude, accuracy_m: Math.max(1, Math.round(coords.accuracy)) }),
      reject, { enableHighAccuracy: true, timeout: POSITION_WAIT_MS, maximumAge: 30_000 });
  });
}

function addPhoto(one) {
  return ask({
    title: `${t("case_action.photo")}${t("colon")}${caseTitle(one)}`, action: t("send"),
    fields: [{ name: "photo", label: t("field.photo"), kind: "file", accept: "image/jpeg,image/png,image/webp", capture: "environment", required: true }],
    act: async ({ photo }) => take(await command(`/cases/${one.id}/photos`, photo, { type: photo.type })),
  }).catch((problem) => toast(inWords(problem), { kind: "bad" }));
}

const pictures = new Map();

/** A photo as an address that an `img` can show. */
export function picture(hash) {
  if (!pictures.has(hash)) {
    const shown = send("GET", `/photos/${hash}`).then((response) => response.blob()).then((blob) => URL.createObjectURL(blob));
    shown.catch(() => pictures.delete(hash));
    pictures.set(hash, shown);
  }
  return pictures.get(hash);
}
