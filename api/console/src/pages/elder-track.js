// Where an elder was, with a slider over time; and the fences, which are drawn with a thumb.
import { h, replace } from "../dom.js";
import { breakGlass, isBehindGlass } from "../glass.js";
import { t } from "../i18n.js";
import { Chart } from "../map.js";
import { staffSource } from "../sources.js";
import { dated, fieldValue, fromField, millis, now } from "../time.js";
import { button, failed, inWords } from "../ui.js";
import { FenceEditor, fenceWords } from "./fence-editor.js";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const FRAME_MS = 60;

export class Track {
  /** `spans`: `[[name, milliseconds], …]` to choose from, where two date fields are too much. */
  constructor(body, elder, { fencesOnly = false, onChanged, source = staffSource(elder), spans } = {}) {
    Object.assign(this, { body, elder, fencesOnly, onChanged, source, spans, points: [] });
    this.span = spans?.[1][0];
    // What was measured in this very minute belongs to it.
    this.to = fieldValue(now() + MINUTE_MS);
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
      : h("div", { class: "tools" }, this.spans ? this.chips() : [field("from", t("track.from")), field("to", t("track.to"))],
        this.play = button(t("track.play"), { kind: "small", click: () => this.toggle() }),
        !this.spans && h("button", { class: "button small", type: "button", on: { click: () => this.gpx().catch(failed) } }, "GPX"));
    replace(this.body, h("section", { class: "card flush" }, bar, this.holder, !this.fencesOnly && h("div", { class: "slider" }, this.slider), this.caption));
    requestAnimationFrame(() => {
      if (!this.holder.isConnected) return;
      this.chart = new Chart(this.holder, this.source.tile ? { tile: this.source.tile } : {});
      if (this.fencesOnly) this.fences(bar).catch((problem) => { this.caption.textContent = inWords(problem); });
      else this.read();
    });
  }

  chips() {
    return h("div", { class: "chips", role: "group", "aria-label": t("vitals.span") }, this.spans.map(([name, length]) => h("button", {
      class: "chip", type: "button", "aria-pressed": String(name === this.span),
      on: {
        click: ({ currentTarget }) => {
          this.span = name;
          for (const chip of currentTarget.parentElement.children) chip.setAttribute("aria-pressed", String(chip === currentTarget));
          [this.from, this.to] = [fieldValue(now() - length), fieldValue(now() + MINUTE_MS)];
          this.read();
        },
      },
    }, t(`track.last.${name}`))));
  }

  async read() {
    this.stop();
    try {
      const query = `from=${fromField(this.from)}&to=${fromField(this.to)}`;
      const [{ features, truncated_at }, shapes] = await Promise.all([this.source.track(query), this.source.shapes()]);
      if (this.chart.ended) return;
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
    const response = await this.source.gpx(`from=${fromField(this.from)}&to=${fromField(this.to)}`);
    const url = URL.createObjectURL(await response.blob());
    h("a", { href: url, download: `${this.elder.id}.gpx` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  async fences(bar) {
    const shapes = await this.source.shapes();
    if (this.chart.ended) return;
    for (const shape of shapes) this.chart.fence(shape, { label: t("map.fence", { id: shape.id }) });
    const latest = await this.source.latest().catch(() => null);
    if (this.chart.ended) return;
    if (latest?.position) this.chart.place(latest.position, { accuracy: latest.position.accuracy_m, tone: "accent", label: this.elder.name });
    this.chart.fit();
    this.caption.textContent = this.elder.fences.length ? this.elder.fences.map(fenceWords).join(" · ") : t("fence.none");
    if (!this.source.mayDraw) return;
    this.editor = new FenceEditor(this.chart, this.elder, { bar, caption: this.caption, draw: this.source.draw, onSaved: () => this.onChanged?.() });
  }
}

