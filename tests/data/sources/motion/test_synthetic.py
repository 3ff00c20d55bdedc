from __future__ import annotations

import numpy as np
import pytest

from pose_diffusion.config import loading
from pose_diffusion.data import schema
from pose_diffusion.data.sequence import PoseSequence, Source
from pose_diffusion.data.sources import open_source
from pose_diffusion.data.sources.motion import synthetic
from pose_diffusion.data.sources.motion.simulated_detector import detect
from pose_diffusion.data.sources.motion.synthetic.actions import ACTIONS
from pose_diffusion.data.sources.motion.synthetic.body import ANGLES, HIGH, LOW, Body, joints
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.geometry.skeleton import EDGES, FLIP, JOINTS

FRAMES = 150
J = {name: index for index, name in enumerate(JOINTS)}


def source(seed: int = 0, **settings: object) -> Source:
    section = {"frames": FRAMES, "subjects": ["S1", "S9"], **settings}
    return open_source(loading.from_dict({"prepare": {"seed": seed}, "synthetic": section}))


def pose(**degrees: float) -> np.ndarray:
    """(17, 3) of one body with these angles, heading forward along x."""
    angles = np.zeros((1, len(ANGLES)))
    for name, value in degrees.items():
        angles[0, ANGLES[name]] = np.radians(value)
    return joints(Body.draw(np.random.default_rng(0)), angles)[0]


def screen_truth(sequence: PoseSequence) -> np.ndarray:
    """(T, 17, 2): where the joints really are on the screen."""
    assert sequence.pose_3d is not None and sequence.root_3d is not None
    camera = h36m_cameras()[sequence.subject][sequence.camera]
    return camera.project(sequence.pose_3d + sequence.root_3d[:, None])


def test_clips_are_every_subject_action_repetition_and_camera() -> None:
    found = source(clips=2, actions=["Walking", "Sitting"])
    assert len(found.sequences) == 2 * 2 * 2 * 4
    assert [clip.action for clip in found.sequences[:16:4]] == ["Walking 1", "Walking 2", "Sitting 1", "Sitting 2"]
    assert {clip.rows for clip in found.sequences} == {FRAMES}


def test_a_clip_does_not_depend_on_what_else_is_made() -> None:
    alone = source(subjects=["S9"], actions=["Waving"]).sequences[2].load()
    among = next(c for c in source().sequences if (c.subject, c.action, c.camera) == ("S9", "Waving 1", alone.camera)).load()
    np.testing.assert_array_equal(alone.mixture, among.mixture)
    np.testing.assert_array_equal(alone.pose_3d, among.pose_3d)


@pytest.mark.parametrize("change", [{"seed": 1}, {"clips": 2}])
def test_another_seed_or_repetition_is_another_motion(change: dict) -> None:
    one, other = source(actions=["Walking"]).sequences[0].load(), source(actions=["Walking"], **change).sequences[4].load()
    assert np.abs(one.pose_3d - other.pose_3d).max() > 0.1


def test_the_cameras_of_a_clip_see_the_same_motion() -> None:
    found = source(actions=["Kicking"])
    worlds = []
    for clip in found.sequences[:4]:
        sequence = clip.load()
        camera = Camera.from_dict(found.cameras[f"{clip.subject}/{clip.camera}"])
        worlds.append(camera.to_world(sequence.pose_3d + sequence.root_3d[:, None]))
    for other in worlds[1:]:
        np.testing.assert_allclose(other, worlds[0], atol=1e-5)


@pytest.mark.parametrize("kernels", [1, 2, 5])
def test_sequences_are_valid_shards(kernels: int) -> None:
    for clip in source(kernels=kernels, subjects=["S1"]).sequences[::3]:
        schema.check_rows(schema.to_table(clip.load()), "clip", require_3d=True)


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length_and_both_sides_are_alike(action: str) -> None:
    world = synthetic.motion("S5", action, 0, FRAMES, 0)
    parent, child = np.array(EDGES).T
    lengths = np.linalg.norm(world[:, parent] - world[:, child], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), rtol=1e-9)
    length = dict(zip(child.tolist(), lengths[0], strict=True))
    assert all(length[j] == pytest.approx(length[FLIP[j]]) for j in length)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_foot_stands_on_the_floor_and_nothing_below_it(action: str) -> None:
    world = synthetic.motion("S5", action, 0, FRAMES, 0)
    lowest = world[:, [J["RFoot"], J["LFoot"]], 2].min(1)
    assert lowest.min() > 0.03 and lowest.max() < 0.12
    assert world[..., 2].min() > 0.02


@pytest.mark.parametrize("action", ACTIONS)
def test_motion_is_smooth_and_moves(action: str) -> None:
    world = synthetic.motion("S5", action, 0, FRAMES, 0)
    speed = np.linalg.norm(np.diff(world, axis=0), axis=-1) * 50
    assert speed.max() < 15  # metres a second; a fast hand reaches 10
    assert np.ptp(world - world[:, :1], axis=0).max() > 0.1


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"Sitting", "Crouching"}))
def test_people_stand_upright(action: str) -> None:
    world = synthetic.motion("S5", action, 0, FRAMES, 0)
    assert (world[:, J["Head"], 2] - world[:, J["Hip"], 2]).mean() > 0.3
    assert 0.7 < world[:, J["Hip"], 2].mean() < 1.1


def test_sitting_is_lower_than_standing() -> None:
    sitting = [synthetic.motion(s, "Sitting", take, 300, 0)[:, 0, 2].min() for s in ("S1", "S5") for take in range(3)]
    assert max(sitting) < 0.65


def test_walking_covers_ground_at_a_human_pace() -> None:
    root = synthetic.motion("S5", "Walking", 0, 500, 0)[:, 0, :2]
    metres_a_second = np.linalg.norm(np.diff(root, axis=0), axis=1).mean() * 50
    assert 0.6 < metres_a_second < 2.2


def test_nearly_every_joint_is_inside_the_image() -> None:
    inside = []
    for clip in source(subjects=["S1", "S11"]).sequences[::3]:
        sequence = clip.load()
        uv = screen_truth(sequence)
        inside.append((np.abs(uv) <= [1, sequence.height / sequence.width]).all(-1).mean())
    assert np.mean(inside) > 0.98


def test_a_flexed_knee_brings_the_foot_back_and_a_flexed_hip_the_knee_forward() -> None:
    assert pose(right_knee=60)[J["RFoot"], 0] < -0.2
    assert pose(right_hip_flex=60)[J["RKnee"], 0] > 0.2


def test_a_flexed_elbow_brings_the_wrist_forward() -> None:
    assert pose(left_elbow=90)[J["LWrist"], 0] > 0.15


def test_abduction_brings_each_arm_out_to_its_own_side() -> None:
    both = pose(left_shoulder_abduct=90, right_shoulder_abduct=90)
    assert both[J["LWrist"], 1] > 0.5 and both[J["RWrist"], 1] < -0.5


def test_bending_brings_the_head_forward_and_down() -> None:
    upright, bent = pose(), pose(pelvis_bend=60)
    assert bent[J["Head"], 0] > 0.3 and bent[J["Head"], 2] < upright[J["Head"], 2]


def test_angles_beyond_the_limits_act_as_the_limits() -> None:
    body, angles = Body.draw(np.random.default_rng(0)), np.zeros((2, len(ANGLES)))
    angles[0, 1:], angles[1, 1:] = 100, HIGH[1:]
    first, second = joints(body, angles)
    np.testing.assert_allclose(first, second)
    assert (LOW < HIGH).all()


def test_bodies_differ_between_subjects() -> None:
    thighs = [np.linalg.norm(synthetic.motion(s, "Waving", 0, 2, 0)[0, 2] - synthetic.motion(s, "Waving", 0, 2, 0)[0, 1])
              for s in ("S1", "S5", "S6", "S7")]  # fmt: skip
    assert np.ptp(thighs) > 0.01


def detections(frames: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Pixel error of each kernel (T, 17, K), and the mixtures, over a long clip."""
    camera = h36m_cameras()["S1"]["55011271"]
    points = camera.to_camera(synthetic.motion("S1", "Discussion", 0, frames, 0))
    mixture = detect(points, camera, 5, np.random.default_rng(0))
    return np.linalg.norm(mixture[..., 1:3] - camera.project(points)[:, :, None], axis=-1) * 500, mixture


def test_detections_err_by_several_pixels_and_wrists_by_more_than_the_torso() -> None:
    error, _ = detections()
    assert 3 < error[..., 0].mean() < 10
    assert np.median(error[:, J["RWrist"], 0]) > 1.2 * np.median(error[:, J["Thorax"], 0])


def test_where_the_heaviest_kernel_is_far_off_another_is_often_near() -> None:
    error, _ = detections()
    off = error[..., 0] > 25
    assert 0.003 < off.mean() < 0.1
    assert (error[..., 1:].min(-1)[off] < 12).mean() > 0.5


def test_errors_last_over_frames() -> None:
    error, _ = detections()
    signal = error[..., 0] - error[..., 0].mean(0)
    assert (signal[1:] * signal[:-1]).mean() / signal.var() > 0.3


def test_the_heaviest_kernel_is_less_certain_where_it_is_wrong() -> None:
    error, mixture = detections()
    off = error[..., 0] > 25
    assert mixture[..., 0, 0][off].mean() < mixture[..., 0, 0][~off].mean() - 0.1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"subjects": ["S2"]}, "key 'synthetic.subjects': unknown 'S2'; known are S1, "),
        ({"actions": ["Flying"]}, "key 'synthetic.actions': unknown 'Flying'; known are Crouching, "),
        ({"actions": []}, "key 'synthetic.actions': the list is empty"),
        ({"subjects": ["S1", "S1"]}, "names one twice"),
    ],
)
def test_unknown_names_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(InputError, match=told):
        source(**settings)
