"""What all archive readers share: tracks, missing joints, image sizes, values that make no sense. Shown on one format each."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import BODY_25, COCO_17, H36M_17, LAYOUTS, simplified
from tests.data.sources.detections.archive_files import (
    HEIGHT,
    WIDTH,
    alphapose,
    coco_annotations,
    coco_results,
    detectron2,
    mmpose_images,
    mmpose_video,
    openpose,
    people,
    sequences,
    source_of,
    table_csv,
    table_parquet,
    videopose3d,
    write_json,
)

SIZE = [WIDTH, HEIGHT]
L_WRIST, R_ANKLE = COCO_17.joints.index("left wrist"), COCO_17.joints.index("right ankle")
OUR_L_WRIST, OUR_R_ANKLE, OUR_R_KNEE = 13, 3, 2


def pixels(sequence) -> np.ndarray:
    return (sequence.mixture[:, :, 0, 1:3] + [1, HEIGHT / WIDTH]) * WIDTH / 2


def edit(path: Path, change: Callable) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


# --- tracks


def test_people_are_told_apart_by_track_id(tmp_path: Path) -> None:
    points = people(COCO_17)
    coco_results(tmp_path, points)

    def swap_order(entries: list) -> None:
        entries[0], entries[1] = entries[1], entries[0]

    edit(tmp_path / "clip.json", swap_order)
    found = sequences("coco results", tmp_path)
    assert [sequence.subject for sequence in found] == ["person 10", "person 11"]
    np.testing.assert_allclose(pixels(found[0])[0, OUR_L_WRIST], points[0, 0, L_WRIST, :2], atol=1e-3)


@pytest.mark.parametrize("tracking", [True, False])
def test_people_without_track_ids_are_followed_or_told_apart_by_their_order(tmp_path: Path, tracking: bool) -> None:
    points = people(COCO_17)
    listed = points.copy()
    listed[1::2] = listed[1::2, ::-1]
    mmpose_video(tmp_path, listed)
    found = sequences("mmpose video", tmp_path, tracking=tracking)
    assert [sequence.subject for sequence in found] == ["person 0", "person 1"]
    for person, sequence in enumerate(found):
        expected = (points if tracking else listed)[:, person, L_WRIST, :2]
        np.testing.assert_allclose(pixels(sequence)[:, OUR_L_WRIST], expected, atol=1e-3)


def test_people_of_images_that_are_no_video_are_not_followed(tmp_path: Path) -> None:
    points = people(COCO_17)
    points[1::2] = points[1::2, ::-1].copy()
    coco_results(tmp_path, points)
    edit(tmp_path / "clip.json", lambda entries: [{k: v for k, v in e.items() if k != "track_id"} for e in entries])
    by_order, followed = sequences("coco results", tmp_path), sequences("coco results", tmp_path, tracking=True)
    np.testing.assert_allclose(pixels(by_order[0])[:, OUR_L_WRIST], points[:, 0, L_WRIST, :2], atol=1e-3)
    np.testing.assert_allclose(pixels(followed[0])[1, OUR_L_WRIST], points[1, 1, L_WRIST, :2], atol=1e-3)


def test_a_missing_joint_is_interpolated_between_sightings_of_the_same_person(tmp_path: Path) -> None:
    points = people(COCO_17)
    points[5, 1, L_WRIST] = 0
    listed = points.copy()
    listed[4::2] = listed[4::2, ::-1]
    mmpose_video(tmp_path, listed)
    middle = points[[4, 6], 1, L_WRIST, :2].mean(0)
    np.testing.assert_allclose(pixels(sequences("mmpose video", tmp_path)[1])[5, OUR_L_WRIST], middle, atol=1e-3)


def test_a_detection_without_a_joint_is_nobody(tmp_path: Path) -> None:
    points = people(COCO_17)
    points[3, 0] = 0
    mmpose_video(tmp_path, points)
    source = source_of("mmpose video", tmp_path, image_size=SIZE)
    assert source.description["counts"] == {
        "people": 2, "frames_without_person": 0, "frames_dropped": 1, "joints_missing": 0
    }  # fmt: skip
    assert [clip.rows for clip in source.sequences] == [11, 12]


def test_openpose_track_ids_are_used_where_it_tracked(tmp_path: Path) -> None:
    openpose(tmp_path, people(BODY_25, frames=1))

    def track(content: dict) -> None:
        for index, person in enumerate(content["people"]):
            person["person_id"] = [index + 4]

    edit(tmp_path / "clip_000000000000_keypoints.json", track)
    assert [s.subject for s in sequences("openpose body 25", tmp_path)] == ["person track 4", "person track 5"]


def test_openpose_track_ids_are_left_aside_where_some_lack_one(tmp_path: Path) -> None:
    openpose(tmp_path, people(BODY_25, frames=2))
    edit(tmp_path / "clip_000000000001_keypoints.json", lambda content: content["people"][1].update(person_id=[4]))
    assert [s.subject for s in sequences("openpose body 25", tmp_path)] == ["person 0", "person 1"]


def test_frames_are_ordered_by_number_not_by_text(tmp_path: Path) -> None:
    points = people(COCO_17, frames=12, count=1)
    alphapose(tmp_path, points)  # its file has '10.jpg' before '2.jpg'
    (sequence,) = sequences("alphapose 17", tmp_path)
    np.testing.assert_allclose(pixels(sequence)[:, OUR_L_WRIST], points[:, 0, L_WRIST, :2], atol=1e-3)


@pytest.mark.parametrize("idx", [3, 3.0, [3.0], [[3.0]]])
def test_every_shape_of_alphapose_idx_is_a_track(tmp_path: Path, idx: object) -> None:
    alphapose(tmp_path, people(COCO_17, frames=1, count=1))
    edit(tmp_path / "clip.json", lambda entries: entries[0].update(idx=idx))
    assert sequences("alphapose 17", tmp_path)[0].subject == "person 3"


def test_a_person_who_leaves_and_returns_keeps_the_frame_numbers(tmp_path: Path) -> None:
    coco_results(tmp_path, people(COCO_17, frames=6, count=1))
    edit(tmp_path / "clip.json", lambda entries: [e for e in entries if e["image_id"] not in (2, 3)])
    (sequence,) = sequences("coco results", tmp_path)
    assert sequence.frame.tolist() == [0, 1, 4, 5]


def test_videos_of_one_folder_are_recordings_of_their_own(tmp_path: Path) -> None:
    for name in ("b", "a"):
        openpose(tmp_path / name, people(BODY_25, frames=2, count=1))
    found = sequences("openpose body 25", tmp_path)
    assert [sequence.action for sequence in found] == ["a/clip", "b/clip"]


@pytest.mark.parametrize("told", ["video_id", "vid_id", "folder", "folders in a results list"])
def test_images_of_different_videos_are_recordings_of_their_own(tmp_path: Path, told: str) -> None:
    """One track id in both: two people."""

    def images(content: dict) -> None:
        for image in content["images"]:
            video = "ab"[image["id"] // 3]
            image.update({"file_name": f"{video}/{image['id']}.jpg"} if told == "folder" else {told: video})
        for entry in content["annotations"]:
            entry["track_id"] = 7

    def entries(content: list) -> None:
        for entry in content:
            entry.update(image_id=f"{'ab'[entry['image_id'] // 3]}/{entry['image_id'] % 3:06d}.jpg", track_id=7)

    points = people(COCO_17, frames=6, count=1)
    in_results = told == "folders in a results list"
    (coco_results if in_results else coco_annotations)(tmp_path, points)
    edit(tmp_path / "clip.json", entries if in_results else images)
    found = sequences("coco results" if in_results else "coco annotations", tmp_path)
    assert [sequence.action for sequence in found] == ["clip/a", "clip/b"]
    second = [0, 1, 2] if in_results else [3, 4, 5]
    assert [sequence.frame.tolist() for sequence in found] == [[0, 1, 2], second]
    np.testing.assert_allclose(pixels(found[1])[:, OUR_L_WRIST], points[3:, 0, L_WRIST, :2], atol=1e-3)


def test_a_video_without_a_person_beside_others_is_left_out_with_a_warning(tmp_path: Path, caplog) -> None:
    coco_annotations(tmp_path, people(COCO_17, frames=3, count=1))
    edit(tmp_path / "clip.json", lambda c: c["images"].append({**c["images"][0], "id": 9, "file_name": "empty/9.jpg"}))
    (sequence,) = sequences("coco annotations", tmp_path)
    assert sequence.action == "clip" and sequence.frame.tolist() == [0, 1, 2]
    assert "no person in 1 of its videos, the first is 'empty'" in caplog.text


def test_images_of_different_sizes_are_sequences_of_their_own(tmp_path: Path) -> None:
    coco_annotations(tmp_path, people(COCO_17, frames=4, count=1))
    edit(tmp_path / "clip.json", lambda c: c["images"][1].update(width=2000))
    found = source_of("coco annotations", tmp_path).sequences
    assert [(clip.camera, clip.rows) for clip in found] == [("1280x720", 3), ("2000x720", 1)]


def test_image_ids_too_large_for_a_frame_number_become_ranks(tmp_path: Path) -> None:
    coco_results(tmp_path, people(COCO_17, frames=3, count=1))
    edit(tmp_path / "clip.json", lambda entries: [e.update(image_id=10**12 + 5 * e["image_id"]) for e in entries] and None)
    assert sequences("coco results", tmp_path)[0].frame.tolist() == [0, 1, 2]


def test_joints_are_matched_by_the_names_in_a_coco_file(tmp_path: Path) -> None:
    points = people(COCO_17, count=1)
    coco_annotations(tmp_path, points)
    reverse = slice(None, None, -1)

    def reorder(content: dict) -> None:
        content["categories"][0]["keypoints"] = content["categories"][0]["keypoints"][reverse]
        for entry in content["annotations"]:
            entry["keypoints"] = np.reshape(entry["keypoints"], (-1, 3))[reverse].reshape(-1).tolist()

    edit(tmp_path / "clip.json", reorder)
    np.testing.assert_allclose(
        pixels(sequences("coco annotations", tmp_path)[0])[:, OUR_L_WRIST], points[:, 0, L_WRIST, :2], atol=1e-3
    )


def test_whole_body_joints_beyond_the_body_are_left_out(tmp_path: Path) -> None:
    points = np.concatenate([people(COCO_17, count=1), np.full((12, 1, 116, 3), 300.0)], axis=2)
    points[..., 2] = 0.5
    mmpose_video(tmp_path, points)
    (sequence,) = sequences("mmpose video", tmp_path)
    np.testing.assert_allclose(pixels(sequence)[:, OUR_L_WRIST], points[:, 0, L_WRIST, :2], atol=1e-3)


# --- missing joints


def with_gap(folder: Path) -> np.ndarray:
    """One person whose left wrist moves evenly and is unseen in frames 3 to 5."""
    points = people(COCO_17, count=1)
    points[:, 0, L_WRIST, :2] = np.linspace([100, 200], [320, 420], len(points))
    truth = points[:, 0, L_WRIST, :2].copy()
    points[3:6, 0, L_WRIST] = 0
    mmpose_video(folder, points)
    return truth


def test_a_missing_joint_lies_between_its_sightings_under_a_wide_kernel(tmp_path: Path) -> None:
    truth = with_gap(tmp_path)
    (sequence,) = sequences("mmpose video", tmp_path, missing_sigma_px=64)
    np.testing.assert_allclose(pixels(sequence)[:, OUR_L_WRIST], truth, atol=1e-3)
    np.testing.assert_allclose(sequence.mixture[3:6, OUR_L_WRIST, 0, 3], 64 * 2 / WIDTH)
    assert sequence.mixture[[2, 6], OUR_L_WRIST, 0, 3].max() < 0.05


def test_missing_joints_are_counted(tmp_path: Path) -> None:
    with_gap(tmp_path)
    counts = source_of("mmpose video", tmp_path, image_size=SIZE).description["counts"]
    assert counts == {"people": 1, "frames_without_person": 0, "frames_dropped": 0, "joints_missing": 3}


def test_frames_with_missing_joints_are_dropped_where_the_config_says_so(tmp_path: Path) -> None:
    with_gap(tmp_path)
    source = source_of("mmpose video", tmp_path, image_size=SIZE, missing="drop")
    assert source.sequences[0].load().frame.tolist() == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert source.description["counts"]["frames_dropped"] == 3


def test_beyond_the_longest_gap_a_joint_takes_its_parents_place(tmp_path: Path) -> None:
    points = people(COCO_17, count=1)
    points[3:6, 0, R_ANKLE] = 0
    mmpose_video(tmp_path, points)
    (sequence,) = sequences("mmpose video", tmp_path, longest_gap=2)
    np.testing.assert_allclose(pixels(sequence)[3:6, OUR_R_ANKLE], pixels(sequence)[3:6, OUR_R_KNEE], atol=1e-3)


def test_a_joint_of_low_confidence_is_missing(tmp_path: Path) -> None:
    points = people(COCO_17, count=1)
    points[4, 0, L_WRIST, 2] = 0.05
    mmpose_video(tmp_path, points)
    counts = source_of("mmpose video", tmp_path, image_size=SIZE, min_confidence=0.1).description["counts"]
    assert counts["joints_missing"] == 1


def test_a_joint_never_seen_makes_every_middle_of_it_missing(tmp_path: Path) -> None:
    points = people(COCO_17, count=1)
    points[:, 0, COCO_17.joints.index("left hip")] = 0
    mmpose_video(tmp_path, points)
    (sequence,) = sequences("mmpose video", tmp_path)
    wide = sequence.mixture[0, :, 0, 3] >= 50 * 2 / WIDTH
    assert np.flatnonzero(wide).tolist() == [0, 4, 7]  # Hip, LHip and Spine
    assert np.isfinite(sequence.mixture).all()


def test_a_person_with_no_joint_at_all_is_dropped_and_counted(tmp_path: Path) -> None:
    points = people(COCO_17, count=1)
    points[5] = 0
    mmpose_video(tmp_path, points)
    source = source_of("mmpose video", tmp_path, image_size=SIZE)
    assert source.sequences[0].rows == 11 and source.description["counts"]["frames_dropped"] == 1


def test_people_of_few_frames_are_left_out_where_asked(tmp_path: Path) -> None:
    points = people(COCO_17)
    points[3:, 1] = 0
    mmpose_video(tmp_path, points)
    assert [clip.rows for clip in source_of("mmpose video", tmp_path, image_size=SIZE, shortest_track=3).sequences] == [12, 3]
    source = source_of("mmpose video", tmp_path, image_size=SIZE, shortest_track=4)
    assert [clip.rows for clip in source.sequences] == [12]
    assert source.description["counts"]["people"] == 1 and source.description["counts"]["frames_dropped"] == 12
    with pytest.raises(InputError, match=r"nobody is there for 13 frames, 'mmpose\.shortest_track'"):
        source_of("mmpose video", tmp_path, image_size=SIZE, shortest_track=13)


def test_people_who_are_in_one_frame_only_are_told_to_be_no_video(tmp_path: Path, caplog) -> None:
    rng, points = np.random.default_rng(0), people(COCO_17, frames=30)
    mmpose_video(tmp_path / "video", points)
    points[..., :2] = rng.uniform(0.1, 0.2, (30, 2, 1, 2)) * points[..., :2] + rng.uniform(0, [1000, 500], (30, 2, 1, 2))
    mmpose_video(tmp_path / "images", points)
    source_of("mmpose video", tmp_path / "video", image_size=SIZE)
    assert not caplog.text
    source_of("mmpose video", tmp_path / "images", image_size=SIZE)
    assert "people are in one frame only; set tracking=false if this is no video" in caplog.text


def test_a_crowd_too_large_to_follow_is_refused(tmp_path: Path) -> None:
    mmpose_video(tmp_path, people(COCO_17, frames=2, count=501))
    with pytest.raises(
        InputError, match=r"clip\.json: frame 0 has 501 people, at most 500 can be followed; set tracking=false"
    ):
        source_of("mmpose video", tmp_path, image_size=SIZE)
    assert len(source_of("mmpose video", tmp_path, image_size=SIZE, tracking=False).sequences) == 501


def test_an_annotated_but_hidden_joint_counts_half(tmp_path: Path) -> None:
    coco_annotations(tmp_path, people(COCO_17, frames=1, count=1))
    edit(tmp_path / "clip.json", lambda c: c["annotations"][0]["keypoints"].__setitem__(3 * L_WRIST + 2, 1))
    (sequence,) = sequences("coco annotations", tmp_path, sigma_px=4)
    np.testing.assert_allclose(sequence.mixture[0, OUR_L_WRIST, 0, 3], 8 * 2 / WIDTH)


def test_an_empty_cell_of_a_table_is_a_missing_joint(tmp_path: Path) -> None:
    table_csv(tmp_path, people(COCO_17, count=1))
    lines = (tmp_path / "clip.csv").read_text().splitlines()
    cells = lines[3].split(",")
    cells[lines[0].replace('"', "").split(",").index("left_wrist_x")] = ""
    (tmp_path / "clip.csv").write_text("\n".join([*lines[:3], ",".join(cells), *lines[4:]]))
    assert source_of("table csv", tmp_path).description["counts"]["joints_missing"] == 1


def rewrite_table(path: Path, **columns: pa.Array) -> None:
    """Sets columns of a Parquet table."""
    table = pq.read_table(path)
    for name, column in columns.items():
        table = table.drop_columns([name] if name in table.column_names else []).append_column(name, column)
    pq.write_table(table, path)


def test_rows_of_a_table_go_to_their_video_and_person_in_whatever_order_they_stand(tmp_path: Path) -> None:
    points = people(H36M_17, frames=6)
    table_parquet(tmp_path, points)
    videos = ["b", None] * 6  # the first person is in b, the second in no video
    who = ["x", "x"] * 6
    coded = pa.array(videos).dictionary_encode()  # as pandas writes its categories
    rewrite_table(tmp_path / "clip.parquet", video=coded, person=pa.array(who))
    shuffled = pq.read_table(tmp_path / "clip.parquet").take(np.random.default_rng(0).permutation(12))
    pq.write_table(shuffled, tmp_path / "clip.parquet")
    found = sequences("table parquet", tmp_path)
    assert [(sequence.action, sequence.frame.tolist()) for sequence in found] == [("clip", [*range(6)]), ("b", [*range(6)])]
    for sequence, number in zip(found, (1, 0), strict=True):
        np.testing.assert_allclose(pixels(sequence), points[:, number, :, :2], atol=1e-3)


def test_frames_without_a_person_are_counted_and_told_with_their_place(tmp_path: Path, caplog) -> None:
    openpose(tmp_path, people(BODY_25, frames=4, count=1))
    write_json(tmp_path / "clip_000000000002_keypoints.json", {"version": 1.3, "people": []})
    with caplog.at_level(logging.WARNING):
        source = source_of("openpose body 25", tmp_path, image_size=SIZE)
    assert source.description["counts"]["frames_without_person"] == 1
    assert "1 frames without a person, the first is frame 2" in caplog.text


# --- image sizes


def test_the_size_is_read_from_each_image_by_its_number(tmp_path: Path) -> None:
    coco_results(tmp_path / "in", people(COCO_17, frames=2, count=1) / [2, 1, 1])
    for number, size in enumerate([(640, 720), (1280, 720)]):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("L", size).save(tmp_path / "images" / f"{number:012d}.png")
    found = source_of("coco results", tmp_path / "in", images=str(tmp_path / "images")).sequences
    assert [clip.camera for clip in found] == ["640x720", "1280x720"]


def test_the_size_is_read_from_each_image_by_its_name(tmp_path: Path) -> None:
    alphapose(tmp_path / "in", people(COCO_17, frames=2, count=1)) if (tmp_path / "in").mkdir() is None else None
    (tmp_path / "images").mkdir()
    for name in ("0.jpg", "1.jpg"):
        Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "images" / name)
    (clip,) = source_of("alphapose 17", tmp_path / "in", images=str(tmp_path / "images")).sequences
    assert (clip.load().width, clip.load().height) == (WIDTH, HEIGHT)


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    coco_results(tmp_path / "in", people(COCO_17, frames=3, count=1))
    (tmp_path / "images").mkdir()
    for number in (0, 1):
        Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "images" / f"{number}.png")
    with pytest.raises(InputError, match="images: no image for 2"):
        source_of("coco results", tmp_path / "in", images=str(tmp_path / "images"))


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    coco_results(tmp_path / "in", people(COCO_17, frames=1, count=1))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"0\.png: not an image"):
        source_of("coco results", tmp_path / "in", images=str(tmp_path / "images"))


# --- values that make no sense


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ((float("nan"), 1, 1), "not a finite number"),
        ((1e7, 1, 1), "far outside the image of 1280 x 720"),
        ((5, -5000, 1), "far outside the image"),
        ((5, 5, -0.5), "a confidence is negative"),
        ((5, 5, float("inf")), "not a finite number"),
    ],
)
def test_a_value_that_no_detector_gives_is_refused_with_its_place(tmp_path: Path, value: tuple, told: str) -> None:
    points = people(COCO_17)
    points[7, 1, L_WRIST] = value
    alphapose(tmp_path, points)
    with pytest.raises(InputError, match=rf"clip\.json: frame 7, person 2: .*{told}"):
        source_of("alphapose 17", tmp_path, image_size=SIZE)


def test_a_joint_slightly_outside_the_image_is_kept(tmp_path: Path) -> None:
    points = people(COCO_17, count=1)
    points[7, 0, L_WRIST, :2] = -30, 740
    alphapose(tmp_path, points)
    np.testing.assert_allclose(pixels(sequences("alphapose 17", tmp_path)[0])[7, OUR_L_WRIST], [-30, 740], atol=1e-3)


def test_shares_of_the_image_where_pixels_are_expected_are_refused(tmp_path: Path) -> None:
    openpose(tmp_path, people(BODY_25) / [WIDTH, HEIGHT, 1])
    with pytest.raises(InputError, match="expected pixels, not shares of the image"):
        source_of("openpose body 25", tmp_path, image_size=SIZE)


@pytest.mark.parametrize("unit", ["unit", "symmetric"])
def test_openpose_shares_are_read_where_the_config_says_so(tmp_path: Path, unit: str) -> None:
    points = people(BODY_25, count=1)
    shares = points / [WIDTH, HEIGHT, 1]
    openpose(tmp_path, shares if unit == "unit" else shares * [2, 2, 1] - [1, 1, 0])
    (sequence,) = sequences("openpose body 25", tmp_path, coordinates=unit)
    np.testing.assert_allclose(pixels(sequence), BODY_25.positions(points[:, 0, :, :2]), atol=1e-2)


def test_a_person_twice_in_a_frame_is_refused(tmp_path: Path) -> None:
    coco_results(tmp_path, people(COCO_17))
    edit(tmp_path / "clip.json", lambda entries: entries.append(entries[4]))
    with pytest.raises(InputError, match=r"clip\.json: frame 2 has person 10 twice"):
        source_of("coco results", tmp_path, image_size=SIZE)


def test_a_frame_twice_is_refused(tmp_path: Path) -> None:
    mmpose_video(tmp_path, people(COCO_17))
    edit(tmp_path / "clip.json", lambda frames: frames.append(frames[4]))
    with pytest.raises(InputError, match=r"clip\.json: frame 4 is there twice"):
        source_of("mmpose video", tmp_path, image_size=SIZE)


def test_an_openpose_frame_twice_is_refused(tmp_path: Path) -> None:
    openpose(tmp_path, people(BODY_25, frames=2))
    (tmp_path / "clip_1_keypoints.json").write_text("{}")
    with pytest.raises(InputError, match="frame 1 is there twice"):
        source_of("openpose body 25", tmp_path, image_size=SIZE)


def test_a_file_without_any_person_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "clip.json", [])
    with pytest.raises(InputError, match=r"clip\.json: no person in any frame"):
        source_of("coco", tmp_path, image_size=SIZE)


def test_a_number_of_joints_that_no_layout_has_is_refused(tmp_path: Path) -> None:
    alphapose(tmp_path, people(COCO_17)[:, :, :14])
    with pytest.raises(InputError, match=r"14 joints a person, expected 17 \(coco17\), 26 \(halpe26\)"):
        source_of("alphapose 17", tmp_path, image_size=SIZE)


def test_a_person_with_fewer_numbers_than_the_others_is_named(tmp_path: Path) -> None:
    alphapose(tmp_path, people(COCO_17))
    edit(tmp_path / "clip.json", lambda entries: entries[5].update(keypoints=entries[5]["keypoints"][:-1]))
    with pytest.raises(InputError, match=r"clip\.json: entry 5, keypoints: expected a list of 51 numbers, got 50 values"):
        source_of("alphapose 17", tmp_path, image_size=SIZE)


def test_joint_names_of_an_unknown_layout_are_refused(tmp_path: Path) -> None:
    coco_annotations(tmp_path, people(COCO_17))
    edit(tmp_path / "clip.json", lambda c: c["categories"][0].update(keypoints=["beak", "tail"]))
    with pytest.raises(InputError, match=r"clip\.json: categories: the joints beak, tail"):
        source_of("coco annotations", tmp_path)


def test_an_unknown_layout_name_is_refused_unless_the_config_gives_one(tmp_path: Path) -> None:
    points = people(COCO_17, count=1)[:, 0, :, :2]
    metadata = {"layout_name": "centaur", "video_metadata": {"v": {"w": WIDTH, "h": HEIGHT}}}
    np.savez(
        tmp_path / "a.npz", positions_2d=np.array({"v": {"custom": [points]}}, object), metadata=np.array(metadata, object)
    )
    with pytest.raises(InputError, match=r"a\.npz: metadata: layout_name 'centaur'"):
        source_of("videopose3d", tmp_path)
    assert source_of("videopose3d", tmp_path, layout="coco17").sequences


def test_an_annotation_of_no_image_is_refused(tmp_path: Path) -> None:
    coco_annotations(tmp_path, people(COCO_17))
    edit(tmp_path / "clip.json", lambda c: c["images"].pop(3) and None)
    with pytest.raises(InputError, match="image_id 3 is not among the images"):
        source_of("coco annotations", tmp_path)


def test_detectron2_keypoints_of_another_shape_are_named_with_their_frame(tmp_path: Path) -> None:
    detectron2(tmp_path, people(COCO_17)[:, :, :14])
    with pytest.raises(InputError, match=r"keypoints, frame 0: expected numbers \(people, 4, 17\), got float32 \(2, 4, 14\)"):
        source_of("detectron2", tmp_path)


def test_a_table_without_a_joint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("frame,nose_x,nose_y\n0,5,5\n")
    with pytest.raises(InputError, match=r"a\.csv: no columns '<joint>_x' for all joints of h36m17 or body25"):
        source_of("table", tmp_path, image_size=SIZE)


@pytest.mark.parametrize("column", ["video", "camera", "person"])
def test_a_table_with_lists_for_names_is_refused(tmp_path: Path, column: str) -> None:
    table_parquet(tmp_path, people(H36M_17, frames=2, count=1))
    rewrite_table(tmp_path / "clip.parquet", **{column: pa.array([["a"], ["b"]])})
    with pytest.raises(InputError, match=rf"clip\.parquet: column '{column}': expected names or numbers, got list"):
        source_of("table parquet", tmp_path)


@pytest.mark.filterwarnings("error")
def test_a_table_with_a_number_beyond_float32_is_refused(tmp_path: Path) -> None:
    table_parquet(tmp_path, people(H36M_17, frames=2, count=1))
    rewrite_table(tmp_path / "clip.parquet", Hip_x=pa.array([5.0, 1e300]))
    with pytest.raises(
        InputError, match=r"clip\.parquet: frame 1, person 0: a coordinate or confidence is not a finite number"
    ):
        source_of("table parquet", tmp_path)


def test_a_table_with_text_for_a_number_is_refused(tmp_path: Path) -> None:
    table_csv(tmp_path, people(COCO_17))
    text = (tmp_path / "clip.csv").read_text().splitlines()
    (tmp_path / "clip.csv").write_text("\n".join([text[0], "zero" + text[1][1:], *text[2:]]))
    with pytest.raises(InputError, match=r"clip\.csv: column 'frame': expected numbers, got string"):
        source_of("table csv", tmp_path)


# --- broken files


def test_a_broken_file_stops_the_job(tmp_path: Path) -> None:
    coco_results(tmp_path, people(COCO_17))
    (tmp_path / "other.json").write_text("[{")
    with pytest.raises(InputError, match=r"other\.json: not JSON, line 1, column 3"):
        source_of("coco results", tmp_path, image_size=SIZE)


def test_a_broken_file_is_left_out_and_listed_where_the_config_says_so(tmp_path: Path) -> None:
    coco_results(tmp_path, people(COCO_17))
    (tmp_path / "broken.json").write_text("[{")
    nonsense = people(COCO_17, frames=2)
    nonsense[1, 0, 0, 0] = 1e6
    coco_results(tmp_path / "b", nonsense)
    source = source_of("coco results", tmp_path, prepare={"on_error": "skip"}, image_size=SIZE)
    assert {clip.action for clip in source.sequences} == {"clip"}
    assert ["b/clip.json" in source.skipped[0], "broken.json" in source.skipped[1]] == [True, True]


def test_nothing_but_broken_files_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[{")
    with pytest.raises(InputError, match=r"nothing could be read; the first of 1: .*a\.json"):
        source_of("coco", tmp_path, prepare={"on_error": "skip"}, image_size=SIZE)


def test_an_npz_that_would_run_code_does_not(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "ran",)

    videopose3d(tmp_path, people(COCO_17))
    np.savez(tmp_path / "clip.npz", positions_2d=np.array(Payload(), object), metadata=np.array({}, object))
    with pytest.raises(InputError, match=r"clip\.npz: member 'positions_2d': holds the global pathlib"):
        source_of("videopose3d", tmp_path)
    assert not (tmp_path / "ran").exists()


# --- layouts


@pytest.mark.parametrize("name", LAYOUTS)
def test_left_and_right_stay_apart_in_every_layout(name: str) -> None:
    layout = LAYOUTS[name]
    x = np.array(
        [[1.0 if simplified(j).startswith("l") else -1.0 if simplified(j).startswith("r") else 0.0] for j in layout.joints]
    )
    side = layout.positions(x)[:, 0]
    assert (side[[4, 5, 6, 11, 12, 13]] == 1).all() and (side[[1, 2, 3, 14, 15, 16]] == -1).all()
    np.testing.assert_allclose(side[[0, 7, 8, 9, 10]], 0, atol=1e-7)


def test_coco_middles_are_those_of_motionbert() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(17, 2))
    found = COCO_17.positions(points)
    np.testing.assert_allclose(found[0], (points[11] + points[12]) / 2, atol=1e-6)
    np.testing.assert_allclose(found[8], (points[5] + points[6]) / 2, atol=1e-6)
    np.testing.assert_allclose(found[7], (found[0] + found[8]) / 2, atol=1e-6)
    np.testing.assert_allclose(found[9], points[0], atol=1e-6)
    np.testing.assert_allclose(found[10], (points[1] + points[2]) / 2, atol=1e-6)


def test_images_of_one_folder_are_one_recording(tmp_path: Path) -> None:
    mmpose_images(tmp_path, people(COCO_17, frames=11, count=1))
    (clip,) = source_of("mmpose images", tmp_path, image_size=SIZE).sequences
    assert clip.action == "clip" and clip.load().frame.tolist() == list(range(11))


def test_a_broken_video_or_image_of_mmpose_leaves_out_itself(tmp_path: Path) -> None:
    mmpose_images(tmp_path, people(COCO_17, frames=11, count=1))
    mmpose_video(tmp_path / "video", people(COCO_17, frames=5, count=1))
    (tmp_path / "broken.json").write_text((tmp_path / "video" / "clip.json").read_text()[:-20])
    (tmp_path / "clip" / "4.json").write_text("[{")
    found = source_of("mmpose", tmp_path, {"on_error": "skip"}, image_size=SIZE)
    assert [(clip.action, clip.rows) for clip in found.sequences] == [("clip", 10), ("video/clip", 5)]
    assert [line.split(":")[0].removeprefix(f"{tmp_path}/") for line in found.skipped] == ["clip/4.json", "broken.json"]
