// Plots: lines over time with the thresholds drawn in, bars for reports.
import uPlot from "./vendor/uplot.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { onTheme } from "./theme.js";
import { dated, day, minute } from "./time.js";

const HEIGHT_PX = 200;
const DAY_S = 86_400;

const colourOf = (element) => (name) => getComputedStyle(element).getPropertyValue(`--${name}`).trim();

/**
 * Lines over time. `times` in seconds; `series`: `{label, values, colour, aside}`, what is aside not in the legend; `limits`: `{value, label}` drawn across; `period`: `[from, to]` in seconds, where not what there is decides.
 */
export function lines(element, { times, series, limits = [], period, unit = "", height = HEIGHT_PX, points = false }) {
  const colour = colourOf(element);
  // Asked for at every stroke: light may have become dark.
  const text = () => colour("ink-soft");
  const [first, last] = period ?? [times[0], times.at(-1)];
  const long = last - first > 2 * DAY_S;
  const grid = { stroke: () => colour("graticule"), width: 1 };
  const values = [...series.flatMap((one) => one.values), ...limits.map((limit) => limit.value)].filter((v) => v !== null && v !== undefined);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(4, (high - low) * 0.12);
  const plot = new uPlot({
    width: element.clientWidth || 300, height, legend: { show: true, live: true }, cursor: { y: false },
    scales: { x: { time: true, ...(period ? { range: period } : {}) }, y: { range: [low - room, high + room] } },
    axes: [
      { stroke: text, grid, values: (_, ticks) => ticks.map((tick) => (long ? day(tick * 1000) : minute(tick * 1000))), space: 70 },
      { stroke: text, grid, size: 56 },
    ],
    series: [
      { label: t("looks.when"), value: (_, at) => (at ? dated(at * 1000) : "—") },
      ...series.map((one) => ({ label: one.label, stroke: () => colour(one.colour), width: one.width ?? 2, spanGaps: false, class: one.aside ? "aside" : undefined,
        points: { show: points || one.values.length < 60, size: 6 },
        value: (_, value) => (value === null || value === undefined ? "—" : `${Math.round(value * 10) / 10} ${unit}`) })),
    ],
    hooks: { draw: [(drawn) => drawLimits(drawn, limits, colour)] },
  }, [times, ...series.map((one) => one.values)], element);
  return follow(element, plot, height);
}

function drawLimits(plot, limits, colour) {
  const pen = plot.ctx;
  pen.save();
  pen.strokeStyle = colour("high");
  pen.fillStyle = colour("high");
  pen.lineWidth = devicePixelRatio;
  pen.setLineDash([6 * devicePixelRatio, 5 * devicePixelRatio]);
  pen.textAlign = "left";
  pen.textBaseline = "alphabetic";
  pen.font = `${11 * devicePixelRatio}px system-ui`;
  for (const { value, label } of limits) {
    const y = plot.valToPos(value, "y", true);
    pen.beginPath();
    pen.moveTo(plot.bbox.left, y);
    pen.lineTo(plot.bbox.left + plot.bbox.width, y);
    pen.stroke();
    pen.fillText(label, plot.bbox.left + 4, y - 4 * devicePixelRatio);
  }
  pen.restore();
}

/** Keeps a plot as wide as its place; gives the way out. */
function follow(element, plot, height) {
  const observer = new ResizeObserver(() => {
    if (element.clientWidth) plot.setSize({ width: element.clientWidth, height });
  });
  observer.observe(element);
  const way = onTheme(() => plot.redraw());
  return () => { observer.disconnect(); way(); plot.destroy(); };
}

/** Bars that can be read without a pointer: name, bar, figure. `rows`: `{label, value, text, tone, goal}`; `label` an element, values 0–1. */
export function bars(rows) {
  return h("div", { class: "bars" }, rows.map(({ label, value, text, tone = "", goal }) =>
    h("div", { class: "bar-row" }, label,
      h("span", { class: "bar-track" },
        h("span", { class: `bar-fill ${tone}`, style: { width: `${Math.round(Math.min(1, value) * 100)}%` } }),
        goal !== undefined && h("span", { class: "bar-goal", style: { left: `${goal * 100}%` } })),
      h("b", null, text))));
}
