// Talking to the server. Who signed in has a session cookie, or a token that lives as long as this tab.
import { both, t } from "./i18n.js";

const TOKEN = "yinling.token";
/** How often a command is sent again when the network fails; its key makes that harmless. */
const TRIES = 3;
const PAUSE_MS = 800;
/** A command that has not been answered for so long is said to be open; after the longer time it is sent again. */
const SLOW_MS = 4_000;
const ANSWER_MS = 15_000;

export const token = () => sessionStorage.getItem(TOKEN);
export function setToken(text) {
  if (text) sessionStorage.setItem(TOKEN, text);
  else sessionStorage.removeItem(TOKEN);
}

let slow = () => {};
/** `f` hears of a command that waits for its answer: whoever pressed must not believe that it is done. */
export function onSlow(f) {
  slow = f;
}

let unauthenticated = () => {};
export function onUnauthenticated(f) {
  unauthenticated = f;
}

/** What the server refused, in the reader's language. */
export class Problem extends Error {
  constructor(status, document) {
    super(both(document.detail_zh, document.detail) || t("problem.status", { status }));
    this.status = status;
    this.document = document;
    this.code = document.code;
  }
}

export function headers(more) {
  const bearer = token();
  return { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), ...more };
}

/** Sends a request below /api/v1 and gives the response; throws a Problem for what is refused. */
export async function send(method, path, { body, type = "application/json", more, signal } = {}) {
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method, signal, cache: "no-store", credentials: "same-origin",
      headers: headers({ ...(body === undefined ? {} : { "content-type": type }), ...more }),
      body,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "offline", detail: t("problem.offline"), detail_zh: t("problem.offline") });
  }
  if (response.ok) return response;
  const document = await response.json().catch(() => ({}));
  const problem = new Problem(response.status, document);
  if (response.status === 401) unauthenticated(problem);
  throw problem;
}

/** Reads JSON. */
export async function get(path) {
  return (await send("GET", path)).json();
}

/** Reads JSON with its ETag. */
export async function getTagged(path) {
  const response = await send("GET", path);
  return { entity: await response.json(), etag: response.headers.get("etag") };
}

/** Reads a list page by page; calls `each` with the entries of every page and gives the first page's cursor. */
export async function list(path, each) {
  let next = `/api/v1${path}`;
  let cursor;
  while (next) {
    const page = await get(next.slice("/api/v1".length));
    cursor ??= page.as_of_cursor;
    if (each(page.data) === false) break;
    next = page.next;
  }
  return cursor;
}

/** Every entry of a list. */
export async function all(path) {
  const entries = [];
  await list(path, (data) => { entries.push(...data); });
  return entries;
}

/** A key of its own for every command. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Does something; is sent again with the same key when the network fails on the way. */
export async function command(path, body = {}, { ifMatch, method = "POST", type, key = newKey() } = {}) {
  const more = { "idempotency-key": key };
  if (ifMatch !== undefined) more["if-match"] = String(ifMatch).startsWith("\"") ? ifMatch : `"${ifMatch}"`;
  const sent = typeof body === "string" || body instanceof Blob || body === undefined ? body : JSON.stringify(body);
  const waits = setTimeout(slow, SLOW_MS);
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        // A photo may take its time on the way.
        const signal = body instanceof Blob ? undefined : AbortSignal.timeout(ANSWER_MS);
        const response = await send(method, path, { body: sent, type, more, signal });
        const text = await response.text();
        return text ? JSON.parse(text) : null;
      } catch (problem) {
        const again = problem.name === "TimeoutError" || (problem instanceof Problem && (problem.status === 0 || problem.status === 503));
        if (!again || attempt >= TRIES) throw problem;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempt));
      }
    }
  } finally {
    clearTimeout(waits);
  }
}
