// An elder's fences as a map draws them: in WGS-84, whatever datum they were drawn in.
import { get } from "./api.js";

const isPlain = (fence) => !fence.datum || fence.datum === "wgs84";
const asked = new Map();

/** Those that need no conversion at once; all of them once the server has converted the others. */
export async function drawable(elder) {
  const fences = elder.fences ?? [];
  if (fences.every(isPlain)) return fences;
  const key = `${elder.id} ${JSON.stringify(fences)}`;
  if (!asked.has(key)) asked.set(key, get(`/wearers/${encodeURIComponent(elder.id)}/fences?format=geojson`).then(({ features }) => features.map(fenceOf)));
  return asked.get(key).catch(() => fences.filter(isPlain));
}

/** A circle is a point with its radius. */
export function fenceOf({ geometry, properties }) {
  const fence = { id: properties.id, kind: properties.kind };
  if (geometry.type !== "Point") return { ...fence, geometry };
  const [lon, lat] = geometry.coordinates;
  return { ...fence, circle: { lon, lat, radius_m: properties.radius_m } };
}

/** Where an elder is drawn who is not in trouble: the middle of their home fence, no live position. */
export function homeOf(elder) {
  const fence = elder.fences?.find((one) => one.id === "home") ?? elder.fences?.find((one) => one.circle) ?? elder.fences?.[0];
  if (fence?.circle) return { lat: fence.circle.lat, lon: fence.circle.lon };
  const [lon, lat] = fence?.geometry?.coordinates?.[0]?.[0] ?? [];
  return lat === undefined ? null : { lat, lon };
}
