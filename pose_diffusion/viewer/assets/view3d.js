// The 3D view: people, what the model is unsure of, their path and the ground, seen by an eye that the reader moves.

const LEGIBLE = 35; // pixels a metre, below which names would lie upon each other
const FOLLOW_RADIUS = 1.5; // metres about those that are followed

class View3d {
  constructor(canvas, skeleton, moved) {
    Object.assign(this, {canvas, skeleton, spread: true, path: false, follow: false});
    this.orbit = new Orbit(canvas, START_VIEWS.person, moved, true);
  }

  /** keep: whether the eye stays as it is. */
  show(scene, keep = false) {
    this.scene = scene;
    if (!keep) this.orbit.reset(START_VIEWS[scene.kind]);
  }

  draw(people, frame, second, by, named) {
    const [context, width, height] = clearedCanvas(this.canvas);
    const {scene} = this;
    const followed = this.follow && scene.kind !== "person" && scene.middle(frame, second);
    const centre = followed || scene.centre;
    const radius = followed ? FOLLOW_RADIUS : scene.radius;
    const side = Math.min(width, height * 1.3);
    this.pixels = this.orbit.scale(side) / radius;
    this.project = (point) =>
      this.orbit.project(point.map((value, axis) => (value - centre[axis]) / radius), [width / 2, height / 2], side);
    this.ground(context, centre, radius);
    if (scene.kind === "camera") this.camera(context);
    const present = people.map((person) => ({person, row: person.row(frame)})).filter(({row}) => row >= 0);
    if (this.path && scene.kind !== "person") people.forEach((person) => this.track(context, person, frame, 2 * second));
    const figures = present.map(({person, row}) => {
      const points = Array.from({length: this.skeleton.count}, (_, joint) => this.project(scene.joint(person, row, joint)));
      return {person, row, points};
    });
    figures.sort((one, other) => (other.points[0][2] || 0) - (one.points[0][2] || 0)).forEach(({person, row, points}) => {
      if (this.spread) this.cloud(context, points, person.each("spread", row), personColour(person.number));
      drawFigure(context, this.skeleton, points, figureColours(person.number, by), Math.max(1.5, Math.min(4, this.pixels / 50)), person.each("seen", row));
      if (named && this.pixels > LEGIBLE) drawName(context, person, points);
    });
  }

  ground(context, centre, radius) {
    const {step, kind, floor} = this.scene;
    const squares = Math.ceil(1.25 * Math.max(radius, 1) / step);
    const whole = [Math.round(centre[0] / step) * step, Math.round(centre[1] / step) * step, floor];
    context.strokeStyle = tone(kind === "world" ? "field" : "line");
    drawGrid(context, this.project, whole, squares * step, step);
  }

  /** The camera: a pyramid that opens the way it looks, at the origin. */
  camera(context) {
    const [tip, size, deep] = [[0, 0, 0], 0.2, 0.35];
    const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([x, z]) => [x * size, deep, z * size * 0.7]);
    context.strokeStyle = tone("soft");
    context.lineWidth = 1.5;
    corners.forEach((corner, i) => {
      [tip, corners[(i + 1) % 4]].forEach((end) => drawLine(context, this.project(corner), this.project(end)));
    });
  }

  /** Where a person's pelvis was and will be; on the ground its shadow. */
  track(context, person, frame, frames) {
    context.strokeStyle = personColour(person.number);
    context.lineWidth = 1.5;
    context.globalAlpha = 0.6;
    context.beginPath();
    let last = null;
    for (let row = person.nearest(frame - frames); row < person.frame.length && person.frame[row] <= frame + frames; row++) {
      const point = this.scene.joint(person, row, 0);
      if (this.scene.kind === "world") point[2] = 0;
      const [x, y] = this.project(point);
      if (!Number.isFinite(x + y)) continue;
      if (last !== null && person.frame[row] - last < frames / 4) context.lineTo(x, y);
      else context.moveTo(x, y);
      last = person.frame[row];
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** Discs whose radius is a joint's spread, and what joins them along the bones, as one pale shape. */
  cloud(context, points, spread, colour) {
    const radius = (joint) => spread[joint] * this.pixels * points[joint][3];
    const shape = new Path2D();
    points.forEach(([x, y], joint) => {
      if (!Number.isFinite(x + y) || !(spread[joint] > 0)) return;
      shape.moveTo(x + radius(joint), y);
      shape.arc(x, y, radius(joint), 0, 2 * Math.PI);
    });
    this.skeleton.edges.forEach(([one, other]) => {
      const [a, b] = [points[one], points[other]];
      const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
      if (!(length > 0)) return;
      const normal = [-(b[1] - a[1]) / length, (b[0] - a[0]) / length];
      const corner = (point, joint, sign) => [point[0] + sign * normal[0] * radius(joint), point[1] + sign * normal[1] * radius(joint)];
      // Turning as the discs do, so that overlaps add up rather than cancel.
      const [first, ...rest] = [corner(a, one, 1), corner(a, one, -1), corner(b, other, -1), corner(b, other, 1)];
      shape.moveTo(...first);
      rest.forEach((point) => shape.lineTo(...point));
      shape.closePath();
    });
    context.globalAlpha = 0.2;
    context.fillStyle = colour;
    context.fill(shape, "nonzero");
    context.globalAlpha = 1;
  }
}
