// What every page is made of: numbers, tables and charts. Texts from the data go in as textContent or escaped, never as markup.

const at = (id) => document.getElementById(id);
const number = (value, digits) =>
  value === null || value === undefined ? "–" : value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
const counted = (count, noun) => `${number(count, 0)} ${noun}${count === 1 ? "" : "s"}`;
const shown = (name) => (name === "" ? "(unnamed)" : name);
const escaped = (text) => shown(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const brief = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

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

function more(place, leftOut, where = "report.json") {
  if (leftOut) place.append(element("p", `${number(leftOut, 0)} more are in ${where}.`, "note"));
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

const dark = matchMedia("(prefers-color-scheme: dark)");
const tones = new Map(); // read once: drawings ask for them at every frame
dark.addEventListener("change", () => tones.clear());

/** A colour of the style sheet, which knows light and dark. */
function tone(name) {
  if (!tones.has(name)) tones.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return tones.get(name);
}

/** Draws now, and again whenever the reader's screen turns light or dark. */
function drawn(make) {
  make();
  dark.addEventListener("change", make);
}

const LEGEND = {orientation: "h", x: 0, y: 1.02, yanchor: "bottom"};

/** A chart by Plotly, which reads some markup in texts: names from the data come escaped. */
function draw(id, traces, layout) {
  const axis = {gridcolor: tone("grid"), linecolor: tone("field"), zeroline: false, automargin: true, fixedrange: true};
  const whole = {
    font: {family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: tone("ink")},
    hoverlabel: {bgcolor: tone("paper"), bordercolor: tone("field"), font: {color: tone("ink")}, align: "left"}, margin: {l: 48, r: 22, t: 36, b: 44}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    hovermode: "closest", legend: LEGEND, ...layout,
    xaxis: {...axis, ...layout.xaxis}, yaxis: {...axis, ...layout.yaxis},
  };
  [whole.xaxis, whole.yaxis].forEach((axis) => { if (axis.title) axis.title.font = {size: 13}; });
  return Plotly.react(id, traces, whole, {responsive: true, displaylogo: false, displayModeBar: false});
}

