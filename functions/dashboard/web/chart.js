// Charts by uPlot in the page's own colours, each with its figures as a table for those who can not see it.
import { html, useEffect, useRef, useState } from "./html.js";
import uPlot from "uplot";
import { compact, number } from "./format.js";

const HEIGHT = 168;
const time = (options) => {
  const format = new Intl.DateTimeFormat(undefined, options);
  return (seconds) => format.format(new Date(seconds * 1000));
};
const STEP_S = { hour: 3600, day: 86400, moment: 0 };
const LABELS = {
  hour: time({ hour: "2-digit", minute: "2-digit" }),
  day: time({ day: "numeric", month: "short", timeZone: "UTC" }),
  moment: time({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
  brief: time({ day: "numeric", month: "short" }),
};

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function drawn(times, series, step) {
  const margin = series.some((one) => one.bars) ? STEP_S[step] * 0.55 : 0;
  const axis = { stroke: color("--quiet"), font: "12px system-ui", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const shapes = { bars: uPlot.paths.bars({ size: [0.7, 28], radius: 0.15 }), step: uPlot.paths.stepped({ align: 1 }) };
  return {
    height: HEIGHT, legend: { show: false }, padding: [8, 26, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true, range: (_, first, last) => [first - margin, last + margin] }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(high, 1) * 1.08] } },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 64, splits: (self) => splits(times, step, self.width),
        values: (_, ticks) => ticks.map(LABELS[step === "moment" ? "brief" : step]) },
      { ...axis, size: 46, space: 34, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8],
        values: (_, ticks) => ticks.map(compact) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label, stroke: color(one.color), width: one.bars ? 0 : 2, fill: one.bars ? color(one.color) : undefined,
      paths: one.bars ? shapes.bars : one.step ? shapes.step : undefined, points: { show: false },
    }))],
  };
}

// Where labels stand: under values, as days are UTC days; on local days where values have no rhythm.
function splits(times, step, width) {
  const room = Math.max(2, Math.floor(width / 78));
  const places = step === "moment" ? midnights(times[0], times.at(-1)) : times;
  const every = Math.ceil(places.length / room);
  return places.filter((_, n) => (places.length - 1 - n) % every === 0);
}

function midnights(first, last) {
  const found = [];
  const day = new Date(first * 1000);
  for (day.setHours(24, 0, 0, 0); day / 1000 <= last && found.length < 400; day.setDate(day.getDate() + 1)) found.push(day / 1000);
  return found;
}

// `times` in epoch seconds; `series` have `label`, `color` (a custom property), `values`, and `bars` or `step`.
export function Chart({ title, times, series, step = "day" }) {
  const box = useRef();
  const [at, setAt] = useState(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const again = () => setTheme((n) => n + 1);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", again);
    dark.addEventListener("change", again);
    return () => {
      removeEventListener("themechange", again);
      dark.removeEventListener("change", again);
    };
  }, []);
  useEffect(() => {
    const data = [times, ...series.map((one) => one.values)];
    const options = drawn(times, series, step);
    const plot = new uPlot({
      ...options, width: box.current.clientWidth || 300,
      hooks: { setCursor: [(self) => setAt(self.cursor.idx ?? null)] },
    }, data, box.current);
    const watch = new ResizeObserver(([entry]) => plot.setSize({ width: entry.contentRect.width, height: HEIGHT }));
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [theme, step, JSON.stringify([times, series.map((one) => one.values)])]);
  const shown = at === null || at >= times.length ? null : at;
  return html`<figure class="chart">
    <figcaption><h3>${title}</h3>
      <p class="legend">${series.map((one) => html`<span key=${one.label}><i class=${`dot ${one.color.slice(2)}`}></i>${one.label}
        <b>${number(shown === null ? (one.now ?? one.values.reduce((sum, value) => sum + (value ?? 0), 0)) : one.values[shown])}</b></span>`)}
        <span class="quiet when">${shown === null ? "" : LABELS[step](times[shown])}</span></p>
    </figcaption>
    <div class="plot" ref=${box} aria-hidden="true"></div>
    <${Figures} title=${title} times=${times} series=${series} step=${step} />
  </figure>`;
}

function Figures({ title, times, series, step }) {
  const [open, set] = useState(false);
  return html`<details onToggle=${(event) => set(event.currentTarget.open)}><summary>As a table<span class="sr">: ${title}</span></summary>
    ${open && html`<div class="figures" tabindex="0" role="region" aria-label=${`${title}, as a table`}><table><caption class="sr">${title}</caption>
      <thead><tr><th scope="col">When</th>${series.map((one) => html`<th scope="col" class="num" key=${one.label}>${one.label}</th>`)}</tr></thead>
      <tbody>${times.map((at, n) => html`<tr key=${at}><th scope="row">${LABELS[step](at)}</th>
        ${series.map((one) => html`<td class="num" key=${one.label}>${number(one.values[n])}</td>`)}</tr>`)}</tbody></table></div>`}
  </details>`;
}
