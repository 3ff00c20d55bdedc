import numpy as np
import pytest

from pose_diffusion.data.tracking import track

JOINTS, FRAMES = 17, 40
BODY = np.random.default_rng(0).uniform([-40, -90], [40, 90], (JOINTS, 2))  # 200 pixels tall


def walkers(*paths: tuple[float, float], frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, frames and true people of walkers from x to x, each of a posture of its own, in shuffled rows."""
    rng = np.random.default_rng(1)
    postures = BODY + rng.normal(0, 12, (len(paths), 1, JOINTS, 2))
    x = np.stack([np.linspace(*path, frames) for path in paths])  # (people, frames)
    points = postures + np.stack([x, np.full_like(x, 300)], -1)[:, :, None] + rng.normal(0, 2, (len(paths), frames, JOINTS, 2))
    who, frame = np.indices(x.shape).reshape(2, -1)
    order = rng.permutation(len(who))
    return points.reshape(-1, JOINTS, 2)[order], frame[order], who[order]


def same(found: np.ndarray, true: np.ndarray) -> bool:
    """Whether two namings differ in names alone."""
    return len({*zip(found.tolist(), true.tolist(), strict=True)}) == len(np.unique(true)) == len(np.unique(found))


def all_seen(points: np.ndarray) -> np.ndarray:
    return np.ones(points.shape[:2], bool)


def test_people_who_pass_each_other_stay_who_they_are() -> None:
    points, frame, who = walkers((100, 900), (900, 100), (500, 520))
    assert same(track(points, all_seen(points), frame), who)


def test_people_are_numbered_as_they_appear() -> None:
    points, frame, who = walkers((100, 200), (900, 800), (500, 520))
    there = (who != 1) | (frame >= 10)
    person = track(points[there], all_seen(points)[there], frame[there])
    assert same(person, who[there])
    assert (person[who[there] == 1] == 2).all()


@pytest.mark.parametrize(("stride", "away", "people"), [(1, 20, 2), (1, 30, 3), (8, 20, 2), (8, 30, 3)])
def test_who_comes_back_soon_is_the_same_person(stride: int, away: int, people: int) -> None:
    points, frame, who = walkers((100, 110), (900, 890))
    there = (who == 0) | (frame < 5) | (frame >= 5 + away)
    person = track(points[there], all_seen(points)[there], frame[there] * stride)
    assert len(np.unique(person)) == people


def test_a_detection_of_one_frame_leaves_the_others_who_they_are() -> None:
    points, frame, who = walkers((100, 300), (900, 700))
    points = np.concatenate([points, BODY[None] + [600, 900]])
    frame, who = np.append(frame, 7), np.append(who, 2)
    assert same(track(points, all_seen(points), frame), who)


def test_people_of_whom_half_the_joints_are_seen_are_followed() -> None:
    points, frame, who = walkers((100, 900), (900, 100))
    seen = np.random.default_rng(2).random(points.shape[:2]) < 0.5
    seen[:, 0] = True
    points[~seen] = 0
    assert same(track(points, seen, frame), who)


def test_poses_without_a_common_joint_are_of_different_people() -> None:
    points = np.stack([BODY, BODY, BODY + [500, 0]])
    seen = np.zeros((3, JOINTS), bool)
    seen[0, :8] = seen[1, 8:] = seen[2] = True
    assert track(points, seen, np.array([0, 1, 1])).tolist() == [0, 1, 2]


def test_one_person_is_one_however_far_apart_the_places() -> None:
    points = BODY + np.random.default_rng(3).uniform(0, 5000, (30, 1, 2))
    assert not track(points, all_seen(points), np.arange(30) * 100).any()


def test_nobody_is_no_one() -> None:
    assert track(np.zeros((0, JOINTS, 2)), np.zeros((0, JOINTS), bool), np.zeros(0, np.int64)).shape == (0,)
