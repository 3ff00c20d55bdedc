"""report.html: one page that holds all it shows, opens with no network and runs in any browser of these years.

Charts are Plotly's, whose script is in the page; the player and the tables are the scripts in assets/. What comes from the
data (names of actions, files, settings) goes in as JSON without a '<' and reaches the page as text alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from plotly.offline import get_plotlyjs

from pose_diffusion.skeleton import EDGES, LEFT, N_JOINTS, RIGHT

# A page of ten thousand rows helps nobody; report.json has them all.
MOST_ROWS = 200
_LISTS = ("actions", "subjects", "cameras", "skipped")

# Where the figure of errors by joint draws each joint, and on which side its number stands: a person facing the reader.
_DRAWN = (
    *((0, 0, "top right"), (-0.2, -0.03, "middle left"), (-0.23, -0.5, "middle left"), (-0.25, -0.97, "middle left")),
    *((0.2, -0.03, "middle right"), (0.23, -0.5, "middle right"), (0.25, -0.97, "middle right")),
    *((0, 0.27, "middle right"), (0, 0.56, "bottom right"), (0, 0.72, "middle right"), (0, 0.93, "middle right")),
    *((0.33, 0.53, "top right"), (0.55, 0.25, "middle right"), (0.72, -0.03, "middle right")),
    *((-0.33, 0.53, "top left"), (-0.55, 0.25, "middle left"), (-0.72, -0.03, "middle left")),
)


@dataclass(frozen=True)
class Picture:
    """A PNG, its title and the words that say whose pose it shows."""

    title: str
    label: str
    image: bytes


def page(figures: dict, clips: Sequence[dict], pictures: Sequence[Picture]) -> bytes:
    """The whole page. figures: report.json's content; clips: sequences to play (see `clips.read`); pictures: PNGs."""
    data = {
        "report": {**figures, **{name: figures[name][:MOST_ROWS] for name in _LISTS}},
        "left_out": {name: max(0, len(figures[name]) - MOST_ROWS) for name in _LISTS},
        "clips": list(clips),
        "pictures": [{"title": p.title, "label": p.label, "image": base64.b64encode(p.image).decode()} for p in pictures],
        "skeleton": {
            "count": N_JOINTS,
            "edges": EDGES,
            "sides": ["left" if j in LEFT else "right" if j in RIGHT else "middle" for j in range(N_JOINTS)],
            "drawn": _DRAWN,
        },
    }
    parts = {name: _asset(f"{name}.js") for name in ("tables", "charts", "player", "start")}
    parts |= {"style": _asset("style.css"), "plotly": get_plotlyjs(), "data": _embedded(data)}
    # Split once by the marks: what is put in is never searched for marks again.
    pieces = _asset("page.html").split("{{")
    text = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        text += [parts[name], rest]
    return "".join(text).encode()


def _embedded(data: dict) -> str:
    """JSON that no HTML parser reads as the end of the script, whatever the strings in it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (resources.files("pose_diffusion.report") / "assets" / name).read_text(encoding="utf-8")
