// What the drawing means, in units.

const metres = (value) => (value >= 0.25 ? `${+value.toFixed(2)} m` : `${Math.round(value * 1000)} mm`);

function definitions(place, pairs) {
  place.replaceChildren(...pairs.flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
}

function legend(data, hasSpread) {
  const {limits, steps} = data;
  const [pose, place] = [limits.pose_jump, limits.place_jump];
  const spread = hasSpread
    ? "Pale shapes: each joint's disc has its spread as radius, the root mean square distance of the sampled poses from the pose shown. A wide shape: the model is unsure."
    : "None: these poses were lifted with one hypothesis, which says nothing of how sure it is.";
  return [
    ["Colours", "A colour for each person, the left side of the body paler; or one for each side of the body."],
    ["Unseen joints", "Hollow, their bones dashed: the detector did not see them, their 2D places are guesses."],
    ["Spread", spread],
    ...(hasSpread ? [["Timeline: hills", `The mean spread of a frame; the dotted line is ${metres(limits.unsure_m)}, the top ${metres(2 * limits.unsure_m)}.`],
      ["Timeline: orange, on top", `Unsure: a mean spread above ${metres(limits.unsure_m)}, ${limits.unsure_times} times the median of this recording.`]] : []),
    ["Timeline: dark, below", "The share of joints that were not seen; black is all of them."],
    ["Timeline: red lines", `A jump: from one frame to the next the joints move about the pelvis by more than ${metres(pose[1])} and faster than ${pose[0]} m/s in the mean, or the pelvis by more than ${metres(place[1])} and faster than ${place[0]} m/s. People do not.`],
    ["Units", `2D in pixels of the image, 3D in metres. Numbers on this page are rounded to ${steps.px} pixels and ${steps.m * 1000} mm; all frames are here.`],
  ];
}
