// Where an elder was, with a slider over time; and the fences, which are drawn with a thumb.
import { get } from "../api.js";
import { h, replace } from "../dom.js";
import { drawable } from "../fences.js";
import { breakGlass, isBehindGlass } from "../glass.js";
import { t } from "../i18n.js";
import { Chart } from "../map.js";
import { isOneOf } from "../session.js";
import { dated, fieldValue, fromField, millis, now } from "../time.js";
import { button, inWords } from "../ui.js";
import { FenceEditor, fenceWords } from "./fence-editor.js";

const DAY_MS = 86_400_000;
const FRAME_MS = 60;

export class Track {
  constructor(body, elder, { fencesOnly = false, onChanged } = {}) {
    Object.assign(this, { body, elder, fencesOnly, onChanged, points: [] });
    this.to = fieldValue(now());
    this.from = fieldValue(now() - DAY_MS);
    this.draw();
  }

  end() {
    clearInterval(this.player);
    this.editor?.end();
    this.chart?.end();
  }

  draw() {
    this.holder = h("div", { class: "map-holder tall" });
    this.slider = h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": t("track.slider"), on: { input: () => this.seek(Number(this.slider.value)) } });
    this.caption = h("p", { class: "map-caption", role: "status" }, t("loading"));
    const field = (name, label) => h("label", { class: "inline-field" }, h("span", null, label),
      h("input", { type: "datetime-local", value: this[name], on: { change: (e) => { this[name] = e.target.value; this.read(); } } }));
    const bar = this.fencesOnly ? h("div", { class: "tools", data: { tools: "" } })
      : h("div", { class: "tools" }, field("from", t("track.from")), field("to", t("track.to")),
        this.play = button(t("track.play"), { kind: "small", click: () => this.toggle() }),
        h("button", { class: "button small", type: "button", on: { click: () => this.gpx() } }, "GPX"));
    replace(this.body, h("section", { class: "card flush" }, bar, this.holder, !this.fencesOnly && h("div", { class: "slider" }, this.slider), this.caption));
    requestAnimationFrame(() => {
      if (!this.holder.isConnected) return;
      this.chart = new Chart(this.holder);
      if (this.fencesOnly) this.fences(bar);
      else this.read();
    });
  }

  async read() {
    this.stop();
    try {
      const query = `from=${fromField(this.from)}&to=${fromField(this.to)}&purpose=track%20replay`;
      const [{ features, truncated_at }, shapes] = await Promise.all([get(`/wearers/${encodeURIComponent(this.elder.id)}/track?${query}`), drawable(this.elder)]);
      this.points = features.map(({ geometry, properties }) => ({ at: millis(properties.measured), lat: geometry.coordinates[1], lon: geometry.coordinates[0], accuracy: properties.accuracy_m }))
        .sort((a, b) => a.at - b.at);
      this.chart.clear();
      for (const shape of shapes) this.chart.fence(shape, { label: t("map.fence", { id: shape.id }) });
      this.chart.track(this.points.map(({ lat, lon }) => [lat, lon]));
      this.marker = null;
      this.chart.fit();
      this.slider.max = Math.max(0, this.points.length - 1);
      this.slider.value = this.slider.max;
      this.truncated = truncated_at;
      this.seek(this.points.length - 1);
    } catch (problem) {
      if (!isBehindGlass(problem)) { this.caption.textContent = inWords(problem); return; }
      replace(this.caption, inWords(problem), " ", button(t("glass.go"), { kind: "small", click: () => breakGlass(this.elder).then((done) => done && this.read()) }));
    }
  }

  seek(place) {
    const point = this.points[place];
    if (!point) { this.caption.textContent = t("track.empty"); return; }
    if (!this.marker) this.marker = this.chart.place(point, { tone: "accent", radius: 9 });
    this.marker.setLatLng([point.lat, point.lon]);
    this.slider.setAttribute("aria-valuetext", dated(point.at));
    this.caption.textContent = `${dated(point.at)} · ${t("map.accuracy", { n: Math.round(point.accuracy) })} · ${t("track.fix", { n: place + 1, of: this.points.length })}${this.truncated ? ` · ${t("track.truncated")}` : ""}`;
  }

  toggle() {
    if (this.player) return this.stop();
    if (Number(this.slider.value) >= this.points.length - 1) this.slider.value = 0;
    this.player = setInterval(() => {
      const next = Number(this.slider.value) + 1;
      if (next >= this.points.length) return this.stop();
      this.slider.value = next;
      this.seek(next);
    }, FRAME_MS);
    replace(this.play, t("track.stop"));
  }

  stop() {
    clearInterval(this.player);
    this.player = null;
    if (this.play) replace(this.play, t("track.play"));
  }

  async gpx() {
    const { send } = await import("../api.js");
    const response = await send("GET", `/wearers/${encodeURIComponent(this.elder.id)}/track?format=gpx&from=${fromField(this.from)}&to=${fromField(this.to)}&purpose=export`);
    const url = URL.createObjectURL(await response.blob());
    h("a", { href: url, download: `${this.elder.id}.gpx` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  async fences(bar) {
    const shapes = await drawable(this.elder);
    for (const shape of shapes) this.chart.fence(shape, { label: t("map.fence", { id: shape.id }) });
    const latest = await get(`/wearers/${encodeURIComponent(this.elder.id)}/latest?purpose=fences`).catch(() => null);
    if (latest?.position) this.chart.place(latest.position, { accuracy: latest.position.accuracy_m, tone: "accent", label: this.elder.name });
    this.chart.fit();
    this.caption.textContent = this.elder.fences.length ? this.elder.fences.map(fenceWords).join(" · ") : t("fence.none");
    if (!isOneOf("admin", "operator", "desk", "doctor", "guardian")) return;
    this.editor = new FenceEditor(this.chart, this.elder, { bar, caption: this.caption, onSaved: () => this.onChanged?.() });
  }
}

