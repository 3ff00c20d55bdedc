"""MediaPipe's landmarks in the tables and JSON that people write, and landmarks that it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.data.sources import SOURCES, all_recognisers
from pose_diffusion.data.sources.recognise import recognise
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, MEDIAPIPE_33
from pose_diffusion.geometry.skeleton import JOINTS
from tests.data.sources.detections.archive_files import (
    HEIGHT,
    WIDTH,
    mediapipe_long_table,
    people,
    sequences,
    source_of,
    write_csv,
    write_json,
)

SIZE = [WIDTH, HEIGHT]
NAMES = [joint.replace(" ", "_") for joint in MEDIAPIPE_33.joints]
ONE = people(MEDIAPIPE_33, frames=5, count=1)[:, 0]  # (5, 33, 3)
SHARES = ONE / [WIDTH, HEIGHT, 1]
LEGS = range(25, 33)


def pixels(sequence: PoseSequence) -> np.ndarray:
    return (sequence.mixture[:, :, 0, 1:3] + [1, sequence.height / sequence.width]) * sequence.width / 2


def one(folder: Path, **settings: object) -> PoseSequence:
    (found,) = sequences("mediapipe", folder, **{"image_size": SIZE, **settings})
    return found


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        sequences("mediapipe", folder, image_size=SIZE)
    assert "\n" not in str(error.value)
    return str(error.value)


def table(folder: Path, names: list[str], values: np.ndarray = SHARES, front: dict | None = None, delimiter: str = ",") -> Path:
    """A row a frame. names: of each landmark's axes, such as '{name}_x', '{number}_y'. front: further columns."""
    axes = {"x": 0, "y": 1, "z": 0, "v": 2}
    columns = {
        form.format(name=name, NAME=name.upper(), number=number, next=number + 1): values[:, number, axes[axis]]
        for number, name in enumerate(NAMES)
        for form, axis in zip(names, "xyzv" if len(names) == 4 else "xyv" if len(names) == 3 else "xy", strict=True)
    }
    columns = {**(front or {}), **columns}
    write_csv(folder / "clip.csv", list(columns), list(zip(*columns.values(), strict=True)), delimiter)
    return folder / "clip.csv"


FRAME = {"frame": [3, 4, 5, 8, 9]}
FORMS = {
    "named": ["{name}_x", "{name}_y", "{name}_z", "{name}_visibility"],
    "capitals": ["{NAME}_x", "{NAME}_y", "{NAME}_z", "{NAME}_v"],
    "dots": ["{name}.x", "{name}.y", "{name}.z", "{name}.score"],
    "numbered": ["landmark_{number}_x", "landmark_{number}_y", "landmark_{number}_visibility"],
    "from 0": ["x{number}", "y{number}"],
    "from 1": ["x{next}", "y{next}", "z{next}", "v{next}"],
    "number last": ["x_{number}", "y_{number}"],
}


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_each_layout_are_landmarks(tmp_path: Path, form: str) -> None:
    table(tmp_path, FORMS[form], front={"label": ["walk"] * 5, **FRAME})
    found = one(tmp_path)
    assert found.frame.tolist() == FRAME["frame"]
    np.testing.assert_allclose(pixels(found), MEDIAPIPE_33.positions(ONE[..., :2]), atol=0.01)
    confidence = np.ones((5, 33)) if len(FORMS[form]) == 2 else ONE[..., 2]
    np.testing.assert_allclose(found.confidence, MEDIAPIPE_33.confidence(confidence), rtol=1e-5)


def test_plain_numbers_as_columns_are_x_y_z_and_visibility(tmp_path: Path) -> None:
    values = np.concatenate([SHARES[..., :2], np.zeros((5, 33, 1)), SHARES[..., 2:]], 2).reshape(5, -1)
    write_csv(tmp_path / "clip.csv", [*map(str, range(132)), "label"], [[*row, "walk"] for row in values.tolist()])
    np.testing.assert_allclose(pixels(one(tmp_path)), MEDIAPIPE_33.positions(ONE[..., :2]), atol=0.01)


def test_of_holistics_501_landmarks_the_33_of_the_pose_are_read(tmp_path: Path) -> None:
    values = np.concatenate([SHARES, np.full((5, 468, 3), 0.3)], 1)
    header = ["class", *(f"{axis}{n}" for n in range(1, 502) for axis in "xyv")]
    write_csv(tmp_path / "clip.csv", header, [["wave", *row] for row in values.reshape(5, -1).tolist()])
    np.testing.assert_allclose(pixels(one(tmp_path)), MEDIAPIPE_33.positions(ONE[..., :2]), atol=0.01)


def test_rows_without_a_frame_are_consecutive_frames_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table(tmp_path, FORMS["from 1"])
    assert one(tmp_path).frame.tolist() == [0, 1, 2, 3, 4]
    assert "rows are read as consecutive frames of one video" in caplog.text


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_separate_columns_too(tmp_path: Path, delimiter: str) -> None:
    table(tmp_path, FORMS["capitals"], front=FRAME, delimiter=delimiter)
    np.testing.assert_allclose(pixels(one(tmp_path)), MEDIAPIPE_33.positions(ONE[..., :2]), atol=0.01)


@pytest.mark.parametrize("form", ["named", "numbered"])
def test_pixels_are_told_by_their_values(tmp_path: Path, form: str) -> None:
    table(tmp_path, FORMS[form], values=ONE, front=FRAME)
    np.testing.assert_allclose(pixels(one(tmp_path)), MEDIAPIPE_33.positions(ONE[..., :2]), atol=0.01)


@pytest.mark.parametrize("nobody", ["", 0.0])
def test_rows_of_empty_cells_or_zeros_are_frames_without_a_person(tmp_path: Path, nobody: object) -> None:
    path = table(tmp_path, FORMS["named"], front=FRAME)
    lines = path.read_text().splitlines()
    lines[2] = ",".join(["4", *[str(nobody)] * 132])
    path.write_text("\n".join(lines))
    source = source_of("mediapipe", tmp_path, image_size=SIZE)
    assert source.description["counts"]["frames_without_person"] == 1
    assert source.sequences[0].load().frame.tolist() == [3, 5, 8, 9]


def test_an_empty_cell_is_a_missing_joint(tmp_path: Path) -> None:
    values = SHARES.copy()
    values[1, 15, 0] = np.nan
    table(tmp_path, FORMS["named"], values=values, front=FRAME)
    assert np.argwhere(one(tmp_path).confidence == 0).tolist() == [[1, JOINTS.index("LWrist")]]


def test_a_row_a_landmark_may_name_it_and_leave_some_out(tmp_path: Path) -> None:
    rows = [[t, name, *SHARES[t, n].tolist()] for t in range(5) for n, name in enumerate(NAMES) if (t, n) != (2, 13)]
    write_csv(tmp_path / "clip.csv", ["frame", "landmark_name", "x", "y", "visibility"], rows)
    found = one(tmp_path)
    assert np.argwhere(found.confidence == 0).tolist() == [[2, JOINTS.index("LElbow")]]
    np.testing.assert_allclose(pixels(found)[0], MEDIAPIPE_33.positions(ONE[0, :, :2]), atol=0.01)


def test_a_row_a_landmark_without_frame_and_number_is_33_rows_a_frame(tmp_path: Path) -> None:
    write_csv(tmp_path / "clip.csv", ["Landmark_X", "Landmark_Y", "Landmark_Z"], ONE.reshape(-1, 3).tolist())
    np.testing.assert_allclose(pixels(one(tmp_path)), MEDIAPIPE_33.positions(ONE[..., :2]), atol=0.01)
    write_csv(tmp_path / "clip.csv", ["Landmark_X", "Landmark_Y", "Landmark_Z"], ONE.reshape(-1, 3)[:-1].tolist())
    assert "164 rows of a landmark each and no column with the frame's number; expected 33 rows a frame" in refused(tmp_path)


def test_videos_and_sizes_in_columns_are_used(tmp_path: Path) -> None:
    table(tmp_path, FORMS["named"], front={**FRAME, "video": list("aabbb"), "width": [WIDTH] * 5, "height": [HEIGHT] * 5})
    assert [(clip.action, len(clip.frame)) for clip in sequences("mediapipe", tmp_path)] == [("a", 2), ("b", 3)]


def test_images_in_a_column_are_frames_by_their_numbers(tmp_path: Path) -> None:
    table(tmp_path, FORMS["from 0"], front={"filename": [f"{n:04}.jpg" for n in (2, 4, 6, 8, 9)]})
    assert one(tmp_path).frame.tolist() == [2, 4, 6, 8, 9]
    table(tmp_path, FORMS["from 0"], front={"filename": ["a1.jpg", "b1.jpg", "a2.jpg", "a3.jpg", "a4.jpg"]})
    assert "column 'filename': two names have the number of 'a1.jpg'; add a column 'frame'" in refused(tmp_path)
    table(tmp_path, FORMS["from 0"], front={"filename": ["1.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]})
    assert "image '1.jpg' is there twice" in refused(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3,", "3.5,", "row 0, column 'frame': expected a whole number"),
        ("3,", ",", "row 0, column 'frame': expected a whole number"),
        ("3,", "3,seen,", "not a table"),
        ("3,", "three,", "column 'frame': expected numbers, got string 'three'"),
        ("nose_x", "left_hip_x", "column 'left_hip_x' is there twice"),
        ("nose_x", "head_x", "columns frame, head_x, nose_y, .* and 125 more; expected nose_x, .*; rename them"),
        ("mouth_left_visibility", "mouth_left_seen", "columns frame, .*expected nose_x"),
    ],
)
def test_a_table_with_a_bad_row_or_column_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = table(tmp_path, FORMS["named"], front=FRAME)
    text = path.read_text()
    head, rows = text.split("\n", 1)
    path.write_text(head.replace(old, new, 1) + "\n" + rows if old in head else head + "\n" + rows.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        one(tmp_path)


def test_text_among_the_coordinates_is_refused_with_its_column(tmp_path: Path) -> None:
    path = table(tmp_path, FORMS["named"], front=FRAME)
    path.write_text(path.read_text().replace(str(SHARES[2, 11, 1]), "left", 1))
    assert "column 'left_shoulder_y': expected numbers, got string 'left'" in refused(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0, "p0", 33, 0.1, 0.2, 0, 1], "row 66, column 'Landmark_ID': '33', expected 0 to 32 or a name"),
        ([0, "p0", "tail", 0.1, 0.2, 0, 1], "column 'Landmark_ID': 'tail', expected 0 to 32 or a name"),
        ([0, "p0", 23, 0.1, 0.2, 0, 1], "frame 0 has the landmark left hip twice; .*a column 'person'"),
        ([1.5, "p0", 23, 0.1, 0.2, 0, 1], "row 66, column 'Frame': expected a whole number"),
    ],
)
def test_a_landmark_that_does_not_fit_is_refused(tmp_path: Path, row: list, message: str) -> None:
    mediapipe_long_table(tmp_path, ONE[:2, None])
    with (tmp_path / "clip.csv").open("a") as file:
        file.write(",".join(map(str, row)) + "\n")
    with pytest.raises(InputError, match=message):
        one(tmp_path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, FORMS["named"], front=FRAME)
    path.write_text(path.read_text().split("\n")[0] + "\n")
    assert "clip.csv: has no rows" in refused(tmp_path)


def test_numbered_points_that_are_not_the_33_in_order_are_refused(tmp_path: Path) -> None:
    shuffled = SHARES[:, np.random.default_rng(3).permutation(33)]
    table(tmp_path, FORMS["from 1"], values=shuffled)
    told = refused(tmp_path)
    assert "eyes, ears and mouth lie as far apart as the whole body" in told and "use prepare.source=table" in told


def test_coordinates_about_the_hips_are_refused(tmp_path: Path) -> None:
    world = SHARES.copy()
    world[..., :2] -= SHARES[:, 23:25, :2].mean(1, keepdims=True)
    table(tmp_path, FORMS["named"], values=world, front=FRAME)
    assert "the middle of the hips lies at 0, 0: world landmarks" in refused(tmp_path)


def at_a_webcam(visibility: float) -> np.ndarray:
    """Shares of a person whose legs lie below the image."""
    points = SHARES.copy()
    points[:, LEGS, 1] += 1.4
    points[:, LEGS, 2] = visibility
    return points


def frames(points: np.ndarray) -> list[dict]:
    keys = ("x", "y", "visibility")
    return [{"frame": t, "landmarks": [dict(zip(keys, p, strict=True)) for p in one.tolist()]} for t, one in enumerate(points)]


@pytest.mark.parametrize("min_confidence", [0, 0.25])
def test_unseen_legs_below_the_image_are_missing_joints(tmp_path: Path, min_confidence: float) -> None:
    write_json(tmp_path / "clip.json", frames(at_a_webcam(0.0002)))
    found = one(tmp_path, min_confidence=min_confidence)
    missing = [JOINTS[joint] for joint in np.flatnonzero((found.confidence == 0).all(0))]
    assert missing == ["RKnee", "RFoot", "LKnee", "LFoot"]
    upper = [JOINTS.index(joint) for joint in ("LShoulder", "Neck/Nose", "Hip", "RWrist")]
    np.testing.assert_allclose(pixels(found)[:, upper], MEDIAPIPE_33.positions(ONE[..., :2])[:, upper], atol=0.01)


def test_confident_joints_outside_stay_where_they_are_up_to_an_images_size(tmp_path: Path) -> None:
    points = at_a_webcam(0.9)
    points[:, LEGS, 1] = 1.8
    points[0, 27, 1] = 2.4
    write_json(tmp_path / "clip.json", frames(points))
    found = one(tmp_path)
    assert np.argwhere(found.confidence == 0).tolist() == [[0, JOINTS.index("LFoot")]]
    np.testing.assert_allclose(pixels(found)[1, JOINTS.index("LFoot"), 1], 1.8 * HEIGHT, atol=0.01)


def test_unsure_joints_just_outside_are_not_missing(tmp_path: Path) -> None:
    points = SHARES.copy()
    points[:, 15, 0], points[:, 15, 2] = 1.08, 0.2
    write_json(tmp_path / "clip.json", frames(points))
    assert (one(tmp_path).confidence > 0).all()


def test_people_who_lie_far_outside_are_refused_as_of_another_image(tmp_path: Path) -> None:
    table(tmp_path, FORMS["named"], values=ONE * [9, 9, 1], front=FRAME)
    assert "most joints lie far outside the image of 1280 x 720 pixels" in refused(tmp_path)


def _points(person: np.ndarray) -> list[dict]:
    return [{"x": x, "y": y, "z": 0.0, "visibility": v} for x, y, v in person.tolist()]


JSON_FORMS = {
    "people": lambda t, p: {"frame": t, "people": [{"landmarks": _points(p)}]},
    "ids": lambda t, p: {"frame_number": t, "landmarks": [point | {"id": n} for n, point in enumerate(_points(p))]},
    "names": lambda t, p: {"frame_index": t, "landmarks": dict(zip(NAMES, _points(p), strict=True))},
    "names alone": lambda t, p: {name.upper(): point for name, point in zip(NAMES, _points(p), strict=True)},
    "keys": lambda t, p: {str(n): point for n, point in enumerate(_points(p))},
    "protobuf": lambda t, p: {"frame": t, "pose_landmarks": {"landmark": _points(p)}},
    "holistic": lambda t, p: {"poseLandmarks": _points(p), "faceLandmarks": [], "leftHandLandmarks": None},
    "poses of tfjs": lambda t, p: [
        {"score": 0.9, "keypoints": [q | {"name": n} for n, q in zip(NAMES, _points(p), strict=True)]}
    ],
}


@pytest.mark.parametrize("form", JSON_FORMS)
def test_json_of_each_form_is_recognised_and_read_as_landmarks(tmp_path: Path, form: str) -> None:
    write_json(tmp_path / "clip.json", [JSON_FORMS[form](t, person) for t, person in enumerate(SHARES)])
    assert recognise(str(tmp_path), all_recognisers(), SOURCES).source == "mediapipe"
    found = one(tmp_path)
    assert found.frame.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(pixels(found), MEDIAPIPE_33.positions(ONE[..., :2]), atol=0.01)


def test_landmarks_that_are_left_out_are_missing_and_frames_without_any_are_empty(tmp_path: Path) -> None:
    entries = [JSON_FORMS["ids"](t, person) for t, person in enumerate(SHARES)]
    del entries[1]["landmarks"][15]
    entries[3]["landmarks"] = []
    write_json(tmp_path / "clip.json", entries)
    found = one(tmp_path)
    assert found.frame.tolist() == [0, 1, 2, 4]
    assert np.argwhere(found.confidence == 0).tolist() == [[1, JOINTS.index("LWrist")]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"frame": 1, "landmarks": []}, {"frame": 1, "landmarks": []}], "entry 1: frame 1 is there twice, also in entry 0"),
        ([{"frame": 1, "landmarks": _points(SHARES[0])[:17]}], "expected 33 landmarks, or some with their 'id' or 'name'"),
        ([{"landmarks": {"tail": {"x": 0, "y": 0}}}], "landmark 'tail', expected 0 to 32 or a name such as 'left_hip'"),
        ([{"landmarks": [{"id": 1, "x": 0, "y": 0}] * 2}], "landmark 'left eye inner' is there twice"),
        ([{"landmarks": {"nose": {"x": 0}}}], "expected landmarks with x, y and visibility"),
        ([{"landmarks": {"nose": {"x": "left", "y": 0}}}], "entry 0: expected a list of 99 numbers"),
        ([{"speed": 3}], "expected a key 'landmarks', 'pose_landmarks', 'keypoints' or 'people', got speed"),
        ({"walk": []}, "expected a list of frames, or a mapping with one as 'frames', got walk"),
        ([{"keypoints": [{"x": 1, "y": 1, "score": 1, "name": n} for n in map(str, COCO_17.joints[:2])] + [{"x": 1}]}],
         "expected 33 landmarks, or some with their 'id' or 'name', got 3"),
    ],
)  # fmt: skip
def test_json_of_another_form_is_refused(tmp_path: Path, content: object, message: str) -> None:
    write_json(tmp_path / "clip.json", content)
    with pytest.raises(InputError, match=message):
        one(tmp_path)
