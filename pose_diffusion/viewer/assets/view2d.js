// Keypoints on the image, and the video under them where there is one.

class View2d {
  constructor(canvas, video, size, skeleton) {
    Object.assign(this, {canvas, video, size, skeleton, close: false});
  }

  /** The part of the image that is shown, in pixels: all of it, or what holds all joints that were seen. */
  frameImage(people) {
    const [width, height] = this.size;
    this.part = {x: 0, y: 0, width, height};
    if (!this.close) return;
    const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
    people.forEach((person) => person.sample(2000).forEach((row) => {
      for (let joint = 0; joint < this.skeleton.count; joint++) {
        if (!person.each("seen", row)[joint]) continue;
        person.at("pose_2d", row, joint).forEach((value, axis) => {
          const inside = Math.max(0, Math.min(this.size[axis], value));
          low[axis] = Math.min(low[axis], inside);
          high[axis] = Math.max(high[axis], inside);
        });
      }
    }));
    if (!(high[0] > low[0] && high[1] > low[1])) return;
    const margin = 0.08 * Math.max(high[0] - low[0], high[1] - low[1]) + 4;
    this.part = {x: low[0] - margin, y: low[1] - margin, width: high[0] - low[0] + 2 * margin, height: high[1] - low[1] + 2 * margin};
  }

  draw(people, frame, by, named) {
    const [context, width, height] = clearedCanvas(this.canvas);
    const {part} = this;
    const scale = Math.min(width / part.width, height / part.height);
    const left = (width - scale * part.width) / 2 - scale * part.x;
    const top = (height - scale * part.height) / 2 - scale * part.y;
    const [across, down] = this.size.map((pixels) => pixels * scale);
    Object.assign(this.video.style, {left: `${left}px`, top: `${top}px`, width: `${across}px`, height: `${down}px`});
    context.strokeStyle = tone("field");
    context.lineWidth = 1;
    context.strokeRect(left, top, across, down);
    const filmed = !this.video.hidden;
    people.forEach((person) => {
      const row = person.row(frame);
      if (row < 0) return;
      const points = Array.from({length: this.skeleton.count}, (_, joint) => {
        const [x, y] = person.at("pose_2d", row, joint);
        return [left + scale * x, top + scale * y];
      });
      const seen = person.each("seen", row);
      const heights = points.map((point) => point[1]);
      const wide = Math.max(1.2, Math.min(3, (Math.max(...heights) - Math.min(...heights)) / 40));
      if (filmed) { // a rim, so that bones stand out from any picture
        const rim = {left: "#ffffffb0", right: "#ffffffb0", middle: "#ffffffb0"};
        drawFigure(context, this.skeleton, points, rim, wide + 2, seen);
      }
      drawFigure(context, this.skeleton, points, figureColours(person.number, by), wide, seen);
      if (named) drawName(context, person, points);
    });
  }
}

/** The person's name above the highest joint. */
function drawName(context, person, points) {
  const highest = points.reduce((best, point) => (point[1] < best[1] ? point : best), [0, Infinity]);
  if (!Number.isFinite(highest[0] + highest[1])) return;
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.lineWidth = 3;
  context.strokeStyle = tone("paper");
  context.fillStyle = personColour(person.number);
  const place = [brief(shown(person.name), 20), highest[0], highest[1] - 9];
  context.strokeText(...place);
  context.fillText(...place);
}
