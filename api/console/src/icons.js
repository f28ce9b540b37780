// Drawings of our own, 24 × 24, in the colour of their text.
import { svg } from "./dom.js";

const PATHS = {
  bell: "M12 3a1.500 1.500 0 0 0-1.500 1.500v.6A6 6 0 0 0 6 11v5l-2 2h16l-2-2v-5a6 6 0 0 0-4.500-5.900v-.6A1.500 1.500 0 0 0 12 3zM10 20a2 2 0 0 0 4 0",
  sos: "M12 2.500 22.500 20.500h-21zM12 9v5.500M12 17.300v.4",
  fall: "M7 5.500a1.800 1.800 0 1 0 .01 0M8 9l5 3 2 5M13 12l4-3M4 20h16M8.500 10 7 15l4 2",
  fence: "M4 5v14M12 5v14M20 5v14M4 9h16M4 15h16",
  heart: "M12 20S4 15 4 9a4 4 0 0 1 8-1.500A4 4 0 0 1 20 9c0 6-8 11-8 11z",
  pressure: "M12 21a8 8 0 1 1 8-8M12 13l4-5M16 21h6M19 18v6",
  thermometer: "M10 13V5a2 2 0 0 1 4 0v8a4 4 0 1 1-4 0zM12 9v8",
  lungs: "M12 4v8M12 10c-2 0-3 2-6 5-1.500 1.500-1 5 1.500 5S11 18 11 15v-2M12 10c2 0 3 2 6 5 1.500 1.500 1 5-1.500 5S13 18 13 15v-2",
  silence: "M4 9v6h4l5 4V5L8 9zM17 9l5 6M22 9l-5 6",
  battery: "M3 8h15v8H3zM18 10.500h3v3h-3M5.500 10.500v3",
  watch: "M8 7h8v10H8zM9 7l.6-4h4.800l.6 4M9 17l.6 4h4.800l.6-4",
  walk: "M13 4.500a1.500 1.500 0 1 0 .01 0M12 8l-2 6 3 3 1 5M10 14l-3 7M12 9l4 3M11.500 9 8 12",
  clock: "M12 3a9 9 0 1 0 .01 0M12 7v5l3.500 2",
  phone: "M6 3h3l1.500 5L8 9.500a12 12 0 0 0 6.500 6.500L16 13.500l5 1.500v3c0 1.700-1.300 3-3 3C10 21 3 14 3 6c0-1.700 1.300-3 3-3z",
  message: "M3 5h18v12H9l-4 4v-4H3z",
  person: "M12 4a4 4 0 1 0 .01 0M4.500 21c.5-5 3.500-7 7.500-7s7 2 7.500 7",
  check: "M4 12.500 9.500 18 20 6.500",
  cross: "M6 6l12 12M18 6 6 18",
  flag: "M5 21V4h13l-3 4 3 4H5",
  door: "M6 21V3h12v18M4 21h16M14.500 12v1",
  up: "M12 20V5M5 12l7-7 7 7",
  note: "M5 3h14v18H5zM8.500 8h7M8.500 12h7M8.500 16h4",
  map: "M12 21s7-6.500 7-12a7 7 0 1 0-14 0c0 5.500 7 12 7 12zM12 6.500a2.500 2.500 0 1 0 .01 0",
  case: "M3 8h18v12H3zM8 8V5h8v3M3 13h18",
  gear: "M12 8.500a3.500 3.500 0 1 0 .01 0M12 2.500v3M12 18.500v3M2.500 12h3M18.500 12h3M5.300 5.300l2.100 2.100M16.600 16.600l2.100 2.100M18.700 5.300l-2.100 2.100M7.400 16.600l-2.100 2.100",
  search: "M10.500 4a6.500 6.500 0 1 0 .01 0M15.500 15.500 21 21",
  list: "M4 6h16M4 12h16M4 18h16",
  chart: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
  wall: "M3 4h18v12H3zM8 20h8M12 16v4",
  doctor: "M12 4v16M4 12h16",
  back: "M15 5l-7 7 7 7",
  camera: "M3 7h4l2-3h6l2 3h4v13H3zM12 10a3.500 3.500 0 1 0 .01 0",
  sun: "M12 7.500a4.500 4.500 0 1 0 .01 0M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600 19 19M19 5l-1.400 1.400M6.400 17.600 5 19",
  plug: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
};

const OF_KIND = {
  sos: "sos", fall: "fall", fence_exit: "fence", wandering: "walk", immobility: "clock",
  blood_pressure_high: "pressure", blood_pressure_low: "pressure", blood_pressure_watch: "pressure",
  orthostatic_drop: "pressure", heart_rate_high: "heart", heart_rate_low: "heart", irregular_pulse: "heart",
  spo2_low: "lungs", temperature_high: "thermometer", temperature_low: "thermometer", news2_high: "doctor",
  silence: "silence", mass_silence: "silence", battery_low: "battery", device_removed: "watch", welfare_call: "phone",
};

/** A drawing; decorative, its meaning stands beside it as text. */
export function icon(name, more = "") {
  return svg("svg", { viewBox: "0 0 24 24", class: `icon ${more}`, "aria-hidden": "true" },
    svg("path", { d: PATHS[name] ?? PATHS.bell }));
}

export const kindIcon = (kind, more) => icon(OF_KIND[kind] ?? "bell", more);
