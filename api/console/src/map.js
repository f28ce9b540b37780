// The map. It is useful without a single tile: graticule, scale, fences, tracks and people are drawn here.
import "./vendor/leaflet.js";
import { send } from "./api.js";
import { coalesced } from "./dom.js";
import { t } from "./i18n.js";
import { house } from "./session.js";
import { onTheme } from "./theme.js";

const L = window.L;
/** Steps of the graticule in degrees; the one with lines nearest to this distance on the screen is taken. */
const STEPS = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002];
const LINE_EVERY_PX = 110;
/** How wide the scale is at most, with its place. */
const SCALE_PX = 150;
const ZOOM_MAX = 19;
/** Where a map that has nothing to show looks: the middle of China. */
const NOWHERE = [[34.5, 108.9], 4];

/** Lines of equal longitude and latitude with their degrees, on one canvas. */
const Graticule = L.Layer.extend({
  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "graticule leaflet-zoom-hide", map.getPane("overlayPane"));
    map.on("moveend zoomend resize viewreset", this.draw, this);
    this.draw();
  },
  onRemove(map) {
    map.off("moveend zoomend resize viewreset", this.draw, this);
    this.canvas.remove();
  },
  draw() {
    const map = this._map;
    const size = map.getSize();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = size.x * ratio;
    this.canvas.height = size.y * ratio;
    this.canvas.style.width = `${size.x}px`;
    this.canvas.style.height = `${size.y}px`;
    L.DomUtil.setPosition(this.canvas, map.containerPointToLayerPoint([0, 0]));
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(map.getContainer());
    pen.strokeStyle = style.getPropertyValue("--graticule");
    pen.fillStyle = style.getPropertyValue("--ink-soft");
    pen.font = "11px system-ui, sans-serif";
    pen.lineWidth = 1;
    const bounds = map.getBounds();
    const perPixel = (bounds.getEast() - bounds.getWest()) / Math.max(1, size.x);
    const step = STEPS.reduce((best, one) =>
      Math.abs(one / perPixel - LINE_EVERY_PX) < Math.abs(best / perPixel - LINE_EVERY_PX) ? one : best);
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    pen.beginPath();
    for (let lon = Math.ceil(bounds.getWest() / step) * step; lon <= bounds.getEast(); lon += step) {
      const { x } = map.latLngToContainerPoint([bounds.getCenter().lat, lon]);
      pen.moveTo(Math.round(x) + 0.5, 0);
      pen.lineTo(Math.round(x) + 0.5, size.y);
      // Where the scale stands, nothing else can be read.
      if (x > SCALE_PX) pen.fillText(`${lon.toFixed(digits)}°`, x + 3, size.y - 5);
    }
    for (let lat = Math.ceil(bounds.getSouth() / step) * step; lat <= bounds.getNorth(); lat += step) {
      const { y } = map.latLngToContainerPoint([lat, bounds.getCenter().lng]);
      pen.moveTo(0, Math.round(y) + 0.5);
      pen.lineTo(size.x, Math.round(y) + 0.5);
      if (y > 14 && y < size.y - 20) pen.fillText(`${lat.toFixed(digits)}°`, 4, y - 4);
    }
    pen.stroke();
  },
});

/** The operator's map tiles, by way of this server: no page asks anybody else. Without them the rest is drawn all the same. */
const Tiles = L.GridLayer.extend({
  createTile({ x, y, z }, done) {
    const image = L.DomUtil.create("img");
    image.alt = "";
    this.options.read(`/tiles/${z}/${x}/${y}`).then((response) => response.blob()).then((blob) => {
      image.src = URL.createObjectURL(blob);
      image.onload = () => { URL.revokeObjectURL(image.src); done(null, image); };
    }).catch((problem) => done(problem, image));
    return image;
  },
});

/**
 * Leaflet's canvas, but a frame that was asked for before the map went draws nothing: Leaflet forgets such a frame
 * when it redraws at once in between, cannot cancel it any more, and fails on the missing canvas (seen with 1.9.4).
 */
const Canvas = L.Canvas.extend({
  _redraw() {
    if (this._ctx) L.Canvas.prototype._redraw.call(this);
  },
});

/** A map in an element. Say `end()` when the page goes. */
export class Chart {
  constructor(element, { wheel = true, tile = (path) => send("GET", path) } = {}) {
    element.classList.add("map");
    this.map = L.map(element, {
      attributionControl: false, zoomControl: false, renderer: new Canvas(), maxZoom: ZOOM_MAX, minZoom: 3,
      // What is drawn anew replaces what was there: a name that fades out would stand beside the same name at a new place.
      fadeAnimation: false, zoomAnimation: !matchMedia("(prefers-reduced-motion: reduce)").matches, scrollWheelZoom: wheel, worldCopyJump: true,
    }).setView(...NOWHERE);
    L.control.zoom({ position: "topright", zoomInTitle: t("map.zoom_in"), zoomOutTitle: t("map.zoom_out") }).addTo(this.map);
    L.control.scale({ imperial: false, maxWidth: 140 }).addTo(this.map);
    if (typeof house.tiles === "string") {
      new Tiles({ read: tile, maxNativeZoom: ZOOM_MAX - 1, className: "tiles" }).addTo(this.map);
      L.control.attribution({ prefix: false }).addAttribution(house.tiles.replace(/[<>&"]/g, "")).addTo(this.map);
    }
    const graticule = new Graticule().addTo(this.map);
    this.layers = L.featureGroup().addTo(this.map);
    this.tidy = coalesced(() => this.uncover());
    this.map.on("moveend zoomend", this.tidy);
    this.observer = new ResizeObserver(() => this.map.invalidateSize({ pan: false }));
    this.observer.observe(element);
    this.colour = (name) => getComputedStyle(element).getPropertyValue(`--${name}`).trim();
    this.way = onTheme(() => {
      graticule.draw();
      this.layers.eachLayer((layer) => layer.setStyle(this.tinted(layer.tints)));
    });
  }

  /** Named colours, `{fillColor: "high"}`, as they are in this light. */
  tinted(tints) {
    return Object.fromEntries(Object.entries(tints).map(([part, name]) => [part, this.colour(name)]));
  }

  /** Adds a shape, which keeps the names of its colours. */
  add(layer, tints) {
    layer.tints = tints;
    layer.setStyle(this.tinted(tints));
    this.layers.addLayer(layer);
    return layer;
  }

  end() {
    this.ended = true;
    this.observer.disconnect();
    this.way();
    this.map.remove();
  }

  clear() {
    this.layers.clearLayers();
  }

  /** Brings all that is drawn into view. */
  fit(most = 17) {
    // What was asked of the server may come when the page has gone.
    if (this.ended) return;
    const bounds = this.layers.getBounds();
    // On a phone it was made where it was not seen, without a size.
    this.map.invalidateSize({ pan: false });
    if (bounds.isValid()) this.map.fitBounds(bounds, { padding: [Math.min(96, this.map.getSize().x / 6), 48], maxZoom: most, animate: false });
  }

  /** Brings places into view that are not drawn. */
  look(places, most) {
    if (!this.ended) this.map.fitBounds(places.map(({ lat, lon }) => [lat, lon]), { padding: [28, 28], maxZoom: most, animate: false });
  }

  /** A fence in WGS-84: as the registry has it, or a GeoJSON feature of one. */
  fence(fence, { label } = {}) {
    const tone = fence.kind === "exclusion" ? "high" : "fence";
    const style = { weight: 2, dashArray: "6 5", fillOpacity: 0.07, interactive: !!label };
    let layer = null;
    if (fence.circle) layer = L.circle([fence.circle.lat, fence.circle.lon], { ...style, radius: fence.circle.radius_m });
    else if (fence.geometry) layer = L.geoJSON(fence.geometry, { style });
    if (layer && label) layer.bindTooltip(label);
    return layer && this.add(layer, { color: tone, fillColor: tone });
  }

  /** A walk: `[[lat, lon], …]`, oldest first. */
  track(points) {
    if (points.length > 1) {
      this.add(L.polyline(points, { weight: 3, opacity: 0.85, interactive: false }), { color: "track" });
    }
    for (const point of points) {
      this.add(L.circleMarker(point, { radius: 2, weight: 0, fillOpacity: 1, interactive: false }), { fillColor: "track" });
    }
  }

  /** Somebody's place with its accuracy and a label that can always be read. */
  place(position, { accuracy, label, tone = "high", radius = 9, permanent = true, click } = {}) {
    const at = [position.lat, position.lon];
    if (accuracy) {
      this.add(L.circle(at, { radius: accuracy, weight: 1, fillOpacity: 0.12, interactive: false }), { color: tone, fillColor: tone });
    }
    const marker = L.circleMarker(at, { radius, weight: 3, fillOpacity: 1, interactive: !!click || !permanent });
    if (label) marker.bindTooltip(label, { permanent, direction: "top", offset: [0, -8], className: "place-label" });
    if (click) marker.on("click", click);
    this.add(marker, { color: "surface", fillColor: tone });
    if (permanent) this.tidy();
    return marker;
  }

  /** Names that would lie over one another: the one that was drawn last can be read, the others when there is room. */
  uncover() {
    if (this.ended) return;
    const labels = this.layers.getLayers().map((layer) => layer.getTooltip?.()).filter((one) => one?.options.permanent).map((one) => one.getElement()).filter(Boolean).reverse();
    const boxes = labels.map((label) => label.getBoundingClientRect());
    const shown = [];
    labels.forEach((label, place) => {
      const box = boxes[place];
      const isFree = shown.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
      if (isFree) shown.push(box);
      label.classList.toggle("covered", !isFree);
    });
  }
}

export { L };
