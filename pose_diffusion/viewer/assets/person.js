// A person of the recording: arrays of T rows, one for each frame in which the person is.

class Person {
  static async load(packed, number, joints) {
    const person = new Person();
    person.number = number;
    person.name = packed.name;
    person.marks = packed.marks;
    person.joints = joints;
    person.shown = true;
    person.frame = await unpacked(packed.frame, true);
    for (const name of ["pose_2d", "seen", "pose_3d", "spread", "root_3d", "world"]) {
      person[name] = packed[name] && await unpacked(packed[name]);
      if (packed[name]) packed[name].data = null; // the text is as large as the numbers
    }
    return person;
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
  at(name, row, joint, size) {
    const start = (row * this.joints + joint) * size;
    return this[name].subarray(start, start + size);
  }

  seenJoints(row) {
    return this.seen.subarray(row * this.joints, (row + 1) * this.joints);
  }

  unseen(row) {
    return this.joints - this.seenJoints(row).reduce((sum, seen) => sum + seen, 0);
  }

  meanSpread(row) {
    return this.spread.subarray(row * this.joints, (row + 1) * this.joints).reduce((sum, value) => sum + value, 0) / this.joints;
  }

  /** Up to `most` rows, evenly spaced: enough to place and size a view. */
  sample(most = 2000) {
    const stride = Math.max(1, Math.ceil(this.frame.length / most));
    return Array.from({length: Math.ceil(this.frame.length / stride)}, (_, i) => i * stride);
  }
}
