// The report's charts.

const COLOURS = {lifter: "#e69f00", oracle: "#7a7a7a"};
const MORE_COLOURS = ["#009e73", "#cc79a7", "#d55e00", "#8c7aa9"];
const MOST_BARS = 60;

function colourOf(report, method) {
  if (method === "diffusion") return tone("accent");
  const unnamed = report.methods.filter((name) => name !== "diffusion" && !(name in COLOURS));
  return COLOURS[method] || MORE_COLOURS[unnamed.indexOf(method) % MORE_COLOURS.length];
}

function actionsChart(report) {
  const rows = report.actions.filter((row) => row.poses_with_truth).slice(0, MOST_BARS);
  const labels = rows.map((row) => escaped(brief(row.name, 24)));
  const margin = Math.max(0, 4 - rows.length) / 2; // a bar of half a page says no more
  const traces = report.methods.map((method) => ({
    type: "bar", name: methodName(method), x: rows.map((_, i) => i), y: rows.map((row) => row.methods[method].mpjpe_mm),
    marker: {color: colourOf(report, method)}, hovertext: labels,
    hovertemplate: "%{hovertext}<br>%{y:.1f} mm<extra>" + methodName(method) + "</extra>",
  }));
  return draw("actions-chart", traces, {
    barmode: "group", bargap: 0.25,
    xaxis: {
      tickvals: rows.map((_, i) => i), ticktext: labels, tickangle: rows.length > 4 ? -40 : 0, showgrid: false,
      range: [-0.5 - margin, rows.length - 0.5 + margin],
    },
    yaxis: {title: {text: "MPJPE (mm)"}, rangemode: "tozero"},
  });
}

/** Errors in the bins of a view, with a bar a method. unit: of the edges. */
function viewChart(report, view, unit) {
  const rows = report.views[view];
  const side = (row) => (row.from === null ? `&lt; ${row.to}` : row.to === null ? `≥ ${row.from}` : `${row.from}–${row.to}`);
  const labels = rows.map((row) => `${side(row)}<br><i>${number(row.poses, 0)}</i>`);
  const traces = report.methods.map((method) => ({
    type: "bar", name: methodName(method), x: rows.map((_, i) => i), y: rows.map((row) => row.methods[method].mpjpe_mm),
    marker: {color: colourOf(report, method)}, hovertext: rows.map((row) =>
      `${side(row)} ${unit}, ${counted(row.poses, "pose")}<br>MPJPE ${number(row.methods[method].mpjpe_mm, 1)} mm, P-MPJPE ${number(row.methods[method].p_mpjpe_mm, 1)} mm`),
    hovertemplate: "%{hovertext}<extra>" + methodName(method) + "</extra>",
  }));
  return draw(`${view}-chart`, traces, {
    barmode: "group", bargap: 0.2, showlegend: false, margin: {l: 48, r: 8, t: 12, b: 60},
    xaxis: {
      title: {text: unit}, tickvals: rows.map((_, i) => i), ticktext: labels, tickangle: 0, tickfont: {size: 11}, showgrid: false,
      range: [-0.6, rows.length - 0.4],
    },
    yaxis: {title: {text: "MPJPE (mm)"}, rangemode: "tozero"},
  });
}

function jointsChart(report, skeleton) {
  const errors = report.joints.map((row) => row.methods[report.final].mpjpe_mm);
  const [x, y] = [skeleton.drawn.map((point) => point[0]), skeleton.drawn.map((point) => point[1])];
  const bones = {x: [], y: []};
  skeleton.edges.forEach(([parent, joint]) => {
    bones.x.push(x[parent], x[joint], null);
    bones.y.push(y[parent], y[joint], null);
  });
  const others = report.methods.filter((method) => method !== report.final);
  const hover = report.joints.map((row) =>
    [`<b>${escaped(row.name)}</b>`, ...[report.final, ...others].map((m) => `${escaped(m)} ${number(row.methods[m].mpjpe_mm, 1)} mm`)].join("<br>"));
  const most = Math.max(...errors, 1);
  return draw("joints-chart", [
    {type: "scatter", mode: "lines", ...bones, line: {color: tone("field"), width: 6}, hoverinfo: "skip"},
    {
      type: "scatter", mode: "markers+text", x, y, hovertext: hover, hoverinfo: "text",
      text: errors.map((error) => number(error, 0)), textposition: skeleton.drawn.map((point) => point[2]), textfont: {size: 12},
      marker: {
        size: errors.map((error) => 12 + 16 * Math.sqrt(error / most)), color: errors, colorscale: "Cividis", reversescale: !dark.matches, // the largest stand out
        cmin: 0, cmax: most, opacity: 1, line: {color: tone("paper"), width: 1.5},
      },
    },
  ], {
    showlegend: false, margin: {l: 8, r: 8, t: 8, b: 8},
    xaxis: {visible: false, range: [-1.02, 1.02]}, yaxis: {visible: false, range: [-1.08, 1.12], scaleanchor: "x"},
    annotations: [["right", -0.75], ["left", 0.75]].map(([text, x]) => ({x, y: 1.02, text: `${text} side`, showarrow: false, font: {color: tone("soft")}})),
  });
}

function errorsChart(report) {
  const traces = report.methods.map((method) => {
    const {edges_mm: edges, counts} = report.distribution[method];
    const width = Math.max(1, Math.ceil(counts.length / 80));
    const total = counts.reduce((sum, count) => sum + count, 0);
    const x = [], y = [];
    for (let i = 0; i < counts.length; i += width) {
      x.push(edges[i] + width / 2);
      y.push(100 * counts.slice(i, i + width).reduce((sum, count) => sum + count, 0) / total / width);
    }
    return {
      type: "scatter", mode: "lines", name: methodName(method), x, y, line: {color: colourOf(report, method), width: 2},
      fill: method === report.final ? "tozeroy" : "none", fillcolor: `${colourOf(report, method)}22`,
      hovertemplate: "%{x:.0f} mm: %{y:.2f}%<extra>" + methodName(method) + "</extra>",
    };
  });
  return draw("errors-chart", traces, {
    xaxis: {title: {text: "MPJPE of a pose (mm; the last bin is open)"}, rangemode: "tozero"},
    yaxis: {title: {text: "% of poses a mm"}, rangemode: "tozero"},
  });
}

function pckChart(report) {
  const traces = report.methods.map((method) => ({
    type: "scatter", mode: "lines", name: methodName(method), x: report.distribution[method].pck_thresholds_mm,
    y: report.distribution[method].pck_percent,
    line: {color: colourOf(report, method), width: 2.5, dash: method === "oracle" ? "dot" : "solid"},
    hovertemplate: "under %{x} mm: %{y:.1f}%<extra>" + methodName(method) + "</extra>",
  }));
  return draw("pck-chart", traces, {
    xaxis: {title: {text: "threshold (mm)"}, range: [0, 150]}, yaxis: {title: {text: "PCK (% of 14 joints)"}, range: [0, 100]},
  });
}

function spreadCharts(report) {
  const {scale, risk, regions, coverage} = report.spread;
  const kept = risk.map((row) => row.kept_percent);
  draw("risk-chart", [
    {type: "scatter", mode: "lines", name: "by spread", x: kept, y: risk.map((row) => row.mpjpe_mm), line: {color: tone("accent"), width: 2.5}},
    {
      type: "scatter", mode: "lines", name: "by error (bound)", x: kept, y: risk.map((row) => row.lowest_mpjpe_mm),
      line: {color: "#7a7a7a", width: 2, dash: "dash"},
    },
  ], {xaxis: {title: {text: "poses kept (%)"}, range: [0, 100]}, yaxis: {title: {text: "MPJPE (mm)"}, rangemode: "tozero"}});

  const total = regions.reduce((sum, count) => sum + count, 0);
  let inside = 0;
  const covered = [0, ...regions.map((count) => 100 * (inside += count) / total)];
  const claimed = covered.map((_, i) => 100 * i / regions.length);
  draw("coverage-chart", [
    {type: "scatter", mode: "lines", name: "as claimed", x: [0, 100], y: [0, 100], line: {color: "#7a7a7a", width: 1.5, dash: "dash"}},
    {type: "scatter", mode: "lines", name: "found", x: claimed, y: covered, line: {color: tone("accent"), width: 2.5}},
  ], {xaxis: {title: {text: "region claimed (%)"}, range: [0, 100]}, yaxis: {title: {text: "joints inside (%)"}, range: [0, 100]}});
  at("coverage-table").replaceChildren(table(
    "Joints whose truth lies inside the region", [[{text: "region"}, ...coverage.map((row) => ({text: `${row.region_percent}%`}))]],
    [[{text: "joints inside"}, ...coverage.map((row) => ({text: `${number(row.joints_percent, 1)}%`}))]],
  ));
  document.getElementById("spread-scale").textContent = number(scale, 2);
}
