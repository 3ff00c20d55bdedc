"""Files as other programs than the one that gave a format its name write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.data.sequence import PoseSequence, Source
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import BODY_25, COCO_17, COCO_18, HALPE_26, LAYOUTS, Layout
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, flat, people, source_of, write_json

BODY_25B = LAYOUTS["body25b"]
SIZE = [WIDTH, HEIGHT]


def write_openpose(folder: Path, layout: Layout, name: str = "run_{:012d}_keypoints.json", count: int = 1) -> np.ndarray:
    """OpenPose's files of people who stand; returns what stands in them, (frames, people, J, 3)."""
    points = people(layout, frames=5, count=count)
    for number, frame in enumerate(points):
        write_json(folder / name.format(number), {"people": [{"pose_keypoints_2d": flat(person)} for person in frame]})
    return points


def write_alphapose(folder: Path, idx: list, frames: int = 5, count: int = 1) -> np.ndarray:
    """AlphaPose's results; idx: that of each entry, frame by frame."""
    points = people(COCO_17, frames, count)
    entries = [
        {"image_id": f"{number}.jpg", "category_id": 1, "keypoints": flat(person), "score": 2.9}
        for number, frame in enumerate(points)
        for person in frame
    ]
    write_json(folder / "alphapose-results.json", [entry | {"idx": one} for entry, one in zip(entries, idx, strict=True)])
    return points


def pixels(sequence: PoseSequence) -> np.ndarray:
    return (sequence.mixture[:, :, 0, 1:3] + [1, HEIGHT / WIDTH]) * WIDTH / 2


def assert_read_as(source: Source, layout: Layout, points: np.ndarray) -> None:
    """One person, all of whose frames are where the layout has them."""
    (sequence,) = source.sequences
    assert source.description["layouts"] == [layout.name]
    np.testing.assert_allclose(pixels(sequence.load()), layout.positions(points[..., :2]), atol=0.01)


@pytest.mark.parametrize("layout", [BODY_25, BODY_25B, COCO_18, HALPE_26, COCO_17], ids=lambda layout: layout.name)
def test_the_joints_are_told_by_their_number_and_by_the_poses(tmp_path: Path, layout: Layout) -> None:
    points = write_openpose(tmp_path, layout)
    assert_read_as(source_of("openpose", tmp_path, image_size=SIZE), layout, points[:, 0])


def test_people_cut_at_the_waist_tell_their_layout_by_the_face(tmp_path: Path) -> None:
    for layout in (BODY_25, BODY_25B):
        points = people(layout, frames=3, count=1)
        hidden = [
            number for number, joint in enumerate(layout.joints) if joint.split()[-1] in ("hip", "knee", "ankle", "toe", "heel")
        ]
        points[:, :, hidden] = 0
        for number, frame in enumerate(points):
            found = [{"pose_keypoints_2d": flat(frame[0])}]
            write_json(tmp_path / layout.name / f"{number}_keypoints.json", {"people": found})
        assert source_of("openpose", tmp_path / layout.name, image_size=SIZE).description["layouts"] == [layout.name]


def test_poses_that_do_not_tell_their_layout_are_refused_with_the_choices(tmp_path: Path) -> None:
    place = np.random.default_rng(0).uniform(100, 400, (4, 25, 2)).round(1)
    for number, frame in enumerate(place):
        keypoints = flat(np.concatenate([frame, np.ones((25, 1))], 1))
        write_json(tmp_path / f"{number}_keypoints.json", {"people": [{"pose_keypoints_2d": keypoints}]})
    with pytest.raises(InputError, match=r"body25 or body25b, and the poses do not tell which; set 'openpose\.layout'"):
        source_of("openpose", tmp_path, image_size=SIZE)
    assert source_of("openpose", tmp_path, image_size=SIZE, layout="body25b").description["layouts"] == ["body25b"]


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("cam01_{:06d}.json", "cam01"),  # Pose2Sim, Sports2D
        ("cam01.{:04d}.json", "cam01"),
        ("{:03d}.json", "video"),
        ("{}_keypoints.json", "video"),
        ("Shot-2_{:05d}_Keypoints.JSON", "Shot-2"),
    ],
)
def test_any_file_name_with_a_frame_number_is_read_in_the_order_of_frames(tmp_path: Path, name: str, action: str) -> None:
    points = write_openpose(tmp_path, HALPE_26, name)
    source = source_of("openpose", tmp_path, image_size=SIZE)
    assert source.sequences[0].action == action
    assert_read_as(source, HALPE_26, points[:, 0])


def test_a_file_without_a_number_is_an_image(tmp_path: Path) -> None:
    points = write_openpose(tmp_path, COCO_18)
    (tmp_path / "run_000000000000_keypoints.json").rename(tmp_path / "portrait_keypoints.json")
    by_action = {one.action: one for one in source_of("openpose", tmp_path, image_size=SIZE).sequences}
    assert by_action["portrait"].rows == 1 and by_action["run"].rows == 4
    np.testing.assert_allclose(pixels(by_action["portrait"].load())[0], COCO_18.positions(points[0, 0, :, :2]), atol=0.01)


def test_pairs_without_a_confidence_are_certain_but_at_the_corner(tmp_path: Path) -> None:
    points = people(BODY_25, frames=3, count=1)
    points[1, 0, BODY_25.joints.index("left knee")] = 0
    for number, frame in enumerate(points):
        write_json(tmp_path / f"{number}.json", {"people": [{"pose_keypoints_2d": flat(frame[0, :, :2])}]})
    source = source_of("openpose", tmp_path, image_size=SIZE)
    sequence = source.sequences[0].load()
    assert source.description["counts"]["joints_missing"] == 1
    assert sequence.confidence is not None and sequence.confidence[1, 5] == 0
    assert set(np.delete(sequence.confidence.ravel(), 17 + 5)) == {1.0}


def test_a_person_without_joints_is_nobody(tmp_path: Path) -> None:
    write_openpose(tmp_path, BODY_25)
    for number, found in ((7, [{}]), (8, []), (9, [{"pose_keypoints_2d": []}]), (10, [{"pose_keypoints_2d": None}])):
        write_json(tmp_path / f"run_{number:012d}_keypoints.json", {"people": found})
    source = source_of("openpose", tmp_path, image_size=SIZE)
    assert [one.rows for one in source.sequences] == [5]
    assert source.description["counts"]["frames_without_person"] == 4


def test_where_some_files_are_named_as_openpose_names_them_the_others_are_left_alone(tmp_path: Path) -> None:
    write_openpose(tmp_path, BODY_25)
    write_json(tmp_path / "settings_1.json", {"model": "BODY_25"})
    assert [one.rows for one in source_of("openpose", tmp_path, image_size=SIZE).sequences] == [5]


def test_another_number_of_joints_is_refused_with_the_layout_that_has_it(tmp_path: Path) -> None:
    write_openpose(tmp_path, LAYOUTS["aic14"])
    with pytest.raises(
        InputError, match=r"14 joints a person, expected 25 .*; aic14 or crowdpose14 has as many: 'openpose\.layout=aic14'"
    ):
        source_of("openpose", tmp_path, image_size=SIZE)


def test_joints_of_two_models_in_one_recording_are_refused_with_both_places(tmp_path: Path) -> None:
    write_openpose(tmp_path, BODY_25B, "cam1.{:04d}.json", count=2)
    person = flat(people(HALPE_26, 1, 1)[0, 0])
    write_json(tmp_path / "cam1.0003.json", {"people": [{"pose_keypoints_2d": person}]})
    told = r"cam1\.0003\.json: people\[0\]: 78 numbers, but 75 at cam1\.0000\.json: people\[0\]: .*keep the files of one"
    with pytest.raises(InputError, match=told):
        source_of("openpose", tmp_path, image_size=SIZE)


def test_a_layout_of_another_number_than_the_files_is_refused(tmp_path: Path) -> None:
    write_openpose(tmp_path, BODY_25)
    with pytest.raises(InputError, match=r"25 joints a person, 'openpose\.layout' is halpe26 with 26"):
        source_of("openpose", tmp_path, image_size=SIZE, layout="halpe26")


@pytest.mark.parametrize("value", [[0.0], 0.0, [[0.0]]])
def test_alphapose_without_tracking_has_people_followed(tmp_path: Path, value: object) -> None:
    write_alphapose(tmp_path, [value] * 10, count=2)
    assert sorted(one.rows for one in source_of("alphapose", tmp_path, image_size=SIZE).sequences) == [5, 5]


def test_proposals_that_alphapose_has_merged_tell_nobody_apart(tmp_path: Path) -> None:
    write_alphapose(tmp_path, [[0.0], [[0.0], [0.0]], [0.0], [[0.0], [0.0], [0.0]], [0.0]])
    assert [one.rows for one in source_of("alphapose", tmp_path, image_size=SIZE).sequences] == [5]


def test_ids_that_alphapose_has_tracked_are_kept(tmp_path: Path) -> None:
    write_alphapose(tmp_path, [[[7.0]], [[3.0]]] * 5, count=2)
    found = source_of("alphapose", tmp_path, image_size=SIZE).sequences
    assert [(one.subject, one.rows) for one in found] == [("person 3", 5), ("person 7", 5)]


@pytest.mark.parametrize("value", ["one", [[1.5]], [], None, True, {"id": 1}])
def test_an_idx_that_is_no_number_is_refused(tmp_path: Path, value: object) -> None:
    write_alphapose(tmp_path, [0, value, 0, 0, 0])
    with pytest.raises(InputError, match=r"entry 1: idx: expected (a )?whole number"):
        source_of("alphapose", tmp_path, image_size=SIZE)


@pytest.mark.parametrize(("key", "numbers"), [("people", "pose_keypoints_2d"), ("bodies", "joints")])
def test_alphaposes_other_formats_are_read(tmp_path: Path, key: str, numbers: str) -> None:
    points = people(COCO_18, frames=4, count=1)
    images = {f"{number}.jpg": {"version": "v0.3", key: [{numbers: flat(frame[0])}]} for number, frame in enumerate(points)}
    (tmp_path / "alphapose-results.json").write_text(json.dumps(images))
    assert_read_as(source_of("alphapose", tmp_path, image_size=SIZE), COCO_18, points[:, 0])


def test_a_mapping_that_is_none_of_alphaposes_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"version": 1.0, "people": []})
    with pytest.raises(InputError, match=r"expected AlphaPose's list of \{image_id, keypoints, score\}, got dict"):
        source_of("alphapose", tmp_path, image_size=SIZE)
