// Reads the embedded data and shows it.

async function start() {
  const data = JSON.parse(at("data").textContent);
  at("data").remove();
  const people = await loadPeople(data.people, data.rows, data.skeleton.count);
  const poses = people.reduce((sum, person) => sum + person.frame.length, 0);
  at("lede").textContent = (data.name ? `${data.name}: ` : "") + `${counted(poses, "pose")} of ${people.length === 1 ? "one person" : `${people.length} people`}`;
  document.title = data.name ? `${data.name} – 3D poses` : "3D poses";
  at("caption-2d").textContent = `2D keypoints on the image of ${data.size.join(" x ")} pixels.`;
  at("main").hidden = false;
  const viewer = new Viewer(data, people);
  viewer.begin();
  listenToKeys(viewer);
  window.viewer = viewer;
}

window.ready = start().catch((error) => {
  at("lede").textContent = `This page could not be shown: ${error.message}. It needs a browser of 2023 or later.`;
  throw error;
});
