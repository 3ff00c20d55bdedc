// Lanes over all frames, one for each person who is there at a time: mean spread as a hill, unsure stretches above it, unseen joints below, jumps as lines.

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
    const lanes = assignSlots(people);
    const tall = lanes > 3 ? 26 : 40;
    this.canvas.style.height = `${lanes * tall}px`;
    const [context, width] = clearedCanvas(this.canvas);
    people.forEach((person) => this.lane(context, person, width, person.slot * tall, tall - 4));
  }

  /** The pixel column of a frame's left edge. */
  column(frame, width) {
    return (frame - this.span.first) / this.span.stride / this.count * width;
  }

  /** Pixel column -> [largest mean spread, largest share of unseen joints] of the frames that lie on it. */
  columns(person, width) {
    const columns = new Map();
    const wide = Math.max(1, Math.ceil(width / this.count));
    for (let row = 0; row < person.frame.length; row++) {
      const first = Math.floor(this.column(person.frame[row], width));
      for (let column = first; column < Math.min(width, first + wide); column++) {
        let most = columns.get(column);
        if (!most) columns.set(column, most = [0, 0]);
        most[0] = Math.max(most[0], person.meanSpread[row]);
        most[1] = Math.max(most[1], person.unseen[row] / person.joints);
      }
    }
    return columns;
  }

  lane(context, person, width, top, tall) {
    const colour = personColour(person.number);
    const [strip, ceiling] = [4, this.limit === null ? 1 : 2 * this.limit];
    const base = top + tall - strip - 1;
    const reach = tall - 2 * strip - 2;
    const ink = tone("ink");
    this.columns(person, width).forEach(([spread, unseen], column) => {
      context.globalAlpha = 0.55;
      context.fillStyle = colour;
      const high = this.limit === null ? reach / 3 : Math.min(1, spread / ceiling) * reach;
      context.fillRect(column, base - high, 1, high + 1);
      context.globalAlpha = unseen;
      context.fillStyle = ink;
      context.fillRect(column, base + 1, 1, strip);
    });
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
