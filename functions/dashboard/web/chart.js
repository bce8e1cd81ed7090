// Charts by uPlot in the page's own colours, each with its figures as a table for people who cannot see it.
import { html, useEffect, useRef, useState } from "./html.js";
import uPlot from "uplot";
import { compact, number } from "./format.js";
import { marks } from "./ticks.js";

const HEIGHT = 168;
const LABEL_PX = 78;
const STEP_S = { hour: 3600, day: 86400, moment: 0 };
const OUTLIER = 20; // A value this many times the middle one flattens the others on an even scale.
const format = (options) => {
  const made = new Intl.DateTimeFormat(undefined, options);
  return (seconds) => made.format(new Date(seconds * 1000));
};
const LABELS = {
  hour: format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short" }),
  day: format({ day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }),
  moment: format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" }),
};
const INCREMENTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
for (let size = 1; size <= 1e12; size *= 10) INCREMENTS.push(size, 2 * size, 5 * size);

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Whether one value is so large that an even scale shows nothing of the others.
export function isUneven(values) {
  const sizes = values.map(Math.abs).filter(Boolean).sort((a, b) => a - b);
  return sizes.length > 2 && sizes.at(-1) > OUTLIER * sizes[Math.floor((sizes.length - 1) / 2)];
}

// Powers of ten up to the largest value, and 0: the marks of a logarithmic scale that has a 0.
function powers(low, high) {
  const found = [0];
  for (let size = 1; size <= high; size *= 10) found.push(size);
  for (let size = 1; size <= -low; size *= 10) found.unshift(-size);
  return found.length > 7 ? found.filter((_, n) => n % 2 === 0) : found;
}

function drawn(times, series, step, { uneven, view }) {
  const margin = series.some((one) => one.bars) ? STEP_S[step] * 0.55 : 0;
  const axis = { stroke: color("--quiet"), font: "12px system-ui", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const shapes = { bars: uPlot.paths.bars({ size: [0.7, 28], radius: 0.15 }), step: uPlot.paths.stepped({ align: 1 }) };
  const [first, last] = view || [times[0] - margin, times.at(-1) + margin];
  const placed = (self) => marks(first, last, Math.max(2, Math.floor(self.width / LABEL_PX)), step);
  return {
    height: HEIGHT, legend: { show: false }, padding: [8, 26, 0, 0],
    cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    scales: {
      x: { time: true, range: () => (first === last ? [first - 1800, last + 1800] : [first, last]) },
      y: { distr: uneven ? 4 : 1, range: (_, low, high) => [Math.min(0, low), (high || 1) * 1.08] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 40, splits: (self) => placed(self).map((mark) => mark.at), values: (self) => placed(self).map((mark) => mark.text) },
      { ...axis, size: 52, space: 34, ...(uneven ? { splits: (_, __, low, high) => powers(low, high), filter: (_, splits) => splits } : { incrs: INCREMENTS }), values: (_, ticks) => ticks.map(compact) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label, stroke: color(one.color), width: one.bars ? 0 : 2, fill: one.bars ? color(one.color) : undefined,
      paths: one.bars ? shapes.bars : one.step ? shapes.step : undefined, points: { show: times.length === 1 },
    }))],
  };
}

// A part of the span, `factor` as long, about its middle or its end; null for the whole span or more.
function zoomed(times, view, factor) {
  const [first, last] = view || [times[0], times.at(-1)];
  const length = (last - first) * factor;
  const from = Math.max(times[0], (first + last) / 2 - length / 2);
  return length >= times.at(-1) - times[0] ? null : [from, Math.min(times.at(-1), from + length)];
}

// Colours follow the theme.
function useTheme() {
  const [turn, set] = useState(0);
  useEffect(() => {
    const again = () => set((n) => n + 1);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", again);
    dark.addEventListener("change", again);
    return () => {
      removeEventListener("themechange", again);
      dark.removeEventListener("change", again);
    };
  }, []);
  return turn;
}

// `times` in epoch seconds; `series` have `label`, `color` (a custom property), `values`, and `bars` or `step`;
// `unit` names what the values count, `show` writes one.
export function Chart({ title, times, series, unit, step = "day", show = number }) {
  const box = useRef();
  const [at, setAt] = useState(null);
  const [view, setView] = useState(null);
  const [even, setEven] = useState(false);
  const theme = useTheme();
  const canBeUneven = isUneven(series.flatMap((one) => one.values));
  const uneven = canBeUneven && !even;
  useEffect(() => setView(null), [step, times[0]]);
  useEffect(() => {
    const data = [times, ...series.map((one) => one.values)];
    const selected = (self) => {
      const { left, width } = self.select;
      if (width < 8) return;
      setView([self.posToVal(left, "x"), self.posToVal(left + width, "x")]);
    };
    const plot = new uPlot({
      ...drawn(times, series, step, { uneven, view }), width: box.current.clientWidth || 300,
      hooks: { setCursor: [(self) => setAt(self.cursor.idx ?? null)], setSelect: [selected] },
    }, data, box.current);
    const watch = new ResizeObserver(([entry]) => plot.setSize({ width: entry.contentRect.width, height: HEIGHT }));
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [theme, step, uneven, JSON.stringify([view, times, series.map((one) => one.values)])]);
  const shown = at === null || at >= times.length ? null : at;
  const inView = (_, n) => !view || (times[n] >= view[0] && times[n] <= view[1]);
  const sum = (one) => one.values.filter(inView).reduce((total, value) => total + (value ?? 0), 0);
  return html`<figure class="chart">
    <figcaption><h3>${title} <span class="unit">${unit}${uneven ? ", logarithmic scale" : ""}</span></h3>
      <p class="legend">${series.map((one) => html`<span key=${one.label}><i class=${`dot ${one.color.slice(2)}`}></i>${one.label}
        <b>${show(shown === null ? (one.now ?? sum(one)) : one.values[shown])}</b></span>`)}
        <span class="quiet when">${shown !== null ? LABELS[step](times[shown]) : view ? `${LABELS[step](view[0])} – ${LABELS[step](view[1])}` : ""}</span></p>
    </figcaption>
    <div class="plot" ref=${box} aria-hidden="true"></div>
    <div class="tools"><${Numbers} title=${title} times=${times} series=${series} step=${step} show=${show} />
      <span class="zoom">${canBeUneven && html`<button class="small" aria-pressed=${even ? "true" : "false"} onClick=${() => setEven(!even)}>Even scale</button>`}
      ${times.length > 3 && html`<button class="small" aria-label=${`Zoom in: ${title}`} onClick=${() => setView(zoomed(times, view, 0.5))}>+</button>
        <button class="small" aria-label=${`Zoom out: ${title}`} disabled=${!view} onClick=${() => setView(zoomed(times, view, 2))}>−</button>`}
      ${view && html`<button class="small" onClick=${() => setView(null)}>Whole span</button>`}</span></div>
  </figure>`;
}

function Numbers({ title, times, series, step, show }) {
  const [open, set] = useState(false);
  return html`<details onToggle=${(event) => set(event.currentTarget.open)}><summary>As a table<span class="sr">: ${title}</span></summary>
    ${open && html`<div class="figures" tabindex="0" role="region" aria-label=${`${title}, as a table`}><table><caption class="sr">${title}</caption>
      <thead><tr><th scope="col">When</th>${series.map((one) => html`<th scope="col" class="num" key=${one.label}>${one.label}</th>`)}</tr></thead>
      <tbody>${times.map((at, n) => html`<tr key=${at}><th scope="row">${LABELS[step](at)}</th>
        ${series.map((one) => html`<td class="num" key=${one.label}>${show(one.values[n])}</td>`)}</tr>`)}</tbody></table></div>`}
  </details>`;
}
