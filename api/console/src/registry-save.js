// Writing registry entries: the version that was seen goes with them, so that nobody overwrites somebody else.
import { command, getTagged } from "./api.js";

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
