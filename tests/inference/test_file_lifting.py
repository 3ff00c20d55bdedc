"""Files of keypoints to 3D in memory: the same poses as by shards, and what is known and assumed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.config import InferConfig, loading
from pose_diffusion.data import predictions
from pose_diffusion.data.manifest import Selection
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.data.sources import open_source
from pose_diffusion.distributed.infer.shard_lifter import ShardLifter, Task
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, to_screen
from pose_diffusion.inference.bundle_folder import content_hash
from pose_diffusion.inference.file_lifting import in_front, lift_file
from tests.data.poses import sequence, write_folder
from tests.data.sources.motion.mocap_files import motion, write_bvh
from tests.distributed.archives import write_bundle
from tests.keypoint_files import SIZE, write_alphapose

ANGLE = 70.0


def by_shards(folder: Path, path: Path, bundle: Path) -> dict[str, np.ndarray]:
    """What prepare and infer make of a file of one person whose camera has a field of view of ANGLE."""
    config = loading.from_dict(
        {"prepare": {"source": "alphapose", "input": str(path)}, "alphapose": {"image_size": list(SIZE)}}
    )
    clips = [clip.load() for clip in open_source(config).sequences]
    manifest = write_folder(folder / "shards", {"split=test/part-00000.parquet": clips})
    infer = InferConfig(bundle=str(bundle), input=str(folder / "shards"), output=str(folder / "out"))
    cameras = {"person 0/": Camera.from_field_of_view(ANGLE, *SIZE)}
    task = Task(infer, Selection(split="test"), 1, cameras, False, "run", content_hash(str(bundle)), "cpu", 1, rate=30.0)
    assert not ShardLifter(task).lift(manifest.files[0]).lost
    table = predictions.read(task.output(manifest.files[0]))
    return {name: tensor_values(table[name]) for name in ("pose_3d", "root_3d", "pose_2d")} | {
        "frame": table["frame"].to_numpy()
    }


def test_poses_and_roots_are_those_of_prepare_and_infer(shipped: Path, tmp_path: Path) -> None:
    path = write_alphapose(tmp_path / "clip.json", frames=20, unseen=(9, 15))
    wanted = by_shards(tmp_path, path, shipped)
    [person] = lift_file(str(path), SIZE, field_of_view=ANGLE).recordings[0].people
    np.testing.assert_allclose(person.pose_3d, wanted["pose_3d"], atol=1e-5)
    np.testing.assert_allclose(person.root_3d, wanted["root_3d"], rtol=1e-4)
    np.testing.assert_array_equal(person.frame, wanted["frame"])
    np.testing.assert_allclose(to_screen(person.pose_2d, *SIZE), wanted["pose_2d"], atol=1e-5)


def test_each_person_has_the_frames_and_joints_that_were_seen(shipped: Path, tmp_path: Path) -> None:
    lifted = lift_file(str(write_alphapose(tmp_path / "clip.json", people=2, unseen=(9,))), SIZE)
    [recording] = lifted.recordings
    assert [person.name for person in recording.people] == ["person 0", "person 1"]
    assert [person.frame.tolist() for person in recording.people] == [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]
    assert lifted.poses == 11
    for person in recording.people:
        assert not person.seen[:, 13].any() and np.delete(person.seen, 13, axis=1).all()  # COCO's left wrist


def test_an_assumed_camera_is_marked_and_gives_a_root(shipped: Path, tmp_path: Path) -> None:
    [recording] = lift_file(str(write_alphapose(tmp_path / "clip.json")), SIZE).recordings
    assert recording.camera_assumed and recording.fps_assumed and recording.fps == 30
    assert recording.camera.focal[0] == pytest.approx(np.hypot(*SIZE))
    assert np.isfinite(recording.people[0].root_3d).all()


def test_a_given_field_of_view_and_rate_are_not_assumed(shipped: Path, tmp_path: Path) -> None:
    path = str(write_alphapose(tmp_path / "clip.json"))
    [recording] = lift_file(path, SIZE, fps=25, field_of_view=70).recordings
    assert not recording.camera_assumed and not recording.fps_assumed and recording.fps == 25
    assert recording.field_of_view == pytest.approx(70)


def test_a_rig_that_the_input_states_is_known_and_people_have_recordings_of_their_own(shipped: Path, tmp_path: Path) -> None:
    for name in ("anna", "bob"):
        (tmp_path / name).mkdir()
        write_bvh(tmp_path / name / "walk.bvh", motion(8))
    recordings = lift_file(str(tmp_path)).recordings
    assert len(recordings) == 8 and {len(recording.people) for recording in recordings} == {1}
    assert {recording.people[0].name for recording in recordings} == {"anna", "bob"}
    assert not any(recording.camera_assumed or recording.fps_assumed for recording in recordings)
    assert {recording.fps for recording in recordings} == {50}
    assert recordings[0].camera != Camera.from_field_of_view(60, 1000, 1002)


def test_a_root_behind_the_camera_is_interpolated_and_said(caplog: pytest.LogCaptureFixture) -> None:
    clip = replace(sequence(rows=4), frame=np.array([0, 1, 2, 4], np.int32))
    root = np.array([[0, 0, 4], [0, 0, 5], [9, 9, -2], [3, 0, 8]], np.float32)
    found = in_front(root, np.zeros((4, 17, 3), np.float32), clip)
    np.testing.assert_allclose(found, [[0, 0, 4], [0, 0, 5], [1, 0, 6], [3, 0, 8]], rtol=1e-6)
    assert "1 poses do not fit the image" in caplog.text


def test_roots_that_fit_nowhere_or_everywhere_stay() -> None:
    pose = np.zeros((2, 17, 3), np.float32)
    for depth in (-1.0, 3.0):
        root = np.array([[0, 0, depth], [1, 0, depth]], np.float32)
        np.testing.assert_array_equal(in_front(root, pose, sequence(rows=2)), root)


def test_one_person_can_be_chosen_by_number(shipped: Path, tmp_path: Path) -> None:
    path = str(write_alphapose(tmp_path / "clip.json", people=2))
    both = lift_file(path, SIZE).recordings[0].people
    [chosen] = lift_file(path, SIZE, person=["1"]).recordings[0].people
    assert chosen.name == "person 1"
    np.testing.assert_array_equal(chosen.pose_3d, both[1].pose_3d)


def test_a_bundle_of_the_published_family_lifts_files_too(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    path = str(write_alphapose(tmp_path / "clip.json"))
    [recording] = lift_file(path, SIZE, bundle=bundle).recordings
    assert recording.model == content_hash(bundle)
    assert np.isfinite(recording.people[0].pose_3d).all() and np.isfinite(recording.people[0].root_3d).all()


def test_broken_files_are_left_out_where_asked(shipped: Path, tmp_path: Path) -> None:
    write_alphapose(tmp_path / "good.json")
    entries = json.loads((tmp_path / "good.json").read_text())
    (tmp_path / "short.json").write_text(json.dumps([entries[0] | {"keypoints": [1, 2, 3]}]))
    with pytest.raises(InputError, match=r"short\.json"):
        lift_file(str(tmp_path), SIZE)
    lifted = lift_file(str(tmp_path), SIZE, prepare={"on_error": "skip"})
    assert lifted.poses == 6 and len(lifted.skipped) == 1 and "short.json" in lifted.skipped[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": None}, r"clip\.json: nothing says how large the images are; add --image-size WIDTHxHEIGHT"),
        ({"image_size": (0, 720)}, r"lift_file: key 'lift\.image_size\.0'"),
        ({"fps": -1}, r"key 'infer\.fps'"),
        ({"field_of_view": 180}, r"key 'infer\.field_of_view'"),
        ({"person": ["7"]}, r"clip\.json: no person '7'; there are person 0, person 1"),
        ({"bundle": "/absent/model"}, "/absent/model: no model bundle here"),
        ({"device": "tpu"}, r"key 'infer\.device'"),
        ({"prepare": {"source": "openpose"}}, r"clip\.json: expected a key 'people'"),
        ({"prepare": {"source": "synthetic"}}, "synthetic reads no file"),
        ({"prepare": {"source": "bvh"}}, r"clip\.json: read as prepare\.source=bvh, whose image size is known"),
        ({"alphapose": {"image_size": [640, 480]}}, r"'alphapose\.image_size' is \[640, 480\], --image-size 1280x720"),
        ({"infer": {"hypotheses": 3}}, r"key 'infer\.hypotheses' is 3: the video model has no diffusion"),
        ({"infer": {"diffusion": False}}, r"key 'infer\.diffusion': false is for the published family, the shipped model"),
        ({"coco": {"tracing": True}}, "did you mean 'coco.tracking'"),
    ],
)
def test_what_cannot_be_lifted_is_refused_in_one_line(shipped: Path, tmp_path: Path, options: dict, message: str) -> None:
    path = str(write_alphapose(tmp_path / "clip.json", people=2))
    with pytest.raises(InputError, match=message) as refused:
        lift_file(path, **{"image_size": SIZE} | options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "clip.mp4",
            b"\0\0\0 ftypisom",
            r"clip\.mp4: a video, and lift reads keypoints: .*yolo pose predict .*source=clip\.mp4",
        ),
        ("clip.json", b"", r"clip\.json: an empty file, of no tool that is known"),
        ("clip.json", b"[1, 2", r"clip\.json: "),
        ("poses.npz", b"PK", r"poses\.npz: "),
        ("photo.jpg", b"\xff\xd8", r"photo\.jpg: an image .*: poses are read, not images"),
        ("motion.fbx", b"Kaydara", r"motion\.fbx: FBX motion .* export BVH"),
    ],
)
def test_files_that_hold_no_keypoints_are_told_what_they_are(
    shipped: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        lift_file(str(tmp_path / name), SIZE)
    assert "\n" not in str(refused.value)


def test_a_folder_of_videos_is_told_so(shipped: Path, tmp_path: Path) -> None:
    for name in ("a.mov", "b.MP4"):
        (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(InputError, match=r"a video, and lift reads keypoints: .*source=a\.mov"):
        lift_file(str(tmp_path), SIZE)


@pytest.mark.parametrize("path", ["/absent/clip.json", ""])
def test_a_file_that_is_not_there_is_named(shipped: Path, path: str) -> None:
    with pytest.raises(InputError, match="/absent/clip.json: no such file or folder" if path else "no input: expected a file"):
        lift_file(path, SIZE)
