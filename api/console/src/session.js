// Who looks at this page.
import { get, command, setToken, token } from "./api.js";

const SIGNED_IN = "yinling.signed_in";

/** `{name, role, org, person}`; null before anybody signed in. */
export let me = null;
/** What the server says about itself and its tables, before anybody signed in. */
export let house = { zone: "Asia/Shanghai", phones: null, tiles: null, incident: [], case: [] };

export async function readHouse() {
  house = { ...house, ...(await get("/console")) };
  return house;
}

/** Whether the session or the token still holds; sets `me`. */
export async function resume() {
  localStorage.removeItem(SIGNED_IN);
  me = await get("/session");
  // A token has no name of its own: what it may do says more than its number.
  if (!me.account && me.name === me.person) me.name = "";
  localStorage.setItem(SIGNED_IN, "1");
  return me;
}

/** Whether it is worth asking: a browser complains on its console about every 401. */
export const mayBeSignedIn = () => token() !== null || localStorage.getItem(SIGNED_IN) !== null;

export async function signIn(account, password) {
  setToken(null);
  me = await command("/session", { account, password });
  localStorage.setItem(SIGNED_IN, "1");
  return me;
}

export async function signInWithToken(text) {
  setToken(text.trim());
  try {
    return await resume();
  } catch (problem) {
    setToken(null);
    throw problem;
  }
}

export async function signOut() {
  if (token()) setToken(null);
  else await command("/session", undefined, { method: "DELETE" }).catch(() => {});
  localStorage.removeItem(SIGNED_IN);
  me = null;
}

/** What I may do with an incident or a case in its state, in the order of the server's table. */
export function allowed(noun, state) {
  return house[noun].filter((row) => row.from === state && row.who.includes(me?.role)).map((row) => row.action);
}

export const can = (noun, state, action) => allowed(noun, state).includes(action);
export const isOneOf = (...roles) => roles.includes(me?.role);
