from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pose_diffusion.data import schema
from pose_diffusion.data.sources.motion import asf_amc, bvh
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import JOINTS
from tests.data.elsewhere import Elsewhere
from tests.data.sources.motion.mocap_files import (
    BONES,
    METRE,
    MIXAMO,
    NAMES,
    amc_text,
    asf_text,
    hierarchy,
    motion,
    source_of,
    world_of,
    write_bvh,
    write_map,
)

J = {name: index for index, name in enumerate(JOINTS)}


def relative(points: np.ndarray) -> np.ndarray:
    return points - points[:, :1]


def bvh_lines(tmp_path: Path) -> list[str]:
    write_bvh(tmp_path / "a.bvh", motion(3))
    return (tmp_path / "a.bvh").read_text().splitlines()


# --- BVH


def test_known_motion_comes_back_in_metres_with_z_up(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    np.testing.assert_allclose(relative(world_of(source_of("bvh", tmp_path))), relative(motion()), atol=2e-5)


def test_a_person_is_set_down_on_the_floor_in_the_middle(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion() + [30, -20, 5])
    world = world_of(source_of("bvh", tmp_path))
    assert 0.05 < world[:, [3, 6], 2].min() < 0.1
    assert np.linalg.norm(world[:, 0, :2].mean(0)) < 1


@pytest.mark.parametrize(
    ("unit", "metres"),
    [("metres", 1), ("centimetres", 0.01), ("millimetres", 0.001), ("inches", 0.0254), ("cmu", METRE)],
)
@pytest.mark.parametrize("stated", [True, False])
def test_every_unit_is_read_stated_or_detected(tmp_path: Path, unit: str, metres: float, stated: bool) -> None:
    write_bvh(tmp_path / "a.bvh", motion() / metres)
    found = world_of(source_of("bvh", tmp_path, unit=unit if stated else "auto"))
    np.testing.assert_allclose(relative(found), relative(motion()), atol=2e-5)


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
@pytest.mark.parametrize("stated", [True, False])
def test_every_up_axis_is_read_stated_or_detected(tmp_path: Path, up: str, stated: bool) -> None:
    points = motion()
    write_bvh(tmp_path / "a.bvh", points, up=up)
    found = relative(world_of(source_of("bvh", tmp_path, up=up if stated else "auto")))
    assert (found[:, J["Head"], 2] > 0.4).all() and (found[:, J["LFoot"], 2] < -0.5).all()
    given = relative(points)
    # The same but for a turn about the vertical: nothing is mirrored.
    turn, _ = Rotation.align_vectors(found[0], given[0])
    np.testing.assert_allclose(turn.apply(given[0]), found[0], atol=1e-4)
    np.testing.assert_allclose(turn.apply([0, 0, 1]), [0, 0, 1], atol=1e-4)


def test_rotations_are_multiplied_in_the_order_of_their_channels(tmp_path: Path) -> None:
    text = """HIERARCHY
ROOT a
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT b
  {
    OFFSET 0 1 0
    CHANNELS 3 Yrotation Zrotation Xrotation
    End Site
    {
      OFFSET 0 2 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.1
1 2 3 10 20 30 40 50 60
0 0 0 90 0 0 0 0 0
"""
    (tmp_path / "a.bvh").write_text(text)
    found = bvh.read(str(tmp_path / "a.bvh"))
    first = Rotation.from_euler("ZXY", [10, 20, 30], degrees=True)
    second = first * Rotation.from_euler("YZX", [40, 50, 60], degrees=True)
    b = np.array([1, 2, 3]) + first.apply([0, 1, 0])
    np.testing.assert_allclose(found.positions[0], [[1, 2, 3], b, b + second.apply([0, 2, 0])], atol=1e-12)
    np.testing.assert_allclose(found.positions[1], [[0, 0, 0], [-1, 0, 0], [-3, 0, 0]], atol=1e-12)
    assert found.names == ["a", "b", "b_end"] and found.fps == pytest.approx(10)


@pytest.mark.parametrize(("fps", "rows"), [(50, 20), (25, 39), (100, 10)])
def test_motion_is_resampled_to_the_frame_rate(tmp_path: Path, fps: float, rows: int) -> None:
    write_bvh(tmp_path / "a.bvh", motion(), fps=fps)
    source = source_of("bvh", tmp_path)
    assert source.sequences[0].rows == rows == len(source.sequences[0].load())
    step = 1 if fps == 50 else 2 if fps == 25 else 0.5
    found, given = relative(world_of(source)), relative(motion())
    np.testing.assert_allclose(found[:: int(max(step, 1))], given[:: int(max(1 / step, 1))], atol=2e-5)


def test_folders_are_subjects_and_files_actions(tmp_path: Path) -> None:
    write_bvh(tmp_path / "anna" / "walk 2.bvh", motion())
    write_bvh(tmp_path / "run.bvh", motion())
    found = source_of("bvh", tmp_path, subject="S9").sequences
    assert {(clip.subject, clip.action) for clip in found} == {("anna", "walk 2"), ("S9", "run")}


def test_motions_that_are_read_elsewhere_are_the_same(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    write_bvh(tmp_path / "b.bvh", motion()[:7])
    (tmp_path / "c.bvh").write_text("nonsense")
    here, there = (source_of("bvh", tmp_path, {"on_error": "skip"}, executor) for executor in (None, Elsewhere()))
    assert [clip.rows for clip in there.sequences] == [clip.rows for clip in here.sequences]
    assert len(there.sequences) == 8
    assert there.skipped == here.skipped
    assert len(there.skipped) == 1


def test_each_camera_of_the_rig_sees_the_motion(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    source = source_of("bvh", tmp_path, rig_subject="S9")
    assert [clip.camera for clip in source.sequences] == ["54138969", "55011271", "58860488", "60457274"]
    np.testing.assert_allclose(world_of(source, 0), world_of(source, 3), atol=1e-5)


@pytest.mark.parametrize("cameras", [1, 3])
def test_a_ring_has_as_many_cameras_as_asked_and_sees_the_person(tmp_path: Path, cameras: int) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    source = source_of("bvh", tmp_path, cameras="ring", ring_cameras=cameras)
    assert len(source.sequences) == cameras
    for clip in source.sequences:
        sequence = clip.load()
        assert (abs(sequence.mixture[:, :, 0, 1:3]) < 1).mean() > 0.98
        assert (sequence.mixture[:, J["Head"], 0, 2] < sequence.mixture[:, J["LFoot"], 0, 2]).all()
        schema.check_rows(schema.to_table(sequence), "clip", require_3d=True)


def test_a_clip_is_the_same_whoever_loads_it_and_carries_no_arrays(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    clip = source_of("bvh", tmp_path).sequences[1]
    content = pickle.dumps(clip)
    np.testing.assert_array_equal(pickle.loads(content).load().mixture, clip.load().mixture)
    assert len(content) < 4000


def test_another_seed_is_another_detection_of_the_same_motion(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    one, other = (source_of("bvh", tmp_path, {"seed": seed}).sequences[0].load() for seed in (0, 1))
    np.testing.assert_array_equal(one.pose_3d, other.pose_3d)
    assert np.abs(one.mixture - other.mixture).max() > 1e-3


def test_joints_are_found_by_a_map_of_the_users_own(tmp_path: Path) -> None:
    names = {joint: f"bone {index}" for index, joint in enumerate(JOINTS)}
    write_bvh(tmp_path / "a.bvh", motion(), list(names.values()))
    write_map(tmp_path / "map.yaml", names)
    found = world_of(source_of("bvh", tmp_path / "a.bvh", joints=str(tmp_path / "map.yaml")))
    np.testing.assert_allclose(relative(found), relative(motion()), atol=2e-5)


UNREAL = {
    "Hip": "pelvis", "RHip": "thigh_r", "RKnee": "calf_r", "RFoot": "foot_r", "LHip": "thigh_l", "LKnee": "calf_l",
    "LFoot": "foot_l", "Spine": "spine_02", "Thorax": "neck_01", "Neck/Nose": "head", "Head": "head_end",
    "LShoulder": "upperarm_l", "LElbow": "lowerarm_l", "LWrist": "hand_l",
    "RShoulder": "upperarm_r", "RElbow": "lowerarm_r", "RWrist": "hand_r",
}  # fmt: skip
BIPED = {
    "Hip": "Bip01 Pelvis", "RHip": "Bip01 R Thigh", "RKnee": "Bip01 R Calf", "RFoot": "Bip01 R Foot",
    "LHip": "Bip01 L Thigh", "LKnee": "Bip01 L Calf", "LFoot": "Bip01 L Foot", "Spine": "Bip01 Spine1",
    "Thorax": "Bip01 Neck", "Neck/Nose": "Bip01 Head", "Head": "Bip01 HeadTop",
    "LShoulder": "Bip01 L UpperArm", "LElbow": "Bip01 L Forearm", "LWrist": "Bip01 L Hand",
    "RShoulder": "Bip01 R UpperArm", "RElbow": "Bip01 R Forearm", "RWrist": "Bip01 R Hand",
}  # fmt: skip
BLENDER = {
    "Hip": "hips", "RHip": "thigh.R", "RKnee": "shin.R", "RFoot": "foot.R", "LHip": "thigh.L", "LKnee": "shin.L",
    "LFoot": "foot.L", "Spine": "chest", "Thorax": "neck", "Neck/Nose": "head", "Head": "head_end",
    "LShoulder": "upper_arm.L", "LElbow": "forearm.L", "LWrist": "hand.L",
    "RShoulder": "upper_arm.R", "RElbow": "forearm.R", "RWrist": "hand.R",
}  # fmt: skip
SMPL = {
    "Hip": "Pelvis", "RHip": "R_Hip", "RKnee": "R_Knee", "RFoot": "R_Ankle", "LHip": "L_Hip", "LKnee": "L_Knee",
    "LFoot": "L_Ankle", "Spine": "Spine2", "Thorax": "Neck", "Neck/Nose": "Head", "Head": "HeadTop",
    "LShoulder": "L_Shoulder", "LElbow": "L_Elbow", "LWrist": "L_Wrist",
    "RShoulder": "R_Shoulder", "RElbow": "R_Elbow", "RWrist": "R_Wrist",
}  # fmt: skip
NEURON = {joint: name.replace("mixamorig:", "Robot_") for joint, name in zip(JOINTS, NAMES, strict=True)}


@pytest.mark.parametrize(
    "names", [UNREAL, BIPED, BLENDER, SMPL, NEURON], ids=["unreal", "3ds max", "blender", "smpl", "neuron"]
)
def test_the_names_of_other_tools_need_no_map(tmp_path: Path, names: dict[str, str]) -> None:
    points = motion()
    write_bvh(tmp_path / "a.bvh", points, [names[joint] for joint in JOINTS])
    found, expected = relative(world_of(source_of("bvh", tmp_path))), relative(points)
    limbs = [J[side + part] for side in "LR" for part in ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist")]
    np.testing.assert_allclose(found[:, limbs] - found[:, J["Thorax"], None],
                               expected[:, limbs] - expected[:, J["Thorax"], None], atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("names", [NAMES, [name.split(":")[1] for name in NAMES]])
def test_a_prefix_of_joint_names_does_not_matter(tmp_path: Path, names: list[str]) -> None:
    write_bvh(tmp_path / "a.bvh", motion(), names)
    assert len(source_of("bvh", tmp_path, joints="mixamo").sequences) == 4


def test_a_missing_joint_is_named(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion(), [name.replace("LeftForeArm", "Tentacle") for name in NAMES])
    with pytest.raises(
        InputError, match=r"a\.bvh: joint map 'mixamo': no joint for LElbow \(looked for LeftForeArm\).*'bvh\.joints'"
    ):
        source_of("bvh", tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Hip: [a]", "no 'RHip'"),
        ("[1]", "no 'Hip'"),
        ("a: [", "not YAML"),
        ("", "no 'Hip'"),
        ("\n".join(f"{joint}: [a]" for joint in JOINTS), "key 'ends': expected near .* or far .*, got None"),
        ("\n".join(["ends: middle", *(f"{joint}: [a]" for joint in JOINTS)]), "key 'ends': expected near .*, got 'middle'"),
    ],
)
def test_a_bad_joint_map_is_refused(tmp_path: Path, content: str, told: str) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    (tmp_path / "map.yaml").write_text(content)
    with pytest.raises(InputError, match=rf"map\.yaml: {told}"):
        source_of("bvh", tmp_path / "a.bvh", joints=str(tmp_path / "map.yaml"))


def test_a_person_of_no_known_size_is_refused(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion() * 7)
    with pytest.raises(InputError, match=r"a\.bvh: a person 1[0-9.]+ units tall, in no known unit: .* 'unit', one of metres, "):
        source_of("bvh", tmp_path)


def test_where_nothing_tells_the_up_axis_the_key_that_states_it_is_named(tmp_path: Path) -> None:
    points = motion()
    points[1::2] = np.roll(points[1::2], 1, axis=-1)
    write_bvh(tmp_path / "a.bvh", points)
    with pytest.raises(InputError, match=r"a\.bvh: which axis points up cannot be told .*; state it, such as bvh\.up=y"):
        source_of("bvh", tmp_path)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda lines: lines[1:], "line 1: expected HIERARCHY"),
        (lambda lines: lines[:40], "ends within the HIERARCHY"),
        (lambda lines: lines[:-1], "2 frames, but line .* says 3"),
        (lambda lines: [*lines[:-1], lines[-1] + " 5"], "expected 102 numbers, as many as the CHANNELS above, got 103"),
        (lambda lines: [*lines[:-1], lines[-1].replace("0 0 0", "0 nan 0")], "not finite"),
        (lambda lines: [*lines[:-1], lines[-1].replace("0 0 0", "0 x 0")], "expected 102 numbers"),
        (lambda lines: [line for line in lines if "OFFSET" not in line], "has no OFFSET"),
        (lambda lines: [line for line in lines if "CHANNELS" not in line], "has no CHANNELS"),
        (lambda lines: [line.replace("CHANNELS 6", "CHANNELS 7") for line in lines], "expected a count and its channels"),
        (lambda lines: [line.replace("Zrotation", "Wrotation") for line in lines], "expected a count and its channels"),
        (lambda lines: [line.replace("RightLeg", "RightUpLeg") for line in lines], "'mixamorig:RightUpLeg' is there twice"),
        (lambda lines: [line.replace("Frame Time: 0.02", "Frame Time: 0") for line in lines], "a frame time of 0 seconds"),
        (lambda lines: [line.replace("Frame Time", "Speed") for line in lines], "expected 'Frames:', 'Frame Time:'"),
        (lambda lines: lines + ["}"], "4 frames, but"),
        (lambda lines: ["}", *lines], "line 1: expected HIERARCHY"),
        (lambda lines: [], "ends within"),
    ],
)
def test_a_broken_bvh_is_refused_with_its_place(tmp_path: Path, edit: Callable, told: str) -> None:
    lines = edit(bvh_lines(tmp_path))
    (tmp_path / "a.bvh").write_text("\n".join(lines))
    with pytest.raises(InputError, match=rf"a\.bvh: .*{told}"):
        source_of("bvh", tmp_path)


def test_a_broken_bvh_is_left_out_where_the_config_says_so(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    (tmp_path / "b.bvh").write_text("HIERARCHY")
    source = source_of("bvh", tmp_path, {"on_error": "skip"})
    assert len(source.sequences) == 4 and len(source.skipped) == 1 and "b.bvh" in source.skipped[0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(b"09.-{}\n: aXZ\x00\xff")), min_size=1, max_size=6),
    cut=st.integers(0, 50),
)
def test_a_mutated_bvh_gives_motion_or_a_clean_error(tmp_path: Path, changes: list, cut: int) -> None:
    write_bvh(tmp_path / "a.bvh", motion(3))
    content = bytearray((tmp_path / "a.bvh").read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    (tmp_path / "a.bvh").write_bytes(content[: len(content) - cut])
    try:
        source = source_of("bvh", tmp_path, cameras="ring", ring_cameras=1)
        schema.check_rows(schema.to_table(source.sequences[0].load()), "clip")
    except InputError as error:
        assert "\n" not in str(error)


# --- ASF and AMC


def write_acclaim(folder: Path, frames: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "07.asf").write_text(asf_text())
    (folder / "07_01.amc").write_text(amc_text(frames))


def test_at_rest_every_bone_points_along_its_direction(tmp_path: Path) -> None:
    write_acclaim(tmp_path, [{}])
    found = asf_amc.read(120, str(tmp_path / "07.asf"), str(tmp_path / "07_01.amc"))
    places = dict(zip(found.names, found.positions[0], strict=True))
    np.testing.assert_allclose(places["root"], [0, 16, 0])
    for name, (parent, direction, length) in BONES.items():
        np.testing.assert_allclose(places[name] - places[parent], np.array(direction) * length, atol=1e-9)


def test_a_bone_turns_about_its_own_axes_and_takes_its_children_along(tmp_path: Path) -> None:
    write_acclaim(tmp_path, [{"root": (1, 2, 3, 10, 20, 30), "lfemur": (25, 35, 45), "ltibia": (50,)}])
    found = asf_amc.read(120, str(tmp_path / "07.asf"), str(tmp_path / "07_01.amc"))
    places = dict(zip(found.names, found.positions[0], strict=True))

    def turn(*degrees: float) -> Rotation:
        return Rotation.from_euler("xyz", degrees, degrees=True)

    root, axis = turn(10, 20, 30), turn(0, 0, 20)
    femur = root * axis * turn(25, 35, 45) * axis.inv()
    tibia = femur * axis * turn(50, 0, 0) * axis.inv()
    hip = np.array([1, 2, 3]) + root.apply([1.8, 0, 0])
    knee = hip + femur.apply(np.array(BONES["lfemur"][1]) * 7.1)
    np.testing.assert_allclose(places["lhipjoint"], hip, atol=1e-9)
    np.testing.assert_allclose(places["lfemur"], knee, atol=1e-9)
    np.testing.assert_allclose(places["ltibia"], knee + tibia.apply(np.array(BONES["ltibia"][1]) * 7.3), atol=1e-9)


def test_acclaim_motion_becomes_metres_with_z_up_on_our_joints(tmp_path: Path) -> None:
    write_acclaim(tmp_path / "07", [{}] * 13)
    source = source_of("asf_amc", tmp_path)
    world = relative(world_of(source))[0]
    assert (source.sequences[0].subject, source.sequences[0].action, source.sequences[0].rows) == ("07", "07_01", 6)
    np.testing.assert_allclose(world[J["Spine"], 2], 4.0 * METRE, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(world[J["LKnee"]] - world[J["LHip"]]), 7.1 * METRE, atol=1e-5)
    assert world[J["LFoot"], 2] < -0.7 and world[J["Head"], 2] > 0.5


def test_left_is_left_when_the_skeleton_faces_its_front(tmp_path: Path) -> None:
    write_acclaim(tmp_path, [{}])
    world = relative(world_of(source_of("asf_amc", tmp_path)))[0]
    # CMU's left is +x with y up, so the person faces +z: forward is left x up.
    left, up = world[J["LShoulder"]] - world[J["RShoulder"]], np.array([0, 0, 1.0])
    write_acclaim(tmp_path, [{"lfemur": (-60, 0, 0)}])  # CMU's negative rx lifts the thigh forward
    lifted = relative(world_of(source_of("asf_amc", tmp_path)))[0]
    assert np.cross(left, up) @ (lifted[J["LKnee"]] - world[J["LKnee"]]) > 0


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("07.asf", ":root", ":roof", "not an ASF skeleton"),
        ("07.asf", "name ltibia", "name lfemur", "'lfemur' has no name, or one that is there twice"),
        ("07.asf", "lfemur ltibia", "lfemur ltail", "no bone 'ltail' in :bonedata"),
        ("07.asf", "lfemur ltibia", "lfemur ltibia rtibia", "'rtibia' has two parents"),
        ("07.asf", "dof rx\n", "dof tx\n", "dof of 'ltibia'"),
        ("07.asf", "length 7.1", "length tall", "expected 1 finite numbers, got 'tall'"),
        ("07.asf", "0 0 20 XYZ", "0 0 20 XYY", "axis order 'xyy'"),
        ("07_01.amc", "lfemur 0 0 0", "lfemur 0 0", "frame 1: bone 'lfemur': expected 3 values"),
        ("07_01.amc", "lfemur 0 0 0", "lfemur 0 0 nan", "frame 1: bone 'lfemur': a value is not finite"),
        ("07_01.amc", "lfemur 0 0 0", "lfemur 0 0 x", "bone 'lfemur': a value is not a number"),
        ("07_01.amc", "lfemur 0 0 0\n", "", "frame 1: no values for bone 'lfemur'"),
        ("07_01.amc", "lfemur", "tail", "'tail' is no frame and no bone"),
        ("07_01.amc", "\n2\n", "\n3\n", "frame 3 after frame 1"),
        ("07_01.amc", "lfemur 0 0 0", "ltibia 0", "'ltibia' is there twice in frame 1"),
    ],
)
def test_a_broken_acclaim_file_is_refused_with_its_place(tmp_path: Path, name: str, old: str, new: str, told: str) -> None:
    write_acclaim(tmp_path, [{}, {}])
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=told) as caught:
        source_of("asf_amc", tmp_path)
    assert name in str(caught.value)


def test_an_amc_without_its_skeleton_is_refused(tmp_path: Path) -> None:
    (tmp_path / "07_01.amc").write_text(amc_text([{}]))
    told = r"07_01\.amc: no \.asf file of its name beside it, and none of another; put its skeleton there, named as '07\.asf'"
    with pytest.raises(InputError, match=told):
        source_of("asf_amc", tmp_path)


def test_an_amc_of_several_skeletons_is_refused(tmp_path: Path) -> None:
    write_acclaim(tmp_path, [{}])
    (tmp_path / "07.asf").rename(tmp_path / "08.asf")
    (tmp_path / "09.asf").write_text(asf_text())
    with pytest.raises(InputError, match=r"07_01\.amc: no \.asf file of its name beside it, and 2 others of another"):
        source_of("asf_amc", tmp_path)


def test_a_skeleton_without_motion_is_refused_with_what_to_give(tmp_path: Path) -> None:
    write_acclaim(tmp_path, [{}])
    with pytest.raises(InputError, match=r"07\.asf: a skeleton .* without motion; give an \.amc file, or a folder"):
        source_of("asf_amc", tmp_path / "07.asf")


@pytest.mark.parametrize("skeleton", ["07.asf", "07.ASF"])
def test_an_amc_alone_is_read_with_the_skeleton_beside_it(tmp_path: Path, skeleton: str) -> None:
    write_acclaim(tmp_path, [{}] * 3)
    (tmp_path / "07.asf").rename(tmp_path / skeleton)
    (tmp_path / "08.asf").write_text("of another subject")
    folder = tmp_path / "motion" / "08"
    folder.mkdir(parents=True)
    (folder / "07.asf").write_text("of another folder")
    world = relative(world_of(source_of("asf_amc", tmp_path / "07_01.amc")))
    np.testing.assert_allclose(np.linalg.norm(world[:, J["LKnee"]] - world[:, J["LHip"]], axis=-1), 7.1 * METRE, atol=1e-5)


def test_names_of_skeleton_and_motion_may_differ_in_case(tmp_path: Path) -> None:
    write_acclaim(tmp_path, [{}] * 3)
    (tmp_path / "07.asf").rename(tmp_path / "Run.asf")
    (tmp_path / "07_01.amc").rename(tmp_path / "RUN.AMC")
    (tmp_path / "walk.asf").write_text("of another motion")
    assert source_of("asf_amc", tmp_path).sequences


def test_frames_of_a_part_of_a_recording_begin_anywhere(tmp_path: Path) -> None:
    write_acclaim(tmp_path, [{}] * 3)
    path = tmp_path / "07_01.amc"
    whole = world_of(source_of("asf_amc", tmp_path))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(str(int(line) + 98) if line.isdecimal() else line for line in lines) + "\n")
    np.testing.assert_array_equal(world_of(source_of("asf_amc", tmp_path)), whole)


@pytest.mark.parametrize(("skeleton", "told"), [("08.asf", True), ("man.asf", False)])
def test_the_skeleton_of_another_subject_is_said(
    tmp_path: Path, skeleton: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    write_acclaim(tmp_path, [{}] * 3)
    (tmp_path / "07.asf").rename(tmp_path / skeleton)
    source_of("asf_amc", tmp_path)
    assert ("07_01.amc: read with the skeleton of another subject, 08.asf" in caplog.text) == told


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.sampled_from(["07.asf", "07_01.amc"]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(b"09.-\n: arx\x00\xff")), min_size=1, max_size=6),
)
def test_a_mutated_acclaim_file_gives_motion_or_a_clean_error(tmp_path: Path, which: str, changes: list) -> None:
    write_acclaim(tmp_path, [{}, {}])
    content = bytearray((tmp_path / which).read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    (tmp_path / which).write_bytes(content)
    try:
        source = source_of("asf_amc", tmp_path, cameras="ring", ring_cameras=1)
        schema.check_rows(schema.to_table(source.sequences[0].load()), "clip")
    except InputError as error:
        assert "\n" not in str(error)


def test_the_hierarchy_of_the_fixture_has_our_joints() -> None:
    text = hierarchy(NAMES)
    assert all(name in text for name in NAMES) and set(MIXAMO) == set(JOINTS)
