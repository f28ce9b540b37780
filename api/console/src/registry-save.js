// Writing registry entries: the version that was seen goes with them, so that nobody overwrites somebody else.
import { all, command, getTagged } from "./api.js";
import { t } from "./i18n.js";

/** Everybody in one of these roles, as `[id, name]` to choose from. */
export async function people(...roles) {
  const found = await all("/people?limit=500");
  return found.filter((one) => roles.includes(one.role)).map((one) => [one.id, t("with_role", { name: one.name, role: one.phone ?? one.id })]);
}

/** The ids of a wearer's guardians, first called first. */
export const guardiansOf = (elder) => (elder.guardians ?? []).map((one) => one.person ?? one);

/** The same as they were entered, in another order or with others. */
export function guardiansAs(ids, elder) {
  const before = new Map((elder.guardians ?? []).map((one) => [one.person ?? one, one]));
  return ids.map((id) => before.get(id) ?? id);
}

/**
 * Sets the thresholds of one kind, and nothing else of the wearer: that is a doctor's to do. Gives `{undo}`, too.
 * `wanted`: what is to hold instead of the defaults, by name.
 */
export async function setThresholds(id, kind, wanted) {
  const path = `/wearers/${encodeURIComponent(id)}`;
  const { entity, etag } = await getTagged(path);
  const before = entity.thresholds?.[kind] ?? {};
  // What is not named again goes back to its default.
  const write = (from, to, ifMatch) => {
    const gone = Object.fromEntries(Object.keys(from).filter((name) => !(name in to)).map((name) => [name, null]));
    return command(path, { thresholds: { [kind]: { ...gone, ...to } } }, { method: "PATCH", ifMatch });
  };
  await write(before, wanted, etag);
  const after = await getTagged(path).catch(() => null);
  return { undo: after && (() => write(wanted, before, after.etag)) };
}

/** A number as it is kept: people write it as they dial it. */
export function phoneOf(text) {
  const digits = text.replace(/[\s()-]/g, "");
  if (/^1\d{10}$/.test(digits)) return `+86${digits}`;
  if (/^0[1-9]\d{8,10}$/.test(digits)) return `+86${digits.slice(1)}`;
  return digits;
}

/**
 * Reads an entry, lets `change` alter a copy of it, and writes it back. Gives `{undo}`, which writes the entry as it was
 * before, unless somebody has changed it since.
 */
export async function edit(noun, id, change) {
  const path = `/${noun}/${encodeURIComponent(id)}`;
  const { entity, etag } = await getTagged(path);
  const changed = change(structuredClone(entity));
  for (const [name, value] of Object.entries(changed)) if (value === null) delete changed[name];
  const write = (entry, ifMatch) => command(path, entry, { method: "PUT", ifMatch });
  await write(changed, etag ?? undefined);
  const after = await getTagged(path).catch(() => null);
  const before = Object.fromEntries(Object.entries(entity).filter(([, value]) => value !== null));
  return { undo: after && (() => write(before, after.etag)) };
}
