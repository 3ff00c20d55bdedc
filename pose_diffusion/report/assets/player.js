// The player: 2D input and a 3D view that turns, drawn on plain canvases, so that it works without WebGL.

const START = {yaw: 0.45, pitch: 0.18};
const DISTANCE = 4.5; // of the eye, in radii of the motion

class Player {
  constructor(clips, skeleton) {
    this.clips = clips;
    this.skeleton = skeleton;
    this.flat = document.getElementById("view-2d");
    this.solid = document.getElementById("view-3d");
    this.slider = document.getElementById("frame");
    this.button = document.getElementById("play");
    this.overlay = document.getElementById("overlay");
    this.speed = document.getElementById("speed");
    this.status = document.getElementById("status");
    this.playing = false;
    this.frame = 0;
    this.view = {...START};
    this.listen();
    this.choose(0);
  }

  listen() {
    const choice = document.getElementById("clip");
    this.clips.forEach((clip, i) => choice.append(new Option(clip.name, i)));
    choice.addEventListener("change", () => this.choose(+choice.value));
    this.button.addEventListener("click", () => this.play(!this.playing));
    this.slider.addEventListener("input", () => { this.play(false); this.show(+this.slider.value); });
    this.overlay.addEventListener("change", () => this.draw());
    this.solid.addEventListener("dblclick", () => { this.view = {...START}; this.draw(); });
    this.solid.addEventListener("keydown", (event) => {
      const turn = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1]}[event.key];
      if (turn) { event.preventDefault(); this.turn(...turn); }
    });
    let held = null;
    this.solid.addEventListener("pointerdown", (event) => {
      held = [event.clientX, event.clientY];
      this.solid.setPointerCapture(event.pointerId);
    });
    this.solid.addEventListener("pointermove", (event) => {
      if (!held) return;
      this.turn((event.clientX - held[0]) * 0.01, (event.clientY - held[1]) * 0.01);
      held = [event.clientX, event.clientY];
    });
    ["pointerup", "pointercancel"].forEach((kind) => this.solid.addEventListener(kind, () => { held = null; }));
    new ResizeObserver(() => this.draw()).observe(this.solid);
  }

  choose(number) {
    this.clip = this.clips[number];
    this.slider.max = this.clip.frames.length - 1;
    document.getElementById("overlay-label").hidden = !this.clip.truth;
    let low = 0, reach = 300;
    [this.clip.pose_3d, this.clip.truth].filter(Boolean).forEach((values) => {
      for (let i = 0; i < values.length; i += 3) {
        low = Math.min(low, -values[i + 1]);
        reach = Math.max(reach, Math.hypot(values[i], values[i + 1], values[i + 2]));
      }
    });
    this.low = low / reach;
    this.reach = reach;
    this.show(0);
  }

  turn(yaw, pitch) {
    this.view.yaw += yaw;
    this.view.pitch = Math.max(-1.5, Math.min(1.5, this.view.pitch + pitch));
    this.draw();
  }

  play(on) {
    this.playing = on;
    this.button.textContent = on ? "❚❚ Pause" : "▶ Play";
    this.button.setAttribute("aria-pressed", String(on));
    if (!on) return;
    let last = null;
    const step = (now) => {
      if (!this.playing) return;
      const wait = 1000 / +this.speed.value;
      last ??= now;
      if (now - last >= wait) {
        const frames = Math.floor((now - last) / wait);
        last += frames * wait;
        this.show((this.frame + frames) % this.clip.frames.length);
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  show(frame) {
    this.frame = frame;
    this.slider.value = frame;
    const error = this.clip.error_mm && this.clip.error_mm[frame];
    this.status.textContent = `frame ${this.clip.frames[frame]}` + (error === null || error === undefined ? "" : ` · ${error.toFixed(1)} mm`);
    this.draw();
  }

  draw() {
    this.draw2d();
    this.draw3d();
  }

  /** The canvas's context, scaled so that units are CSS pixels, cleared. */
  context(canvas) {
    const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineCap = "round";
    return [context, width, height];
  }

  draw2d() {
    const [context, width, height] = this.context(this.flat);
    const {low, high} = this.clip.extent_2d;
    const scale = 0.88 * Math.min(width / (high[0] - low[0]), height / (high[1] - low[1]));
    const start = this.frame * this.skeleton.count * 2;
    const points = Array.from({length: this.skeleton.count}, (_, j) => [0, 1].map((axis) =>
      [width, height][axis] / 2 + scale * (this.clip.pose_2d[start + 2 * j + axis] - (low[axis] + high[axis]) / 2)));
    this.bones(context, points, 0, 3);
  }

  draw3d() {
    const [context, width, height] = this.context(this.solid);
    const beside = this.clip.truth && !this.overlay.checked;
    const side = Math.min(beside ? width / 2 : width, height);
    const place = (column) => [beside ? width * (0.25 + 0.5 * column) : width / 2, height * 0.5];
    const pose = (values) => Array.from({length: this.skeleton.count}, (_, j) => {
      const at = 3 * (this.frame * this.skeleton.count + j);
      return [values[at], values[at + 2], -values[at + 1]].map((value) => value / this.reach); // x, z, -y: z is up
    });
    if (beside) this.floor(context, place(1), side);
    this.floor(context, place(0), side);
    if (this.clip.truth) {
      const points = pose(this.clip.truth).map((point) => this.project(point, place(1), side));
      this.bones(context, points, beside ? 0 : 1, beside ? 4 : 3);
    }
    this.bones(context, pose(this.clip.pose_3d).map((point) => this.project(point, place(0), side)), 0, 4);
    context.fillStyle = tone("soft");
    context.font = "13px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText(this.clip.truth && !beside ? "prediction, and truth in pale" : "prediction", place(0)[0], 20);
    if (beside) context.fillText("truth", place(1)[0], 20);
  }

  project([x, y, z], [left, top], side) {
    const [sy, cy, sp, cp] = [Math.sin(this.view.yaw), Math.cos(this.view.yaw), Math.sin(this.view.pitch), Math.cos(this.view.pitch)];
    const [across, away] = [cy * x + sy * y, cy * y - sy * x];
    const [up, depth] = [cp * z + sp * away, cp * away - sp * z];
    const scale = 0.57 * side * DISTANCE / (DISTANCE + depth);
    return [left + scale * across, top - scale * up, depth];
  }

  floor(context, place, side) {
    context.strokeStyle = tone("line");
    context.lineWidth = 1;
    const [size, step] = [0.8, 0.2];
    for (let i = -size; i <= size + 1e-9; i += step) {
      [[[i, -size], [i, size]], [[-size, i], [size, i]]].forEach((ends) => {
        const [from, to] = ends.map(([x, y]) => this.project([x, y, this.low], place, side));
        context.beginPath();
        context.moveTo(from[0], from[1]);
        context.lineTo(to[0], to[1]);
        context.stroke();
      });
    }
  }

  /** Bones and joints, the farthest first. shade: 0 full, 1 pale. */
  bones(context, points, shade, width) {
    const colours = Object.fromEntries(["left", "right", "middle"].map((side) => [side, tone(shade ? `${side}-pale` : side)]));
    const far = ([a, b]) => -((points[a][2] || 0) + (points[b][2] || 0));
    [...this.skeleton.edges].sort((one, other) => far(one) - far(other)).forEach(([parent, joint]) => {
      const colour = colours[this.skeleton.sides[joint]];
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(points[parent][0], points[parent][1]);
      context.lineTo(points[joint][0], points[joint][1]);
      context.stroke();
      context.beginPath();
      context.arc(points[joint][0], points[joint][1], width * 0.9, 0, 2 * Math.PI);
      context.fill();
    });
  }
}
