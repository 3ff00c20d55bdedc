"""The world of people whom a still camera sees: up, floor, smoothed roots and bad input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.gravity import camera_up, degrees_between, estimate_up, tilt_and_roll
from pose_diffusion.geometry.root_path import Floats, Floor, smooth_root, standing
from pose_diffusion.geometry.skeleton import JOINTS, ROOT
from pose_diffusion.geometry.world import Person, World, place

RATE = 30.0
ANKLE = 0.08
# Who stands upright in the world, z up, facing y: metres, ankles at 8 cm, the centre of mass forward of them as people's is.
STANDING = np.array([
    [0, 0.09, 0.92], [0.11, 0.09, 0.92], [0.11, 0.07, 0.5], [0.11, 0, ANKLE], [-0.11, 0.09, 0.92], [-0.11, 0.07, 0.5],
    [-0.11, 0, ANKLE], [0, 0.1, 1.15], [0, 0.1, 1.42], [0, 0.12, 1.52], [0, 0.1, 1.66], [-0.17, 0.1, 1.42],
    [-0.2, 0.1, 1.13], [-0.21, 0.12, 0.9], [0.17, 0.1, 1.42], [0.2, 0.1, 1.13], [0.21, 0.12, 0.9],
])  # fmt: skip
SITTING = STANDING.copy()
SITTING[[3, 6, 2, 5], 1] += [0.47, 0.47, 0.42, 0.42]
SITTING[:, 2] -= 0.42
SITTING[[2, 5], 2], SITTING[[3, 6], 2] = 0.5, ANKLE
LYING = STANDING[:, [0, 2, 1]] * [1, 1, -1] + [0, 0, 0.2]  # on the back, the head towards y

each_camera = pytest.mark.parametrize(
    ("tilt", "roll", "height"), [(0, 0, 1.5), (20, 0, 2.5), (45, 10, 4), (-20, 0, 0.5), (10, 30, 1.5), (5, -20, 0.1)]
)


@dataclass(frozen=True)
class Still:
    """A camera over the world's origin that looks along y. tilt, roll: degrees. height: metres."""

    tilt: float = 0
    roll: float = 0
    height: float = 1.5

    @property
    def rotation(self) -> Floats:
        """World to camera, made of turns: independent of how the library finds the axes."""
        look = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])
        return turn(2, self.roll) @ turn(0, self.tilt) @ look

    def person(self, points: Floats, rate: float = RATE) -> Person:
        """World points (T, 17, 3) as the camera sees them."""
        seen = (points - [0, 0, self.height]) @ self.rotation.T
        return Person(seen - seen[:, ROOT, None], seen[:, ROOT], np.arange(len(seen)) / rate)


def turn(axis: int, degrees: float) -> Floats:
    """(3, 3) about an axis, right-handed."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix, angle = np.eye(3), np.radians(degrees)
    matrix[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return matrix


def turned(pose: Floats, degrees: float) -> Floats:
    return pose @ turn(2, degrees).T


def circling(time: Floats, radius: float) -> Floats:
    """(T, 17, 3): who glides along a circle around a place 5 m away, upright and facing forwards."""
    angle = 0.8 * time
    points = np.stack([turned(STANDING, degrees) for degrees in np.degrees(angle)])
    points[..., :2] += np.stack([radius * np.cos(angle), 5 + radius * np.sin(angle)], -1)[:, None]
    return points


def walk(frames: int = 120, radius: float = 1.2, rate: float = RATE) -> Floats:
    """As `circling`, in steps of half a second: one foot is still on the floor while the other swings."""
    time = np.arange(frames) / rate
    points, step = circling(time, radius), np.floor(time / 0.5)
    for number, (foot, knee) in enumerate(((3, 2), (6, 5))):
        swings = step % 2 == number
        share = np.where(swings, time / 0.5 - step, 0)[:, None]
        # Where the foot stands is where it would glide by in the middle of its stance.
        begin, end = (circling((step + shift + 0.5) * 0.5, radius)[:, foot] for shift in (-1.0 * swings, 1.0 * swings))
        moved = begin + (end - begin) * share - points[:, foot]
        moved[:, 2] = 0.12 * np.sin(np.pi * share[:, 0])
        points[:, foot] += moved
        points[:, knee] += moved / 2
    return points


def stand(frames: int = 30, pose: Floats = STANDING, degrees: float = 30) -> Floats:
    """Who stays in one pose 5 m away."""
    return np.repeat(turned(pose, degrees)[None] + [0.4, 5, 0], frames, 0)


def noisy(person: Person, seed: int, along: float = 0.1, across: float = 0.005) -> Person:
    """With roots that are off along their rays, metres, and a little across them."""
    draw, root = np.random.default_rng(seed), np.asarray(person.root)
    ray = root / np.linalg.norm(root, axis=-1, keepdims=True)
    root = root + along * draw.standard_normal((len(root), 1)) * ray + across * draw.standard_normal(root.shape)
    return Person(person.pose, root, person.time)


def true_up(camera: Still) -> Floats:
    return camera.rotation[:, 2]


def up_error(world: World, camera: Still) -> float:
    return float(degrees_between(world.rotation[2], true_up(camera)))


# --- Angles


@pytest.mark.parametrize(("tilt", "roll"), [(0, 0), (30, 0), (-20, 10), (60, -45)])
def test_tilt_and_roll_are_those_of_the_camera_that_has_this_up(tilt: float, roll: float) -> None:
    assert tilt_and_roll(camera_up(tilt, roll)) == pytest.approx((tilt, roll))
    np.testing.assert_allclose(camera_up(tilt, roll), true_up(Still(tilt, roll)), atol=1e-12)


def test_up_is_against_the_images_y_for_a_level_camera() -> None:
    np.testing.assert_allclose(camera_up(), [0, -1, 0], atol=1e-12)


def test_up_is_towards_a_camera_that_looks_straight_down() -> None:
    np.testing.assert_allclose(camera_up(90), [0, 0, -1], atol=1e-12)


# --- Without noise


@each_camera
def test_a_given_tilt_and_roll_put_everybody_where_they_are(tilt: float, roll: float, height: float) -> None:
    points = stand()
    camera = Still(tilt, roll, height)
    person = camera.person(points)
    world = place([person], tilt=tilt, roll=roll)
    assert world.up_source == "given" and world.up_deviation is None
    assert world.camera_height == pytest.approx(height, abs=1e-6)
    np.testing.assert_allclose(world.to_world(np.asarray(person.pose) + world.roots[0][:, None]), points, atol=1e-6)


@each_camera
@pytest.mark.parametrize("motion", [stand, walk])
def test_up_is_found_in_how_people_stand_and_walk(motion, tilt: float, roll: float, height: float) -> None:
    camera = Still(tilt, roll, height)
    world = place([camera.person(motion())])
    assert world.up_source == "motion"
    assert up_error(world, camera) < 2
    assert world.tilt == pytest.approx(tilt, abs=2) and world.roll == pytest.approx(roll, abs=3)


@each_camera
def test_who_walks_has_the_feet_on_the_floor(tilt: float, roll: float, height: float) -> None:
    points = walk()
    camera = Still(tilt, roll, height)
    person = camera.person(points)
    world = place([person], tilt=tilt, roll=roll)
    found = world.to_world(np.asarray(person.pose) + world.roots[0][:, None])
    np.testing.assert_allclose(found[:, [3, 6], 2].min(1), ANKLE, atol=0.015)
    assert np.linalg.norm(found - points, axis=-1).max() < 0.03


def test_the_camera_stands_over_the_origin_at_its_height() -> None:
    world = place([Still(20, 0, 3).person(stand())], tilt=20)
    np.testing.assert_allclose(world.to_world(np.zeros(3)), [0, 0, 3], atol=1e-6)


def test_axes_are_right_handed_and_level_with_y_away_from_the_camera() -> None:
    rotation = place([Still(20, 10, 3).person(stand())], tilt=20, roll=10).rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[1, 2] > 0 and rotation[0, 2] == pytest.approx(0)


def test_of_a_camera_that_looks_straight_down_y_is_the_images_top() -> None:
    rotation = place([Person(np.zeros((1, 17, 3)), [[0, 0, 5.0]], [0])], tilt=90).rotation
    np.testing.assert_allclose(rotation, [[1, 0, 0], [0, -1, 0], [0, 0, -1]], atol=1e-12)


def test_to_camera_undoes_to_world() -> None:
    world = place([Still(20, 10, 3).person(walk(40))])
    points = np.random.default_rng(0).standard_normal((5, 17, 3))
    np.testing.assert_allclose(world.to_camera(world.to_world(points)), points, atol=1e-12)


# --- Invariance


@pytest.mark.parametrize("axis", range(3))
def test_turning_the_camera_in_place_turns_the_world_about_its_vertical_alone(axis: int) -> None:
    """However it is tilted, panned and rolled. About the vertical by what it was panned, and by what an error of up adds."""
    camera = Still(5, 0, 1.5)
    person = noisy(camera.person(walk()), seed=1, across=0)
    turns = turn(axis, 15)
    other = Person(np.asarray(person.pose) @ turns.T, np.asarray(person.root) @ turns.T, person.time)
    found = []
    for one in (person, other):
        world = place([one])
        found.append(world.to_world(np.asarray(one.pose) + world.roots[0][:, None]))
    (first, second), (complex_first, complex_second) = found, ([1, 1j] @ points[..., :2, None] for points in found)
    np.testing.assert_allclose(second[..., 2], first[..., 2], atol=1e-6)
    ratio = complex_second / complex_first
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1, :1], ratio.shape), atol=1e-6)
    panned = -15 if axis == 1 else 0  # what is ahead is seen further to the right
    assert abs(np.degrees(np.angle(ratio.flat[0])) - panned) < 1


def test_a_mirrored_scene_has_a_mirrored_world() -> None:
    person = Still(10, 12, 2).person(walk())
    order = [JOINTS.index({"L": "R", "R": "L"}.get(name[0], name[0]) + name[1:]) for name in JOINTS]
    mirrored = Person(np.asarray(person.pose)[:, order] * [-1, 1, 1], np.asarray(person.root) * [-1, 1, 1], person.time)
    first, second = place([person]), place([mirrored])
    np.testing.assert_allclose(second.to_world(second.roots[0]), first.to_world(first.roots[0]) * [-1, 1, 1], atol=1e-6)


def test_the_order_of_people_changes_nothing() -> None:
    camera = Still(10, 0, 2)
    people = [camera.person(walk()), camera.person(stand(40) + [1, 1, 0])]
    first, second = place(people), place(people[::-1])
    np.testing.assert_allclose(first.rotation, second.rotation, atol=1e-9)
    np.testing.assert_allclose(first.roots[0], second.roots[1], atol=1e-9)


def test_the_same_input_gives_the_same_world() -> None:
    person = noisy(Still(10).person(walk()), seed=3)
    first, second = place([person]), place([person])
    assert np.array_equal(first.rotation, second.rotation) and np.array_equal(first.roots[0], second.roots[0])


# --- Noise


@pytest.mark.parametrize("seed", range(3))
def test_noise_along_the_rays_is_smoothed_away(seed: int) -> None:
    truth = Still(10, 0, 2).person(walk())
    person = noisy(truth, seed)
    smoothed = place([person]).roots[0]
    before, after = (np.abs(np.asarray(root) - truth.root) for root in (person.root, smoothed))
    assert np.median(after) < 0.5 * np.median(before)
    jitter = [np.median(np.abs(np.diff(np.asarray(root) - truth.root, axis=0))) for root in (person.root, smoothed)]
    assert jitter[1] < 0.1 * jitter[0]


@pytest.mark.parametrize("seed", range(3))
def test_contacts_keep_standing_feet_from_sliding(seed: int) -> None:
    points = walk()
    person = noisy(Still(10, 0, 2).person(points), seed, along=0.2)
    slides = []
    for contacts in (False, True):
        root = place([person], tilt=10, contacts=contacts).roots[0]
        feet = np.asarray(person.pose)[:, [3, 6]] + root[:, None]
        still = np.linalg.norm(np.diff(points[:, [3, 6]], axis=0), axis=-1) < 1e-4
        slides.append(np.median(np.linalg.norm(np.diff(feet, axis=0), axis=-1)[still]))
    assert slides[1] < 0.6 * slides[0]


def test_who_glides_over_the_floor_keeps_the_speed() -> None:
    """A skater at 2 m/s, whose feet stand in the pose and not on the floor."""
    points = stand(60)
    points[..., 0] += 2 * np.arange(60)[:, None] / RATE
    truth = Still(10, 0, 2).person(points)
    assert np.abs(place([truth], tilt=10).roots[0] - truth.root).max() < 0.1


def test_a_wrong_root_in_a_few_frames_moves_the_path_little() -> None:
    truth = Still(10, 0, 2).person(walk())
    root = np.array(truth.root)
    root[[20, 21, 70]] *= 1.5
    assert np.abs(place([Person(truth.pose, root, truth.time)], tilt=10).roots[0] - truth.root).max() < 0.1


def test_half_the_frame_rate_gives_about_the_same_path() -> None:
    person = Still(10, 0, 2).person(walk(240, rate=60), rate=60)
    every = slice(None, None, 2)
    half = Person(np.asarray(person.pose)[every], np.asarray(person.root)[every], np.asarray(person.time)[every])
    np.testing.assert_allclose(place([half]).roots[0], place([person]).roots[0][every], atol=0.02)


def test_frames_on_either_side_of_a_long_gap_do_not_act_on_each_other() -> None:
    camera = Still(0, 0, 1.5)
    first, second = camera.person(stand(20)), camera.person(stand(20) + [2, 2, 0])
    time = np.concatenate([np.arange(20), np.arange(20) + 60]) / RATE
    pose, root = (np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("pose", "root"))
    np.testing.assert_allclose(smooth_root(pose, root, time), root, atol=1e-6)


def test_a_joint_known_to_be_uncertain_makes_its_frames_count_less() -> None:
    truth = Still().person(stand(60))
    root, spread = np.array(truth.root), np.full((60, 17), 0.01)
    root[25:35] *= 1.1
    trusting = place([Person(truth.pose, root, truth.time, spread)], tilt=0).roots[0]
    spread[25:35] = 0.5
    doubting = place([Person(truth.pose, root, truth.time, spread)], tilt=0).roots[0]
    assert np.abs(doubting - truth.root).max() < 0.5 * np.abs(trusting - truth.root).max()


def test_a_still_foot_on_the_floor_stands_and_a_raised_or_a_quick_one_does_not() -> None:
    floor, time = Floor(np.array([0, -1.0, 0]), -1.5), np.arange(30) / RATE
    foot = np.tile([0, 1.5, 5.0], (30, 1))
    assert standing(foot, time, floor).min() == pytest.approx(1)
    assert standing(foot - [0, 0.2, 0], time, floor).max() < 0.01
    assert standing(foot + np.arange(30)[:, None] * [0.1, 0, 0], time, floor).max() < 0.05


# --- How sure


def test_who_walks_about_says_more_of_up_than_who_stands() -> None:
    camera = Still(10, 0, 2)
    moving, still = (place([camera.person(motion)]) for motion in (walk(300, 3), stand(300)))
    assert moving.up_deviation is not None and still.up_deviation is not None
    assert moving.up_deviation < still.up_deviation


def test_people_on_stairs_do_not_tilt_the_floor() -> None:
    """Who climbs at 40 degrees stands upright all the while."""
    points = stand(120, degrees=0)
    rise = np.linspace(0, 2.5, 120)
    points[..., 1] += (1.2 * rise)[:, None]
    points[..., 2] += rise[:, None]
    camera = Still(5, 0, 1.5)
    world = place([camera.person(points)])
    assert up_error(world, camera) < 5
    assert world.cues_apart is not None and world.up_deviation is not None


def test_who_sits_says_up_with_less_certainty() -> None:
    camera = Still(10, 5, 1.5)
    sitting, upright = (place([camera.person(stand(60, pose))]) for pose in (SITTING, STANDING))
    assert sitting.up_source == "motion" and up_error(sitting, camera) < 8
    assert sitting.up_deviation is not None and upright.up_deviation is not None
    assert sitting.up_deviation > 1.5 * upright.up_deviation


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("tilt", [0, 20, 35])
def test_of_who_lies_all_the_time_the_camera_is_taken_for_level(degrees: float, tilt: float) -> None:
    world = place([Still(tilt, 0, 1.5).person(stand(60, LYING, degrees))])
    assert world.up_source == "level" and (world.tilt, world.roll) == pytest.approx((0, 0))
    assert world.up_deviation is None and "give the camera's tilt" in world.summary()


def test_one_who_stands_is_enough_where_another_lies() -> None:
    camera = Still(10, 0, 2)
    world = place([camera.person(stand(60, LYING, 90)), camera.person(stand(30))])
    assert world.up_source == "motion" and up_error(world, camera) < 3


def test_who_gets_up_from_the_floor_says_up_by_the_frames_upright() -> None:
    camera = Still(5, 0, 1.5)
    points = np.concatenate([stand(80, LYING, 90), stand(40)])
    assert up_error(place([camera.person(points)]), camera) < 3


def test_the_summary_says_how_the_camera_stands() -> None:
    line = place([Still(20, 0, 2.5).person(stand())], tilt=20).summary()
    assert "2.5 m over the floor" in line and "down by 20 degrees" in line and "as given" in line


# --- Input


def test_a_single_frame_is_enough() -> None:
    camera = Still(10, 0, 2)
    person = camera.person(stand(1))
    world = place([person])
    assert up_error(world, camera) < 3
    np.testing.assert_allclose(world.roots[0], person.root)


@pytest.mark.parametrize("frames", [2, 3])
def test_a_few_frames_are_enough(frames: int) -> None:
    person = Still(10, 0, 2).person(stand(frames))
    np.testing.assert_allclose(place([person]).roots[0], person.root, atol=1e-6)


def test_frames_without_a_pose_stay_without_and_change_no_other() -> None:
    person = Still(10, 0, 2).person(stand(40))
    pose, root = np.array(person.pose), np.array(person.root)
    pose[10:20], root[15:25] = np.nan, np.nan
    found = place([Person(pose, root, person.time)], tilt=10).roots[0]
    assert np.array_equal(np.isnan(found).all(1), (np.arange(40) >= 10) & (np.arange(40) < 25))
    np.testing.assert_allclose(found[25:], np.asarray(person.root)[25:], atol=1e-6)


def test_a_person_without_any_pose_changes_nothing() -> None:
    person = Still(10, 0, 2).person(stand(40))
    nobody = Person(np.full((5, 17, 3), np.nan), np.full((5, 3), np.nan), np.arange(5))
    world, alone = place([nobody, person]), place([person])
    assert world.roots[0].shape == (5, 3) and np.isnan(world.roots[0]).all()
    np.testing.assert_array_equal(world.rotation, alone.rotation)


def test_what_is_given_is_not_changed() -> None:
    person = noisy(Still(10).person(walk(40)), seed=0)
    pose, root = np.array(person.pose), np.array(person.root)
    place([person])
    assert np.array_equal(pose, person.pose) and np.array_equal(root, person.root)


def test_nobody_stands_or_sits_in_no_people() -> None:
    assert estimate_up([], [], []) is None


NAN = Person(np.full((5, 17, 3), np.nan), np.full((5, 3), np.nan), np.arange(5))
GOOD = Still(10, 0, 2).person(stand(5))


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([], "no frame of anybody has a pose"),
        ([NAN], "no frame of anybody has a pose"),
        ([GOOD, Person(np.zeros((5, 16, 3)), GOOD.root, GOOD.time)], r"person 1: pose has shape \(5, 16, 3\)"),
        ([Person(GOOD.pose, np.zeros((4, 3)), GOOD.time)], r"person 0: root has shape \(4, 3\), expected \(5, 3\)"),
        ([Person(GOOD.pose, GOOD.root, np.zeros((5, 1)))], r"person 0: time has shape \(5, 1\), expected \(5,\)"),
        ([Person(GOOD.pose, GOOD.root, GOOD.time, np.zeros(5))], r"person 0: spread has shape \(5,\), expected \(5, 17\)"),
        ([Person(GOOD.pose, GOOD.root, np.zeros(5))], "person 0: times are not finite or do not ascend"),
        ([Person(GOOD.pose, GOOD.root, np.full(5, np.nan))], "person 0: times are not finite or do not ascend"),
        ([Person(GOOD.pose, -np.asarray(GOOD.root), GOOD.time)], "person 0: a root is behind the camera"),
        ([Person(1.0, GOOD.root, GOOD.time)], r"person 0: pose has shape \(\)"),
    ],
)
def test_bad_people_are_named(people: list[Person], message: str) -> None:
    with pytest.raises(InputError, match=message):
        place(people)


@pytest.mark.parametrize(
    ("angles", "message"),
    [
        ({"tilt": 91}, "camera tilt is 91, expected degrees between -90 and 90"),
        ({"tilt": float("nan")}, "camera tilt is nan"),
        ({"tilt": 0, "roll": 181}, "camera roll is 181"),
        ({"roll": 5}, "camera roll is 5 without a tilt"),
    ],
)
def test_bad_angles_are_named(angles: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        place([GOOD], **angles)
