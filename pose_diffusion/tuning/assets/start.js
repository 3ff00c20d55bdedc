// Fills the page of a search from the embedded data.

const search = JSON.parse(at("data").textContent);
const {counts, trials} = search;
const best = trials.find((trial) => trial.trial === search.best);
const has = {
  trials: trials.length > 0,
  keys: search.keys.length > 0 && trials.length > 0,
  errors: trials.some((trial) => isNumber(trial.mpjpe) && trial.seconds > 0),
  curves: search.mode === "training" && trials.some((trial) => trial.curve.some(([, error]) => isNumber(error))),
};
document.querySelectorAll("[data-needs]").forEach((part) => { part.hidden = !has[part.dataset.needs]; });

const kinds = ["finished", "pruned", "failed", "running"].filter((status) => counts[status] || status !== "running");
at("lede").textContent = `${counted(counts.all, "trial")} over ${counted(search.keys.length, "key")}`
  + (counts.all ? `: ${kinds.map((status) => `${number(counts[status], 0)} ${STATUSES[status]}`).join(", ")}` : "; none has ended yet")
  + (search.mode === "sampling" ? ". A trained model's sampling was searched; nothing was trained." : "");

function tile(name, value, unit, other) {
  const made = element("div", undefined, "tile");
  const figure = element("div", `${value} `, "value");
  figure.append(element("span", unit, "unit"));
  made.append(element("div", name, "name"), figure);
  if (other) made.append(element("div", other, "other"));
  at("tiles").append(made);
}

if (best) tile("Lowest error", number(best.mpjpe, 2), isNumber(best.mpjpe) ? "mm" : "", `trial ${brief(best.trial, 40)}`);
tile("Trials", number(counts.all, 0), "");
tile("Time of all trials", ...duration(search.seconds), "those side by side count each");
kinds.forEach((status) => tile(STATUSES[status][0].toUpperCase() + STATUSES[status].slice(1), number(counts[status], 0), ""));
at("best").hidden = !best;
at("best-yaml").textContent = search.best_yaml;
at("headline-note").textContent = best
  ? `Error: ${search.metric}${search.mode === "training" ? ", the lowest of a trial's epochs" : ""}.`
    + (best.status === "finished" ? "" : ` None has finished; the best so far is ${STATUSES[best.status] || best.status}.`)
    + " The best was chosen by it among the trials: on other data its error will be somewhat higher."
  : "No trial has an error yet, so there is no best setting.";

if (has.curves) drawn(() => curvesChart(search));
if (has.keys) [parallelChart, importanceChart].forEach((chart) => drawn(() => chart(search)));
if (has.errors) drawn(() => costChart(search));

const COLUMNS = [
  ["trial", (trial) => trial.trial, (value) => shown(brief(value, 40))],
  ["status", (trial) => trial.status, String, "plain status"],
  ["error (mm)", (trial) => trial.mpjpe, (value) => number(value, 2)],
  ["epochs", (trial) => trial.epochs, (value) => number(value, 0)],
  ["seconds", (trial) => trial.seconds, (value) => number(value, value < 10 ? 2 : 0)],
  ["device", (trial) => trial.device, String, "plain"],
  ...search.keys.map((key, i) => [key, (trial) => trial.values[i], written, trials.every((trial) => !isNumber(trial.values[i])) ? "plain" : ""]),
].filter(([name]) => name !== "epochs" || search.mode === "training");

/** The table of trials in the order of a column (null: best first); a head pressed once more turns the order. */
function trialTable(column, down) {
  const value = column === null ? null : COLUMNS[column][1];
  const missing = (one) => one === null || one === undefined || one === "";
  const order = (a, b) => (a === b ? 0 : a < b ? -1 : 1) * (down ? -1 : 1);
  const rows = value === null ? trials : [...trials].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    return missing(a) || missing(b) ? missing(a) - missing(b) : order(a, b);
  });
  const cells = (trial) => COLUMNS.map(([, of, text, className]) => ({text: of(trial) === null ? "–" : text(of(trial)), className}));
  const made = table("", [COLUMNS.map(([, , , className]) => ({text: "", className}))], rows.map(cells));
  made.querySelectorAll("thead th").forEach((head, i) => {
    const button = element("button", COLUMNS[i][0].replace(".", ".\n"));
    button.type = "button";
    button.addEventListener("click", () => {
      trialTable(i, i === column && !down);
      at("trials-table").querySelectorAll("thead button")[i].focus();
    });
    head.append(button);
    if (i === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
  });
  made.querySelectorAll("tbody tr").forEach((line, i) => {
    line.classList.add(...[rows[i].status, rows[i] === best ? "best" : ""].filter((name) => /^\w+$/.test(name)));
  });
  at("trials-table").replaceChildren(made);
  more(at("trials-table"), search.left_out, "trials.parquet");
}
if (has.trials) trialTable(null, false);

const failed = trials.filter((trial) => trial.status === "failed");
if (failed.length) {
  const reasons = new Map();
  failed.forEach(({trial, reason}) => reasons.set(reason, [...(reasons.get(reason) || []), shown(brief(trial, 40))]));
  const rows = [...reasons].map(([reason, names]) => [{text: names.join(", "), className: "long"}, {text: reason || "no reason is known", className: "text"}]);
  at("failed").append(table("Why trials failed", [[{text: "trials"}, {text: "reason", className: "text"}]], rows));
}
