// Axes of the parallel coordinates: where on 0..1 a value stands, and which ticks to write.

/** How a value is written: short, but told apart from its neighbours. */
function written(value) {
  if (value === null || value === undefined) return "none";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6 ? value.toExponential(1).replace(".0e", "e") : String(+value.toPrecision(3));
}

/** {place: value -> 0..1, or null for one that is not there; ticks: [[place, text]]} of a searched key. */
function axisOf(distribution, values) {
  const [kind, given = []] = Object.entries(distribution)[0] || ["", []];
  const known = values.filter((value) => value !== null);
  const numeric = known.every((value) => typeof value === "number");
  if (!numeric || kind === "choice" || kind === "grid") return steps(known, numeric ? null : given);
  const ends = [...given, ...known].filter((value) => typeof value === "number");
  return range(ends, kind === "loguniform" && ends.every((value) => value > 0));
}

/** Values that stand apart, one step each: numbers by size, others in the order in which they were given. */
function steps(known, given) {
  // A list is given as one, and comes in the table as its text.
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value)).replaceAll(" ", "");
  const order = given && given.map(text);
  const each = [...new Set(known)].sort((a, b) => (order ? order.indexOf(text(a)) - order.indexOf(text(b)) : a - b));
  const place = (value) => (each.includes(value) ? (each.length > 1 ? each.indexOf(value) / (each.length - 1) : 0.5) : null);
  // Where not all names fit: every second, third, ...
  const stride = Math.ceil(each.length / 12);
  return {place, ticks: each.filter((_, i) => i % stride === 0).map((value) => [place(value), written(value)])};
}

function range(ends, log) {
  const scaled = (value) => (log ? Math.log10(value) : value);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const [from, to] = [scaled(low), scaled(high)];
  const place = (value) => (typeof value !== "number" ? null : to > from ? (scaled(value) - from) / (to - from) : 0.5);
  if (!ends.length) return {place: () => null, ticks: []};
  const inner = log ? powers(low, high) : rounds(low, high);
  const ticks = [low, ...inner, ...(high > low ? [high] : [])].map((value) => [place(value), written(value)]);
  // The ends are always written; what would run into them is not.
  return {place, ticks: ticks.filter(([at], i) => i === 0 || i === ticks.length - 1 || (at > 0.06 && at < 0.94))};
}

function powers(low, high) {
  const found = [];
  for (let power = Math.ceil(Math.log10(low)); 10 ** power < high; power += 1) {
    if (10 ** power > low) found.push(10 ** power);
  }
  return found;
}

function rounds(low, high) {
  if (!(high > low)) return [];
  const rough = (high - low) / 4;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 5].find((times) => times * size >= rough) || 10);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value < high; value += step) {
    if (value > low) found.push(+value.toPrecision(12));
  }
  return found;
}
