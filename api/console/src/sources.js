// Where an elder's track, readings and fences are read and written: as staff, or by a guardian's link.
import { command, get, getTagged, send } from "./api.js";
import { drawable, fenceOf } from "./fences.js";
import { edit } from "./registry-save.js";
import { isOneOf } from "./session.js";

/** As somebody who is signed in. */
export function staffSource(elder) {
  const path = `/wearers/${encodeURIComponent(elder.id)}`;
  return {
    mayDraw: isOneOf("admin", "operator", "desk", "doctor", "guardian"),
    track: (query) => get(`${path}/track?${query}&purpose=track%20replay`),
    gpx: (query) => send("GET", `${path}/track?format=gpx&${query}&purpose=export`),
    vitals: (query) => get(`${path}/vitals?${query}&purpose=trend`),
    latest: () => get(`${path}/latest?purpose=fences`),
    shapes: () => drawable(elder),
    draw: (change) => edit("wearers", elder.id, (entry) => ({ ...entry, fences: change(entry.fences) })),
  };
}

/** As the guardian who opened a link and entered its code. `elder` is what `/guardian/{token}/elder` gave. */
export function guardianSource(token, elder) {
  const path = `/guardian/${encodeURIComponent(token)}`;
  return {
    mayDraw: true,
    tile: (at) => send("GET", `${path}${at}`),
    track: (query) => get(`${path}/track?${query}`),
    gpx: (query) => send("GET", `${path}/track?format=gpx&${query}`),
    vitals: (query) => get(`${path}/vitals?${query}`),
    latest: async () => elder.latest,
    shapes: async () => elder.drawn.features.map(fenceOf),
    draw: async (change) => {
      const { entity, etag } = await getTagged(`${path}/elder`);
      return command(`${path}/fences`, { fences: change(entity.fences) }, { method: "PUT", ifMatch: etag });
    },
  };
}
