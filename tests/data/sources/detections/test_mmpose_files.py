"""MMPose's files of several versions, and those of its demos that hold no 2D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, H36M_17, LAYOUTS
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, people, source_of, write_json

SIZE = [WIDTH, HEIGHT]


def read(folder: Path, content: object, name: str = "clip.json") -> list[PoseSequence]:
    write_json(folder / name, content)
    return [one.load() for one in source_of("mmpose", folder / name, image_size=SIZE).sequences]


def pixels(sequence: PoseSequence) -> np.ndarray:
    return (sequence.mixture[:, :, 0, 1:3] + [1, HEIGHT / WIDTH]) * WIDTH / 2


def pose_results(points: np.ndarray, **more: object) -> list[list[dict]]:
    """MMPose 0.x: a list of people for each frame."""
    return [[{"keypoints": person.tolist(), "bbox": [0, 0, 9, 9, 0.9], **more} for person in frame] for frame in points]


def demo(frames: list[list[dict]], joints: list[str], dataset: str) -> dict:
    names = {str(number): joint for number, joint in enumerate(joints)}
    info = [{"frame_id": number + 1, "instances": instances} for number, instances in enumerate(frames)]
    return {"meta_info": {"dataset_name": dataset, "keypoint_id2name": names}, "instance_info": info}


def instances(frame: np.ndarray) -> list[dict]:
    return [{"keypoints": person[:, :2].tolist(), "keypoint_scores": person[:, 2].tolist()} for person in frame]


def test_pose_results_of_version_0_are_a_list_of_people_for_each_frame(tmp_path: Path) -> None:
    points = people(COCO_17, 4, 1)
    content = pose_results(points)
    content.insert(1, [])
    (sequence,) = read(tmp_path, content)
    assert sequence.frame.tolist() == [0, 2, 3, 4] and sequence.confidence is not None
    np.testing.assert_allclose(pixels(sequence), COCO_17.positions(points[:, 0, :, :2]), atol=0.01)
    np.testing.assert_allclose(sequence.confidence, COCO_17.confidence(points[:, 0, :, 2]), rtol=1e-6)


def test_tracks_of_pose_results_are_kept(tmp_path: Path) -> None:
    assert [one.subject for one in read(tmp_path, pose_results(people(COCO_17, 4, 1), track_id=6))] == ["person 6"]


def test_pose_results_of_points_without_scores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"frame entry 0: instance 0: expected a key 'keypoint_scores' beside keypoints of two"
    ):
        read(tmp_path, pose_results(people(COCO_17, 2, 1)[..., :2]))


@pytest.mark.parametrize("named", [True, False])
def test_results_of_the_body3d_demo_are_refused_as_3d(tmp_path: Path, named: bool) -> None:
    metres = np.random.default_rng(0).normal(0, 0.4, (2, 1, 17, 3))
    frames = [[{"keypoints": frame[0].tolist(), "keypoint_scores": [1.0] * 17}] for frame in metres]
    content = demo(frames, list(H36M_17.joints), "h36m")
    with pytest.raises(InputError, match=r"clip\.json: frame entry 0: instance 0: .* 3D results in metres, of MMPose's body3d"):
        read(tmp_path, content if named else content["instance_info"])


@pytest.mark.parametrize(
    ("keypoints", "told"),
    [
        ([{"x": 1, "y": 2, "name": "nose"}] * 17, r"expected 17 pairs x, y, got 17 items \(dict\)"),
        ([[1, 2]] * 16, "expected 17 pairs x, y, got 16 items"),
        ([[1, 2]] * 16 + [[1]], "expected 17 pairs x, y, got 17 items"),
    ],
)
def test_keypoints_of_another_form_are_refused_with_their_place(tmp_path: Path, keypoints: list, told: str) -> None:
    content = demo([instances(frame) for frame in people(COCO_17, 2, 1)], list(COCO_17.joints), "coco")
    content["instance_info"][1]["instances"][0]["keypoints"] = keypoints
    with pytest.raises(InputError, match=rf"frame entry 1: instance 0: keypoints: {told}"):
        read(tmp_path, content)


@pytest.mark.parametrize(("name", "top"), [("crowdpose14", "top_head"), ("aic14", "head_top"), ("mpii16", "head_top")])
def test_models_trained_on_other_data_sets_are_told_by_their_joint_names(tmp_path: Path, name: str, top: str) -> None:
    layout, points = LAYOUTS[name], people(LAYOUTS[name], 3, 1)
    joints = [top if joint == "head top" else joint.replace(" ", "_") for joint in layout.joints]
    (sequence,) = read(tmp_path, demo([instances(frame) for frame in points], joints, name))
    np.testing.assert_allclose(pixels(sequence), layout.positions(points[:, 0, :, :2]), atol=0.01)


def test_human36m_is_read_in_the_order_of_its_joints_whatever_their_names(tmp_path: Path) -> None:
    points = people(H36M_17, 2, 1)
    joints = ["root", "right_hip", *(f"joint {number}" for number in range(2, 17))]
    (sequence,) = read(tmp_path, demo([instances(frame) for frame in points], joints, "h36m"))
    np.testing.assert_allclose(pixels(sequence), points[:, 0, :, :2], atol=0.01)


def test_an_image_without_a_number_is_a_recording_of_its_own(tmp_path: Path) -> None:
    points = people(COCO_17, 3, 1)
    for name, frame in zip(("portrait.json", "run_4.json", "run_5.json"), points, strict=True):
        write_json(tmp_path / name, instances(frame))
    found = source_of("mmpose", tmp_path, image_size=SIZE).sequences
    assert sorted(one.load().frame.tolist() for one in found) == [[0], [4, 5]]
    assert {one.action for one in found if one.rows == 1} == {"portrait"}
