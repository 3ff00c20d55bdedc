"""Each fault that is planted in clean synthetic motion is named with its likely cause, and a clean set has none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.config import loading
from pose_diffusion.data import mixture as gmm
from pose_diffusion.data import shards
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.data.sources import open_source
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.skeleton import FLIP, JOINTS
from pose_diffusion.inspection.dataset_stats import DatasetStats
from pose_diffusion.inspection.findings import findings
from pose_diffusion.inspection.measure import measure

FLIPPED = list(FLIP)
ARMS = [FLIP[j] if j > 10 else j for j in range(17)]


@pytest.fixture(scope="module")
def clean() -> tuple[list[PoseSequence], dict[str, Camera]]:
    """Walking and more before four cameras, and the cameras."""
    source = open_source(loading.load(None, ["synthetic.subjects=[S1, S9]", "synthetic.frames=60"]))
    return [clip.load() for clip in source.sequences], {name: Camera.from_dict(c) for name, c in source.cameras.items()}


Change = Callable[[PoseSequence], PoseSequence]


def inspected(folder: Path, clean, change: Change, with_cameras: bool = True) -> list[str]:
    sequences, cameras = clean
    shards.write(str(folder), "part.parquet", "train", [change(sequence) for sequence in sequences])
    return findings(measure(f"{folder}/part.parquet", cameras if with_cameras else {}, None, []))


def means(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A change of the kernels' means, (T, 17, K, 2)."""

    def changed(sequence: PoseSequence) -> PoseSequence:
        mixture = sequence.mixture.copy()
        mixture[..., gmm.MEAN] = change(mixture[..., gmm.MEAN])
        return dataclasses.replace(sequence, mixture=mixture)

    return changed


def stats_2d(order: list[int]) -> Change:
    return lambda sequence: dataclasses.replace(sequence, mixture=sequence.mixture[:, order])


def stats_3d(order: list[int]) -> Change:
    return lambda sequence: dataclasses.replace(sequence, pose_3d=sequence.pose_3d[:, order])


def without_3d(sequence: PoseSequence) -> PoseSequence:
    return dataclasses.replace(sequence, pose_3d=None, root_3d=None)


def both(*changes: Change) -> Change:
    def changed(sequence: PoseSequence) -> PoseSequence:
        for change in changes:
            sequence = change(sequence)
        return sequence

    return changed


@pytest.mark.parametrize("change", [lambda s: s, without_3d], ids=["with 3D", "without 3D"])
@pytest.mark.parametrize("with_cameras", [True, False])
def test_a_clean_set_has_no_warning(tmp_path, clean, change, with_cameras):
    assert inspected(tmp_path, clean, change, with_cameras) == []


def test_a_left_right_swap_of_everything_is_found(tmp_path, clean):
    found = inspected(tmp_path, clean, both(stats_2d(FLIPPED), stats_3d(FLIPPED)))
    assert len(found) == 1
    assert found[0].startswith("2D and 3D: left and right are swapped, or the poses mirrored: knees bend backward in")


@pytest.mark.parametrize("with_cameras", [True, False])
def test_a_left_right_swap_of_2d_is_found(tmp_path, clean, with_cameras):
    assert inspected(tmp_path, clean, stats_2d(FLIPPED), with_cameras)[0].startswith("2D: left and right are swapped")


def test_a_left_right_swap_of_3d_is_found(tmp_path, clean):
    assert inspected(tmp_path, clean, stats_3d(FLIPPED))[0].startswith("3D: left and right are swapped: knees bend backward")


@pytest.mark.parametrize("drop", [lambda s: s, without_3d], ids=["with 3D", "without 3D"])
def test_arms_swapped_against_legs_are_found(tmp_path, clean, drop):
    assert "left and right of arms or legs are swapped" in inspected(tmp_path, clean, both(stats_2d(ARMS), drop))[0]


def as_coco(pose: np.ndarray) -> np.ndarray:
    """Our joints in the places of COCO's, the face at the head: what a converter forgets to map."""
    ours = [JOINTS.index("Head")] * 5 + [JOINTS.index(side + part) for part in
            ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Foot") for side in "LR"]  # fmt: skip
    return pose[:, ours]


def test_the_joint_order_of_another_tool_is_found_and_named(tmp_path, clean):
    def change(sequence: PoseSequence) -> PoseSequence:
        return dataclasses.replace(without_3d(sequence), mixture=as_coco(sequence.mixture))

    found = inspected(tmp_path, clean, change)
    assert len(found) == 1 and found[0].startswith("2D: wrong joint order, of coco17?")


@pytest.mark.parametrize("seed", range(3))
def test_joints_in_any_order_are_found(tmp_path, clean, seed):
    order = np.random.default_rng(seed).permutation(17).tolist()
    assert "wrong joint order" in inspected(tmp_path, clean, both(stats_2d(order), stats_3d(order)))[0]


@pytest.mark.parametrize("drop", [lambda s: s, without_3d], ids=["with 3D", "without 3D"])
def test_knees_in_the_place_of_feet_are_found(tmp_path, clean, drop):
    order = [0, 1, 3, 2, 4, 6, 5, *range(7, 17)]
    assert "wrong joint order" in inspected(tmp_path, clean, both(stats_2d(order), stats_3d(order), drop))[0]


@pytest.mark.parametrize(("factor", "unit"), [(1000, "millimetres"), (100, "centimetres"), (7, "another unit")])
def test_units_that_are_not_metres_are_found(tmp_path, clean, factor, unit):
    def change(sequence: PoseSequence) -> PoseSequence:
        return dataclasses.replace(sequence, pose_3d=sequence.pose_3d * factor, root_3d=sequence.root_3d * factor)

    assert any(f"{unit} for metres?" in line for line in inspected(tmp_path, clean, change))


def test_roots_alone_in_millimetres_are_found(tmp_path, clean):
    found = inspected(tmp_path, clean, lambda s: dataclasses.replace(s, root_3d=s.root_3d * 1000))
    assert "root_3d in another unit than metres?" in found[0]


def test_pixels_that_were_not_normalised_are_found(tmp_path, clean):
    assert "pixels that were not normalised?" in inspected(tmp_path, clean, means(lambda uv: (uv + 1) * 500))[0]


def test_sigmas_in_pixels_are_found(tmp_path, clean):
    def change(sequence: PoseSequence) -> PoseSequence:
        mixture = sequence.mixture.copy()
        mixture[..., gmm.SIGMA] *= 500
        return dataclasses.replace(sequence, mixture=mixture)

    found = inspected(tmp_path, clean, change)
    assert len(found) == 1 and "sigma is" in found[0] and "pixels that were not normalised?" in found[0]


def test_shares_of_the_image_are_found(tmp_path, clean):
    found = inspected(tmp_path, clean, both(means(lambda uv: ((uv + 1) / 2).clip(0, 1)), without_3d))
    assert len(found) == 1 and "every coordinate is between 0 and 1" in found[0]


def test_some_joints_far_outside_are_found(tmp_path, clean):
    def change(uv: np.ndarray) -> np.ndarray:
        uv[:5, 5] = 20
        return uv

    assert "a wrong image size, or bad detections?" in inspected(tmp_path, clean, means(change))[0]


@pytest.mark.parametrize("what", ["2D", "3D"])
def test_people_upside_down_are_found(tmp_path, clean, what):
    turned = {
        "2D": means(lambda uv: uv * [1, -1]),
        "3D": lambda s: dataclasses.replace(s, pose_3d=s.pose_3d * np.array([-1, -1, 1], np.float32)),
    }
    assert any(line.startswith(f"{what}: heads are below feet") for line in inspected(tmp_path, clean, turned[what]))


def test_an_uneven_body_is_found(tmp_path, clean):
    def change(sequence: PoseSequence) -> PoseSequence:
        pose = sequence.pose_3d.copy()
        pose[:, 3] = pose[:, 2] + 1.3 * (pose[:, 3] - pose[:, 2])
        return dataclasses.replace(sequence, pose_3d=pose)

    found = inspected(tmp_path, clean, change)
    assert [line[:50] for line in found] == [
        f"3D: {who} is uneven: the bones to LFoot and RFoot diff"[:50] for who in ("S1", "S9")
    ]


def test_bones_that_change_their_length_are_found(tmp_path, clean):
    def change(sequence: PoseSequence) -> PoseSequence:
        scale = np.random.default_rng(0).uniform(0.5, 1.5, (len(sequence), 1, 1)).astype(np.float32)
        return dataclasses.replace(sequence, pose_3d=sequence.pose_3d * scale)

    assert any("whose length varies" in line for line in inspected(tmp_path, clean, change))


@pytest.mark.parametrize("with_cameras", [True, False])
def test_3d_that_does_not_belong_to_the_2d_is_found(tmp_path, clean, with_cameras):
    other = clean[0][8]

    def change(sequence: PoseSequence) -> PoseSequence:
        turned = (
            other.pose_3d[::-1] * np.array([-1, 1, -1], np.float32) @ np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
        )
        return dataclasses.replace(sequence, pose_3d=turned.astype(np.float32))

    assert any("not belong together?" in line for line in inspected(tmp_path, clean, change, with_cameras))


def moved(joint: str, to: str, share: float = 1.0) -> Change:
    """A joint in 2D and 3D moved towards, or onto, another one."""
    one, other = JOINTS.index(joint), JOINTS.index(to)

    def change(sequence: PoseSequence) -> PoseSequence:
        pose, mixture = sequence.pose_3d.copy(), sequence.mixture.copy()
        pose[:, one] += share * (pose[:, other] - pose[:, one])
        mean = mixture[..., gmm.MEAN]
        mean[:, one] += share * (mean[:, other] - mean[:, one])
        return dataclasses.replace(sequence, pose_3d=pose, mixture=mixture)

    return change


def test_a_head_of_no_length_is_found_and_named(tmp_path, clean):
    found = inspected(tmp_path, clean, moved("Head", "Neck/Nose"))
    assert found[0] == "3D: S1 has a head of no length (0 mm): a file that does not say where the head ends?"
    assert found[1].startswith("3D: S9 has a head of no length")


def test_a_head_of_no_length_of_one_subject_among_others_is_found(tmp_path, clean):
    found = inspected(tmp_path, clean, lambda s: moved("Head", "Neck/Nose")(s) if s.subject == "S9" else s)
    assert found == ["3D: S9 has a head of no length (0 mm): a file that does not say where the head ends?"]


def test_a_bone_of_no_length_is_found_and_named(tmp_path, clean):
    assert "3D: S1 has bones of no length, to Spine: one joint under two names?" in inspected(
        tmp_path, clean, moved("Spine", "Hip")
    )


def test_a_head_out_of_proportion_is_found(tmp_path, clean):
    found = inspected(tmp_path, clean, moved("Head", "Neck/Nose", -3.0))
    assert "The bone to Head has" in found[0]


@pytest.mark.parametrize(("up", "what"), [(True, "near ends taken for far ends"), (False, "far ends taken for near ends")])
def test_near_and_far_ends_of_bones_mixed_are_found(tmp_path, clean, up, what):
    """Each joint of the limbs one bone too high up, or one too far down (a foot of 13 cm and a hand of 8 cm beyond)."""
    chains = [[JOINTS.index(side + part) for part in chain] for side in "LR"
              for chain in (("Hip", "Knee", "Foot"), ("Shoulder", "Elbow", "Wrist"))]  # fmt: skip

    def change(sequence: PoseSequence) -> PoseSequence:
        pose, mixture = sequence.pose_3d.copy(), sequence.mixture.copy()
        for chain in chains:
            above = 0 if chain[0] < 10 else JOINTS.index("Thorax")
            beyond = 0.13 / 0.41 if chain[0] < 10 else 0.08 / 0.22
            for array in (pose, mixture[..., gmm.MEAN]):
                last = array[:, chain[2]] + beyond * (array[:, chain[2]] - array[:, chain[1]])
                joints = [array[:, above], *(array[:, joint] for joint in chain), last]
                array[:, chain] = np.stack(joints[:3] if up else joints[2:], axis=1)
        return dataclasses.replace(sequence, pose_3d=pose, mixture=mixture)

    found = inspected(tmp_path, clean, change)
    assert found[0].startswith(f"3D: S1: near and far ends of bones are mixed ({what}?)")
    assert not any("joint order" in line for line in found)


def test_double_speed_is_found(tmp_path):
    keys = ["synthetic.subjects=[S1]", "synthetic.frames=400", "synthetic.actions=[Walking]"]
    source = open_source(loading.load(None, keys))
    sequences = [sequence.load() for sequence in source.sequences]
    cameras = {name: Camera.from_dict(camera) for name, camera in source.cameras.items()}
    fast = [
        dataclasses.replace(s, frame=s.frame[:200], mixture=s.mixture[::2], pose_3d=s.pose_3d[::2], root_3d=s.root_3d[::2])
        for s in sequences
    ]
    assert inspected(tmp_path / "slow", (sequences, cameras), lambda s: s) == []
    found = inspected(tmp_path / "fast", (fast, cameras), lambda s: s)
    assert len(found) == 1 and "walking steps in less than 0.34 s: double speed, from files that say twice" in found[0]


def test_a_shifted_camera_is_found(tmp_path, clean):
    found = inspected(tmp_path, clean, lambda s: dataclasses.replace(s, root_3d=s.root_3d + np.float32(0.5)))
    assert len(found) == 1 and "px away from the 2D (median)" in found[0]


def test_frozen_frames_are_found(tmp_path, clean):
    def change(sequence: PoseSequence) -> PoseSequence:
        mixture, pose = sequence.mixture.copy(), sequence.pose_3d.copy()
        mixture[30:40], pose[30:40] = mixture[30], pose[30]
        return dataclasses.replace(sequence, mixture=mixture, pose_3d=pose)

    found = inspected(tmp_path, clean, change)
    assert [line.split(":")[0] for line in found] == ["2D", "3D"]
    assert "15% of the frames equal the one before: a frozen detector" in found[0]


def test_frames_out_of_order_are_found(tmp_path, clean):
    def change(sequence: PoseSequence) -> PoseSequence:
        frame = sequence.frame.copy()
        frame[10] = frame[9]
        return dataclasses.replace(sequence, frame=frame)

    assert "frames twice, or out of order" in inspected(tmp_path, clean, change)[0]


def test_files_that_are_there_twice_are_found(tmp_path, clean):
    shards.write(str(tmp_path), "part.parquet", "train", clean[0])
    total = DatasetStats()
    for _ in range(2):
        total.merge(measure(f"{tmp_path}/part.parquet", clean[1], None, []))
    found = findings(total)
    assert "has frame 0 twice" in found[0]
    assert "50% of the poses are there more than once" in found[1]
