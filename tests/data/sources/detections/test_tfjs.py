"""Poses of TensorFlow.js's MoveNet and PoseNet in the forms that people save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.data.sources import SOURCES, all_recognisers
from pose_diffusion.data.sources.recognise import recognise
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, people, posenet_pose, sequences, tfjs_pose, write_json

ONE = people(COCO_17)[:, 0]  # (frames, 17, 3) of one person
FRAMES = list(range(len(ONE)))


def pixels(sequence: PoseSequence) -> np.ndarray:
    """(rows, 17, 2) of a sequence."""
    return (sequence.mixture[:, :, 0, 1:3].astype(float) + [1, HEIGHT / WIDTH]) * WIDTH / 2


def read(path: Path) -> list[PoseSequence]:
    return sequences("tfjs", path, image_size=[WIDTH, HEIGHT])


def refused(folder: Path, content: object) -> str:
    write_json(folder / "clip.json", content)
    with pytest.raises(InputError) as error:
        read(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


FORMS: dict[str, Callable[[], object]] = {
    "a list of poses": lambda: [tfjs_pose(person) for person in ONE],
    "keypoints alone": lambda: [tfjs_pose(person)["keypoints"] for person in ONE],
    "lists of poses": lambda: [[tfjs_pose(person)] for person in ONE],
    "frames with poses": lambda: {"frames": [{"frame": t, "poses": [tfjs_pose(ONE[t])]} for t in reversed(FRAMES)]},
    "frames with keypoints": lambda: [{"frameNumber": t} | tfjs_pose(ONE[t]) for t in FRAMES],
    "posenet": lambda: [posenet_pose(person) for person in ONE],
    "posenet by image": lambda: {f"{t}.jpg": posenet_pose(ONE[t]) for t in FRAMES},
    "ml5": lambda: [[{"pose": posenet_pose(person) | {"nose": {"x": 1, "y": 2}}, "skeleton": []}] for person in ONE],
}


@pytest.mark.parametrize("form", FORMS)
def test_poses_of_each_form_are_recognised_and_come_back(tmp_path: Path, form: str) -> None:
    write_json(tmp_path / "clip.json", FORMS[form]())
    assert recognise(str(tmp_path), all_recognisers(), SOURCES).source == "tfjs"
    (found,) = read(tmp_path)
    assert found.frame.tolist() == FRAMES
    np.testing.assert_allclose(pixels(found), COCO_17.positions(ONE[..., :2]), atol=0.01)


@pytest.mark.parametrize("content", [tfjs_pose(ONE[0]), tfjs_pose(ONE[0])["keypoints"], [tfjs_pose(ONE[0])]])
def test_a_file_of_one_pose_is_recognised_and_is_one_frame(tmp_path: Path, content: object) -> None:
    write_json(tmp_path / "clip.json", content)
    assert recognise(str(tmp_path), all_recognisers(), SOURCES).source == "tfjs"
    (found,) = read(tmp_path)
    np.testing.assert_allclose(pixels(found), COCO_17.positions(ONE[:1, :, :2]), atol=0.01)


def test_a_list_of_poses_with_different_ids_is_the_people_of_one_picture(tmp_path: Path) -> None:
    write_json(tmp_path / "clip.json", [tfjs_pose(ONE[0], id=3), tfjs_pose(ONE[2], id=4)])
    found = read(tmp_path)
    assert [one.frame.tolist() for one in found] == [[0], [0]]


def test_a_list_of_poses_without_numbers_is_said_to_be_read_as_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_json(tmp_path / "clip.json", FORMS["a list of poses"]())
    read(tmp_path)
    assert f"a list of {len(ONE)} poses without frame numbers; each is read as a frame" in caplog.text


def test_ids_of_the_tracker_tell_people_apart_and_frames_without_poses_are_empty(tmp_path: Path) -> None:
    frames: list[object] = [[tfjs_pose(ONE[t], id=7), tfjs_pose(ONE[t] + [40, 0, 0], id=9)] for t in FRAMES]
    frames[1] = [tfjs_pose(ONE[1] + [40, 0, 0], id=9)]
    frames[2] = []
    write_json(tmp_path / "clip.json", frames)
    first, second = sorted((one.frame.tolist() for one in read(tmp_path)), key=len)
    assert (first, second) == ([0, *FRAMES[3:]], [0, 1, *FRAMES[3:]])


def test_joints_that_are_left_out_are_missing(tmp_path: Path) -> None:
    poses = [tfjs_pose(person) for person in ONE]
    poses[1]["keypoints"] = [point for point in poses[1]["keypoints"] if point["name"] != "left_wrist"]
    write_json(tmp_path / "clip.json", poses)
    (found,) = read(tmp_path)
    assert found.confidence is not None
    assert np.argwhere(found.confidence == 0).tolist() == [[1, 13]]  # the left wrist of Human3.6M's 17


POINT = {"x": 1, "y": 1, "score": 1, "name": "nose"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"frame": 1, "keypoints": [POINT]}] * 2, "frame entry 1: frame 1 is there twice, also in frame entry 0"),
        ([{"keypoints": [POINT | {"name": "left_heel"}]}], "keypoint 'left_heel', expected a name of COCO's joints such as"),
        ([{"keypoints": [POINT, POINT]}], "keypoint 'nose' is there twice"),
        ([{"keypoints": [{"part": "nose", "score": 1}]}], "keypoint 'nose': expected x and y, or a 'position' with both"),
        ([{"keypoints": [3]}], "expected keypoints with x, y, score and name, got int"),
        ([{"keypoints": [POINT], "id": "a"}], "key 'id': expected a whole number, got 'a'"),
        ([{"speed": 3}], "expected a key 'keypoints', got speed"),
        ([3], "expected a pose with 'keypoints', or a list of poses, got int"),
        ({"Tree": [{"keypoints": [POINT]}]}, "'Tree': expected a frame number or a name with one"),
        ({"1.jpg": {"keypoints": [POINT | {"x": "left"}]}}, "expected a list of 51 numbers"),
        (3, "expected a list of frames, got int"),
    ],
)
def test_json_of_another_form_is_refused(tmp_path: Path, content: object, message: str) -> None:
    assert message in refused(tmp_path, content)
