"""Skeletons as tools write them: names, ends of bones, heads without an end, the up axis and the frame rate."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_diffusion.data.sources.motion import bvh, joint_map
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import JOINTS
from tests.data.sources.motion.mocap_files import (
    METRE,
    NAMES,
    amc_text,
    asf_text,
    limbs,
    motion,
    person,
    source_of,
    world_of,
    write_bvh,
    write_map,
)

J = {name: index for index, name in enumerate(JOINTS)}
PLAIN = {"Hip": "Hips", "Spine": "Spine1", "Thorax": "Neck", "Neck/Nose": "Head"} | limbs(
    "LR", Hip="{s}_UpLeg", Knee="{s}_Leg", Foot="{s}_Foot", Shoulder="{s}_Arm", Elbow="{s}_ForeArm", Wrist="{s}_Hand"
)
STANDING = {"Hips": (0, 92, 0, 0, 0, 0)}
WRITERS = {
    "reallusion": {"Hip": "CC_Base_Hip", "Spine": "CC_Base_Spine01", "Thorax": "CC_Base_NeckTwist01",
                   "Neck/Nose": "CC_Base_Head"}
    | limbs("LR", Hip="CC_Base_{s}_Thigh", Knee="CC_Base_{s}_Calf", Foot="CC_Base_{s}_Foot",
            Shoulder="CC_Base_{s}_Upperarm", Elbow="CC_Base_{s}_Forearm", Wrist="CC_Base_{s}_Hand"),
    "reallusion, RL_": {"Hip": "RL_Hip", "Spine": "RL_Spine01", "Thorax": "RL_NeckTwist01", "Neck/Nose": "RL_Head"}
    | limbs("LR", Hip="RL_{s}_Thigh", Knee="RL_{s}_Calf", Foot="RL_{s}_Foot",
            Shoulder="RL_{s}_Upperarm", Elbow="RL_{s}_Forearm", Wrist="RL_{s}_Hand"),
    "rigify, DEF": {"Hip": "DEF-spine", "Spine": "DEF-spine.002", "Thorax": "DEF-spine.004", "Neck/Nose": "DEF-spine.006"}
    | limbs("LR", Hip="DEF-thigh.{s}", Knee="DEF-shin.{s}", Foot="DEF-foot.{s}",
            Shoulder="DEF-upper_arm.{s}", Elbow="DEF-forearm.{s}", Wrist="DEF-hand.{s}"),
    "rigify, ORG": {"Hip": "ORG-spine", "Spine": "ORG-spine.002", "Thorax": "ORG-spine.004", "Neck/Nose": "ORG-spine.006"}
    | limbs("LR", Hip="ORG-thigh.{s}", Knee="ORG-shin.{s}", Foot="ORG-foot.{s}",
            Shoulder="ORG-upper_arm.{s}", Elbow="ORG-forearm.{s}", Wrist="ORG-hand.{s}"),
    "daz, Genesis 8": {"Hip": "hip", "Spine": "chestLower", "Thorax": "neckLower", "Neck/Nose": "head"}
    | limbs("LR", Hip="{l}ThighBend", Knee="{l}Shin", Foot="{l}Foot",
            Shoulder="{l}ShldrBend", Elbow="{l}ForearmBend", Wrist="{l}Hand"),
    "daz, Genesis 9": {"Hip": "hip", "Spine": "spine2", "Thorax": "neck1", "Neck/Nose": "head"}
    | limbs("LR", Hip="{l}_thigh", Knee="{l}_shin", Foot="{l}_foot",
            Shoulder="{l}_upperarm", Elbow="{l}_forearm", Wrist="{l}_hand"),
    "daz and poser, Genesis 2": {"Hip": "hip", "Spine": "abdomen", "Thorax": "neck", "Neck/Nose": "head"}
    | limbs("LR", Hip="{l}Thigh", Knee="{l}Shin", Foot="{l}Foot", Shoulder="{l}Shldr", Elbow="{l}ForeArm", Wrist="{l}Hand"),
    "scadiver": {"Hip": "root", "Spine": "upperback", "Thorax": "lowerneck", "Neck/Nose": "upperneck"}
    | limbs("LR", Hip="{l}hip", Knee="{l}knee", Foot="{l}ankle", Shoulder="{l}shoulder", Elbow="{l}elbow", Wrist="{l}wrist"),
    "freemocap": {"Hip": "pelvis", "Spine": "spine.001", "Thorax": "neck", "Neck/Nose": "face"}
    | limbs("LR", Hip="thigh.{s}", Knee="shin.{s}", Foot="foot.{s}",
            Shoulder="upper_arm.{s}", Elbow="forearm.{s}", Wrist="hand.{s}"),
    "cmu's bones in BVH": {"Hip": "root", "Spine": "thorax", "Thorax": "upperneck", "Neck/Nose": "head"}
    | limbs("LR", Hip="{l}femur", Knee="{l}tibia", Foot="{l}foot",
            Shoulder="{l}humerus", Elbow="{l}radius", Wrist="{l}hand"),
}  # fmt: skip


def bone(world: np.ndarray, joint: str, parent: str) -> float:
    lengths = np.linalg.norm(world[:, J[joint]] - world[:, J[parent]], axis=-1)
    np.testing.assert_allclose(lengths, lengths[0], atol=1e-5)
    return float(lengths[0])


@pytest.mark.parametrize("names", WRITERS.values(), ids=WRITERS.keys())
def test_the_names_of_a_tool_are_read_as_the_joints_they_mean(tmp_path: Path, names: dict[str, str]) -> None:
    person(names).write(tmp_path / "a.bvh", [{names["Hip"]: (0, 92, 0, 0, 0, 0)}] * 3)
    world = world_of(source_of("bvh", tmp_path))
    found = {pair: round(bone(world, *pair), 3) for pair in [
        ("LKnee", "LHip"), ("RFoot", "RKnee"), ("LElbow", "LShoulder"), ("RWrist", "RElbow"), ("Thorax", "Spine")]}  # fmt: skip
    assert found == {("LKnee", "LHip"): 0.42, ("RFoot", "RKnee"): 0.4, ("LElbow", "LShoulder"): 0.28,
                     ("RWrist", "RElbow"): 0.24, ("Thorax", "Spine"): 0.24}  # fmt: skip
    assert 0.10 < bone(world, "Head", "Neck/Nose") < 0.20


def test_a_rigify_export_is_read_from_its_deform_bones_and_not_from_its_controls(tmp_path: Path) -> None:
    names = ["foot.L", "DEF-foot.L", "ORG-foot.L", "MCH-foot.L"]
    filler = [name for name in WRITERS["rigify, DEF"].values() if name != "DEF-foot.L"]
    found = joint_map.match("a.bvh", names + filler, "near", "auto")
    assert found.rows[J["LFoot"]] == (1,)


# --- Ends of bones


def write_acclaim(folder: Path, frames: int = 3) -> None:
    (folder / "07.asf").write_text(asf_text())
    (folder / "07_01.amc").write_text(amc_text([{}] * frames))


def test_ankle_wrist_and_head_of_acclaim_are_the_ends_of_shin_forearm_and_head(tmp_path: Path) -> None:
    write_acclaim(tmp_path)
    world = world_of(source_of("asf_amc", tmp_path))
    assert bone(world, "LFoot", "LKnee") == pytest.approx(7.3 * METRE, abs=1e-5)
    assert bone(world, "RWrist", "RElbow") == pytest.approx(3.5 * METRE, abs=1e-5)
    assert bone(world, "Neck/Nose", "Thorax") == pytest.approx(1.6 * METRE, abs=1e-5)
    assert bone(world, "Head", "Neck/Nose") == pytest.approx(1.6 * METRE, abs=1e-5)


def test_the_case_of_ankle_and_wrist_gives_its_values(shared: Path) -> None:
    world = world_of(source_of("asf_amc", shared / "cases" / "asf-amc-ankle-wrist", fps=120))
    found = [bone(world, *pair) for pair in (("LFoot", "LKnee"), ("LWrist", "LElbow"), ("Head", "Neck/Nose"),
                                             ("Neck/Nose", "Thorax"))]  # fmt: skip
    assert found == pytest.approx([0.4233, 0.1919, 0.0960, 0.0903], abs=1e-4)


@pytest.mark.parametrize(("tool", "named"), [("bvh", "cmu"), ("asf_amc", "cmu_bvh")])
def test_a_map_of_the_other_ends_is_refused(tmp_path: Path, tool: str, named: str) -> None:
    write_bvh(tmp_path / "a.bvh", motion(3))
    write_acclaim(tmp_path)
    with pytest.raises(InputError, match=rf"joint map '{named}' is for names of (near|far) ends of bones .*; take auto, "):
        source_of(tool, tmp_path, joints=named)


def test_a_map_of_ones_own_says_which_ends_it_names(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion(3))
    write_map(tmp_path / "map.yaml", dict(zip(JOINTS, NAMES, strict=True)))
    text = (tmp_path / "map.yaml").read_text()
    assert len(source_of("bvh", tmp_path / "a.bvh", joints=str(tmp_path / "map.yaml")).sequences) == 4
    (tmp_path / "far.yaml").write_text(text.replace("ends: near", "ends: far"))
    with pytest.raises(InputError, match=r"far\.yaml' is for names of far ends"):
        source_of("bvh", tmp_path / "a.bvh", joints=str(tmp_path / "far.yaml"))


def test_thighs_as_long_as_hip_bones_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A map that takes CMU's names in BVH, near ends, for far ends."""
    names = WRITERS["cmu's bones in BVH"]
    joints = [("root", "", (0, 0, 0)), *((f"{s}hipjoint", "root", (0, 0, 0)) for s in "lr"),
              *((f"{s}clavicle", "upperneck", (0, 0, 0)) for s in "lr")]  # fmt: skip
    body = person(names)
    above = {f"{s}{name}": f"{s}{up}" for s in "lr" for name, up in (("femur", "hipjoint"), ("humerus", "clavicle"))}
    kept = [(name, above.get(name, up), offset) for name, up, offset in body.joints[1:]]
    body.joints = [*joints[:3], *kept[:3], *joints[3:], *kept[3:]]
    body.write(tmp_path / "a.bvh", [{"root": (0, 92, 0, 0, 0, 0)}] * 3)
    wrong = {"Hip": "root", "Spine": "thorax", "Thorax": "upperneck", "Neck/Nose": "head", "Head": "head_end"} | limbs(
        "LR", Hip="{l}hipjoint", Knee="{l}femur", Foot="{l}tibia", Shoulder="{l}clavicle", Elbow="{l}humerus", Wrist="{l}radius"
    )
    write_map(tmp_path / "map.yaml", wrong)
    with caplog.at_level(logging.WARNING):
        source_of("bvh", tmp_path / "a.bvh", joints=str(tmp_path / "map.yaml"), unit="centimetres")
    assert "thighs of 0.11 m and shins of 0.42 m: near ends taken for far ends?" in caplog.text


# --- Heads


@pytest.mark.parametrize("head", [0, 1, None], ids=["end site at 0", "of 1 cm", "no end site"])
def test_a_head_without_an_end_goes_on_along_the_neck_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, head: float | None
) -> None:
    person(PLAIN, head=head).write(tmp_path / "a.bvh", [{**STANDING, "Neck": (0, 30, 0)}] * 3)
    with caplog.at_level(logging.WARNING):
        world = world_of(source_of("bvh", tmp_path))
    assert 0.10 < bone(world, "Head", "Neck/Nose") < 0.20
    neck, top = world[:, 9] - world[:, 8], world[:, 10] - world[:, 9]
    np.testing.assert_allclose(np.cross(neck, top), 0, atol=1e-6)
    assert [record.getMessage() for record in caplog.records] == [
        f"prepare: {tmp_path}/a.bvh: Head: the file does not say where the head ends; it is set 12 cm beyond the neck, along it"
    ]


def test_a_head_and_a_neck_of_no_length_are_refused(tmp_path: Path) -> None:
    body = person(PLAIN, head=0)
    body.joints = [(name, parent, (0, 0, 0) if name == "Head" else offset) for name, parent, offset in body.joints]
    body.write(tmp_path / "a.bvh", [STANDING] * 3)
    with pytest.raises(
        InputError, match=r"a\.bvh: Head: the file does not say where the head ends, and its neck has no length"
    ):
        source_of("bvh", tmp_path)


def test_the_case_of_a_head_of_no_length_has_a_head(shared: Path) -> None:
    world = world_of(source_of("bvh", shared / "cases" / "bvh-head-end-zero"))
    assert 0.10 < bone(world, "Head", "Neck/Nose") < 0.20


# --- Blender's root without channels


def test_real_roots_below_a_root_without_channels_stand_where_they_say(tmp_path: Path) -> None:
    person(PLAIN).write(tmp_path / "a.bvh", [{"Hips": (10 * t, 92, 5, 0, 0, 30)} for t in range(8)])
    lines = (tmp_path / "a.bvh").read_text().splitlines()
    end = lines.index("MOTION")
    target = ["JOINT IK_target", "{", "OFFSET 5 6 7", "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation",
              "End Site", "{", "OFFSET 0 1 0", "}", "}"]  # fmt: skip
    dummy = ["HIERARCHY", "ROOT __0", "{", "OFFSET 0.0 0.0 0.0", "CHANNELS 0"]
    body = [line.replace("ROOT", "JOINT") for line in lines[1:end]]
    rows = [*lines[end : end + 3], *(f"9 8 7 0 0 0 {row}" for row in lines[end + 3 :])]
    (tmp_path / "b.bvh").write_text("\n".join([*dummy, *target, *body, "}", *rows]) + "\n")
    alone, below = bvh.read(str(tmp_path / "a.bvh")), bvh.read(str(tmp_path / "b.bvh"))
    places = [below.names.index(name) for name in alone.names]
    np.testing.assert_allclose(below.positions[:, places], alone.positions)
    np.testing.assert_allclose(below.positions[:, below.names.index("IK_target")], [[9, 8, 7]] * 8)
    np.testing.assert_allclose(world_of(source_of("bvh", tmp_path / "b.bvh")), world_of(source_of("bvh", tmp_path / "a.bvh")))


def test_the_case_of_channels_0_gives_its_values(shared: Path) -> None:
    source = source_of("bvh", shared / "cases" / "bvh-blender-channels-0", fps=30)
    world = world_of(source)
    found = [bone(world, *pair) for pair in (("LKnee", "LHip"), ("LFoot", "LKnee"), ("Head", "Neck/Nose"))]
    assert found == pytest.approx([0.40, 0.41, 0.18], abs=1e-4)
    assert len(bvh.read(str(shared / "cases" / "bvh-blender-channels-0" / "walk.bvh")).positions) == 8


# --- The up axis


def poses(turn: tuple[float, float, float], height: float) -> list[dict[str, tuple]]:
    """A body that is turned as a whole, (z, x, y) degrees, moves an arm and a leg sidewards, and drifts over the floor."""
    return [{"Hips": (0.6 * t, height, 30 + t, *turn), "L_UpLeg": (t, 0, 0), "L_ForeArm": (2 * t, 0, 0)} for t in range(30)]


@pytest.mark.parametrize(
    ("turn", "height"),
    [((0, -90, 0), 12), ((0, 90, 0), 12), ((180, 0, 0), 80), ((90, 0, 20), 75)],
    ids=["on the back", "on the belly", "on the hands", "on the side"],
)
def test_people_who_lie_or_stand_on_their_hands_keep_the_up_axis(tmp_path: Path, turn: tuple, height: float) -> None:
    person(PLAIN).write(tmp_path / "a.bvh", poses(turn, height))
    raw = bvh.read(str(tmp_path / "a.bvh"))
    world = world_of(source_of("bvh", tmp_path))
    hand, foot = (raw.positions[:, raw.names.index(name), 1] / 100 for name in ("L_Hand", "R_Foot"))
    np.testing.assert_allclose(world[:, J["LWrist"], 2] - world[:, J["RFoot"], 2], hand - foot, atol=1e-4)
    assert np.percentile(world[..., 2].min(1), 2) > -1e-3


def test_a_rest_pose_along_another_axis_than_the_world_does_not_mislead(tmp_path: Path) -> None:
    """At rest y points up, as in SMPL; in the world z does."""
    person(PLAIN).write(tmp_path / "a.bvh", [{"Hips": (t, 2 * t, 92, 0, 90, 0)} for t in range(20)])
    world = world_of(source_of("bvh", tmp_path))
    assert (world[:, J["Head"], 2] - world[:, J["LFoot"], 2] > 1.3).all()


def test_a_file_that_does_not_tell_takes_what_the_others_of_its_skeleton_say(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", motion())
    write_bvh(tmp_path / "b.bvh", motion())
    points = motion()
    points[1::2] = np.roll(points[1::2], 1, axis=-1)
    write_bvh(tmp_path / "c.bvh", points)
    source = source_of("bvh", tmp_path)
    assert len(source.sequences) == 12
    world = world_of(source, 8)
    turn, _ = Rotation.align_vectors(world[0] - world[0, 0], points[0] - points[0, 0])
    np.testing.assert_allclose(turn.apply([0, 0, 1]), [0, 0, 1], atol=1e-3)


# --- The frame rate


def test_a_frame_rate_twice_too_high_is_said_and_can_be_overridden(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    points = motion(300)
    write_bvh(tmp_path / "a.bvh", points, fps=100)
    with caplog.at_level(logging.WARNING):
        source = source_of("bvh", tmp_path)
    assert "bvh.source_fps=50 halves it" in caplog.text and source.sequences[0].rows == 150
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        source = source_of("bvh", tmp_path, source_fps=50)
    assert not caplog.records and source.sequences[0].rows == 300


def test_walking_at_its_own_frame_rate_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_bvh(tmp_path / "a.bvh", motion(300), fps=50)
    with caplog.at_level(logging.WARNING):
        source_of("bvh", tmp_path)
    assert not caplog.records
