// A person of the recording: arrays of T rows, one for each frame in which the person is.
// meanSpread and unseen, in metres and joints, are (T,); the others have SIZES numbers a joint or a row.

const SIZES = {frame: 1, pose_2d: 2, seen: 1, pose_3d: 3, spread: 1, root_3d: 3, world: 3}; // numbers a joint, or a row
const OF_ROWS = ["frame", "root_3d"];

/** The recording's people, those of the most frames first. */
async function loadPeople(packed, rows, joints) {
  const arrays = {};
  for (const name of Object.keys(rows)) {
    arrays[name] = rows[name] && await unpacked(rows[name], name === "frame");
    rows[name] = null; // the text is as large as the numbers
  }
  let start = 0;
  const people = packed.map(({name, rows: count, marks}) => {
    const own = Object.entries(arrays).map(([field, values]) => {
      const wide = SIZES[field] * (OF_ROWS.includes(field) ? 1 : joints);
      return [field, values && values.subarray(start * wide, (start + count) * wide)];
    });
    start += count;
    return new Person(name, marks, joints, Object.fromEntries(own));
  });
  people.sort((one, other) => other.frame.length - one.frame.length);
  people.forEach((person, number) => { person.number = number; });
  return people;
}

/** Gives each person a slot, so that two who are there at one time have two. Returns how many slots there are. */
function assignSlots(people) {
  const slots = [];
  people.forEach((person) => {
    const [first, last] = person.extent;
    const free = slots.findIndex((spans) => spans.every(([from, to]) => last < from || to < first));
    person.slot = free < 0 ? slots.push([]) - 1 : free;
    slots[person.slot].push([first, last]);
  });
  return Math.max(1, slots.length);
}

class Person {
  constructor(name, marks, joints, arrays) {
    Object.assign(this, {name, marks, joints, shown: true, slot: 0}, arrays);
    const sums = (values) => {
      const made = new Float32Array(this.frame.length);
      for (let i = 0; i < values.length; i++) made[Math.floor(i / joints)] += values[i];
      return made;
    };
    this.meanSpread = sums(this.spread).map((sum) => sum / joints);
    this.unseen = sums(this.seen).map((sum) => joints - sum);
  }

  /** First and last frame. */
  get extent() {
    return [this.frame[0], this.frame[this.frame.length - 1]];
  }

  /** The row of a frame, -1 where the person is not in it. */
  row(frame) {
    const row = this.nearest(frame);
    return this.frame[row] === frame ? row : -1;
  }

  /** The last row whose frame is at most this one, 0 where all are later. */
  nearest(frame) {
    let [low, high] = [0, this.frame.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.frame[middle] <= frame) low = middle;
      else high = middle;
    }
    return low;
  }

  /** A joint's numbers in an array of `size` numbers a joint. */
  at(name, row, joint) {
    const start = (row * this.joints + joint) * SIZES[name];
    return this[name].subarray(start, start + SIZES[name]);
  }

  /** One number a joint: 'seen' or 'spread'. */
  each(name, row) {
    return this[name].subarray(row * this.joints, (row + 1) * this.joints);
  }

  /** Up to `most` rows, evenly spaced: enough to place and size a view. */
  sample(most) {
    const stride = Math.max(1, Math.ceil(this.frame.length / most));
    return Array.from({length: Math.ceil(this.frame.length / stride)}, (_, i) => i * stride);
  }
}
