// Writing registry entries: the version that was seen goes with them, so that nobody overwrites somebody else.
import { command, getTagged } from "./api.js";

/** Reads an entry, lets `change` alter a copy of it, and writes it back. */
export async function edit(noun, id, change) {
  const path = `/${noun}/${encodeURIComponent(id)}`;
  const { entity, etag } = await getTagged(path);
  const changed = change(structuredClone(entity));
  for (const [name, value] of Object.entries(changed)) if (value === null) delete changed[name];
  return command(path, changed, { method: "PUT", ifMatch: etag ?? undefined });
}
