// Colours of people (Okabe and Ito's, told apart by colour-blind readers too) and of the sides of a body.

const PEOPLE_LIGHT = ["#0072b2", "#d55e00", "#009e73", "#b3589a", "#b07700", "#3f8fc4", "#5a5a5a"];
const PEOPLE_DARK = ["#56b4e9", "#f0883e", "#2fc79b", "#d993bd", "#e6b422", "#9ad0f5", "#c0c0c0"];

const personColour = (number) => (dark.matches ? PEOPLE_DARK : PEOPLE_LIGHT)[number % PEOPLE_LIGHT.length];

/** A colour between two of the form #rrggbb. */
function mixed(one, other, share) {
  const parts = (colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  const [a, b] = [parts(one), parts(other)];
  return `rgb(${a.map((value, i) => Math.round(value + share * (b[i] - value))).join(" ")})`;
}

/** {left, right, middle} of a figure. by: "person", the left side paler, or "side", as in the report. */
function figureColours(number, by) {
  if (by === "side") return Object.fromEntries(["left", "right", "middle"].map((side) => [side, tone(side)]));
  const colour = personColour(number);
  return {left: mixed(colour, dark.matches ? "#1a2027" : "#ffffff", 0.45), right: colour, middle: colour};
}
