// Charts as inline SVG: lines with bands, stacked areas (as they are or as shares), scatter with error bars.

const HEIGHT = 190;
const MARGIN = { right: 14, top: 8, bottom: 34 };

// The <figure> of a chart { kind, title, x, y, percent, series, note }.
function chart(spec) {
  const hidden = new Set();
  const format = { percent: spec.percent || spec.kind === "shares" };
  const plot = h("div", { class: "plot" });
  const readout = h("div", { class: "readout", "aria-live": "polite" });
  let frame = null;

  const draw = () => {
    const width = Math.max(220, Math.round(plot.clientWidth || 420));
    const series = spec.series.map((one, i) => ({ ...one, color: `var(--c${i % 8})`, dash: i >= 8 ? "5 3" : null }));
    const visible = series.filter((_, i) => !hidden.has(i));
    frame = layout(spec, visible, width, format);
    const svg = s("svg", {
      width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", tabindex: 0, "aria-label": summary(spec, format),
    });
    axes(svg, frame, spec, width, format);
    (spec.kind === "scatter" ? points : spec.kind === "lines" ? lines : areas)(svg, visible, frame);
    frame.cursor = s("g", { class: "cursor" });
    svg.append(frame.cursor);
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      point(nearest(frame, event.clientX - box.left, event.clientY - box.top));
    });
    svg.addEventListener("pointerleave", () => point(-1));
    svg.addEventListener("blur", () => point(-1));
    svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by && frame.stops.length) {
        const last = frame.stops.length - 1;
        point(Math.min(last, Math.max(0, frame.at < 0 ? (by > 0 ? 0 : last) : frame.at + by)));
        event.preventDefault();
        event.stopPropagation();
      } else if (event.key === "Escape") point(-1);
    });
    plot.replaceChildren(svg, readout);
    point(-1);
  };

  // Shows the values at the stop `at`; -1 shows nothing.
  const point = (at) => {
    frame.at = at;
    frame.cursor.replaceChildren();
    readout.hidden = at < 0;
    if (at < 0) return;
    const stop = frame.stops[at];
    frame.cursor.append(s("line", { x1: stop.px, x2: stop.px, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
    for (const dot of stop.dots) frame.cursor.append(s("circle", { cx: dot.px, cy: dot.py, r: 3, style: `fill:${dot.color}` }));
    readout.replaceChildren(h("div", { class: "muted" }, stop.label), ...stop.rows.map(([name, value, color]) =>
      h("div", {}, h("i", { class: "swatch", style: `background:${color}` }), h("span", {}, name), h("b", {}, value))));
    // Below the axis, where it hides no data.
    const [room, size] = [frame.width, readout.offsetWidth];
    readout.style.left = `${Math.max(0, Math.min(room - size, stop.px - size / 2))}px`;
  };

  const legend = spec.series.length > 1 && h("div", { class: "legend" }, spec.series.map((one, i) =>
    h("button", {
      type: "button", "aria-pressed": "true", title: "show or hide",
      onclick: (event) => {
        if (!hidden.delete(i)) hidden.add(i);
        event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(i)));
        draw();
      },
    }, h("i", { class: "swatch", style: `background:var(--c${i % 8})` }), one.name)));
  const figure = h("figure", { class: "chart" },
    h("figcaption", {}, h("b", {}, spec.title), spec.y && h("span", { class: "muted" }, ` ${spec.y}`)),
    legend, plot, spec.note && h("p", { class: "note" }, spec.note));
  let known = 0;
  new ResizeObserver(() => {
    if (plot.clientWidth !== known) {
      known = plot.clientWidth;
      draw();
    }
  }).observe(plot);
  draw();
  return figure;
}

// The text for screen readers.
function summary(spec, format) {
  const parts = spec.series.map((one) => {
    const known = one.x.map((x, i) => [x, one.y[i]]).filter((pair) => pair[1] !== null && pair[1] !== undefined);
    if (!known.length) return `${one.name}: no values`;
    const [first, last] = [known[0], known[known.length - 1]];
    return `${one.name}: ${shown(first[1], format)} at ${shown(first[0])} to ${shown(last[1], format)} at ${shown(last[0])}`;
  });
  return `${spec.title}. ${parts.slice(0, 8).join("; ")}. Arrow keys read single values.`;
}

// The scales of a chart, and its stops: the places where values can be read.
function layout(spec, series, width, format) {
  const stacked = spec.kind === "areas" || spec.kind === "shares";
  const numbers = (values) => list(values).filter((v) => typeof v === "number");
  let xs = series.flatMap((one) => [...numbers(one.x), ...numbers(one.x_low), ...numbers(one.x_high)]);
  const table = [...new Set(xs)].sort((a, b) => a - b);
  let ys = series.flatMap((one) => [...numbers(one.y), ...numbers(one.low), ...numbers(one.high)]);
  const stack = stacked ? stackUp(series, table, spec.kind === "shares") : null;
  if (stacked) ys = [0, ...stack.flatMap((column) => column.flatMap((part) => [part.low, part.high]))];
  if (!xs.length) xs = [0, 1];
  if (!ys.length) ys = [0, 1];
  let [low, high] = [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
  if (low === high) [low, high] = low === 0 ? [0, 1] : [Math.min(0, low), Math.max(0, high)];
  if (low > 0 && low < 0.5 * high) low = 0;
  let [left, right] = [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b))];
  if (left === right) [left, right] = [left - 0.5, right + 0.5];
  if (spec.kind === "scatter") [left, right] = [left - 0.06 * (right - left), right + 0.06 * (right - left)];
  const yTicks = ticks(low, high, 4, true);
  low = Math.min(low, yTicks[0]);
  high = Math.max(high, yTicks[yTicks.length - 1]);
  if (spec.kind === "shares") [low, high] = [0, 1];
  const yText = yTicks.map((tick) => tickText(tick, yTicks, format));
  const start = Math.max(30, Math.round(12 + 6.4 * Math.max(...yText.map((text) => text.length))));
  const px = (x) => start + ((x - left) / (right - left)) * (width - start - MARGIN.right);
  const py = (y) => HEIGHT - MARGIN.bottom - ((y - low) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const whole = spec.kind !== "scatter" && table.every(Number.isInteger);
  const frame = { px, py, start, width, xTicks: ticks(left, right, width / 55, false, whole), yTicks, yText, stack, table, at: -1 };
  frame.scatter = spec.kind === "scatter";
  frame.stops = frame.scatter ? scatterStops(spec, series, frame, format) : columnStops(spec, series, frame, format);
  return frame;
}

// Round numbers from `low` to `high`: inside them, or around them if `around`.
function ticks(low, high, count, around, whole) {
  if (high - low < 1e-9 * Math.max(1, Math.abs(high))) {
    const by = Math.abs(high) * 0.1 || 1;
    [low, high] = [low - by, high + by];
  }
  const raw = (high - low) / Math.max(2, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  let step = power * [1, 2, 5, 10].find((f) => f * power >= raw * 0.999);
  if (whole) step = Math.max(1, Math.round(step));
  const [from, to] = around ? [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)] : [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(12)));
}

function tickText(tick, all, format) {
  const step = all.length > 1 ? Math.abs(all[1] - all[0]) : 1;
  const digits = (size) => Math.min(8, Math.max(0, -Math.floor(Math.log10(size) + 1e-9)));
  const largest = Math.max(...all.map(Math.abs));
  if (format && format.percent) return shown(tick, { percent: true, digits: digits(step * 100) });
  if (largest >= 1e6) return `${shown(tick / 1e6, { digits: digits(step / 1e6) })}M`;
  if (largest >= 1e4) return `${shown(tick / 1e3, { digits: digits(step / 1e3) })}k`;
  if (largest < 1e-3 && largest > 0) return tick === 0 ? "0" : tick.toExponential(digits(step / 10 ** Math.floor(Math.log10(Math.abs(tick))))).replace(/-/g, "−");
  return shown(tick, { digits: digits(step) });
}

function axes(svg, frame, spec, width, format) {
  const base = HEIGHT - MARGIN.bottom;
  frame.yTicks.forEach((tick, i) => {
    const y = frame.py(tick);
    if (y > base + 1 || y < MARGIN.top - 1) return;
    svg.append(s("line", { class: tick === 0 ? "axis" : "grid", x1: frame.start, x2: width - MARGIN.right, y1: y, y2: y }));
    svg.append(s("text", { x: frame.start - 6, y: y + 3.5, "text-anchor": "end" }, frame.yText[i]));
  });
  for (const tick of frame.xTicks) {
    const x = frame.px(tick);
    svg.append(s("line", { class: "axis", x1: x, x2: x, y1: base, y2: base + 4 }));
    svg.append(s("text", { x, y: base + 16, "text-anchor": "middle" }, tickText(tick, frame.xTicks)));
  }
  svg.append(s("line", { class: "axis", x1: frame.start, x2: width - MARGIN.right, y1: base, y2: base }));
  svg.append(s("text", { class: "label", x: width - MARGIN.right, y: HEIGHT - 3, "text-anchor": "end" }, spec.x || ""));
}

const known = (value) => typeof value === "number";

// The runs of adjacent points for which `whole` holds.
function runs(length, whole) {
  const found = [];
  let run = [];
  for (let i = 0; i <= length; i++) {
    if (i < length && whole(i)) run.push(i);
    else if (run.length) {
      found.push(run);
      run = [];
    }
  }
  return found;
}

const path = (coordinates) => coordinates.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function lines(svg, series, { px, py }) {
  for (const one of series) {
    if (!one.low || !one.high) continue;
    for (const run of runs(one.x.length, (i) => known(one.low[i]) && known(one.high[i]))) {
      const edge = [...run.map((i) => [px(one.x[i]), py(one.high[i])]), ...[...run].reverse().map((i) => [px(one.x[i]), py(one.low[i])])];
      if (run.length === 1) svg.append(s("path", { d: path(edge), class: "whisker", style: `stroke:${one.color}` }));
      else svg.append(s("path", { d: path(edge) + "Z", class: "band", style: `fill:${one.color}` }));
    }
  }
  for (const one of series) {
    for (const run of runs(one.x.length, (i) => known(one.y[i]))) {
      const at = run.map((i) => [px(one.x[i]), py(one.y[i])]);
      if (at.length > 1) svg.append(s("path", { d: path(at), class: "line", style: `stroke:${one.color}`, "stroke-dasharray": one.dash }));
      if (at.length < 12) for (const [cx, cy] of at) svg.append(s("circle", { cx, cy, r: 2, style: `fill:${one.color}` }));
    }
  }
}

// For each x the parts of the stack; negative ones go below zero. Shares are of the sum of absolute values.
function stackUp(series, table, share) {
  const at = series.map((one) => new Map(one.x.map((x, i) => [x, one.y[i]])));
  return table.map((x) => {
    const values = at.map((map) => map.get(x) ?? 0);
    const sum = values.reduce((sum, value) => sum + Math.abs(value), 0);
    let [up, down] = [0, 0];
    return values.map((value) => {
      if (share) {
        const low = up;
        up += sum ? Math.abs(value) / sum : 0;
        return { value, low, high: up };
      }
      const low = value < 0 ? (down += value) : up;
      return value < 0 ? { value, low, high: low - value } : { value, low, high: (up += value) };
    });
  });
}

function areas(svg, series, { px, py, stack, table }) {
  series.forEach((one, k) => {
    const columns = stack.map((column, i) => [px(table[i]), py(column[k].high), py(column[k].low)]);
    if (columns.length === 1) {
      const [x, high, low] = columns[0];
      svg.append(s("rect", { x: x - 12, width: 24, y: high, height: Math.max(0, low - high), class: "area", style: `fill:${one.color}` }));
    } else if (columns.length) {
      const edge = [...columns.map(([x, high]) => [x, high]), ...[...columns].reverse().map(([x, , low]) => [x, low])];
      svg.append(s("path", { d: path(edge) + "Z", class: "area", style: `fill:${one.color}` }));
    }
  });
}

function points(svg, series, { px, py }) {
  for (const one of series) {
    const bar = (a, b) => svg.append(s("path", { d: path([a, b]), class: "whisker", style: `stroke:${one.color}` }));
    one.x.forEach((x, i) => {
      if (!known(x) || !known(one.y[i])) return;
      const [cx, cy] = [px(x), py(one.y[i])];
      if (known(one.low?.[i]) && known(one.high?.[i])) bar([cx, py(one.low[i])], [cx, py(one.high[i])]);
      if (known(one.x_low?.[i]) && known(one.x_high?.[i])) bar([px(one.x_low[i]), cy], [px(one.x_high[i]), cy]);
      svg.append(s("circle", { cx, cy, r: 4, style: `fill:${one.color}` }));
    });
  }
}

const interval = (low, high, format) => (known(low) && known(high) ? ` [${shown(low, format)}, ${shown(high, format)}]` : "");

function columnStops(spec, series, frame, format) {
  const places = series.map((one) => new Map(one.x.map((x, i) => [x, i])));
  return frame.table.map((x, column) => {
    const rows = [];
    const dots = [];
    series.forEach((one, k) => {
      const i = places[k].get(x);
      if (i === undefined) return;
      const part = frame.stack?.[column][k];
      const shares = spec.kind === "shares";
      const value = shares ? `${shown(part.high - part.low, format)} (${shown(one.y[i])})` : shown(one.y[i], format);
      rows.push([one.name, value + (shares ? "" : interval(one.low?.[i], one.high?.[i], format)), one.color]);
      if (!frame.stack && known(one.y[i])) dots.push({ px: frame.px(x), py: frame.py(one.y[i]), color: one.color });
    });
    return { px: frame.px(x), label: `${spec.x || "x"} ${shown(x)}`, rows: frame.stack ? [...rows].reverse() : rows, dots };
  });
}

function scatterStops(spec, series, frame, format) {
  return series.flatMap((one) => one.x.map((x, i) => {
    const [px, py] = [frame.px(x), frame.py(one.y[i])];
    const row = (name, value) => [name, value, one.color];
    const rows = [
      row(spec.y || "y", shown(one.y[i], format) + interval(one.low?.[i], one.high?.[i], format)),
      row(spec.x || "x", shown(x) + interval(one.x_low?.[i], one.x_high?.[i])),
    ];
    return { px, py, label: one.name, rows, dots: [{ px, py, color: one.color }] };
  })).filter((stop) => Number.isFinite(stop.py));
}

// The stop nearest to a position.
function nearest(frame, x, y) {
  let best = -1;
  let least = Infinity;
  frame.stops.forEach((stop, i) => {
    const away = Math.abs(stop.px - x) + (frame.scatter ? Math.abs(stop.py - y) : 0);
    if (away < least) [least, best] = [away, i];
  });
  return best;
}
