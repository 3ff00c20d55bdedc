"""Predictions as .trc, .c3d and .csv, read back as other programs read them."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import c3d
import numpy as np
import pytest

from pose_diffusion.config import ExportConfig
from pose_diffusion.export import FORMATS, sequences
from pose_diffusion.export.sequences import PoseTrack

FPS = 25.0
TO_OPENSIM = np.array([1, -1, -1])


def track(frame: list[int], camera: str = "c1") -> PoseTrack:
    rng = np.random.default_rng(len(frame))
    pose = rng.normal(0, 0.3, (len(frame), 17, 3)).astype(np.float32)
    root = (rng.normal(0, 0.1, (len(frame), 3)) + (0, 0, 5)).astype(np.float32)
    return PoseTrack("S9", "Walking", camera, np.array(frame, np.int32), pose - pose[:, :1], root)


def exported(folder: Path, form: str, *tracks: PoseTrack, **settings: object) -> list[str]:
    return FORMATS[form](ExportConfig(output=str(folder), fps=FPS, **settings), tracks)


def read_trc(path: str) -> tuple[dict[str, str], list[str], np.ndarray]:
    """Header, markers and the numbers (rows, 2 + 3 * markers), NaN for empty cells, as OpenSim lays them out."""
    lines = Path(path).read_text().split("\n")
    assert lines[0].split("\t") == ["PathFileType", "4", "(X/Y/Z)", Path(path).name]
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    markers = lines[3].split("\t")[2::3]
    assert lines[4].split("\t")[:5] == ["", "", "X1", "Y1", "Z1"] and lines[4].split("\t")[-1] == f"Z{len(markers)}"
    assert lines[5] == "" and lines[-1] == ""
    rows = [[float(cell) if cell else np.nan for cell in line.split("\t")] for line in lines[6:-1]]
    return header, markers, np.array(rows)


def read_c3d(path: str) -> tuple[c3d.Reader, np.ndarray]:
    """The points of all frames, (frames, 17, 5): x, y, z, residual, cameras."""
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a file without analogue channels
        reader = c3d.Reader(file)
        return reader, np.array([points.copy() for _, points, _ in reader.read_frames()])


def test_a_trc_file_has_the_layout_and_axes_of_opensim(tmp_path: Path) -> None:
    one = track([3, 4, 5])
    [path] = exported(tmp_path, "trc", one)
    header, markers, rows = read_trc(path)
    assert header == {
        "DataRate": "25", "CameraRate": "25", "NumFrames": "3", "NumMarkers": "17", "Units": "m",
        "OrigDataRate": "25", "OrigDataStartFrame": "4", "OrigNumFrames": "3",
    }  # fmt: skip
    assert markers == list(sequences.NAMES)
    np.testing.assert_allclose(rows[:, 0], [4, 5, 6])
    np.testing.assert_allclose(rows[:, 1], [0.12, 0.16, 0.2])
    np.testing.assert_allclose(rows[:, 2:].reshape(-1, 17, 3), one.positions(True) * TO_OPENSIM, atol=1e-6)


def test_trc_rows_run_evenly_and_frames_without_a_pose_are_empty(tmp_path: Path) -> None:
    header, _, rows = read_trc(exported(tmp_path, "trc", track([0, 4, 12]))[0])
    assert header["NumFrames"] == "4" and header["DataRate"] == "6.25"
    assert np.isnan(rows[:, 2:]).all(1).tolist() == [False, False, True, False]
    np.testing.assert_allclose(rows[:, 1], [0, 0.16, 0.32, 0.48])


def test_a_c3d_file_has_millimetres_with_z_up_and_says_so(tmp_path: Path) -> None:
    one = track([0, 1, 2])
    reader, points = read_c3d(exported(tmp_path, "c3d", one)[0])
    assert [label.strip() for label in reader.point_labels] == list(sequences.NAMES)
    assert reader.point_rate == FPS and reader.get("POINT:UNITS").string_value.strip() == "mm"
    assert [part.strip() for part in reader.get_screen_axis()] == ["+X", "+Z"]
    x, y, z = np.moveaxis(one.positions(True), -1, 0)
    np.testing.assert_allclose(points[..., :3], 1000 * np.stack([x, z, -y], -1), rtol=1e-5, atol=1e-2)


def test_c3d_frames_without_a_pose_are_marked_as_missing(tmp_path: Path) -> None:
    reader, points = read_c3d(exported(tmp_path, "c3d", track([2, 3, 5]))[0])
    assert (points[..., 3] < 0).all(1).tolist() == [False, False, True, False]
    assert reader.first_frame == 3 and reader.last_frame == 6


def test_a_csv_has_all_sequences_with_named_columns(tmp_path: Path) -> None:
    tracks = track([0, 2]), track([7], camera="")
    [path] = exported(tmp_path, "csv", *tracks)
    with open(path) as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["time"], row["person"], row["recording"]) for row in rows] == [
        ("0", "0", "S9", "Walking / c1"), ("2", "0.08", "S9", "Walking / c1"), ("7", "0.28", "S9", "Walking"),
    ]  # fmt: skip
    found = np.array([[float(row[f"{joint}_{axis}"]) for joint in sequences.NAMES for axis in "xyz"] for row in rows])
    wanted = np.concatenate([one.positions(True) for one in tracks])
    np.testing.assert_allclose(found.reshape(-1, 17, 3), wanted, atol=1e-6)


@pytest.mark.parametrize("form", ["trc", "c3d", "csv"])
def test_the_pelvis_stays_at_0_where_asked(tmp_path: Path, form: str) -> None:
    [path] = exported(tmp_path, form, track([0, 1]), root=False)
    if form == "csv":
        with open(path) as file:
            hip = [[float(row[f"Hip_{axis}"]) for axis in "xyz"] for row in csv.DictReader(file)]
    else:
        hip = read_trc(path)[2][:, 2:5] if form == "trc" else read_c3d(path)[1][:, 0, :3]
    assert not np.any(hip)
