"use strict";
const MOST = 300, EVERY = 3000;  // curves drawn at once; milliseconds between two looks at the store
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999999"];
const CONFIG = {responsive: true, displaylogo: false};
const by = id => document.getElementById(id);
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const embedded = by("cells-data") !== null;
let state = null, offline = null, drawing = 0;
const known = new Map();  // run_id -> {steps, error, flops, done}

function numbers(text, Kind) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

function unpacked(packed) {
  const grids = packed.grids.map(grid => numbers(grid, Int32Array)), errors = numbers(packed.errors, Float32Array);
  return run => {
    const [grid, begins, flops] = packed.runs[run] ?? [];
    if (grid === undefined) return null;
    const steps = grids[grid];
    return {steps, error: errors.subarray(begins, begins + steps.length), flops};
  };
}

async function curvesOf(indexes) {
  const {run_id, done} = state.cells;
  if (embedded) {
    offline ??= unpacked(JSON.parse(by("curves-data").textContent));
    return indexes.map(i => offline(run_id[i]));
  }
  const missing = indexes.filter(i => known.get(run_id[i])?.done !== done[i]);
  for (let first = 0; first < missing.length; first += 100) {
    const part = missing.slice(first, first + 100);
    const get = unpacked(await asked("curves.json?runs=" + part.map(i => run_id[i]).join(",")));
    for (const i of part) {
      const found = get(run_id[i]);
      if (found) known.set(run_id[i], {...found, done: done[i]});
    }
  }
  return indexes.map(i => known.get(run_id[i]) ?? null);
}

async function asked(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function options(select, values, all, labels = values) {
  const before = select.value;
  select.replaceChildren(...(all ? [new Option("all", "")] : []), ...values.map((v, i) => new Option(labels[i], v)));
  if ([...select.options].some(option => option.value === before)) select.value = before;
}

const distinct = values => [...new Set(values)].sort((a, b) => a - b);

function fillFilters() {
  const {cells, variants} = state;
  options(by("variant"), variants.map((_, i) => i), false, variants);
  options(by("K"), distinct(cells.K), false);
  for (const key of ["P", "D", "seed"]) options(by(key), distinct(cells[key]), true);
}

function chosen(keys) {
  const {cells} = state, wanted = keys.map(key => [cells[key], by(key).value]).filter(([, value]) => value !== "");
  return cells.run_id.map((_, i) => i).filter(i => wanted.every(([column, value]) => column[i] === Number(value)));
}

function layout(extra) {
  const style = getComputedStyle(document.body);
  return {margin: {l: 60, r: 10, t: 36, b: 50}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: {color: style.color, family: "system-ui, sans-serif", size: 13}, ...extra};
}

function drawProgress() {
  const {cells, counts} = state;
  const done = cells.done.reduce((a, b) => a + b, 0), steps = cells.steps.reduce((a, b) => a + b, 0);
  const parts = Object.entries(counts).map(([status, count]) => `${count} ${status}`);
  const share = (100 * done / steps).toFixed(done < steps ? 1 : 0);
  by("progress").textContent = `${counted(cells.run_id.length, "cell")}: ${parts.join(", ")}; ${share}% of the steps`;
}

// An axis with all values, also where no cell has an error yet.
const every = values => ({type: "category", categoryarray: values.map(String), range: [-0.5, values.length - 0.5]});

function drawMap() {
  const {cells, statuses} = state, P = distinct(cells.P), D = distinct(cells.D);
  const table = P.map(() => D.map(() => ({errors: [], cells: []})));
  for (const i of chosen(["variant", "K"])) {
    const place = table[P.indexOf(cells.P[i])][D.indexOf(cells.D[i])];
    place.cells.push(i);
    if (cells.error[i] !== null) place.errors.push(cells.error[i]);
  }
  const mean = errors => errors.length ? errors.reduce((a, b) => a + b, 0) / errors.length : null;
  const said = one => one.cells.map(i => `seed ${cells.seed[i]}: ${statuses[cells.status[i]]}, ` +
    `${cells.done[i]} of ${cells.steps[i]} steps`).slice(0, 10).join("<br>");
  const text = one => {
    if (one.errors.length) return mean(one.errors).toFixed(3);
    const done = one.cells.reduce((a, i) => a + cells.done[i], 0), steps = one.cells.reduce((a, i) => a + cells.steps[i], 0);
    return done ? `${Math.round(100 * done / steps)}%` : "";
  };
  Plotly.react("map", [{type: "heatmap", x: D.map(String), y: P.map(String), z: table.map(row => row.map(one => mean(one.errors))),
    text: table.map(row => row.map(text)), texttemplate: "%{text}", customdata: table.map(row => row.map(said)),
    hovertemplate: "P = %{y}, D = %{x}<br>percent error %{z:.4f}<br>%{customdata}<extra></extra>", hoverongaps: true,
    colorscale: "Viridis", colorbar: {title: {text: "percent error (fraction)", side: "right"}}}],
    layout({xaxis: {title: {text: "D, embedding dimensions"}, ...every(D)},
      yaxis: {title: {text: "P, images per batch"}, ...every(P)}}), CONFIG);
}

async function drawCurves() {
  const mine = ++drawing, {cells} = state;
  const matching = chosen(["variant", "K", "P", "D", "seed"]).filter(i => cells.done[i] > 0);
  const shown = matching.slice(0, MOST), curves = await curvesOf(shown);
  if (mine !== drawing) return;  // a newer choice is being drawn
  const more = matching.length > shown.length;
  by("note").textContent = (more ? `${shown.length} of ` : "") + counted(matching.length, "curve") +
    (more ? "; choose P, D or a seed to see the others" : "") + "; a point is the mean of the steps since the one before";
  const key = by("color").value, values = distinct(shown.map(i => cells[key][i])), seen = new Set();
  const traces = shown.flatMap((i, n) => {
    const curve = curves[n];
    if (!curve) return [];
    const value = cells[key][i], factor = {FLOPs: curve.flops, images: cells.P[i], steps: 1}[by("x").value];
    const first = !seen.has(value);
    seen.add(value);
    return [{type: "scatter", mode: "lines", x: Array.from(curve.steps, step => step * factor), y: Array.from(curve.error),
      name: `${key} = ${value}`, legendgroup: String(value), showlegend: first,
      line: {color: COLORS[values.indexOf(value) % COLORS.length], width: 1.4},
      hovertemplate: `run ${cells.run_id[i]}<br>P = ${cells.P[i]}, D = ${cells.D[i]}, K = ${cells.K[i]}, seed ${cells.seed[i]}` +
        `<br>${by("x").value} %{x:.4s}, percent error %{y:.4f}<extra></extra>`}];
  });
  const kind = id => by(id).checked ? "log" : "linear";
  await Plotly.react("curves", traces, layout({hovermode: "closest",
    xaxis: {title: {text: by("x").value}, type: kind("logx"), exponentformat: "power"},
    yaxis: {title: {text: "pretraining percent error (fraction)"}, type: kind("logy"), tickformat: "~g"}}), CONFIG);
  document.body.dataset.drawn = String(traces.length);
}

async function draw() {
  fillFilters();
  drawProgress();
  drawMap();
  await drawCurves();
}

async function look() {
  try {
    const found = await asked("cells.json?digest=" + (state?.digest ?? ""));
    if (found.cells) {
      state = found;
      await draw();
    }
    delete document.body.dataset.lost;
  } catch (problem) {
    document.body.dataset.lost = "yes";
    by("progress").textContent = "The server doesn't answer; what is shown is as it was.";
  }
  setTimeout(look, EVERY);
}

for (const control of document.querySelectorAll("#filters select, #filters input"))
  control.addEventListener("change", () => { drawMap(); drawCurves(); });
if (embedded) {
  state = JSON.parse(by("cells-data").textContent);
  draw();
} else look();
