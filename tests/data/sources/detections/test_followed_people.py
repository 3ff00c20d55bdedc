"""People whom a tool does not tell apart, followed from frame to frame: what reaches the sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from archive_files import HEIGHT, WIDTH, alphapose, openpose, people, sequences

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.geometry.layouts import BODY_25, COCO_17, Layout

FRAMES = 20
FALSE_FIND = [0, 1, 2, 5, 15, 17]  # BODY_25: the face, the neck and the shoulders


def middle_px(sequence: PoseSequence) -> np.ndarray:
    """x of the middle of the joints in each frame, (T,) pixels."""
    return (sequence.mixture[:, :, 0, 1].mean(1) + 1) * WIDTH / 2


def runner(layout: Layout) -> np.ndarray:
    """(FRAMES, J, 3): one person about 400 pixels tall, in the middle, whose joints swing."""
    rng = np.random.default_rng(4)
    points = people(layout, FRAMES, count=1)[:, 0]
    points[..., 0] += WIDTH / 2 - points[..., 0].mean()
    swing = np.sin(2 * np.pi * np.arange(FRAMES) / 8)[:, None, None]
    points[..., :2] += swing * rng.normal(0, 25, (len(layout.joints), 2))
    return points


def with_false_finds(points: np.ndarray) -> list[list[np.ndarray]]:
    """The people of each frame; in frames 9 and 12 also 6 joints, 40 pixels wide, 75 and 50 pixels left of the runner's."""
    frames = [[person] for person in points]
    heap = np.random.default_rng(5).uniform(-20, 20, (len(FALSE_FIND), 2))
    for frame, away in ((9, 75), (12, 50)):
        find = np.zeros_like(points[0])
        find[FALSE_FIND, :2] = points[:, FALSE_FIND, :2].mean((0, 1)) - [away, 0] + heap
        find[FALSE_FIND, 2] = 0.2
        frames[frame].append(find)
    return frames


@pytest.mark.parametrize("listed_first", ["runner", "false find"])
def test_a_false_find_beside_a_runner_is_in_other_tracks(tmp_path: Path, listed_first: str) -> None:
    points = runner(BODY_25)
    frames = with_false_finds(points)
    openpose(tmp_path, [frame if listed_first == "runner" else frame[::-1] for frame in frames])
    found = sequences("openpose body 25", tmp_path)
    assert found[0].subject == "person 0"
    assert found[0].frame.tolist() == list(range(FRAMES))
    assert (found[0].confidence > 0).all()
    assert [frame for other in found[1:] for frame in other.frame] == [9, 12]


def test_two_people_who_cross_while_one_is_hidden_keep_their_tracks(tmp_path: Path) -> None:
    """One walks to the right, the other to the left, who is not found for twelve frames at the crossing."""
    rng = np.random.default_rng(6)
    bodies = people(COCO_17, 1, count=2)[0]
    bodies[..., 0] -= bodies[..., 0].mean(1, keepdims=True)
    bodies[1, :, 1] = HEIGHT - 40 - (HEIGHT - 40 - bodies[1, :, 1]) * 0.8  # the one behind is smaller
    frames = []
    for t, x in enumerate(np.linspace(300, 980, 40)):
        both = bodies + np.array([[[x, 0, 0]], [[WIDTH - x, 0, 0]]])
        both[..., :2] += rng.normal(0, 2, both[..., :2].shape)
        frames.append([both[0]] if abs(t - 19.5) < 6 else [*rng.permutation(both)])
    alphapose(tmp_path, frames)
    for file in tmp_path.glob("*.json"):
        file.write_text(file.read_text().replace("[[2.0]]", "[[1.0]]"))  # as without --pose_track
    found = sequences("alphapose 17", tmp_path)
    assert sorted(len(one.frame) for one in found) == [28, 40]
    for one in found:
        steps = np.diff(middle_px(one))
        assert (steps > 0).all() or (steps < 0).all()
