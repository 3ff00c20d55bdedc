// Where people stand in the 3D view, in metres with z up.
//
// person: about the pelvis, side by side; camera: where the fitted root puts them, seen from the camera's place; world: on
// the ground. Camera axes x right, y down, z away become x, z, -y.

const START_VIEWS = {
  person: {yaw: 0.45, pitch: 0.18}, camera: {yaw: 0.35, pitch: 0.3}, world: {yaw: 0.45, pitch: 0.3},
};
const APART = 1.6; // metres between people side by side

class Scene {
  constructor(kind, people) {
    this.kind = kind;
    this.people = people;
    this.slots = assignSlots(people);
    this.measure();
  }

  /** A joint of a person, metres, z up; NaN where unknown. */
  joint(person, row, joint) {
    if (this.kind === "world") return [...person.at("world", row, joint)];
    const [x, y, z] = person.at("pose_3d", row, joint);
    if (this.kind === "person") return [x + this.place(person)[0], z + this.place(person)[1], -y];
    const [across, down, away] = person.root_3d.subarray(3 * row, 3 * row + 3);
    return [x + across, z + away, -(y + down)];
  }

  /** Where somebody about the pelvis stands: side by side, many in several rows. */
  place(person) {
    const columns = this.slots < 6 ? this.slots : Math.ceil(Math.sqrt(2 * this.slots));
    return [APART * (person.slot % columns - (columns - 1) / 2), 1.5 * APART * Math.floor(person.slot / columns)];
  }

  /** Centre, radius and floor, without the outermost rows: a pose gone wrong must not shrink all others. */
  measure() {
    const axes = [[], [], []];
    const rows = this.people.reduce((sum, person) => sum + person.frame.length, 0);
    this.people.forEach((person) => person.sample(Math.ceil(3000 * person.frame.length / rows)).forEach((row) => {
      for (let joint = 0; joint < person.joints; joint++) {
        const point = this.joint(person, row, joint);
        if (Number.isFinite(point[0] + point[1] + point[2])) point.forEach((value, axis) => axes[axis].push(value));
      }
    }));
    const sorted = axes.map((values) => Float64Array.from(values).sort());
    const quantile = (axis, share) => sorted[axis][Math.floor(share * (sorted[axis].length - 1))] ?? 0;
    const trim = this.kind === "person" ? 0.01 : 0.04;
    const low = [quantile(0, trim), quantile(1, trim), quantile(2, 0.01)];
    const high = [quantile(0, 1 - trim), quantile(1, 1 - trim), quantile(2, 0.99)];
    const size = [0, 1, 2].map((axis) => high[axis] - low[axis]);
    this.floor = this.kind === "world" ? 0 : low[2];
    this.centre = [0, 1, 2].map((axis) => (low[axis] + high[axis]) / 2);
    this.radius = Math.max(1, size[2] * 0.82, Math.hypot(size[0], size[1]) * 0.72);
    this.step = [0.25, 0.5, 1, 2, 5, 10, 20, 50].find((step) => this.radius / step < 6) || 100;
  }

  /** The mean place of those in view, over the second about the frame: what `Follow` looks at. null where nobody is. */
  middle(frame, half) {
    const sum = [0, 0, 0];
    let count = 0;
    this.people.forEach((person) => {
      const row = person.nearest(frame);
      if (Math.abs(person.frame[row] - frame) > half) return;
      for (let i = Math.max(0, row - 15); i <= Math.min(person.frame.length - 1, row + 15); i++) {
        const point = this.joint(person, i, 0);
        if (Math.abs(person.frame[i] - frame) > half || !Number.isFinite(point[0] + point[1] + point[2])) continue;
        point.forEach((value, axis) => { sum[axis] += value; });
        count++;
      }
    });
    return count ? sum.map((value) => value / count) : null;
  }
}
