// Keys of the whole page, but where a control has a use for them itself.

function listenToKeys(viewer) {
  const {playback} = viewer;
  const {orbit, canvas} = viewer.solid;
  const second = Math.max(1, Math.round(viewer.data.fps / viewer.span.stride));
  const toggle = (id) => () => { if (!at(id).closest("[hidden]")) at(id).click(); };
  const scene = (kind) => () => {
    if (at("scene").querySelector(`[value=${kind}]`).disabled) return;
    at("scene").value = kind;
    viewer.choose();
  };
  const zoom = (factor) => () => {
    const box = canvas.getBoundingClientRect();
    orbit.magnify(factor, box.x + box.width / 2, box.y + box.height / 2);
  };
  const plain = {
    " ": () => playback.play(!playback.playing),
    ArrowLeft: () => playback.step(-1), ArrowRight: () => playback.step(1),
    PageUp: () => playback.step(-second), PageDown: () => playback.step(second),
    Home: () => playback.step(-playback.count), End: () => playback.step(playback.count),
    n: () => viewer.toMark(1), p: () => viewer.toMark(-1),
    1: scene("person"), 2: scene("camera"), 3: scene("world"),
    "+": zoom(1.2), "=": zoom(1.2), "-": zoom(1 / 1.2), 0: () => { orbit.reset(orbit.start); viewer.draw(); },
    s: toggle("spread"), f: toggle("follow"), z: toggle("close"),
  };
  const shifted = {
    ArrowLeft: () => orbit.turn(-0.1, 0), ArrowRight: () => orbit.turn(0.1, 0),
    ArrowUp: () => orbit.turn(0, 0.1), ArrowDown: () => orbit.turn(0, -0.1), "+": plain["+"],
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const owner = event.target.closest("select, textarea, input:not([type=checkbox])");
    if (owner || (event.key === " " && event.target.closest("button, input, summary"))) return;
    const act = (event.shiftKey ? shifted : plain)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
