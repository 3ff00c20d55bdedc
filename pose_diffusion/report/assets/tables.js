// Tables and tiles. Every text from the data goes in as textContent, never as markup.

const FIGURES = [
  ["mpjpe_mm", "MPJPE (P1)", "mm", 1], ["p_mpjpe_mm", "P-MPJPE (P2)", "mm", 1], ["n_mpjpe_mm", "N-MPJPE", "mm", 1],
  ["mpjve_mm", "MPJVE", "mm/frame", 2], ["pck_percent", "PCK at 150 mm", "%", 1], ["auc_percent", "AUC", "%", 1],
];

const number = (value, digits) =>
  value === null || value === undefined ? "–" : value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
const counted = (count, noun) => `${number(count, 0)} ${noun}${count === 1 ? "" : "s"}`;
const shown = (name) => (name === "" ? "(unnamed)" : name);
const methodName = (method) => (method === "oracle" ? "oracle (chosen by the truth)" : method);

function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** A table from lines of {text, className, span}: heads, rows and feet; the first cell of a row is its head. */
function table(caption, heads, rows, feet = []) {
  const made = element("table");
  if (caption) made.append(element("caption", caption));
  [["thead", heads], ["tbody", rows], ["tfoot", feet]].filter(([, lines]) => lines.length).forEach(([kind, lines]) => {
    const block = element(kind);
    lines.forEach((cells) => {
      const row = element("tr");
      cells.forEach(({text, className, span}, place) => {
        const head = kind === "thead" || place === 0;
        const cell = element(head ? "th" : "td", text, className);
        if (head) cell.scope = kind === "thead" ? (span ? "colgroup" : "col") : "row";
        if (span) cell.colSpan = span;
        row.append(cell);
      });
      block.append(row);
    });
    made.append(block);
  });
  return made;
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

function more(place, leftOut) {
  if (leftOut) place.append(element("p", `${number(leftOut, 0)} more are in report.json.`, "note"));
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

/** Nested settings as rows 'section.key', value. */
function pairs(values, prefix = "") {
  return Object.entries(values).flatMap(([key, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? pairs(value, `${prefix}${key}.`)
      : [[prefix + key, Array.isArray(value) || value === null ? JSON.stringify(value) : value]]);
}

function pairTable(place, values) {
  const text = (value) => (typeof value === "number" && !Number.isInteger(value) ? String(+value.toPrecision(6)) : String(value));
  const rows = pairs(values).map(([key, value]) => [{text: key, className: "long"}, {text: text(value), className: "text"}]);
  place.append(table("", [], rows));
}
