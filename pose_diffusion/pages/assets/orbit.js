// The eye of a 3D view: turned by mouse, touch or keys, and where allowed zoomed and shifted. Projects points onto a canvas.

const DISTANCE = 4.5; // of the eye from what it looks at, in radii of the scene
const NEAREST = 0.3; // points nearer to the eye are drawn as if they were this far, in radii
const ZOOMS = [0.2, 40];

class Orbit {
  /** start: {yaw, pitch} in radians. moved() is called after each change. zooms: wheel, pinch and shift-drag change the view. */
  constructor(canvas, start, moved, zooms) {
    this.canvas = canvas;
    this.moved = moved;
    this.held = new Map(); // pointers that are down
    this.reset(start);
    canvas.addEventListener("dblclick", () => { this.reset(this.start); moved(); });
    canvas.addEventListener("pointerdown", (event) => {
      this.held.set(event.pointerId, [event.clientX, event.clientY]);
      try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that has gone: the drag ends at the canvas's edge */ }
    });
    canvas.addEventListener("pointermove", (event) => this.drag(event, zooms));
    ["pointerup", "pointercancel"].forEach((kind) => canvas.addEventListener(kind, (event) => this.held.delete(event.pointerId)));
    if (!zooms) return;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.magnify(Math.exp(-0.0015 * lines * event.deltaY), event.clientX, event.clientY);
    }, {passive: false});
  }

  reset(start) {
    this.start = start;
    Object.assign(this, {yaw: start.yaw, pitch: start.pitch, zoom: 1, target: [0, 0, 0]});
  }

  drag(event, zooms) {
    const before = this.held.get(event.pointerId);
    if (!before) return;
    const after = [event.clientX, event.clientY];
    const [across, down] = [after[0] - before[0], after[1] - before[1]];
    const other = [...this.held].find(([id]) => id !== event.pointerId)?.[1];
    this.held.set(event.pointerId, after);
    if (zooms && other) {
      const apart = (one) => Math.max(10, Math.hypot(one[0] - other[0], one[1] - other[1]));
      this.magnify(apart(after) / apart(before), (after[0] + other[0]) / 2, (after[1] + other[1]) / 2);
      this.shift(across / 2, down / 2);
    } else if (zooms && (event.shiftKey || event.buttons & 6)) {
      this.shift(across, down);
    } else if (!other) {
      this.turn(across * 0.01, down * 0.01);
    }
  }

  turn(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = Math.max(-1.5, Math.min(1.5, this.pitch + pitch));
    this.moved();
  }

  /** Pixels of a radius at the target. */
  scale(side) {
    return 0.57 * side * this.zoom;
  }

  /** Moves the scene across the canvas by so many pixels. */
  shift(across, down) {
    const scale = this.scale(this.side || 1);
    const [sy, cy, sp, cp] = this.angles();
    const [right, up] = [[cy, sy, 0], [-sy * sp, cy * sp, cp]];
    this.target = this.target.map((value, i) => value - right[i] * across / scale + up[i] * down / scale);
    this.moved();
  }

  /** Zooms by a factor; what lies under the point of the window stays there. */
  magnify(factor, x, y) {
    const zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], this.zoom * factor));
    const change = zoom / this.zoom;
    this.zoom = zoom;
    const box = this.canvas.getBoundingClientRect();
    const [across, down] = [x - box.x - box.width / 2, y - box.y - box.height / 2];
    this.shift(across * (1 - change), down * (1 - change));
  }

  angles() {
    return [Math.sin(this.yaw), Math.cos(this.yaw), Math.sin(this.pitch), Math.cos(this.pitch)];
  }

  /** A point in radii, z up, on a canvas whose scene is `side` pixels wide about (left, top): [x, y, depth, magnification]. */
  project([x, y, z], [left, top], side) {
    this.side = side;
    const [sy, cy, sp, cp] = this.angles();
    const [dx, dy, dz] = [x - this.target[0], y - this.target[1], z - this.target[2]];
    const [across, away] = [cy * dx + sy * dy, cy * dy - sy * dx];
    const [up, depth] = [cp * dz + sp * away, cp * away - sp * dz];
    const magnification = DISTANCE / Math.max(NEAREST, DISTANCE + depth); // against a point at the target
    const scale = this.scale(side) * magnification;
    return [left + scale * across, top - scale * up, depth, magnification];
  }
}
