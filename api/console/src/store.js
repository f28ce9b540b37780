// What this page knows of the house: read once, then kept up by the feed. Nothing is shown that is not committed.
import { Problem, all, get, list } from "./api.js";
import { coalesced } from "./dom.js";
import { Live } from "./live.js";
import { isOneOf, me } from "./session.js";

/** How many names and calls are asked for at once. */
const REQUESTS_MAX = 6;
/** How many steps of an incident's history are kept beside the incident itself. */
const STEPS_MAX = 200;

export const incidents = new Map();
export const cases = new Map();
export const tasks = new Map();
export const orgs = new Map();
/** By device: what the feed last said of its connection and battery. */
export const devices = new Map();
/** By incident: its attempts by id. */
const attemptsOf = new Map();
/** By incident: what the feed told of it, `{type, time, data}`. */
const stepsOf = new Map();

const listeners = new Set();
let changed = new Set();
const announce = coalesced(() => {
  const topics = changed;
  changed = new Set();
  for (const listener of [...listeners]) listener(topics);
});

/** Calls `f` with the topics that changed, at most once a frame; gives the way out. */
export function subscribe(f) {
  listeners.add(f);
  return () => listeners.delete(f);
}

export function touch(topic) {
  changed.add(topic);
  announce();
}

/** Calls of new alarms, for the sound: `(incident, event type)`. */
export const onAlarm = new Set();
/** Incidents that moved to another part of the tree. */
export const onMoved = new Set();
/** Every event as it comes, for pages that follow something of their own. */
export const onEvent = new Set();

/** Every sign of life of the feed. */
export const onHeartbeat = new Set();

export const live = new Live({
  onEvents: (events) => events.forEach(take),
  onHeartbeat: () => onHeartbeat.forEach((f) => f()),
  onGap: load,
  onState: () => touch("link"),
  onRefused: () => refused(),
});
let refused = () => {};
export function onRefused(f) {
  refused = f;
}

/** Reads everything that is open and gives the cursor from which the feed goes on. */
export async function load() {
  const seen = new Set();
  const cursor = await list("/incidents?state=open&limit=500", (data) => {
    for (const incident of data) { seen.add(incident.id); keep(incidents, incident); }
  });
  // What was open before and is not in the list has ended while nobody listened.
  for (const [id, incident] of incidents) {
    if (incident.state !== "resolved" && !seen.has(id)) refresh(id);
  }
  const running = new Set();
  await quietly(list("/cases?state=open&limit=500", (data) => {
    for (const one of data) { running.add(one.id); keep(cases, one); }
  }));
  // What was open before and is not in the list is over; what somebody asked for by its address was never open.
  for (const [id, one] of cases) if (!running.has(id) && isRunning(one)) cases.delete(id);
  if (!isOneOf("volunteer", "guardian")) {
    await quietly(list("/tasks?state=open&limit=500", (data) => data.forEach((task) => keep(tasks, task))));
  }
  await quietly(list("/orgs?limit=500", (data) => data.forEach((org) => orgs.set(org.path, org))));
  touch("incident");
  touch("case");
  touch("task");
  touch("org");
  return cursor;
}

/** Whether somebody still has to do something about a case. */
export const isRunning = (one) => !["closed", "rated", "rejected", "merged"].includes(one.state);

/** Some lists are not for every role: what is refused stays empty. */
async function quietly(promise) {
  try {
    await promise;
  } catch (problem) {
    if (!(problem instanceof Problem) || ![403, 404].includes(problem.status)) throw problem;
  }
}

/** An incident that is asked for by its address: it may have ended long ago. */
export function need(id) {
  if (!id || incidents.has(id) || wanted.has(id)) return;
  wanted.add(id);
  refresh(id);
}
const wanted = new Set();

/** How far back a shift looks. */
export const SHIFT_MS = 12 * 3_600_000;
let recallsEnded = null;

/** Whether what ended before this page was opened is here, too. */
export const knowsEnded = () => recallsEnded === true;

/** Reads what ended in this shift before this page was opened, once; every look is on record, so only where it is shown. */
export function recallEnded() {
  const since = Date.now() - SHIFT_MS;
  recallsEnded ??= list("/incidents?state=resolved&limit=500", (data) => {
    for (const incident of data) if (Date.parse(incident.changed_at) > since) keep(incidents, incident);
    // The newest come first.
    return data.length > 0 && Date.parse(data.at(-1).raised_at) > since;
  }).then(() => { recallsEnded = true; }).catch(() => { recallsEnded = null; }).finally(() => touch("incident"));
}

function refresh(id) {
  get(`/incidents/${id}`).then((incident) => { keep(incidents, incident); touch("incident"); }).catch(() => {});
}

/** Forgets everything: somebody else signs in. */
export function forget() {
  live.stop();
  for (const map of [incidents, cases, tasks, orgs, devices, attemptsOf, stepsOf, placed, ...names.maps()]) map.clear();
  recallsEnded = null;
}

/** An entity that is newer than what is here. */
export function keep(map, entity) {
  const before = map.get(entity.id);
  if (before && before.version > entity.version) return before;
  map.set(entity.id, entity);
  return entity;
}

function take(event) {
  const { type, data } = event;
  const [noun] = event.subject.split("/");
  if ((noun === "incidents" || noun === "cases") && me && !data.org.startsWith(me.org)) {
    leave(noun === "incidents" ? incidents : cases, data);
  } else if (noun === "incidents") {
    keep(incidents, data);
    remember(data.id, event);
    if (type === "incident.raised" || type === "incident.recurred" || type === "incident.reopened" ||
        type === "incident.lease_expired" || type === "incident.exhausted") {
      for (const f of onAlarm) f(data, type);
    }
    touch("incident");
  } else if (noun === "attempts") {
    if (data.incident) {
      attempts(data.incident, false).set(data.id, newer(attempts(data.incident, false).get(data.id), data));
      remember(data.incident, event);
      touch("attempt");
    }
  } else if (noun === "cases") {
    keep(cases, data);
    touch("case");
  } else if (noun === "tasks") {
    keep(tasks, data);
    touch("task");
  } else if (noun === "devices") {
    devices.set(data.id, { ...data, type, time: event.time });
    touch("device");
  } else if (noun === "registry" || noun === "wearers" || noun === "people" || noun === "orgs") {
    names.stale();
    touch("registry");
  }
  for (const f of onEvent) f(event);
}

/** What an elder who moved away took along: it belongs to another part of the tree, and nothing can be done to it here. */
function leave(map, data) {
  if (!map.delete(data.id)) return;
  if (map === incidents) for (const f of onMoved) f(data);
  touch(map === incidents ? "incident" : "case");
}

const newer = (before, after) => (before && before.version > after.version ? before : after);

function remember(incident, event) {
  if (!stepsOf.has(incident)) stepsOf.set(incident, new Map());
  if (event.data.position) place(incident, event);
  // A walk is hundreds of positions: they are no part of the story, and must not crowd it out.
  if (event.type === "incident.updated") return;
  const steps = stepsOf.get(incident);
  if (event.type.startsWith("incident.") || steps.size < STEPS_MAX) steps.set(event.seq, event);
}

const isSame = (a, b) => a.lat === b.lat && a.lon === b.lon;

/** The newest position that the feed told, and since when it is there. */
function place(incident, { seq, time, data: { position } }) {
  const known = placed.get(incident);
  if (!known || (seq > known.last && !isSame(known, position))) placed.set(incident, { ...position, time, first: seq, last: seq });
  else if (isSame(known, position)) {
    if (seq < known.first) Object.assign(known, { first: seq, time });
    known.last = Math.max(known.last, seq);
  }
}
const placed = new Map();

/** Since when an incident's position is known, or null when this page cannot tell. */
export function placedAt({ id, position, occurrences }) {
  const measured = occurrences.find((one) => one.position && isSame(one.position, position))?.measured;
  const known = placed.get(id);
  return measured ?? (known && isSame(known, position) ? known.time : null);
}

/** What the feed told of an incident, oldest first. */
export function steps(incident) {
  return [...(stepsOf.get(incident)?.values() ?? [])].sort((a, b) => a.seq - b.seq);
}

const asked = new Set();

/** The attempts of an incident by id; asked of the server once, unless `ask` is false. */
export function attempts(incident, ask = true) {
  if (!attemptsOf.has(incident)) attemptsOf.set(incident, new Map());
  const kept = attemptsOf.get(incident);
  if (ask && !asked.has(incident)) {
    asked.add(incident);
    later(() => get(`/incidents/${incident}/attempts`).then(({ data }) => {
      for (const attempt of data) kept.set(attempt.id, newer(kept.get(attempt.id), attempt));
      touch("attempt");
    }).catch(() => asked.delete(incident)));
  }
  return kept;
}

/** Reads the feed back to an incident's beginning, so that its history is whole; bounded. */
export async function recall(incident) {
  if (recalled.has(incident.id)) return;
  recalled.add(incident.id);
  const since = encodeURIComponent(incident.raised_at);
  let path = `/events?since=${since}&types=incident.*,attempt.*&limit=500`;
  for (let page = 0; page < RECALL_PAGES_MAX && path; page += 1) {
    const { data, next_cursor, has_more } = await get(path).catch(() => ({ data: [], has_more: false }));
    for (const event of data) {
      if ((event.data.incident ?? event.data.id) === incident.id) remember(incident.id, event);
    }
    path = has_more && `/events?after=${encodeURIComponent(next_cursor)}&types=incident.*,attempt.*&limit=500`;
  }
  touch("attempt");
}
const recalled = new Set();
/** How many pages of the feed are read back at most. */
const RECALL_PAGES_MAX = 6;

const waiting = [];
let running = 0;

/** Asks when there is room, what was wanted last first: that is what somebody looks at. */
function later(request) {
  waiting.push(request);
  setTimeout(ask, 0);
}

function ask() {
  while (running < REQUESTS_MAX && waiting.length) {
    running += 1;
    waiting.pop()().finally(() => { running -= 1; ask(); });
  }
}

/** Names by id, asked for when they are first shown. */
class Names {
  constructor() {
    this.wearers = new Map();
    this.people = new Map();
  }

  maps() {
    return [this.wearers, this.people];
  }

  /** The registry changed: what is known is shown on, and asked for again. */
  stale() {
    for (const map of this.maps()) for (const entry of map.values()) entry.stale = true;
  }

  find(map, path, id) {
    const entry = map.get(id);
    if (!entry || (entry.stale && !entry.asked)) {
      map.set(id, { ...entry, id, asked: true, stale: false });
      later(() => get(`${path}/${encodeURIComponent(id)}`)
        .then((entity) => map.set(id, entity))
        .catch(() => map.set(id, { ...map.get(id), asked: false, missing: true }))
        .finally(() => touch("name")));
    }
    return map.get(id);
  }
}
export const names = new Names();

/** An elder as far as they are known; `name` is missing until the server has answered. */
export const wearer = (id) => names.find(names.wearers, "/wearers", id);
export const person = (id) => names.find(names.people, "/people", id);

/** Puts entries of a list in where they would be asked for one by one. */
export function knowWearers(entries) {
  for (const entry of entries) names.wearers.set(entry.id, entry);
}
export function knowPeople(entries) {
  for (const entry of entries) names.people.set(entry.id, entry);
}

/** The name; as long as the server is being asked, a sign that it is; and the id of whom it does not name. */
export const nameOf = (known, id) => known?.name ?? (known?.asked ? "…" : id);
export const personName = (id) => nameOf(person(id), id);
export const wearerName = (id) => nameOf(wearer(id), id);

export { all };
