// The viewer: what is shown, and the controls that change it.

const VIEW_NOTES = {
  person: "About the pelvis: each person's pelvis stays in place, people stand side by side, 'up' is the camera's.",
  camera: "Before the camera (the pyramid): where the fitted root puts each person; 'up' is the camera's, the grid is not the ground.",
  world: "On the ground: up is against gravity, the grid is the floor at 0 m.",
};

class Viewer {
  constructor(data, people) {
    Object.assign(this, {data, people, span: data.frames});
    this.hasSpread = data.limits.unsure_m !== null;
    this.hasWorld = people.some((person) => person.world);
    this.playback = new Playback(() => this.draw(), (playing) => this.played(playing));
    this.playback.follow = () => this.filmed();
    this.flat = new View2d(at("view-2d"), at("video"), data.size, data.skeleton);
    this.solid = new View3d(at("view-3d"), data.skeleton, () => this.draw());
    this.timeline = new Timeline(this.span, data.limits.unsure_m, (position) => { this.playback.play(false); this.playback.go(position); });
    this.film = new Film(at("video"), data.fps, this.span.last, data.size, (text) => this.note(text), () => { at("shift-label").hidden = at("video").hidden; this.seek(); this.draw(); });
    this.playback.rate = data.fps / this.span.stride;
    at("screen").style.setProperty("--aspect", data.size.join(" / "));
    at("frame").max = this.timeline.count - 1;
    at("colour").value = people.length > 1 ? "person" : "side";
    at("scene").querySelector("[value=world]").disabled = !this.hasWorld;
    at("scene").value = this.hasWorld ? "world" : people.length > 1 ? "camera" : "person";
    at("spread-label").hidden = at("spread-legend").hidden = !this.hasSpread;
    at("shift-label").hidden = true;
    this.listen();
    this.table();
    definitions(at("legend"), legend(data, this.hasSpread));
    definitions(at("assumptions"), data.assumptions);
  }

  begin() {
    this.choose();
    this.playback.load(this.timeline.count);
    this.film.load(this.data.video);
    if (this.data.video) this.data.video.data = null;
    new ResizeObserver(() => this.drawAll()).observe(at("view-3d"));
    dark.addEventListener("change", () => { this.colourTable(); this.drawAll(); });
  }

  listen() {
    const {playback} = this;
    at("play").addEventListener("click", () => playback.play(!playback.playing));
    at("back").addEventListener("click", () => playback.step(-1));
    at("on").addEventListener("click", () => playback.step(1));
    at("mark-back").addEventListener("click", () => this.toMark(-1));
    at("mark-on").addEventListener("click", () => this.toMark(1));
    at("frame").addEventListener("input", () => { playback.play(false); playback.go(+at("frame").value); });
    at("speed").addEventListener("change", () => {
      playback.rate = this.data.fps / this.span.stride * +at("speed").value;
      at("video").playbackRate = +at("speed").value;
    });
    at("scene").addEventListener("change", () => this.choose());
    ["spread", "path", "follow"].forEach((name) => at(name).addEventListener("change", () => this.draw()));
    at("colour").addEventListener("change", () => this.drawAll());
    at("close").addEventListener("change", () => { this.frameImage(); this.draw(); });
    at("file").addEventListener("change", () => { if (at("file").files.length) this.film.choose(at("file").files[0]); });
    at("shift").addEventListener("change", () => { this.film.start = +at("shift").value || 0; this.note(this.film.doubts()); this.seek(); });
  }

  get shown() {
    return this.people.filter((person) => person.shown && (at("scene").value !== "world" || person.world));
  }

  get frame() {
    return this.span.first + this.playback.frame * this.span.stride;
  }

  /** The 3D view that the list names, of the people who are ticked. keep: whether the eye stays as it is. */
  choose(keep = false) {
    const kind = at("scene").value;
    this.solid.show(new Scene(kind, this.shown), keep);
    ["path-label", "follow-label"].forEach((id) => { at(id).hidden = kind === "person"; });
    at("caption-3d").textContent = `${VIEW_NOTES[kind]} Grid squares: ${metres(this.solid.scene.step)}. Drag to turn, wheel or pinch to zoom, shift-drag to shift, double-click to go back.`;
    this.frameImage();
    this.drawAll();
  }

  frameImage() {
    this.flat.close = at("close").checked;
    this.flat.frameImage(this.people.filter((person) => person.shown));
  }

  drawAll() {
    this.timeline.draw(this.people.filter((person) => person.shown));
    this.draw();
  }

  draw() {
    const [by, named] = [at("colour").value, this.people.length > 1];
    const second = Math.round(this.data.fps);
    Object.assign(this.solid, {spread: this.hasSpread && at("spread").checked, path: at("path").checked, follow: at("follow").checked});
    this.flat.draw(this.people.filter((person) => person.shown), this.frame, by, named);
    this.solid.draw(this.shown, this.frame, second, by, named);
    at("frame").value = this.playback.frame;
    this.timeline.move(this.playback.frame);
    at("status").textContent = `frame ${number(this.frame, 0)} of ${number(this.span.last, 0)} · ${(this.frame / this.data.fps).toFixed(2)} s`;
    this.fill();
    if (!this.playback.playing) this.seek();
  }

  seek() {
    this.film.seek(this.frame);
  }

  played(playing) {
    at("play").textContent = playing ? "❚❚ Pause" : "▶ Play";
    at("play").setAttribute("aria-pressed", String(playing));
    if (playing) {
      this.film.play(+at("speed").value);
    } else {
      this.film.pause();
      this.seek(); // it may have run on by a frame or two
    }
  }

  /** The position of the video's frame while it plays; at the last one everything starts anew. */
  filmed() {
    const frame = this.film.frame();
    if (frame === null) {
      if (at("video").ended) { this.film.seek(this.span.first); this.film.play(+at("speed").value); }
      return null;
    }
    if (frame > this.span.last) { this.film.seek(this.span.first); return this.playback.frame; }
    return Math.max(0, Math.floor((frame - this.span.first) / this.span.stride));
  }

  /** To the next mark of those shown, or the one before. */
  toMark(direction) {
    const starts = markStarts(this.people.filter((person) => person.shown));
    const next = direction > 0 ? starts.find((frame) => frame > this.frame) : starts.findLast((frame) => frame < this.frame);
    this.playback.play(false);
    if (next !== undefined) this.playback.go((next - this.span.first) / this.span.stride);
  }

  note(text) {
    at("video-note").textContent = text;
    at("video-note").hidden = !text;
  }

  /** A row a person: whether shown, and what the model says of this frame. */
  table() {
    const spread = (text) => (this.hasSpread ? [text] : []);
    const heads = ["person", ...spread("spread (mm)"), "unseen joints", "from camera (m)", "frames", ...spread("unsure stretches"), "jumps"];
    const cells = (person) => {
      const {unsure, jump} = person.marks;
      const live = ["", ...spread(""), "", ""];
      return [...live, number(person.frame.length, 0), ...spread(number(unsure.length, 0)), number(jump.length, 0)].map((text) => ({text}));
    };
    const made = table("As of the frame shown; untick a person to hide them.", [heads.map((text) => ({text}))], this.people.map(cells));
    this.rows = [...made.querySelectorAll("tbody tr")];
    this.people.forEach((person, i) => {
      const [label, box] = [element("label"), element("input")];
      Object.assign(box, {type: "checkbox", checked: true});
      box.addEventListener("change", () => { person.shown = box.checked; this.choose(true); });
      label.append(box, element("span", "", "swatch"), ` ${shown(person.name)}`);
      this.rows[i].firstChild.append(label);
    });
    this.filled = new Set(this.people); // whose rows differ from a row of dashes
    at("people").append(made);
    this.colourTable();
  }

  colourTable() {
    this.rows.forEach((row, i) => { row.querySelector(".swatch").style.background = personColour(i); });
  }

  /** Writes the rows of those who are there, and of those who have just gone. */
  fill() {
    const write = (person, values) => values.forEach((text, column) => { this.rows[person.number].children[column + 1].textContent = text; });
    const spread = (text) => (this.hasSpread ? [text] : []);
    const present = this.people.filter((person) => person.row(this.frame) >= 0);
    this.filled.forEach((person) => write(person, [...spread("–"), "–", "–"]));
    present.forEach((person) => {
      const row = person.row(this.frame);
      const away = person.root_3d[3 * row + 2];
      write(person, [
        ...spread(number(1000 * person.meanSpread[row], 0)), number(person.unseen[row], 0), Number.isFinite(away) ? number(away, 2) : "–",
      ]);
    });
    this.filled = new Set(present);
  }
}
