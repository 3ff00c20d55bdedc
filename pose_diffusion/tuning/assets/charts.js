// The charts of a search.

const STATUSES = {finished: "finished", pruned: "pruned", failed: "failed", running: "still running"};

const isNumber = (value) => typeof value === "number";
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))];

function duration(seconds) {
  if (seconds < 100) return [number(seconds, seconds > 0 && seconds < 10 ? 1 : 0), "s"];
  if (seconds < 6000) return [number(seconds / 60, seconds < 600 ? 1 : 0), "min"];
  return [number(seconds / 3600, seconds < 36000 ? 1 : 0), "h"];
}

/** A trial in words: what one sees who points at it. */
function card(search, trial, ...lines) {
  const settings = search.keys.map((key, i) => `${escaped(key)}: ${escaped(brief(written(trial.values[i]), 40))}`);
  const status = STATUSES[trial.status] || trial.status;
  const reason = trial.reason ? [escaped(brief(trial.reason, 80))] : [];
  return [`<b>${escaped(brief(trial.trial, 40))}</b>, ${escaped(status)}`, ...reason, ...lines, ...settings].join("<br>");
}

const millimetres = (error) => (isNumber(error) ? `${number(error, 2)} mm` : "no error");

/** Line and marker of a trial by what became of it. */
function manner(search, trial) {
  if (trial.trial === search.best) return {color: tone("accent"), width: 3.5, opacity: 1};
  return {
    finished: {color: tone("ink"), width: 1.6, opacity: 0.75},
    pruned: {color: tone("soft"), width: 1.2, opacity: 0.4},
    failed: {color: tone("right"), width: 1.4, opacity: 0.9, dash: "dot"},
    running: {color: tone("soft"), width: 1.4, opacity: 0.8, dash: "dash"},
  }[trial.status] || {color: tone("soft"), width: 1, opacity: 0.5};
}

const groupOf = (search, trial) => (trial.trial === search.best ? "best" : STATUSES[trial.status] || trial.status);

/** Trials in the order of drawing, the best on top, and whether each is the first of its group. */
function layered(search, trials) {
  const order = ["pruned", "running", "failed", "finished"];
  const depth = (trial) => (trial.trial === search.best ? 9 : order.indexOf(trial.status));
  const seen = new Set();
  return [...trials].sort((a, b) => depth(a) - depth(b)).map((trial) => {
    const group = groupOf(search, trial);
    const first = !seen.has(group);
    seen.add(group);
    return {trial, group, first};
  });
}

function curvesChart(search) {
  const learned = search.trials.filter((trial) => trial.curve.length);
  const traces = layered(search, learned).map(({trial, group, first}) => {
    const {opacity, ...line} = manner(search, trial);
    const last = trial.curve.length - 1;
    return {
      type: "scatter", mode: "lines+markers", name: group, legendgroup: group, showlegend: first, line, opacity,
      x: trial.curve.map(([epoch]) => epoch), y: trial.curve.map(([, error]) => error),
      marker: {
        color: line.color, size: trial.curve.map((_, i) => (i === last ? (trial.status === "finished" ? 6 : 7) : 3)),
        symbol: trial.curve.map((_, i) => (i < last ? "circle" : {failed: "x", pruned: "circle-open"}[trial.status] || "circle")),
      },
      hovertext: trial.curve.map(([epoch, error]) => card(search, trial, `epoch ${epoch}: ${millimetres(error)}`)), hoverinfo: "text",
    };
  });
  // First epochs stand far above the rest, which is what one wants to tell apart.
  const errors = learned.flatMap((trial) => trial.curve.map(([, error]) => error));
  const [low, high] = [Math.min(...errors), Math.max(...errors)];
  const top = Math.max(quantile(errors, 0.9), ...learned.filter((trial) => trial.status === "finished").map((trial) => trial.curve.at(-1)[1]));
  const margin = 0.06 * (top - low) || 1;
  at("curves-note").textContent = high > top + margin ? `Errors above ${number(top + margin, 0)} mm are off the chart; the highest is ${number(high, 0)} mm.` : "";
  return draw("curves-chart", traces, {
    xaxis: {title: {text: "epoch"}, ...(errors.length < 8 ? {dtick: 1} : {})},
    yaxis: {title: {text: escaped(search.metric)}, range: [low - margin, top + margin]}, legend: {...LEGEND, traceorder: "reversed"},
  });
}

/** From best (0) to worst (1): from blue over mauve to orange, as the style sheet has them. */
function shade(share) {
  const parts = (name) => tone(name).match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
  const [from, to] = share < 0.5 ? ["left", "between"] : ["between", "right"];
  const [a, b] = [parts(from), parts(to)];
  const mix = share < 0.5 ? 2 * share : 2 * share - 1;
  return `rgb(${a.map((value, i) => Math.round(value + mix * (b[i] - value))).join(", ")})`;
}

function parallelChart(search) {
  // The others' errors would compare short training with long, and push the finished ones together.
  const finished = (trial) => trial.status === "finished" && isNumber(trial.mpjpe);
  const ranked = search.trials.filter(finished).map((trial) => trial.mpjpe).sort((a, b) => a - b);
  const axes = [
    ...search.keys.map((key, i) => ({name: key, ...axisOf(search.space[key], search.trials.map((trial) => trial.values[i]))})),
    ...(ranked.length ? [{name: search.metric, ...range(ranked, false)}] : []),
  ];
  const places = (trial) => axes.map((axis, i) => (i < search.keys.length ? axis.place(trial.values[i]) : finished(trial) ? axis.place(trial.mpjpe) : null));
  const traces = [...search.trials].sort((a, b) => lineDepth(search, a) - lineDepth(search, b)).map((trial) => {
    const {opacity, width, color, dash} = manner(search, trial);
    return {
      type: "scatter", mode: "lines+markers", x: axes.map((_, i) => i), y: places(trial), connectgaps: true,
      line: {color: finished(trial) ? shade(ranked.length > 1 ? ranked.indexOf(trial.mpjpe) / (ranked.length - 1) : 0) : color, width, dash},
      marker: {size: 5}, opacity: finished(trial) ? 0.9 : opacity, hovertext: card(search, trial, millimetres(trial.mpjpe)), hoverinfo: "text",
    };
  });
  const colour = tone("ink");
  const text = (x, y, words, more) => ({x, y, text: words, showarrow: false, font: {color: colour, size: 12}, ...more});
  const [margin, chart] = [118 * axes.length, at("parallel-chart")];
  chart.style.minWidth = `${margin}px`;
  return draw("parallel-chart", traces, {
    showlegend: false, margin: {l: 8, r: 8, t: 52, b: 12},
    xaxis: {visible: false, range: [-0.45, axes.length - 0.3]}, yaxis: {visible: false, range: [-0.04, 1.04]},
    shapes: axes.map((_, i) => ({type: "line", x0: i, x1: i, y0: 0, y1: 1, line: {color: tone("field"), width: 1.5}, layer: "below"})),
    annotations: axes.flatMap((axis, i) => [
      text(i, 1, heading(axis.name), {yref: "paper", yanchor: "bottom", font: {color: colour, size: 12.5}}),
      ...axis.ticks.map(([y, words]) => text(i, y, escaped(brief(words, 14)), {
        xanchor: "right", xshift: -7, bgcolor: tone("paper"), borderpad: 1, opacity: 0.9, font: {color: tone("soft"), size: 11.5},
      })),
    ]),
  });
}

/** Finished trials over the others, the lower the error the higher. */
function lineDepth(search, trial) {
  if (trial.status !== "finished" || !isNumber(trial.mpjpe)) return trial.status === "failed" ? -1e8 : -1e9;
  return trial.trial === search.best ? 1 : -trial.mpjpe;
}

/** A key over two lines: its section, then its name. */
function heading(name) {
  const [section, key] = name.includes(".") ? [name.slice(0, name.indexOf(".")), name.slice(name.indexOf(".") + 1)] : ["", name];
  const [above, below] = section ? [`${section}.`, key] : name.includes(", ") ? name.split(", ") : ["", name];
  return `${escaped(brief(above || " ", 18))}<br><b>${escaped(brief(below, 18))}</b>`;
}

function importanceChart(search) {
  const {keys, fit, trials, epoch, reason} = search.importance;
  const entries = Object.entries(keys).reverse();
  at("importance-chart").hidden = !entries.length;
  const when = epoch !== null && search.mode === "training" ? ` up to epoch ${epoch}, which at least three quarters of the trials reached,` : "";
  at("importance-note").textContent = entries.length
    ? `Share of the variance of the errors${when} that a key explains by itself (fANOVA over ${counted(trials, "trial")}).`
      + ` A random forest of all keys has an R² of ${number(fit, 2)} on trials that its trees have not seen; 1 would be a perfect fit.`
      + " Only what varied within the ranges searched can matter here."
    : `Not told: ${reason}.`;
  if (!entries.length) return null;
  at("importance-chart").style.height = `${Math.max(240, 90 + 36 * entries.length)}px`;
  return draw("importance-chart", [{
    type: "bar", orientation: "h", y: entries.map(([key]) => escaped(brief(key, 30))), x: entries.map(([, fall]) => 100 * Math.max(fall, 0)),
    marker: {color: tone("accent")}, hovertemplate: "%{x:.0f}% of the variance<extra></extra>",
    text: entries.map(([, fall]) => `${number(100 * Math.max(fall, 0), 0)}%`), textposition: "outside", cliponaxis: false,
  }], {
    margin: {l: 8, r: 40, t: 8, b: 44}, xaxis: {title: {text: "% of the errors' variance"}, rangemode: "tozero"},
    yaxis: {showgrid: false, ticksuffix: "  "}, bargap: 0.4,
  });
}

/** The trials that no other beats in both cost and error, by cost. */
function front(trials) {
  let lowest = Infinity;
  return [...trials].sort((a, b) => a.seconds - b.seconds || a.mpjpe - b.mpjpe).filter((trial) => {
    const better = trial.mpjpe < lowest;
    if (better) lowest = trial.mpjpe;
    return better;
  });
}

function costChart(search) {
  const known = search.trials.filter((trial) => isNumber(trial.mpjpe) && isNumber(trial.seconds) && trial.seconds > 0);
  const devices = [...new Set(known.map((trial) => trial.device))].sort();
  const symbols = ["circle", "diamond", "square", "triangle-up", "cross"];
  const traces = [];
  devices.forEach((device, i) => {
    const where = devices.length > 1 ? `, ${escaped(brief(device, 20))}` : "";
    const best = front(known.filter((trial) => trial.device === device && trial.status === "finished"));
    if (best.length) {
      traces.push({
        type: "scatter", mode: "lines", name: `Pareto front${where}`, x: best.map((trial) => trial.seconds), y: best.map((trial) => trial.mpjpe),
        line: {color: tone("accent"), width: 2, shape: "hv", dash: ["solid", "dash", "dot"][i % 3]}, hoverinfo: "skip",
      });
    }
    ["pruned", "failed", "running", "finished"].forEach((status) => {
      const some = known.filter((trial) => trial.device === device && trial.status === status);
      if (!some.length) return;
      const {color, opacity} = manner(search, {status, trial: null});
      traces.push({
        type: "scatter", mode: "markers", name: `${STATUSES[status]}${where}`, x: some.map((trial) => trial.seconds), y: some.map((trial) => trial.mpjpe),
        hovertext: some.map((trial) => card(search, trial, millimetres(trial.mpjpe), duration(trial.seconds).join(" "))), hoverinfo: "text",
        marker: {
          symbol: symbols[i % symbols.length], opacity: status === "pruned" ? 0.5 : opacity,
          color: some.map((trial) => (best.includes(trial) ? tone("accent") : color)), size: some.map((trial) => (trial.trial === search.best ? 13 : 9)),
        },
      });
    });
  });
  const costs = known.map((trial) => trial.seconds);
  const log = Math.max(...costs) > 20 * Math.min(...costs);
  const kind = devices.length === 1 && devices[0] ? `${escaped(brief(devices[0], 20))} seconds` : "seconds";
  at("cost-note").textContent = (search.mode === "training" ? "Seconds of training of a trial." : "Seconds of evaluation with a setting.")
    + " On the front are finished trials that no other beats in both"
    + (devices.length > 1 ? ", a front for each device: their seconds do not compare." : ".")
    + (known.some((trial) => trial.status === "pruned") ? " Pruned trials stand where they were stopped." : "");
  return draw("cost-chart", traces, {
    xaxis: {title: {text: `${kind}${log ? " (log scale)" : ""}`}, type: log ? "log" : "linear", ...(log ? {dtick: 1} : {rangemode: "tozero"})},
    yaxis: {title: {text: escaped(search.metric)}},
  });
}
