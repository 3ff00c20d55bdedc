"""COCO's files as detectors, trackers, annotation tools and other data sets write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, HALPE_26, LAYOUTS, Layout
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, flat, people, source_of, write_json

SIZE = [WIDTH, HEIGHT]
NAMES = {name: [joint.replace(" ", "_") for joint in layout.joints] for name, layout in LAYOUTS.items()}


def with_values(points: np.ndarray, values: float | np.ndarray) -> np.ndarray:
    """The points with these as third numbers."""
    return np.concatenate([points[..., :2], np.broadcast_to(values, points.shape[:-1])[..., None]], axis=-1)


def annotations(points: np.ndarray, names: list[str] | None, **entry: Any) -> dict:
    """An annotation file of (frames, people, J, 3) points."""
    return {
        "images": [{"id": t, "file_name": f"{t}.jpg", "width": WIDTH, "height": HEIGHT} for t in range(len(points))],
        "annotations": [
            {"id": 100 * t + index, "image_id": t, "category_id": 1, "keypoints": flat(person), **entry}
            for t, frame in enumerate(points)
            for index, person in enumerate(frame)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": names or []}],
    }


def results(points: np.ndarray, ids: list[int] | None = None) -> list[dict]:
    return [
        {"image_id": t if ids is None else ids[t], "category_id": 1, "keypoints": flat(person), "score": 0.9}
        for t, frame in enumerate(points)
        for person in frame
    ]


def read(folder: Path, content: object, **settings: object) -> list[PoseSequence]:
    write_json(folder / "clip.json", content)
    return [one.load() for one in source_of("coco", folder / "clip.json", **settings).sequences]


def layouts(folder: Path, content: object, **settings: object) -> list[str]:
    write_json(folder / "clip.json", content)
    return source_of("coco", folder / "clip.json", **settings).description["layouts"]


def pixels(sequence: PoseSequence) -> np.ndarray:
    return (sequence.mixture[:, :, 0, 1:3] + [1, HEIGHT / WIDTH]) * WIDTH / 2


def refuse(folder: Path, content: object, told: str, **settings: object) -> None:
    with pytest.raises(InputError, match=rf"clip\.json: .*{told}"):
        read(folder, content, **settings)


def confidences(sequence: PoseSequence) -> np.ndarray:
    assert sequence.confidence is not None
    return sequence.confidence


# --- visibilities and scores


def test_scores_in_place_of_visibilities_are_confidences(tmp_path: Path) -> None:
    points = people(COCO_17, frames=3, count=1)
    (sequence,) = read(tmp_path, annotations(points, NAMES["coco17"]))
    np.testing.assert_allclose(confidences(sequence), COCO_17.confidence(points[:, 0, :, 2]), rtol=1e-6)


def test_one_score_in_a_file_makes_all_its_numbers_scores(tmp_path: Path) -> None:
    values = np.ones((2, 1, 17))
    values[1, 0, COCO_17.joints.index("left wrist")] = 0.25
    (sequence,) = read(tmp_path, annotations(with_values(people(COCO_17, 2, 1), values), NAMES["coco17"]))
    assert confidences(sequence)[:, [10, 13]].tolist() == [[1, 1], [1, 0.25]]  # a visibility of 1 would be 0.5


def test_visibilities_of_0_1_and_2_are_missing_hidden_and_seen(tmp_path: Path) -> None:
    values = np.full((1, 1, 17), 2.0)
    values[..., [COCO_17.joints.index("left wrist"), COCO_17.joints.index("right wrist")]] = 0, 1
    (sequence,) = read(tmp_path, annotations(with_values(people(COCO_17, 1, 1), values), NAMES["coco17"]))
    assert confidences(sequence)[0, [13, 16, 12]].tolist() == [0, 0.5, 1]


def test_without_a_2_in_the_file_a_visibility_of_1_is_seen(tmp_path: Path) -> None:
    """As PoseTrack18 has it."""
    points = with_values(people(LAYOUTS["posetrack18"], 2, 1), 1)
    (sequence,) = read(tmp_path, annotations(points, NAMES["posetrack18"]))
    assert (confidences(sequence) == 1).all()


def test_results_with_visibility_0_for_placed_joints_keep_them_as_hidden(tmp_path: Path, caplog) -> None:
    values = np.zeros((3, 1, 17))
    values[..., 5:9] = 2
    points = with_values(people(COCO_17, 3, 1), values)
    points[..., 15, :] = 0
    (sequence,) = read(tmp_path, results(points), image_size=SIZE)
    assert confidences(sequence)[0, [11, 13, 6]].tolist() == [1, 0.5, 0]  # shoulder 2, wrist 0 but placed, ankle at 0, 0
    assert "75% of the placed joints have visibility 0; they count as hidden" in caplog.text


@pytest.mark.parametrize("annotated", [False, True])
def test_placed_joints_are_seen_where_every_visibility_of_the_file_is_0(tmp_path: Path, annotated: bool, caplog) -> None:
    points = with_values(people(COCO_17, 3, 1), 0)
    points[1, 0, 9] = 0
    content = annotations(points, NAMES["coco17"], num_keypoints=0) if annotated else results(points)
    (sequence,) = read(tmp_path, content, image_size=SIZE)
    assert confidences(sequence)[:, 13].tolist() == [1, 0, 1]
    assert "every joint has visibility 0" in caplog.text


def test_people_without_a_labelled_joint_are_nobody(tmp_path: Path) -> None:
    content = annotations(with_values(people(COCO_17, 2, 2), 2), NAMES["coco17"])
    content["annotations"][0] |= {"num_keypoints": 0, "keypoints": [0] * 51}
    assert [one.frame.tolist() for one in read(tmp_path, content)] == [[0, 1], [1]]


def test_trackers_scores_beside_the_keypoints_are_confidences(tmp_path: Path) -> None:
    points = people(LAYOUTS["posetrack18"], 2, 1)
    scores = np.linspace(0.2, 0.9, 17).tolist()
    (sequence,) = read(tmp_path, annotations(with_values(points, 0), NAMES["posetrack18"], scores=scores, track_id=4))
    np.testing.assert_allclose(confidences(sequence)[0], LAYOUTS["posetrack18"].confidence(np.array(scores)), rtol=1e-6)


def test_scores_that_are_no_numbers_are_refused_with_their_place(tmp_path: Path) -> None:
    content = annotations(people(COCO_17, 2, 1), NAMES["coco17"], scores=["high"] * 17)
    refuse(tmp_path, content, "annotations 0, scores: expected a list of 17 numbers")


def test_a_negative_score_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, results(with_values(people(COCO_17, 2, 1), -0.5)), "a confidence is negative", image_size=SIZE)


# --- joints of other data sets


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("posetrack18", {}),
        ("crowdpose14", {"head_top": "head"}),  # as published
        ("crowdpose14", {"head_top": "top_head"}),  # as in MMPose
        ("aic14", {name: name.capitalize().replace("_", " ") for name in NAMES["aic14"]}),
        ("mpii16", {name: name.capitalize().replace("_", "-") for name in NAMES["mpii16"]}),  # MHP
        ("halpe26", {}),
        ("humanart21", {}),
    ],
)
def test_the_joints_are_told_by_the_names_of_the_category(tmp_path: Path, name: str, renamed: dict[str, str]) -> None:
    layout, points = LAYOUTS[name], with_values(people(LAYOUTS[name], 3, 1), 2)
    content = annotations(points, [renamed.get(joint, joint) for joint in NAMES[name]])
    assert layouts(tmp_path, content) == [name]
    np.testing.assert_allclose(pixels(read(tmp_path, content)[0]), layout.positions(points[:, 0, :, :2]), atol=0.01)


@pytest.mark.parametrize("name", ["crowdpose14", "aic14", "mpii16", "humanart21", "halpe26", "coco17"])
def test_without_names_the_joints_are_told_by_their_number_and_the_poses(tmp_path: Path, name: str) -> None:
    assert layouts(tmp_path, results(people(LAYOUTS[name], 4, 2)), image_size=SIZE) == [name]


def test_another_joint_of_a_name_is_not_taken_for_the_top_of_the_head(tmp_path: Path) -> None:
    """JHMDB's head is the face, and its 15 joints have all other names of CrowdPose."""
    names = ["head" if name == "head_top" else name for name in NAMES["crowdpose14"]] + ["belly"]
    points = np.concatenate([people(LAYOUTS["crowdpose14"], 2, 1)] * 2, axis=2)[:, :, :15]
    refuse(
        tmp_path,
        annotations(points, names),
        "the joints left_shoulder, .* are not those of a known layout; no layout has 15 joints",
    )


def test_unknown_names_are_read_in_the_order_of_the_layout_that_the_config_names(tmp_path: Path) -> None:
    points = with_values(people(LAYOUTS["mpii16"], 2, 1), 2)
    content = annotations(points, [f"joint {number}" for number in range(16)])
    refuse(tmp_path, content, r"if their order is that of mpii16, set 'coco\.layout'")
    assert layouts(tmp_path, content, layout="mpii16") == ["mpii16"]


def test_more_names_than_joints_are_read_as_the_first_of_them(tmp_path: Path) -> None:
    """Human-Art's category names 21 joints, and 'keypoints' has COCO's 17 of them."""
    content = annotations(with_values(people(COCO_17, 2, 1), 2), NAMES["humanart21"], keypoints_21=[0] * 63)
    assert layouts(tmp_path, content) == ["coco17"]


@pytest.mark.parametrize(("joints", "expected"), [(133, COCO_17), (136, HALPE_26)])
def test_joints_beyond_the_names_are_those_of_the_whole_body(tmp_path: Path, joints: int, expected: Layout) -> None:
    points = np.zeros((2, 1, joints, 3))
    points[:, :, : len(expected.joints)] = with_values(people(expected, 2, 1), 2)
    points[:, :, 100, 2] = 0.37  # hands and faces may have scores beside the body's visibilities
    content = annotations(points, NAMES["coco17"])
    (sequence,) = read(tmp_path, content)
    assert layouts(tmp_path, content) == [expected.name] and (confidences(sequence) == 1).all()


def test_whole_body_joints_in_lists_of_their_own_leave_the_body_alone(tmp_path: Path) -> None:
    points = with_values(people(COCO_17, 2, 1), 2)
    content = annotations(points, NAMES["coco17"], foot_kpts=[5.0] * 18, face_kpts=[5.0] * 204, lefthand_kpts=[5.0] * 63)
    np.testing.assert_allclose(pixels(read(tmp_path, content)[0]), COCO_17.positions(points[:, 0, :, :2]), atol=0.01)


def test_names_of_other_joints_than_the_numbers_are_of_are_refused(tmp_path: Path) -> None:
    content = annotations(people(HALPE_26, 2, 1), NAMES["coco17"][::-1])
    refuse(tmp_path, content, r"26 joints a person, but categories names 17; set 'coco\.layout'")


# --- videos and pictures


def posetrack(folder: str = "images/val/012834_mpii_test") -> dict:
    """Every fourth frame of a video, as PoseTrack18 numbers images: 1, the video, the frame."""
    content = annotations(with_values(people(LAYOUTS["posetrack18"], 5, 1), 1), NAMES["posetrack18"], track_id=0, scores=[])
    for number, image in enumerate(content["images"]):
        identity = 10128340000 + 4 * number
        image |= {"id": identity, "frame_id": identity, "vid_id": "012834", "file_name": f"{folder}/{4 * number:06d}.jpg"}
        content["annotations"][number]["image_id"] = identity
    return content


def test_ids_too_large_for_frames_give_way_to_the_numbers_in_the_file_names(tmp_path: Path) -> None:
    content = posetrack()
    content["annotations"].pop(2)
    write_json(tmp_path / "clip.json", content)
    source = source_of("coco", tmp_path)
    assert source.sequences[0].load().frame.tolist() == [0, 4, 12, 16]
    assert source.description["counts"]["frames_without_person"] == 1


def test_ids_too_large_for_frames_are_ranked_where_file_names_have_the_same_number(tmp_path: Path) -> None:
    content = posetrack()
    for image in content["images"]:
        image["file_name"] = "frame_1.jpg"
    assert read(tmp_path, content)[0].frame.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("ids", "is_told"), [([43, 177, 197, 231, 250, 271], True), (list(range(6)), False), (list(range(0, 60, 10)), False)]
)
def test_pictures_that_are_no_video_are_told_by_their_numbers(tmp_path: Path, ids: list[int], is_told: bool, caplog) -> None:
    read(tmp_path, results(people(COCO_17, 6, 1), ids), image_size=SIZE)
    assert ("6 images, numbers 43, 177, 197, ...: single pictures rather than a video" in caplog.text) == is_told


def test_pictures_of_several_sizes_are_told_to_be_no_video(tmp_path: Path, caplog) -> None:
    content = annotations(with_values(people(COCO_17, 6, 1), 2), NAMES["coco17"])
    content["images"][3]["width"] += 100
    read(tmp_path, content)
    assert "of several sizes: single pictures rather than a video" in caplog.text


def test_frames_with_tracks_are_a_video_whatever_their_numbers(tmp_path: Path, caplog) -> None:
    entries = results(people(COCO_17, 6, 1), [43, 177, 197, 231, 250, 271])
    read(tmp_path, [entry | {"track_id": 1} for entry in entries], image_size=SIZE)
    assert "single pictures" not in caplog.text


# --- files without keypoints


def test_boxes_are_refused_as_a_person_detectors(tmp_path: Path) -> None:
    boxes = [{"bbox": [1, 2, 30, 40], "category_id": 1, "image_id": 5, "score": 0.9}]
    refuse(tmp_path, boxes, "entry 0: boxes without a key 'keypoints', a person detector's file")


def test_annotations_without_keypoints_are_refused_as_boxes_or_outlines(tmp_path: Path) -> None:
    content = annotations(people(COCO_17, 2, 1), None)
    for entry in content["annotations"]:
        del entry["keypoints"]
    refuse(tmp_path, content, "none of 2 annotations has keypoints, as in a file of boxes or outlines")


def test_an_empty_export_with_a_category_a_joint_is_refused_with_the_way_out(tmp_path: Path) -> None:
    content = annotations(np.zeros((2, 0, 17, 3)), None)
    content["categories"] = [{"id": number, "name": name, "keypoints": []} for number, name in enumerate(NAMES["coco17"])]
    refuse(tmp_path, content, r"no annotations, and 17 categories that are joints \(nose, \.\.\.\), as CVAT exports")


def test_keypoints_that_are_no_list_are_refused_where_nobody_has_a_labelled_joint(tmp_path: Path) -> None:
    content = annotations(people(COCO_17, 2, 1), NAMES["coco17"], num_keypoints=0)
    content["annotations"][1]["keypoints"] = 7
    refuse(tmp_path, content, "annotations 1: key 'keypoints': expected list or array, got int")


# --- AI Challenger's own files


def ai_challenger(points: np.ndarray, visibility: np.ndarray) -> list[dict]:
    """(images, people, 14, 3) points as that task has them; visibility: (images, people, 14) of 1, 2 and 3."""
    values = with_values(points, visibility)
    return [
        {
            "image_id": f"{number:02x}d6c1f0a9b8e7{number}",
            "url": "",
            "human_annotations": {f"human{index + 1}": [0, 0, 9, 9] for index in range(len(image))},
            "keypoint_annotations": {f"human{index + 1}": flat(person) for index, person in enumerate(image)},
        }
        for number, image in enumerate(values)
    ]


def test_ai_challengers_own_people_are_read_by_its_joints_and_visibilities(tmp_path: Path) -> None:
    aic = LAYOUTS["aic14"]
    points, visibility = people(aic, 3, 2), np.ones((3, 2, 14))
    visibility[..., aic.joints.index("left wrist")] = 2
    visibility[..., aic.joints.index("right wrist")] = 3
    points[..., aic.joints.index("right wrist"), :2] = 0
    content = ai_challenger(points, visibility)
    content.insert(1, content[0] | {"image_id": "00", "human_annotations": {}, "keypoint_annotations": {}})
    found = read(tmp_path, content, image_size=SIZE)
    assert [one.frame.tolist() for one in found] == [[0, 2, 3]] * 2
    assert layouts(tmp_path, content, image_size=SIZE) == ["aic14"]
    for person, sequence in enumerate(found):
        assert confidences(sequence)[0, [11, 13, 16]].tolist() == [1, 0.5, 0]
        expected = aic.positions(points[:, person, :, :2])
        np.testing.assert_allclose(pixels(sequence)[:, :16], expected[:, :16], atol=0.01)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"keypoint_annotations": {"human1": [1.0] * 41}}, "entry 1: human1: expected a list of 42 numbers, got 41 values"),
        (
            {"keypoint_annotations": {"human1": [10.0, 10.0, 4] * 14}},
            r"entry 1: human1: expected visibilities of 1 \(visible\)",
        ),
        ({"keypoint_annotations": {"human1": [10.0, 10.0, 0.4] * 14}}, r"entry 1: human1: expected visibilities of 1"),
        ({"keypoint_annotations": [[1.0] * 42]}, "entry 1: key 'keypoint_annotations': expected dict, got list"),
        ({"image_id": None}, "entry 1: key 'image_id': expected str, got NoneType"),
    ],
)
def test_bad_entries_of_ai_challenger_are_refused_with_their_place(tmp_path: Path, change: dict, told: str) -> None:
    content = ai_challenger(people(LAYOUTS["aic14"], 3, 1), np.ones((3, 1, 14)))
    content[1] |= change
    refuse(tmp_path, content, told, image_size=SIZE)
