"""YOLO's label files and JSON, as Ultralytics writes them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.data.sources.detections import yolo
from pose_diffusion.data.sources.sample import look
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, COCO_18, LAYOUTS
from pose_diffusion.geometry.skeleton import JOINTS
from tests.data.sources.detections.archive_files import (
    HEIGHT,
    WIDTH,
    label_line,
    people,
    sequences,
    source_of,
    write_json,
    yolo_labels,
    yolo_people,
)

SIZE = [WIDTH, HEIGHT]
ONE = people(COCO_17, frames=4, count=1)
TWO = people(COCO_17, frames=4)


def write(folder: Path, **lines: list[str]) -> Path:
    for name, of_it in lines.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in of_it))
    return folder


def pixels(sequence: PoseSequence) -> np.ndarray:
    """(frames, 17, 2) in pixels."""
    return (sequence.mixture[:, :, 0, 1:3] + [1, sequence.height / sequence.width]) * sequence.width / 2


def refused(folder: Path, **settings: object) -> str:
    with pytest.raises(InputError) as error:
        sequences("yolo", folder, **{"image_size": SIZE, **settings})
    assert "\n" not in str(error.value)
    return str(error.value)


def test_labels_of_a_video_are_people_in_pixels_in_the_order_of_frames(tmp_path: Path) -> None:
    points = people(COCO_17, frames=11)
    points[2, 0, 14, :2] = 0  # an unseen right knee keeps its confidence
    for t, frame in enumerate(points):
        write(tmp_path, **{f"walk_{t + 1}": [label_line(person) for person in frame]})
    one, other = sequences("yolo", tmp_path, image_size=SIZE)
    assert (one.action, one.frame.tolist()) == ("walk", list(range(1, 12)))
    np.testing.assert_allclose(pixels(one)[:, JOINTS.index("LHip")], points[:, 0, 11, :2], atol=0.01)
    np.testing.assert_allclose(pixels(other)[:, JOINTS.index("RWrist")], points[:, 1, 10, :2], atol=0.01)
    assert np.argwhere(one.confidence == 0).tolist() == [[2, JOINTS.index("RKnee")]]


@pytest.mark.parametrize("confidence", [True, False])
def test_joints_with_and_without_visibility_are_read(tmp_path: Path, confidence: bool) -> None:
    write(tmp_path, v_1=[label_line(ONE[0, 0], confidence=confidence)])
    (found,) = sequences("yolo", tmp_path, image_size=SIZE)
    expected = COCO_17.confidence(ONE[:1, 0, :, 2]) if confidence else np.ones((1, 17))
    np.testing.assert_allclose(found.confidence, expected, rtol=1e-5)


@pytest.mark.parametrize("rest", [(7,), (0.83, 7)])
def test_a_track_id_at_the_end_tells_people_apart(tmp_path: Path, rest: tuple) -> None:
    for t, frame in enumerate(TWO):
        order = (0, 1) if t % 2 else (1, 0)
        write(tmp_path, **{f"v_{t}": [label_line(frame[n], *rest[:-1], rest[-1] + n) for n in order]})
    found = sequences("yolo", tmp_path, image_size=SIZE)
    assert [clip.subject for clip in found] == ["person track 7", "person track 8"]
    np.testing.assert_allclose(pixels(found[1])[:, JOINTS.index("LKnee")], TWO[:, 1, 13, :2], atol=0.01)


def test_a_single_track_id_of_one_is_no_confidence(tmp_path: Path) -> None:
    write(tmp_path, v_1=[label_line(ONE[0, 0], 1)], v_2=[label_line(ONE[1, 0], 1)])
    assert [clip.subject for clip in sequences("yolo", tmp_path, image_size=SIZE)] == ["person track 1"]


def test_a_boxs_confidence_is_no_track_id(tmp_path: Path) -> None:
    write(tmp_path, v_1=[label_line(ONE[0, 0], 1)], v_2=[label_line(ONE[1, 0], 0.91)])
    assert [clip.subject for clip in sequences("yolo", tmp_path, image_size=SIZE)] == ["person 0"]


def test_people_are_followed_where_some_have_no_track_id(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, v_1=[label_line(ONE[0, 0])], v_2=[label_line(ONE[1, 0], 4)])
    (found,) = sequences("yolo", tmp_path, image_size=SIZE)
    assert found.subject == "person 0"
    assert "1 of 2 people have no track id" in caplog.text


def test_lines_that_a_second_run_has_appended_are_read_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    write(tmp_path, image0=2 * [label_line(ONE[0, 0])])
    (found,) = sequences("yolo", tmp_path, image_size=SIZE)
    assert (found.action, found.frame.tolist()) == ("image", [0])
    assert not caplog.text


def test_frames_that_were_appended_to_one_file_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, image0=[label_line(ONE[0, 0]), label_line(ONE[0, 0] + [1, 1, 0])])
    sequences("yolo", tmp_path, image_size=SIZE, tracking=False)
    assert "image0.txt has two people in one place; predict appends" in caplog.text


def test_frames_that_were_appended_with_track_ids_are_refused(tmp_path: Path) -> None:
    write(tmp_path, image0=[label_line(frame[0], 3) for frame in ONE])
    assert "image0.txt: track 3 is there 4 times; predict appends" in refused(tmp_path)


def test_an_empty_file_among_others_is_a_frame_without_a_person(tmp_path: Path) -> None:
    write(tmp_path, v_1=[label_line(ONE[0, 0])], v_2=[], v_3=[label_line(ONE[2, 0])])
    source = source_of("yolo", tmp_path, image_size=SIZE)
    assert source.description["counts"]["frames_without_person"] == 1
    assert source.sequences[0].load().frame.tolist() == [1, 3]


def test_only_folders_named_labels_are_read_where_there_are_some(tmp_path: Path) -> None:
    yolo_labels(tmp_path, TWO)
    write(tmp_path, classes=["person"], other=["1 2 3"])
    assert [clip.action for clip in sequences("yolo", tmp_path, image_size=SIZE)] == ["clip", "clip"]


def test_another_number_of_joints_is_refused_with_the_layout_that_has_it(tmp_path: Path) -> None:
    layout = LAYOUTS["halpe26"]
    person = people(layout, frames=1, count=1)[0, 0]
    write(tmp_path, v_1=[label_line(person)])
    assert "halpe26 has as many: 'yolo.layout=halpe26'" in refused(tmp_path)
    (found,) = sequences("yolo", tmp_path, image_size=SIZE, layout="halpe26")
    np.testing.assert_allclose(pixels(found)[0], layout.positions(person[:, :2]), atol=0.01)


def test_pairs_of_another_layout_are_no_triples_of_coco(tmp_path: Path) -> None:
    """26 pairs are 52 numbers, as are 17 triples and a confidence."""
    write(tmp_path, v_1=[label_line(people(LAYOUTS["halpe26"], frames=1, count=1)[0, 0], confidence=False)])
    assert "joints lie in their boxes, read as 17 joints of 3 numbers, 1 more; set 'yolo.layout'" in refused(tmp_path)


GOOD = label_line(ONE[0, 0]).split()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2 0.4", "v_1.txt: line 1: 5 numbers, a box without keypoints; .*give the labels of a pose model"),
        ("0 0.5 0.5", "v_1.txt: line 1: 3 numbers, no label of a pose model"),
        (" ".join(GOOD[:-1]), "v_1.txt: line 1: 55 numbers, expected 5 and 3 or 2 for each of 17 joints"),
        (" ".join([*GOOD[:9], "left", *GOOD[10:]]), "v_1.txt: line 1: expected numbers alone"),
        (" ".join([*GOOD[:8], "nan", *GOOD[9:]]), "frame 1, person 0: a coordinate or confidence is not a finite number"),
        (" ".join(["0", "320", "240", "100", "300", *GOOD[5:]]), "line 1: a box .*expected shares of the image"),
        (" ".join([*GOOD, "3.5"]), "line 1: 3.5 behind the joints, expected a confidence"),
        (" ".join([*GOOD, "0.5", "2.5"]), "line 1: 2.5 at the end, expected a track id"),
        (" ".join([*GOOD, "0.5", "2", "1", "0"]), "line 1: 60 numbers, expected"),
        ("hello", "v_1.txt: line 1: expected numbers alone"),
    ],
)
def test_a_line_that_is_no_label_is_refused(tmp_path: Path, line: str, message: str) -> None:
    write(tmp_path, v_1=[line])
    with pytest.raises(InputError, match=message):
        sequences("yolo", tmp_path, image_size=SIZE)


def test_lines_of_two_models_are_refused(tmp_path: Path) -> None:
    write(tmp_path, v_1=[label_line(ONE[0, 0])], v_2=[label_line(people(COCO_18, frames=1, count=1)[0, 0])])
    assert "v_2.txt: line 1: 59 numbers, where" in refused(tmp_path)


def test_a_frame_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, v_1=[label_line(ONE[0, 0])], v_01=[label_line(ONE[0, 0])])
    assert "frame 1 is there twice" in refused(tmp_path)


def test_shares_in_json_are_told_by_their_values(tmp_path: Path) -> None:
    shares = ONE / [WIDTH, HEIGHT, 1]
    write_json(tmp_path / "v.json", [yolo_people(frame) for frame in shares])
    (found,) = sequences("yolo", tmp_path, image_size=SIZE)
    np.testing.assert_allclose(pixels(found)[:, JOINTS.index("LHip")], ONE[:, 0, 11, :2], atol=0.01)


def test_what_to_json_returned_may_be_kept_as_text(tmp_path: Path) -> None:
    write_json(tmp_path / "v.json", [json.dumps(yolo_people(frame)) for frame in ONE])
    (found,) = sequences("yolo", tmp_path, image_size=SIZE)
    np.testing.assert_allclose(pixels(found)[:, JOINTS.index("LHip")], ONE[:, 0, 11, :2], atol=0.01)


def test_a_json_file_a_frame_is_a_video_by_its_name(tmp_path: Path) -> None:
    for t, frame in enumerate(TWO):
        write_json(tmp_path / f"walk_{t}.json", yolo_people(frame) if t != 2 else [])
    source = source_of("yolo", tmp_path, image_size=SIZE)
    assert [(clip.action, clip.rows) for clip in source.sequences] == [("walk", 3), ("walk", 3)]
    assert source.description["counts"]["frames_without_person"] == 1


def test_json_videos_with_numbers_in_their_names_are_two_recordings(tmp_path: Path) -> None:
    for number in (1, 2):
        write_json(tmp_path / f"cam_{number}.json", [yolo_people(frame) for frame in ONE])
    assert [(c.action, c.rows) for c in source_of("yolo", tmp_path, image_size=SIZE).sequences] == [("cam_1", 4), ("cam_2", 4)]


def test_track_ids_in_json_tell_people_apart(tmp_path: Path) -> None:
    frames = [[yolo_people(frame[n : n + 1], track_id=5 + n)[0] for n in (1, 0)] for frame in TWO]
    write_json(tmp_path / "v.json", frames)
    found = sequences("yolo", tmp_path, image_size=SIZE)
    assert [clip.subject for clip in found] == ["person track 5", "person track 6"]
    np.testing.assert_allclose(pixels(found[0])[:, JOINTS.index("LHip")], TWO[:, 0, 11, :2], atol=0.01)


def test_a_track_that_is_in_a_frame_twice_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "v.json", [yolo_people(TWO[0], track_id=5)])
    assert "frame 0 has person track 5 twice" in refused(tmp_path)


def _changed(**changes: object) -> list:
    return [[yolo_people(ONE[0])[0] | changes]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([[{"name": "person", "class": 0, "box": {}}]], "frame 0, person 0: expected a key 'keypoints'"),
        (_changed(keypoints=[1, 2, 3]), "key 'keypoints': expected dict, got list"),
        (_changed(keypoints={"x": [1.0, 2.0], "y": [1.0]}), "keypoints x, y, visible: expected a list of 2 numbers"),
        (_changed(keypoints={"x": ["left"], "y": [1.0]}), "keypoints x, y, visible: expected a list of 1 numbers"),
        (_changed(track_id="anna"), "key 'track_id': expected a whole number, got 'anna'"),
        ({"frames": []}, "expected a list of people, or of frames with people, got dict"),
        ([[], [7]], "frame 1, person 0: expected a key 'keypoints', got int"),
        ([], "no person in any frame"),
        (["[{"], "v.json: not JSON, line 1"),
        (["[\ud800]"], "v.json: not JSON, line 1"),
    ],
)
def test_json_of_another_form_is_refused(tmp_path: Path, content: object, message: str) -> None:
    write_json(tmp_path / "v.json", content)
    with pytest.raises(InputError, match=message):
        sequences("yolo", tmp_path, image_size=SIZE)


def test_json_people_of_different_models_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "v.json", [yolo_people(ONE[0]), yolo_people(people(COCO_18, frames=1, count=1)[0])])
    assert "people of 17 and 18 keypoints; expected one model's" in refused(tmp_path)


def test_texts_that_are_no_json_are_not_recognised(tmp_path: Path) -> None:
    write_json(tmp_path / "v.json", ["[1] a note", "[2"])
    assert yolo.recognise(look(str(tmp_path / "v.json"))) is None
