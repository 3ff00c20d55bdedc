// The report's tables and tiles.

const FIGURES = [
  ["mpjpe_mm", "MPJPE (P1)", "mm", 1], ["p_mpjpe_mm", "P-MPJPE (P2)", "mm", 1], ["n_mpjpe_mm", "N-MPJPE", "mm", 1],
  ["mpjve_mm", "MPJVE", "mm/frame", 2], ["acceleration_mm", "Acceleration error", "mm/frame²", 2],
  ["pck_percent", "PCK at 150 mm", "%", 1], ["auc_percent", "AUC", "%", 1],
];

const methodName = (method) => (method === "oracle" ? "oracle (chosen by the truth)" : method);

/** What was known and what was assumed of the cameras. */
function camerasLine({intrinsics, settings}) {
  const degrees = typeof settings.field_of_view === "number" ? ` of ${settings.field_of_view} degrees` : "";
  const words = {
    known: "known", field_of_view: `field of view${degrees} given`, image_diagonal: "focal length assumed as the image's diagonal",
  };
  const parts = Object.entries(intrinsics).filter(([, count]) => count).map(([source, count]) => `${words[source]} for ${counted(count, "pose")}`);
  return `Cameras: ${parts.join(", ")}`;
}

/** Errors of the motion by seconds. */
function jitterNote({jitter, final}) {
  const {mpjve_mm_s: speed, acceleration_mm_s2: bend} = jitter.methods[final];
  return ` At ${number(jitter.frame_rate, Number.isInteger(jitter.frame_rate) ? 0 : 2)} frames a second the MPJVE is`
    + ` ${number(speed, 0)} mm/s and the acceleration error ${number(bend === null ? null : bend / 1000, 2)} m/s².`;
}

/** A row a name: all figures of the final method, then P1 and P2 of the others. */
function figureTable(place, report, caption, firstHead, rows, leftOut, withMeans) {
  const columns = [report.final, ...report.methods.filter((method) => method !== report.final)]
    .map((method) => [method, method === report.final ? FIGURES : FIGURES.slice(0, 2)]);
  const each = (cell) => columns.flatMap(([method, figures]) =>
    figures.map((figure, i) => ({text: cell(method, figure), className: i ? "" : "start"})));
  const heads = [
    [{text: "", className: "blank"}, {text: "", className: "blank"}, ...columns.map(([method, figures]) => ({text: methodName(method), span: figures.length, className: "start group"}))],
    [{text: firstHead}, {text: "poses"}, ...each((method, [, label]) => label)],
  ];
  const line = (name, poses, figures) =>
    [{text: shown(name)}, {text: number(poses, 0)}, ...each((method, [key, , , digits]) => number(figures[method][key], digits))];
  const known = rows.filter((row) => row.poses_with_truth);
  const total = report.counts.poses_with_truth;
  const means = (kind) => Object.fromEntries(report.methods.map((method) => [method, report.headline[method][kind]]));
  const feet = withMeans
    ? [line("Average of actions", total, means("action_mean")), line("All poses", total, means("frame_mean"))] : [];
  const body = known.map((row) => line(row.name, row.poses_with_truth, row.methods));
  place.append(table(caption, heads, body, feet));
  more(place, leftOut);
}

function tiles(place, report) {
  const others = report.methods.filter((method) => method !== report.final);
  FIGURES.forEach(([key, label, unit, digits]) => {
    const tile = element("div", undefined, "tile");
    const value = element("div", number(report.headline[report.final].action_mean[key], digits) + " ", "value");
    value.append(element("span", unit, "unit"));
    tile.append(element("div", label, "name"), value);
    others.forEach((method) => {
      const other = report.headline[method].action_mean[key];
      if (other !== null) tile.append(element("div", `${method} ${number(other, digits)}`, "other"));
    });
    place.append(tile);
  });
}
