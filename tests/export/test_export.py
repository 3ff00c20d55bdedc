"""Predictions as .bvh and .npz, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pose_diffusion.config import ExportConfig
from pose_diffusion.data import predictions, schema
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.data.sources.motion import bvh as bvh_source
from pose_diffusion.errors import InputError
from pose_diffusion.export import bvh, export, sequences
from pose_diffusion.geometry.skeleton import FLIP, JOINTS, PARENTS
from tests.data.poses import sequence

FRAMES = 20


def standing(frames: int = FRAMES) -> np.ndarray:
    """A body of constant bones that turns, bends and moves its limbs: (T, 17, 3) metres minus the pelvis, camera frame."""
    rng = np.random.default_rng(0)
    lengths = np.array([0, 0.13, 0.45, 0.44, 0.13, 0.45, 0.44, 0.23, 0.25, 0.11, 0.11, 0.15, 0.28, 0.25, 0.15, 0.28, 0.25])
    phase, speed = rng.uniform(0, 6, 17), rng.uniform(0.1, 0.4, 17)
    angles = 0.6 * np.sin(phase + speed * np.arange(frames)[:, None])  # (T, 17)
    world = np.zeros((frames, 17, 3, 3))
    positions = np.zeros((frames, 17, 3))
    for joint, parent in enumerate(PARENTS):
        turn = np.stack([turned(angle, joint % 3) for angle in angles[:, joint]])
        if parent < 0:
            world[:, joint] = turn
            continue
        positions[:, joint] = positions[:, parent] + world[:, parent] @ (bvh.REST[joint] * lengths[joint])
        # Both of two bones of the hip and the thorax are fixed in them; the others' joints turn.
        world[:, joint] = world[:, parent] @ turn
    return positions * np.array([1, -1, -1])  # the T-pose has y up


def turned(angle: float, axis: int) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def write(
    folder: Path,
    pose: np.ndarray,
    name: str = "part-00000",
    frame: np.ndarray | None = None,
    root: np.ndarray | None = None,
    action: str = "Walking 1",
    camera: str = "c1",
) -> None:
    """A prediction file of one sequence of S9."""
    rows = len(pose)
    made = sequence(rows=rows)
    shard = schema.to_table(
        PoseSequence(
            "S9", action, camera, np.arange(rows, dtype=np.int32) if frame is None else frame, made.mixture, 1000, 1000
        )
    )
    table = predictions.build(shard, {"lifter": pose.astype(np.float32)}, root_3d=root)
    predictions.write(str(folder / f"{name}.parquet"), table)


def exported(folder: Path, **settings: object) -> list[str]:
    return export(ExportConfig(input=str(folder), output=str(folder / "out"), **settings))


def read_bvh(path: str) -> tuple[np.ndarray, float]:
    """Positions of the 17 joints, as another program would compute them, and the frames a second."""
    motion = bvh_source.read(path)
    places = [motion.names.index(name) for name in bvh.NAMES]
    return np.asarray(motion.positions)[:, places], motion.fps


def test_a_bvh_file_read_back_has_the_joints_of_a_body_of_constant_bones(tmp_path: Path) -> None:
    pose = standing()
    write(tmp_path, pose)
    [path] = exported(tmp_path)
    positions, fps = read_bvh(path)
    np.testing.assert_allclose(positions / 100 * np.array([1, -1, -1]), pose, atol=1e-4)
    assert fps == pytest.approx(50)


def test_bones_are_constant_and_equal_on_both_sides_whatever_the_poses(tmp_path: Path) -> None:
    write(tmp_path, np.random.default_rng(0).normal(0, 0.4, (FRAMES, 17, 3)))
    positions, _ = read_bvh(exported(tmp_path)[0])
    lengths = np.linalg.norm(positions[:, 1:] - positions[:, PARENTS[1:]], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[:1], lengths.shape), rtol=1e-4)
    first = np.concatenate([[0], lengths[0]])
    np.testing.assert_allclose(first, first[list(FLIP)], rtol=1e-4)


def test_limbs_point_where_the_prediction_points(tmp_path: Path) -> None:
    pose = np.random.default_rng(1).normal(0, 0.4, (FRAMES, 17, 3))
    write(tmp_path, pose)
    positions, _ = read_bvh(exported(tmp_path)[0])
    for joint in (2, 3, 5, 6, 8, 10, 12, 13, 15, 16):  # their parents have no other child
        wanted = (pose[:, joint] - pose[:, PARENTS[joint]]) * np.array([1, -1, -1])
        found = positions[:, joint] - positions[:, PARENTS[joint]]
        cosine = (wanted * found).sum(-1) / np.linalg.norm(wanted, axis=-1) / np.linalg.norm(found, axis=-1)
        np.testing.assert_allclose(cosine, 1, atol=1e-6, err_msg=JOINTS[joint])


def test_a_bone_against_its_rest_direction_is_turned_half_around() -> None:
    ends = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])
    arcs = bvh.shortest_arc(np.array([0.0, -1.0, 0.0]), ends)
    np.testing.assert_allclose(arcs @ np.array([0.0, -1.0, 0.0]), ends, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(arcs), 1)
    np.testing.assert_allclose(arcs @ np.swapaxes(arcs, -1, -2), np.broadcast_to(np.eye(3), arcs.shape), atol=1e-12)


def test_the_best_rotation_finds_one_that_was_made() -> None:
    made = np.stack([turned(0.3, 0) @ turned(-2.0, 1), turned(3.0, 2)])
    start = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(bvh.best_rotation(start, start @ np.swapaxes(made, -1, -2)), made, atol=1e-12)


@pytest.mark.parametrize("x", [0.4, np.pi / 2, -np.pi / 2])
def test_euler_angles_give_the_rotation_back_at_right_angles_too(x: float) -> None:
    rotation = turned(0.7, 2) @ turned(x, 0) @ turned(-1.1, 1)
    z, x_found, y = bvh.euler_zxy(rotation[None, None])[0, 0]
    np.testing.assert_allclose(turned(z, 2) @ turned(x_found, 0) @ turned(y, 1), rotation, atol=1e-7)


def test_time_runs_evenly_over_a_gap_and_a_stride(tmp_path: Path) -> None:
    pose = np.repeat(standing(1), 5, 0)
    root = np.array([[t, 0, 5] for t in (0, 4, 8, 16, 20)], np.float32)
    write(tmp_path, pose, frame=np.array([0, 4, 8, 16, 20], np.int32), root=root)
    positions, fps = read_bvh(exported(tmp_path)[0])
    assert fps == pytest.approx(12.5)
    np.testing.assert_allclose(positions[:, 0, 0], [0, 400, 800, 1200, 1600, 2000], atol=1e-3)


def test_a_body_stands_where_its_root_is_unless_told_not_to(tmp_path: Path) -> None:
    write(tmp_path, standing(), root=np.tile(np.array([0.5, -0.2, 4.0], np.float32), (FRAMES, 1)))
    np.testing.assert_allclose(read_bvh(exported(tmp_path)[0])[0][:, 0], np.tile([50, 20, -400], (FRAMES, 1)), atol=1e-3)
    assert not read_bvh(exported(tmp_path, root=False)[0])[0][:, 0].any()


def test_an_npz_holds_the_joints_by_subject_action_and_camera(tmp_path: Path) -> None:
    pose = standing().astype(np.float32)
    write(tmp_path, pose)
    [path] = exported(tmp_path, format="videopose3d")
    stored = np.load(path, allow_pickle=True)
    np.testing.assert_array_equal(stored["positions_3d"].item()["S9"]["Walking 1"][0], pose)
    np.testing.assert_array_equal(stored["frames"].item()["S9"]["Walking 1"][0], np.arange(FRAMES))
    assert stored["cameras"].item() == {"S9": {"Walking 1": ["c1"]}}
    assert stored["metadata"].item()["num_joints"] == 17


def test_a_sequence_over_two_files_is_one(tmp_path: Path) -> None:
    pose = standing().astype(np.float32)
    frame = np.arange(FRAMES, dtype=np.int32)
    write(tmp_path, pose[12:], "part-00000", frame[12:])
    write(tmp_path, pose[:12], "part-00001", frame[:12])
    stored = np.load(exported(tmp_path, format="videopose3d")[0], allow_pickle=True)
    np.testing.assert_array_equal(stored["positions_3d"].item()["S9"]["Walking 1"][0], pose)


def test_names_of_the_data_do_not_leave_the_folder_and_do_not_collide(tmp_path: Path) -> None:
    for number, action in enumerate(("../../evil", "..+..+evil", "")):
        write(tmp_path, standing(), f"part-{number}", action=action)
    paths = exported(tmp_path)
    assert len(set(paths)) == 3
    assert all(Path(path).resolve().is_relative_to(tmp_path / "out" / "S9") for path in paths)


def test_a_camera_without_a_name_is_no_part_of_the_path(tmp_path: Path) -> None:
    write(tmp_path, standing(), camera="")
    assert exported(tmp_path) == [str(tmp_path / "out" / "S9" / "Walking 1.bvh")]


@pytest.mark.parametrize("form", ["bvh", "videopose3d"])
def test_each_file_is_read_once_though_names_and_files_are_in_other_orders(tmp_path: Path, monkeypatch, form: str) -> None:
    for number, places in enumerate(["c far, a far", "b far, a close"]):
        for place in places.split(", "):
            action, camera = place.split()
            write(tmp_path / "single", standing(), place, action=action, camera=camera)
        tables = [predictions.read(f"{tmp_path}/single/{place}.parquet") for place in places.split(", ")]
        predictions.write(f"{tmp_path}/both/part-{number}.parquet", pa.concat_tables(tables))
    read: list[str] = []
    plain = sequences._read
    monkeypatch.setattr(sequences, "_read", lambda path: read.append(path) or plain(path))
    [first, *_] = exported(tmp_path / "both", format=form)
    assert len(read) == len(set(read)) == 2
    if form == "videopose3d":
        stored = np.load(first, allow_pickle=True)["cameras"].item()["S9"]
        assert stored == {"a": ["close", "far"], "b": ["far"], "c": ["far"]} and list(stored) == ["a", "b", "c"]


def test_chosen_actions_alone_are_exported(tmp_path: Path) -> None:
    for action in ("Walking 1", "Sitting"):
        write(tmp_path, standing(), action, action=action)
    assert [Path(path).parent.name for path in exported(tmp_path, actions=["Sitting"])] == ["Sitting"]


def test_actions_that_are_not_there_are_refused(tmp_path: Path) -> None:
    write(tmp_path, standing())
    with pytest.raises(InputError, match="no poses of the chosen subjects and actions"):
        exported(tmp_path, actions=["Sitting"])


def test_a_folder_without_predictions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no prediction files"):
        exported(tmp_path)


def test_a_pose_shard_is_refused(tmp_path: Path) -> None:
    pa.parquet.write_table(schema.to_table(sequence()), tmp_path / "part.parquet")
    with pytest.raises(InputError, match="prediction schema version none"):
        exported(tmp_path)


@pytest.mark.parametrize("key", ["input", "output"])
def test_a_folder_that_is_not_given_is_named(tmp_path: Path, key: str) -> None:
    given = {"input": str(tmp_path), "output": str(tmp_path)} | {key: ""}
    with pytest.raises(InputError, match=rf"key 'export\.{key}'"):
        export(ExportConfig(**given))
