// The report's player: 2D input, predicted and true pose of a clip.

const START = {yaw: 0.45, pitch: 0.18};

class Player {
  constructor(clips, skeleton) {
    this.clips = clips;
    this.skeleton = skeleton;
    this.flat = at("view-2d");
    this.solid = at("view-3d");
    this.slider = at("frame");
    this.overlay = at("overlay");
    this.playback = new Playback((frame) => this.show(frame), (playing) => {
      at("play").textContent = playing ? "❚❚ Pause" : "▶ Play";
      at("play").setAttribute("aria-pressed", String(playing));
    });
    this.orbit = new Orbit(this.solid, START, () => this.draw(), false);
    this.listen();
    this.choose(0);
  }

  listen() {
    const [choice, speed] = [at("clip"), at("speed")];
    this.clips.forEach((clip, i) => choice.append(new Option(clip.name, i)));
    choice.addEventListener("change", () => this.choose(+choice.value));
    at("play").addEventListener("click", () => this.playback.play(!this.playback.playing));
    speed.addEventListener("change", () => { this.playback.rate = +speed.value; });
    this.slider.addEventListener("input", () => { this.playback.play(false); this.playback.go(+this.slider.value); });
    this.overlay.addEventListener("change", () => this.draw());
    this.solid.addEventListener("keydown", (event) => {
      const turn = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1]}[event.key];
      if (turn) { event.preventDefault(); this.orbit.turn(...turn); }
    });
    new ResizeObserver(() => this.draw()).observe(this.solid);
  }

  choose(number) {
    this.clip = this.clips[number];
    this.slider.max = this.clip.frames.length - 1;
    at("overlay-label").hidden = !this.clip.truth;
    let low = 0, reach = 300;
    [this.clip.pose_3d, this.clip.truth].filter(Boolean).forEach((values) => {
      for (let i = 0; i < values.length; i += 3) {
        low = Math.min(low, -values[i + 1]);
        reach = Math.max(reach, Math.hypot(values[i], values[i + 1], values[i + 2]));
      }
    });
    this.low = low / reach;
    this.reach = reach;
    this.playback.load(this.clip.frames.length);
  }

  show(frame) {
    this.slider.value = frame;
    const error = this.clip.error_mm && this.clip.error_mm[frame];
    at("status").textContent = `frame ${this.clip.frames[frame]}` + (error === null || error === undefined ? "" : ` · ${error.toFixed(1)} mm`);
    this.draw();
  }

  draw() {
    this.draw2d();
    this.draw3d();
  }

  draw2d() {
    const [context, width, height] = clearedCanvas(this.flat);
    const {low, high} = this.clip.extent_2d;
    const scale = 0.88 * Math.min(width / (high[0] - low[0]), height / (high[1] - low[1]));
    const start = this.playback.frame * this.skeleton.count * 2;
    const points = Array.from({length: this.skeleton.count}, (_, j) => [0, 1].map((axis) =>
      [width, height][axis] / 2 + scale * (this.clip.pose_2d[start + 2 * j + axis] - (low[axis] + high[axis]) / 2)));
    drawFigure(context, this.skeleton, points, this.colours(""), 3);
  }

  draw3d() {
    const [context, width, height] = clearedCanvas(this.solid);
    const beside = this.clip.truth && !this.overlay.checked;
    const side = Math.min(beside ? width / 2 : width, height);
    const place = (column) => [beside ? width * (0.25 + 0.5 * column) : width / 2, height * 0.5];
    const project = (column) => (point) => this.orbit.project(point, place(column), side);
    const pose = (values) => Array.from({length: this.skeleton.count}, (_, j) => {
      const at = 3 * (this.playback.frame * this.skeleton.count + j);
      return [values[at], values[at + 2], -values[at + 1]].map((value) => value / this.reach); // x, z, -y: z is up
    });
    context.strokeStyle = tone("line");
    (beside ? [1, 0] : [0]).forEach((column) => drawGrid(context, project(column), [0, 0, this.low], 0.8, 0.2));
    if (this.clip.truth) {
      const points = pose(this.clip.truth).map(project(1));
      drawFigure(context, this.skeleton, points, this.colours(beside ? "" : "-pale"), beside ? 4 : 3);
    }
    drawFigure(context, this.skeleton, pose(this.clip.pose_3d).map(project(0)), this.colours(""), 4);
    context.fillStyle = tone("soft");
    context.font = "13px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText(this.clip.truth && !beside ? "prediction, and truth in pale" : "prediction", place(0)[0], 20);
    if (beside) context.fillText("truth", place(1)[0], 20);
  }

  colours(shade) {
    return Object.fromEntries(["left", "right", "middle"].map((side) => [side, tone(side + shade)]));
  }
}
