// A lane for each person over all frames: mean spread as a hill, unsure stretches above it, unseen joints below, jumps as lines.

const MOST_LANES = 12;

class Timeline {
  /** span: {first, last, stride} in frames. limit: metres above which a frame is unsure, or null. go(position) moves the player. */
  constructor(span, limit, go) {
    Object.assign(this, {span, limit, canvas: at("lanes"), head: at("playhead")});
    this.count = Math.floor((span.last - span.first) / span.stride) + 1;
    let held = false;
    const seek = (event) => {
      const box = this.canvas.getBoundingClientRect();
      go(Math.round((event.clientX - box.x) / box.width * this.count - 0.5));
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      held = true;
      try { this.canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that has gone */ }
      seek(event);
    });
    this.canvas.addEventListener("pointermove", (event) => { if (held) seek(event); });
    ["pointerup", "pointercancel"].forEach((kind) => this.canvas.addEventListener(kind, () => { held = false; }));
  }

  move(position) {
    this.head.style.left = `${(position + 0.5) / this.count * 100}%`;
  }

  draw(people) {
    const lanes = people.slice(0, MOST_LANES);
    const tall = lanes.length > 3 ? 26 : 40;
    this.canvas.style.height = `${Math.max(1, lanes.length) * tall}px`;
    const [context, width] = clearedCanvas(this.canvas);
    lanes.forEach((person, i) => this.lane(context, person, width, i * tall, tall - 4));
  }

  /** The pixel column of a frame's left edge. */
  column(frame, width) {
    return (frame - this.span.first) / this.span.stride / this.count * width;
  }

  /** For each pixel column the largest spread and the largest share of unseen joints; NaN where the person is in no frame. */
  columns(person, width) {
    const [spread, unseen] = [new Float32Array(width).fill(NaN), new Float32Array(width).fill(NaN)];
    const wide = Math.max(1, Math.ceil(width / this.count));
    for (let row = 0; row < person.frame.length; row++) {
      const [mean, share] = [person.meanSpread(row), person.unseen(row) / person.joints];
      const first = Math.floor(this.column(person.frame[row], width));
      for (let column = first; column < Math.min(width, first + wide); column++) {
        if (!(spread[column] >= mean)) spread[column] = mean;
        if (!(unseen[column] >= share)) unseen[column] = share;
      }
    }
    return [spread, unseen];
  }

  lane(context, person, width, top, tall) {
    const colour = personColour(person.number);
    const [spread, unseen] = this.columns(person, Math.max(1, Math.floor(width)));
    const [strip, ceiling] = [4, this.limit === null ? 1 : 2 * this.limit];
    const base = top + tall - strip - 1;
    const reach = tall - 2 * strip - 2;
    context.fillStyle = tone("grid");
    context.fillRect(0, base, width, 1);
    for (let column = 0; column < spread.length; column++) {
      if (Number.isNaN(spread[column])) continue;
      context.globalAlpha = 0.55;
      context.fillStyle = colour;
      const high = this.limit === null ? reach / 3 : Math.min(1, spread[column] / ceiling) * reach;
      context.fillRect(column, base - high, 1, high + 1);
      context.globalAlpha = unseen[column];
      context.fillStyle = tone("ink");
      context.fillRect(column, base + 1, 1, strip);
    }
    context.globalAlpha = 1;
    if (this.limit !== null) {
      context.strokeStyle = tone("soft");
      context.lineWidth = 0.75;
      context.setLineDash([2, 4]);
      drawLine(context, [0, base - reach / 2], [width, base - reach / 2]);
      context.setLineDash([]);
    }
    const at = (frame) => this.column(frame, width);
    context.fillStyle = tone("unsure");
    person.marks.unsure.forEach(([first, last]) => context.fillRect(at(first), top, Math.max(2, at(last + this.span.stride) - at(first)), strip));
    context.fillStyle = tone("jump");
    person.marks.jump.forEach(([first]) => context.fillRect(at(first), top, 2, tall));
  }
}

/** First frames of all marks of these people, ascending. */
function markStarts(people) {
  const starts = people.flatMap((person) => Object.values(person.marks).flatMap((spans) => spans.map(([first]) => first)));
  return [...new Set(starts)].sort((one, other) => one - other);
}
