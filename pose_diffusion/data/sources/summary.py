"""What a source holds, in the line that prepare says before it writes."""

from __future__ import annotations

from pose_diffusion.data.sequence import Source
from pose_diffusion.geometry.layouts import LAYOUTS


def summary(source: Source, tool: str) -> str:
    """As 'AlphaPose results, 17 joints (coco17), ids in the file; 1,459 people in 727 frames, 2 tracks'.

    tool: what wrote it.
    """
    parts = [tool, *(f"{len(LAYOUTS[name].joints)} joints ({name})" for name in source.description.get("layouts", []))]
    parts += filter(None, [source.description.get("tracking")])
    rows, frames = sum(clip.rows for clip in source.sequences), source.description.get("frames")
    if frames is None:
        return f"{', '.join(parts)}; {_many(rows, 'pose')} in {_many(len(source.sequences), 'sequence')}"
    people = f"{rows:,} {'person' if rows == 1 else 'people'} in {_many(frames, 'frame')}"
    return f"{', '.join(parts)}; {people}, {_many(len(source.sequences), 'track')}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
