// Fills the page from the embedded data.

const {report, left_out: leftOut, clips, pictures, skeleton} = JSON.parse(document.getElementById("data").textContent);
const {counts} = report;
const has = {
  truth: counts.poses_with_truth > 0, clips: clips.length > 0, spread: report.spread !== null, pictures: pictures.length > 0,
  ...Object.fromEntries(["elevation_deg", "distance_m", "person_px"].map((view) => [view, view in report.views])),
  views: Object.keys(report.views).length > 0, intrinsics: report.intrinsics !== null,
  throughput: Object.keys(report.throughput).length > 0, settings: Object.keys(report.settings).length > 0,
};
document.querySelectorAll("[data-needs]").forEach((part) => { part.hidden = !has[part.dataset.needs]; });

at("lede").textContent = `${counted(counts.poses, "pose")} in ${counted(counts.files, "file")}, `
  + (has.truth ? `${number(counts.poses_with_truth, 0)} of them with a known truth` : "none with a known truth, so no errors")
  + (counts.skipped ? `; ${counted(counts.skipped, "input")} skipped` : "");

if (has.truth) {
  tiles(at("tiles"), report);
  at("headline-note").textContent = `Method: ${report.final}. Unweighted means over the actions;`
    + ` over all poses the MPJPE is ${number(report.headline[report.final].frame_mean.mpjpe_mm, 1)} mm.`
    + (report.root ? ` The pelvis fitted in the camera frame is ${number(report.root.mean_mm, 0)} mm from the true one on average.` : "")
    + (report.jitter ? jitterNote(report) : "")
    + (report.methods.includes("smoothed") ? " Smoothed poses know the frames around theirs, the others one frame." : "")
    + (report.oracle ? " The oracle picks the best hypothesis of each pose by the truth, which nobody has in use." : "");
  figureTable(at("actions-table"), report, "", "action", report.actions, leftOut.actions, true);
  figureTable(at("subjects-table"), report, "By subject", "subject", report.subjects, leftOut.subjects, false);
  figureTable(at("cameras-table"), report, "By camera", "camera", report.cameras, leftOut.cameras, false);
  [actionsChart, jointsChart, errorsChart, pckChart].forEach((chart) => drawn(() => chart(report, skeleton)));
}
if (has.intrinsics) at("cameras-line").textContent = camerasLine(report);
[["elevation_deg", "degrees"], ["distance_m", "m"], ["person_px", "pixels"]].filter(([view]) => has[view])
  .forEach(([view, unit]) => drawn(() => viewChart(report, view, unit)));
if (has.spread) drawn(() => spreadCharts(report));
pictures.forEach(({title, label, image}) => {
  const figure = element("figure");
  const picture = element("img");
  picture.src = `data:image/png;base64,${image}`;
  picture.alt = `${title}: 2D input, predicted and true pose`;
  const caption = element("figcaption");
  caption.append(element("strong", title), ` ${label}`);
  figure.append(caption, picture);
  at("pictures").append(figure);
});
if (report.skipped.length) {
  const rows = report.skipped.map((row) => [{text: row.path, className: "long"}, {text: row.reason, className: "text"}]);
  at("skipped").append(table("", [[{text: "input"}, {text: "reason", className: "text"}]], rows));
  more(at("skipped"), leftOut.skipped);
} else {
  at("skipped").append(element("p", "Nothing: every input was lifted."));
}
if (has.throughput) pairTable(at("throughput"), report.throughput);
if (has.settings) pairTable(at("settings"), report.settings);
if (has.clips) {
  window.player = new Player(clips, skeleton);
  drawn(() => window.player.draw());
}
