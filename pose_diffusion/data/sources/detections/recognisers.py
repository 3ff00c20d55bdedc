"""What files of YOLO look like, told without their reader."""

from __future__ import annotations

from pose_diffusion.data.sources.sample import Sample, Seen, dicts

_YOLO_ROW = range(5 + 2 * 5, 5 + 3 * 133 + 2)  # numbers of a line: class, box, keypoints, maybe a track id
_LINES = 5  # of a label file that are looked at


def yolo(sample: Sample) -> Seen | None:
    """Label files of save_txt: class, box and keypoints as shares of the image; or the JSON of results.to_json()."""
    if sample.suffix == ".txt":
        rows = [line.split() for line in sample.text.splitlines()[:_LINES] if line.strip()]
        if rows and all(_is_label(row) for row in rows) and len({len(row) for row in rows}) <= 2:
            return Seen("YOLO pose labels", f"lines of {len(rows[0])} numbers: class, box, keypoints")
        return None
    frames = sample.json if isinstance(sample.json, list) else []
    entry = next(iter(dicts(frames) or [one for frame in frames for one in dicts(frame)]), {})
    keypoints = entry.get("keypoints")
    if isinstance(keypoints, dict) and {"x", "y"} <= set(keypoints):
        return Seen("YOLO pose results as JSON", "a list of {name, class, box, keypoints: {x, y, visible}}")
    return None


def _is_label(row: list[str]) -> bool:
    if len(row) not in _YOLO_ROW or not row[0].isdecimal():
        return False
    try:
        box = [float(cell) for cell in row[:5]][1:]
        list(map(float, row[5:]))
    except ValueError:
        return False
    return all(-0.5 <= share <= 1.5 for share in box)


RECOGNISERS = {"yolo": yolo}
