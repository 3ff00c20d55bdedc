// Stick figures and grids on a plain canvas, so that a page works without WebGL.

/** [context, width, height] of a canvas, cleared, its units CSS pixels. */
function clearedCanvas(canvas) {
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

function drawLine(context, from, to) {
  context.beginPath();
  context.moveTo(from[0], from[1]);
  context.lineTo(to[0], to[1]);
  context.stroke();
}

/**
 * Bones and joints, the farthest first. points: [x, y, depth] for each joint, NaN where there is none.
 * colours: {left, right, middle}. seen: false for joints that the detector did not see; they are hollow, their bones dashed.
 */
function drawFigure(context, skeleton, points, colours, width, seen = null) {
  const far = ([a, b]) => -((points[a][2] || 0) + (points[b][2] || 0));
  const hidden = (joint) => seen !== null && !seen[joint];
  [...skeleton.edges].sort((one, other) => far(one) - far(other)).forEach(([parent, joint]) => {
    if (!Number.isFinite(points[parent][0] + points[joint][0])) return;
    context.strokeStyle = context.fillStyle = colours[skeleton.sides[joint]];
    context.lineWidth = width;
    if (hidden(parent) || hidden(joint)) context.setLineDash([1, 2 * width]);
    drawLine(context, points[parent], points[joint]);
    context.setLineDash([]);
    context.beginPath();
    context.arc(points[joint][0], points[joint][1], width * 0.9, 0, 2 * Math.PI);
    if (hidden(joint)) {
      context.lineWidth = width * 0.4;
      context.stroke();
    } else {
      context.fill();
    }
  });
}

/** Lines of a level grid from -size to size about a centre. project takes [x, y, z]. */
function drawGrid(context, project, [x, y, z], size, step) {
  context.lineWidth = 1;
  for (let i = -size; i <= size + 1e-9; i += step) {
    drawLine(context, project([x + i, y - size, z]), project([x + i, y + size, z]));
    drawLine(context, project([x - size, y + i, z]), project([x + size, y + i, z]));
  }
}
