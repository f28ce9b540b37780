// Drawing a fence with a thumb: a circle that is dragged by its middle and its edge, or corners that are tapped.
import { h, replace } from "../dom.js";
import { listed, t } from "../i18n.js";
import { L } from "../map.js";
import { ask, button, failed, toast } from "../ui.js";

const RADIUS_M = 300;
const RADIUS_MIN_M = 30;
/** Beyond this a circle has to be meant. */
const LARGE_M = 3_000;
const CORNERS_MIN = 3;
const EARTH_M = 6_371_008.8;

/** One fence in a few words. */
export function fenceWords(fence) {
  const shape = fence.circle ? t("fence.circle_of", { n: Math.round(fence.circle.radius_m) }) : fence.geometry?.type === "LineString" ? t("fence.way") : t("fence.polygon");
  const kind = fence.kind === "exclusion" ? t("fence.keep_out") : t("fence.stay_in");
  return t("with_role", { name: fence.id, role: listed([kind, shape, ...(fence.active ? [fence.active] : [])]) });
}

const handle = (place, small) => L.marker(place, {
  draggable: true, keyboard: true, autoPan: true, title: t("fence.handle"),
  icon: L.divIcon({ className: `handle ${small ? "small" : ""}`, iconSize: [44, 44], iconAnchor: [22, 22] }),
});

export class FenceEditor {
  /** `draw(change)` writes what `change` makes of the fences as they are. */
  constructor(chart, elder, { bar, caption, draw, onSaved }) {
    Object.assign(this, { chart, elder, bar, caption, draw, onSaved, layer: L.featureGroup().addTo(chart.map), undone: [] });
    this.offer();
  }

  end() {
    this.chart.map.off("click", this.tap, this);
    this.layer.remove();
  }

  offer() {
    this.mode = null;
    this.layer.clearLayers();
    this.chart.map.off("click", this.tap, this);
    const choices = this.elder.fences.map((fence) => button(`${t("fence.remove")} ${fence.id}`, { kind: "small warn", click: () => this.remove(fence) }));
    replace(this.bar, button(t("fence.add_circle"), { kind: "small", iconName: "map", focus: "add-circle", click: () => this.begin("circle") }),
      button(t("fence.add_polygon"), { kind: "small", iconName: "fence", focus: "add-polygon", click: () => this.begin("polygon") }), choices);
  }

  begin(mode) {
    this.mode = mode;
    this.corners = [];
    this.layer.clearLayers();
    replace(this.bar, h("span", { class: "soft" }, t(mode === "circle" ? "fence.hint_circle" : "fence.hint_polygon")),
      mode === "polygon" && button(t("undo"), { kind: "small", click: () => { this.corners.pop(); this.drawPolygon(); } }),
      button(t("cancel"), { kind: "small", click: () => this.offer() }),
      button(t("save"), { kind: "small primary", iconName: "check", focus: "fence-save", click: () => this.save().catch(failed) }));
    if (mode === "circle") {
      this.centre = this.chart.map.getCenter();
      this.radius = RADIUS_M;
      this.drawCircle();
    }
    this.chart.map.on("click", this.tap, this);
  }

  tap({ latlng }) {
    if (this.mode === "circle") {
      this.centre = latlng;
      this.drawCircle();
    } else {
      this.corners.push(latlng);
      this.drawPolygon();
    }
  }

  drawCircle() {
    this.layer.clearLayers();
    const circle = L.circle(this.centre, { radius: this.radius, color: this.chart.colour("fence"), weight: 3 }).addTo(this.layer);
    const edge = () => east(this.centre, this.radius);
    const middle = handle(this.centre).addTo(this.layer);
    const rim = handle(edge(), true).addTo(this.layer);
    const say = () => { this.caption.textContent = t("fence.radius", { n: Math.round(this.radius) }); };
    middle.on("drag", () => { this.centre = middle.getLatLng(); circle.setLatLng(this.centre); rim.setLatLng(edge()); });
    rim.on("drag", () => {
      this.radius = Math.max(RADIUS_MIN_M, this.centre.distanceTo(rim.getLatLng()));
      circle.setRadius(this.radius);
      say();
    });
    rim.on("dragend", () => rim.setLatLng(edge()));
    say();
  }

  drawPolygon() {
    this.layer.clearLayers();
    const colour = this.chart.colour("fence");
    const shape = this.corners.length < CORNERS_MIN ? L.polyline(this.corners, { color: colour, weight: 3 }) : L.polygon(this.corners, { color: colour, weight: 3 });
    shape.addTo(this.layer);
    this.corners.forEach((corner, place) => {
      const marker = handle(corner, true).addTo(this.layer);
      marker.on("drag", () => { this.corners[place] = marker.getLatLng(); shape.setLatLngs(this.corners); });
    });
    this.caption.textContent = t("fence.corners", { n: this.corners.length });
  }

  shape() {
    const round = (degrees) => Math.round(degrees * 1e7) / 1e7;
    if (this.mode === "circle") {
      const radius_m = Math.round(this.radius);
      return { circle: { lon: round(this.centre.lng), lat: round(this.centre.lat), radius_m }, ...(radius_m >= LARGE_M ? { large: true } : {}) };
    }
    const ring = this.corners.map(({ lng, lat }) => [round(lng), round(lat)]);
    return { geometry: { type: "Polygon", coordinates: [[...ring, ring[0]]] } };
  }

  async save() {
    if (this.mode === "polygon" && this.corners.length < CORNERS_MIN) return toast(t("fence.too_few"), { kind: "bad" });
    const shape = this.shape();
    const done = await ask({
      title: t("fence.save_title"), action: t("save"),
      fields: [
        { name: "id", label: t("fence.name"), value: this.free(), required: true, hint: t("fence.name_hint") },
        { name: "kind", label: t("fence.kind"), kind: "select", value: "inclusion", options: [["inclusion", t("fence.stay_in")], ["exclusion", t("fence.keep_out")]] },
        { name: "margin_m", label: t("fence.margin"), kind: "number", value: 30, min: 0, max: 1000 },
        { name: "active", label: t("fence.active"), hint: t("fence.active_hint") },
      ],
      act: (values) => this.draw((fences) => {
        const fence = { id: values.id, kind: values.kind, datum: "wgs84", margin_m: Number(values.margin_m), ...shape };
        if (values.active) fence.active = values.active;
        return [...fences.filter((one) => one.id !== fence.id), fence];
      }),
    });
    if (!done) return;
    toast(t("fence.saved"), { kind: "good" });
    this.onSaved();
  }

  free() {
    const taken = new Set(this.elder.fences.map((fence) => fence.id));
    for (let number = 1; ; number += 1) if (!taken.has(`fence-${number}`)) return `fence-${number}`;
  }

  async remove(fence) {
    const done = await ask({
      title: `${t("fence.remove")} ${fence.id}`, lead: fenceWords(fence), action: t("fence.remove"), danger: true,
      act: () => this.draw((fences) => fences.filter((one) => one.id !== fence.id)),
    });
    if (!done) return;
    // Safe to take back: the fence is put in again as it was.
    const putBack = () => this.draw((fences) => [...fences.filter((one) => one.id !== fence.id), fence]).then(this.onSaved).catch(failed);
    toast(t("fence.removed"), { undo: putBack });
    this.onSaved();
  }
}

/** The point so many metres to the east. */
function east({ lat, lng }, metres) {
  return L.latLng(lat, lng + (metres / (EARTH_M * Math.cos((lat * Math.PI) / 180))) * (180 / Math.PI));
}
