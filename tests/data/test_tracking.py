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


def add(
    points: np.ndarray, seen: np.ndarray, frame: np.ndarray, who: np.ndarray, finds: list[tuple[int, np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """With a false find, each of a name of its own, for each (frame, joints, their points)."""
    for number, (when, joints, places) in enumerate(finds):
        row, mask = np.zeros((1, JOINTS, 2)), np.zeros((1, JOINTS), bool)
        row[0, joints], mask[0, joints] = places, True
        points, seen = np.concatenate([points, row]), np.concatenate([seen, mask])
        frame, who = np.append(frame, when), np.append(who, -1 - number)
    return points, seen, frame, who


# --- crossings


def test_people_who_pass_each_other_stay_who_they_are() -> None:
    points, frame, who = walkers((100, 900), (900, 100), (500, 520))
    assert same(track(points, all_seen(points), frame), who)


def test_people_who_pass_behind_each_other_unseen_stay_who_they_are() -> None:
    points, frame, who = walkers((100, 900), (900, 100), frames=60)
    there = (who == 0) | (abs(frame - 29.5) > 4)  # the second is hidden for 8 frames at the crossing
    assert same(track(points[there], all_seen(points)[there], frame[there]), who[there])


@pytest.mark.parametrize("stride", [1, 5])
def test_every_fifth_frame_of_people_who_pass_is_enough(stride: int) -> None:
    """With the video's frame numbers, or with numbers of the images' own."""
    points, frame, who = walkers((100, 900), (900, 100), (400, 480), frames=150)
    rows = frame % 5 == 0
    assert same(track(points[rows], all_seen(points)[rows], frame[rows] // 5 * stride), who[rows])


def test_people_of_whom_there_are_few_images_a_second_are_followed() -> None:
    """From image to image they move by a quarter of their height."""
    points, frame, who = walkers((100, 1100), (1100, 100), frames=20)
    assert same(track(points, all_seen(points), frame), who)


# --- false finds


def test_a_detection_of_one_frame_leaves_the_others_who_they_are() -> None:
    points, frame, who = walkers((100, 300), (900, 700))
    points = np.concatenate([points, BODY[None] + [600, 900]])
    frame, who = np.append(frame, 7), np.append(who, 2)
    assert same(track(points, all_seen(points), frame), who)


@pytest.mark.parametrize("count", range(1, 9))
def test_a_false_find_of_some_joints_beside_a_person_does_not_take_the_persons_identity(count: int) -> None:
    """A small find twice, 30 pixels apart, is nearer to the runner than to itself in shares of the larger pose."""
    rng = np.random.default_rng(count)
    points, frame, who = walkers((400, 420), frames=20)
    runner = BODY * 2 + [400, 300]
    points = points + (runner - BODY - [400, 300]) + rng.normal(0, 12, points.shape)  # 400 pixels tall
    joints = rng.choice(JOINTS, count, replace=False)
    middle = runner[joints].mean(0)
    finds = [(when, joints, middle + 0.15 * (runner[joints] - middle) + [10 * when - 90, 20]) for when in (9, 12)]
    points, seen, frame, who = add(points, all_seen(points), frame, who, finds)
    found = track(points, seen, frame)
    assert len(np.unique(found[who == 0])) == 1
    assert not np.isin(found[who < 0], found[who == 0]).any()


def test_a_copy_of_some_of_a_persons_joints_in_each_frame_does_not_take_the_persons_identity() -> None:
    points, frame, who = walkers((100, 500), (900, 600))
    rng, copies = np.random.default_rng(3), []
    for row in np.flatnonzero(who == 0):
        joints = rng.choice(JOINTS, 6, replace=False)
        copies.append((int(frame[row]), joints, points[row, joints] + rng.normal(0, 4, (6, 2))))
    points, seen, frame, who = add(points, all_seen(points), frame, who, copies)
    found = track(points, seen, frame)
    assert same(found[who >= 0], who[who >= 0])
    assert not np.isin(found[who < 0], found[who >= 0]).any()


# --- people who are away


@pytest.mark.parametrize(("fps", "stride"), [(25, 1), (60, 1), (25, 5)])
def test_a_person_hidden_for_half_a_second_comes_back_as_themself(fps: int, stride: int) -> None:
    points, frame, who = walkers((100, 700), (900, 850), frames=4 * fps)
    there = (who == 1) | (abs(frame - 2 * fps) > fps / 4)
    there &= frame % stride == 0
    assert same(track(points[there], all_seen(points)[there], frame[there]), who[there])


def test_two_people_hidden_at_once_come_back_as_themselves() -> None:
    points, frame, who = walkers((100, 500), (900, 400), (450, 460), frames=80)
    there = (who == 2) | (abs(frame - 40) > 6)
    assert same(track(points[there], all_seen(points)[there], frame[there]), who[there])


def test_one_who_leaves_and_one_who_enters_elsewhere_are_two() -> None:
    points, frame, who = walkers((300, 20), (1500, 1300), (700, 720))
    there = (who == 2) | ((who == 0) & (frame < 18)) | ((who == 1) & (frame >= 22))
    assert same(track(points[there], all_seen(points)[there], frame[there]), who[there])


def test_one_who_enters_a_minute_after_another_left_is_another() -> None:
    points, frame, who = walkers((300, 310), (300, 310), (900, 910), frames=1600)
    there = (who == 2) | ((who == 0) & (frame < 50)) | ((who == 1) & (frame >= 1550))
    assert same(track(points[there], all_seen(points)[there], frame[there]), who[there])


# --- what is given


def test_people_are_numbered_as_they_appear() -> None:
    points, frame, who = walkers((100, 200), (900, 800), (500, 520))
    there = (who != 1) | (frame >= 10)
    person = track(points[there], all_seen(points)[there], frame[there])
    assert same(person, who[there])
    assert (person[who[there] == 1] == 2).all()


def test_the_order_of_people_in_a_frame_does_not_matter() -> None:
    points, frame, who = walkers((100, 900), (900, 100), (500, 520))
    seen = np.random.default_rng(4).random(points.shape[:2]) < 0.7
    seen[:, 0] = True
    order = np.random.default_rng(5).permutation(len(who))
    found = track(points, seen, frame)
    assert same(track(points[order], seen[order], frame[order]), found[order])


def test_people_of_whom_half_the_joints_are_seen_are_followed() -> None:
    points, frame, who = walkers((100, 900), (900, 100))
    seen = np.random.default_rng(2).random(points.shape[:2]) < 0.5
    seen[:, 0] = True
    points[~seen] = 0
    assert same(track(points, seen, frame), who)


def test_places_of_joints_that_are_not_seen_do_not_matter() -> None:
    points, frame, _ = walkers((100, 900), (900, 100))
    seen = np.random.default_rng(2).random(points.shape[:2]) < 0.5
    seen[:, 0] = True
    elsewhere = np.where(seen[..., None], points, np.nan)
    assert (track(elsewhere, seen, frame) == track(np.where(seen[..., None], points, 0), seen, frame)).all()


def test_joints_of_low_confidence_in_wrong_places_do_not_mislead() -> None:
    """Two people pass; a top-down detector guesses half of the hidden one's joints on the other."""
    points, frame, who = walkers((300, 700), (700, 300), frames=60)
    confidence = np.full(points.shape[:2], 0.9)
    near = np.abs(frame - 29.5) < 5
    other = {int(frame[row]): row for row in np.flatnonzero((who == 0) & near)}
    for row in np.flatnonzero((who == 1) & near):
        points[row, 9:], confidence[row, 9:] = points[other[int(frame[row])], 9:] + 5, 0.1
    assert same(track(points, all_seen(points), frame, confidence), who)


@pytest.mark.parametrize("unit", [0.1, 10.0])
def test_people_in_smaller_and_larger_images_are_followed_alike(unit: float) -> None:
    points, frame, who = walkers((100, 900), (900, 100), (500, 520))
    assert same(track(points * unit, all_seen(points), frame), who)


# --- degenerate input


def test_poses_without_a_common_joint_are_of_different_people() -> None:
    points = np.stack([BODY, BODY, BODY + [500, 0]])
    seen = np.zeros((3, JOINTS), bool)
    seen[0, :8] = seen[1, 8:] = seen[2] = True
    assert track(points, seen, np.array([0, 1, 1])).tolist() == [0, 1, 2]


def test_people_of_one_joint_are_followed() -> None:
    points, frame, who = walkers((100, 200), (900, 800))
    seen = np.zeros(points.shape[:2], bool)
    seen[:, 3] = True
    assert same(track(points, seen, frame), who)


def test_poses_of_no_size_are_followed() -> None:
    points, frame, who = walkers((100, 140), (900, 860))
    points = np.broadcast_to(points[:, :1], points.shape)
    assert same(track(points, all_seen(points), frame), who)


def test_identical_people_in_one_place_get_numbers_apart() -> None:
    points = np.broadcast_to(BODY, (20, JOINTS, 2))
    found = track(points, all_seen(points), np.repeat(np.arange(10), 2))
    assert (found[::2] != found[1::2]).all()


def test_one_person_is_one_however_far_apart_the_places() -> None:
    points = BODY + np.random.default_rng(3).uniform(0, 5000, (30, 1, 2))
    assert not track(points, all_seen(points), np.arange(30) * 100).any()


def test_people_of_a_single_frame_are_numbered_by_row() -> None:
    points = BODY + np.arange(3)[:, None, None] * 500
    assert track(points, all_seen(points), np.zeros(3, np.int64)).tolist() == [0, 1, 2]


def test_nobody_is_no_one() -> None:
    assert track(np.zeros((0, JOINTS, 2)), np.zeros((0, JOINTS), bool), np.zeros(0, np.int64)).shape == (0,)


def test_five_hundred_people_are_followed() -> None:
    x, y = np.meshgrid(np.arange(25) * 150.0, np.arange(20) * 250.0)
    places = np.stack([x, y], -1).reshape(-1, 1, 2)
    rng = np.random.default_rng(6)
    points = np.concatenate([BODY + places + frame + rng.normal(0, 2, (500, JOINTS, 2)) for frame in range(5)])
    who = np.tile(np.arange(500), 5)
    assert same(track(points, all_seen(points), np.repeat(np.arange(5), 500)), who)


@pytest.mark.parametrize("seed", range(3))
def test_most_people_of_images_that_are_no_video_are_in_one_frame_alone(seed: int) -> None:
    """Which is how the archive readers tell that a folder is no video."""
    rng = np.random.default_rng(seed)
    points = BODY * rng.uniform(0.5, 1.5, (200, 1, 1)) + rng.uniform(0, 5000, (200, 1, 2))
    assert (np.bincount(track(points, all_seen(points), np.repeat(np.arange(20), 10))) == 1).mean() > 0.6
