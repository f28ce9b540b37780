// Where the elder of an incident is: last position, fences, and the walk before.
import { get } from "../api.js";
import { h } from "../dom.js";
import { drawable, homeOf } from "../fences.js";
import { t } from "../i18n.js";
import { Chart } from "../map.js";
import { incidents, placedAt, wearer, wearerName } from "../store.js";
import { ago, millis } from "../time.js";

const FIT_MOST = 16;
/** The gravest is drawn last, over the others. */
const RANK = { low: 0, medium: 1, high: 2 };
let homes = null;
/** How much of the walk before the incident is shown. */
const TRACK_MS = 2 * 3_600_000;
/** More names than this cannot be read beside one another: then they show under the pointer only. */
const NAMED_MAX = 20;

export class IncidentMap {
  constructor() {
    this.caption = h("p", { class: "map-caption" });
    this.holder = h("div", { class: "map-holder" });
    this.element = h("section", { class: "map-pane", "aria-label": t("map.label") }, this.holder, this.caption);
    this.tracks = new Map();
    requestAnimationFrame(() => {
      if (!this.holder.isConnected) return;
      this.chart = new Chart(this.holder);
      this.show(this.incident ?? null);
    });
  }

  end() {
    this.chart?.end();
    this.chart = null;
  }

  show(incident) {
    this.incident = incident;
    if (!this.chart) return;
    const elder = incident && wearer(incident.wearer);
    const position = incident?.position;
    const track = incident ? this.track(incident) : [];
    // The walk goes on where she is now.
    if (position && track.length && (track.at(-1)[0] !== position.lat || track.at(-1)[1] !== position.lon)) track.push([position.lat, position.lon]);
    const others = incident ? [] : [...incidents.values()].filter((one) => one.state !== "resolved" && one.position)
      .sort((a, b) => RANK[a.priority] - RANK[b.priority] || millis(b.raised_at) - millis(a.raised_at));
    const sign = JSON.stringify([others.map((one) => [one.id, one.position, one.priority, others.length <= NAMED_MAX && wearerName(one.wearer)]), incident?.id, position, elder?.fences?.length, track.length, elder?.name, incident?.priority]);
    if (sign === this.sign) return;
    this.sign = sign;
    this.chart.clear();
    this.caption.textContent = position ? this.said(incident) : t("map.none");
    if (!incident) return this.everybody(others);
    this.fences(incident, elder?.fences ? elder : { fences: [] });
    this.chart.track(track);
    if (position) this.chart.place(position, { label: wearerName(incident.wearer), tone: incident.priority });
  }

  said(incident) {
    const at = placedAt(incident);
    return at ? t("map.last", { ago: ago(at) }) : t("map.last_place");
  }

  /** Every second: what is said of time. */
  tick() {
    if (!this.chart || !this.incident?.position) return;
    const text = this.said(this.incident);
    if (this.caption.textContent !== text) this.caption.textContent = text;
  }

  async fences(incident, elder) {
    const { sign } = this;
    const fences = await drawable(elder);
    // Something else is drawn by now.
    if (!this.chart || sign !== this.sign) return;
    for (const fence of fences) this.chart.fence(fence, { label: t("map.fence", { id: fence.id }) });
    const frame = `${incident.id} ${fences.length} ${this.track(incident).length > 0}`;
    if (this.framed === frame) return;
    this.framed = frame;
    this.chart.fit();
  }

  /** Nobody is chosen: everybody who needs help. */
  everybody(others) {
    this.caption.textContent = others.length ? t("map.everybody", { n: others.length }) : t("map.calm");
    for (const one of others) {
      this.chart.place(one.position, { label: () => wearerName(one.wearer), permanent: others.length <= NAMED_MAX, tone: one.priority, click: () => { location.hash = `#/alerts/${one.id}`; } });
    }
    this.framed = null;
    if (others.length) this.chart.fit(FIT_MOST);
    else this.atHome();
  }

  /** Nobody needs help: the map shows the neighbourhood, not the whole country. */
  async atHome() {
    homes ??= get("/wearers?limit=200").then(({ data }) => data.map(homeOf).filter(Boolean)).catch(() => null);
    const found = await homes;
    if (!found) homes = null;
    if (this.chart && found?.length && !this.framed && !this.incident) this.chart.look(found, FIT_MOST);
  }

  /** The walk, asked for once an incident; whoever looks is on record with the incident as the reason. */
  track(incident) {
    // What is over is nobody's reason to look.
    if (incident.state === "resolved") return this.tracks.get(incident.id) ?? [];
    if (!this.tracks.has(incident.id)) {
      this.tracks.set(incident.id, []);
      const from = new Date(millis(incident.raised_at) - TRACK_MS).toISOString();
      const path = `/wearers/${encodeURIComponent(incident.wearer)}/track?from=${from}&purpose=${encodeURIComponent(`incident ${incident.id}`)}`;
      get(path).then(({ features }) => {
        this.tracks.set(incident.id, features.map(({ geometry }) => [geometry.coordinates[1], geometry.coordinates[0]]));
        this.show(this.incident);
      }).catch(() => {});
    }
    return this.tracks.get(incident.id);
  }
}
