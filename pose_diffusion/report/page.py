"""report.html: what the page shows of a report, and how much of it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from pose_diffusion.geometry.skeleton import EDGES, LEFT, N_JOINTS, RIGHT
from pose_diffusion.pages.render import render_page

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
    return render_page("pose_diffusion.report", data).encode()
