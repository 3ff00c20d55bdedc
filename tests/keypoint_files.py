"""Small files of keypoints, as tools write them, and a small model in the place of the shipped one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion import pretrained
from pose_diffusion.inference.video_bundle import save_video_bundle
from tests.inference.videos import MODEL, random_network

SIZE = (1280, 720)


def pixels(frames: int = 6, seed: int = 0) -> np.ndarray:
    """(T, 17, 3): a standing person in COCO's layout who drifts to the right; confidence 0.9."""
    x = [0, 5, -5, 10, -10, 40, -40, 55, -55, 60, -60, 30, -30, 32, -32, 34, -34]
    y = [-150, -155, -155, -150, -150, -110, -110, -50, -50, 10, 10, 0, 0, 100, 100, 190, 190]
    rng = np.random.default_rng(seed)
    points = np.full((frames, 17, 3), 0.9)
    points[..., 0] = 500 + 200 * seed + np.array(x) + 3 * np.arange(frames)[:, None]
    points[..., 1] = 360 + np.array(y)
    points[..., :2] += rng.normal(0, 1, points[..., :2].shape)
    return points.round(2)


def write_alphapose(path: Path, people: int = 1, frames: int = 6, unseen: tuple[int, ...] = ()) -> Path:
    """Results of AlphaPose with people told apart, who miss the first frame of the one before; it states no image size."""
    entries = []
    for person in range(people):
        points = pixels(frames, person)
        points[:, list(unseen), 2] = 0
        entries += [
            {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": row.reshape(-1).tolist(), "score": 2.9, "box": [0, 0, 9, 9],
             "idx": person}
            for t, row in enumerate(points) if t >= person
        ]  # fmt: skip
    entries.sort(key=lambda entry: int(entry["image_id"].split(".")[0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries))
    return path


@pytest.fixture
def shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network with random weights where the package has its model."""
    folder = tmp_path_factory.mktemp("shipped") / pretrained.NAME
    save_video_bundle(str(folder), MODEL, random_network().state_dict(), {"tested": {"MPJPE mm": 61.5, "P-MPJPE mm": 44.0}})
    monkeypatch.setattr(pretrained, "FOLDER", folder)
    return folder
