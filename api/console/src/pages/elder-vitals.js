// Trends with the thresholds drawn in.
import { h, replace } from "../dom.js";
import { t, word } from "../i18n.js";
import { lines } from "../plot.js";
import { staffSource } from "../sources.js";
import { millis, now } from "../time.js";
import { inWords } from "../ui.js";

const HOUR_MS = 3_600_000;
export const SPANS = [["24h", 24 * HOUR_MS, null], ["7d", 168 * HOUR_MS, "1h"], ["30d", 720 * HOUR_MS, "6h"], ["90d", 2160 * HOUR_MS, "1d"]];
const DEFAULTS = {
  blood_pressure: { sys_high: 180, dia_high: 110, sys_low: 90 }, heart_rate: { high: 120, low: 40 },
  spo2: { low: 93 }, temperature: { high: 39.1, low: 35 },
};
export const KINDS = {
  blood_pressure: { unit: "mmHg", limits: ["sys_high", "dia_high", "sys_low"], members: [["sys", "accent"], ["dia", "track"]] },
  heart_rate: { unit: "bpm", limits: ["high", "low"], members: [["bpm", "accent"]] },
  spo2: { unit: "%", limits: ["low"], members: [["pct", "accent"]] },
  temperature: { unit: "°C", limits: ["high", "low"], members: [["celsius", "accent"]] },
  steps: { unit: "", limits: [], members: [["count", "accent"]] },
};
/** As the language writes it. */
export const unitOf = (kind) => (KINDS[kind].unit === "bpm" ? t("unit.bpm") : KINDS[kind].unit);

/** The thresholds in force: the wearer's own over the defaults. */
export const limitsOf = (elder, kind) => ({ ...DEFAULTS[kind], ...(elder.thresholds?.[kind] ?? {}) });

export class Vitals {
  constructor(body, elder, { kinds = Object.keys(KINDS), span = "7d", source = staffSource(elder) } = {}) {
    Object.assign(this, { body, elder, kinds, span, source, ways: [] });
    this.draw();
  }

  end() {
    this.ways.forEach((way) => way());
    this.ways = [];
  }

  draw() {
    this.end();
    const holders = new Map(this.kinds.map((kind) => [kind, h("section", { class: "card plot-card" }, h("h3", null, word("vital", kind)), h("p", { class: "soft small" }, t("loading")))]));
    replace(this.body, h("div", { class: "chips pad", role: "group", "aria-label": t("vitals.span") }, SPANS.map(([name]) => h("button", {
      class: "chip", type: "button", "aria-pressed": String(name === this.span), data: { focus: `span-${name}` },
      on: { click: () => { this.span = name; this.draw(); } },
    }, t(`vitals.${name}`)))), h("div", { class: "grid plots" }, [...holders.values()]));
    for (const [kind, holder] of holders) this.plot(kind, holder);
  }

  async plot(kind, holder) {
    const [, length, bucket] = SPANS.find(([name]) => name === this.span);
    const from = new Date(now() - length).toISOString();
    try {
      const answer = await this.source.vitals(`kind=${kind}&from=${from}${bucket ? `&bucket=${bucket}` : ""}`);
      if (!holder.isConnected) return;
      const { limits, members } = KINDS[kind];
      const readings = readingsOf(answer, members);
      if (!readings.length) return this.without(holder);
      const count = readings.reduce((sum, one) => sum + (one.n ?? 1), 0);
      const place = h("div", { class: "plot" });
      replace(holder, h("h3", null, word("vital", kind), h("span", { class: "soft small" }, ` ${t("vitals.count", { n: count })}`)), place);
      const inForce = limitsOf(this.elder, kind);
      this.ways.push(lines(place, {
        unit: unitOf(kind), period: [Date.parse(from) / 1000, now() / 1000], times: readings.map((one) => millis(one.measured) / 1000),
        series: members.flatMap(([member, colour]) => spread(member, colour, readings, !!answer.buckets)),
        limits: limits.filter((name) => inForce[name]).map((name) => ({ value: inForce[name], label: `${t(`limit.${name}`)} ${inForce[name]}` })),
      }));
    } catch (problem) {
      replace(holder, h("h3", null, word("vital", kind)), h("p", { class: "problem" }, inWords(problem)));
    }
  }

  /** Of this kind there is nothing; of all kinds that is said. */
  without(holder) {
    const parent = holder.parentElement;
    holder.remove();
    if (!parent.children.length) replace(parent, h("p", { class: "empty" }, t("vitals.none")));
  }
}

/** Single readings, or the stretches that the server has reckoned them into, ascending. */
function readingsOf({ data, buckets }, [[main], [second] = []]) {
  if (!buckets) return data.toSorted((a, b) => millis(a.measured) - millis(b.measured));
  return buckets.map((one) => ({ measured: one.t, n: one.n, [main]: one.mean, low: { [main]: one.min, ...(second ? { [second]: one.dia?.min } : {}) },
    high: { [main]: one.max, ...(second ? { [second]: one.dia?.max } : {}) }, ...(second ? { [second]: one.dia?.mean } : {}) }));
}

/** A line; of stretches, the mean with the least and the greatest beside it. */
function spread(member, colour, readings, inBuckets) {
  const line = (label, pick, width) => ({ label, colour, width, aside: width < 1, values: readings.map((one) => pick(one) ?? null) });
  const mean = line(word("member", member), (one) => one[member], 2);
  if (!inBuckets) return [mean];
  return [mean, line(t("vitals.least"), (one) => one.low[member], 0.6), line(t("vitals.most"), (one) => one.high[member], 0.6)];
}
