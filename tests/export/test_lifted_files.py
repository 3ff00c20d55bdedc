"""What `lift` writes: arrays that say what they hold, whole files, and nobody else's files touched."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pose_diffusion.config import Config, LiftConfig
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.errors import InputError
from pose_diffusion.export import lifted_arrays, lifted_files
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.skeleton import JOINTS
from pose_diffusion.inference.lifted import LiftedFile, LiftedPerson, LiftedRecording
from pose_diffusion.inference.placing import placed

ARRAYS = ("frame", "time", "pose_3d", "root_3d", "spread", "pose_2d", "seen")


def person(name: str, frames: int, seed: int) -> LiftedPerson:
    rng = np.random.default_rng(seed)
    return LiftedPerson(
        name=name,
        frame=np.arange(frames) + seed,
        pose_2d=rng.uniform(0, 700, (frames, 17, 2)).astype(np.float32),
        seen=rng.random((frames, 17)) > 0.2,
        pose_3d=rng.normal(0, 0.3, (frames, 17, 3)).astype(np.float32),
        spread=np.zeros((frames, 17), np.float32),
        root_3d=(rng.normal(0, 0.2, (frames, 3)) + (0, 0, 4)).astype(np.float32),
    )


@pytest.fixture
def lifted(tmp_path: Path) -> LiftedFile:
    """Two people of one recording."""
    camera = Camera.from_field_of_view(60, 1280, 720)
    people = (person("person 0", 5, 0), person("person 1", 3, 1))
    recording = LiftedRecording("clip", people, 1280, 720, 25.0, False, camera, True, "AlphaPose results", "abc123")
    return LiftedFile(str(tmp_path / "clip.json"), (recording,), "AlphaPose results", (), "the model", {}, 1.0)


def config(lifted: LiftedFile, output: Path | str = "", *formats: str) -> Config:
    return Config(lift=LiftConfig(input=lifted.path, output=str(output), format=list(formats) or ["npz", "parquet"]))


def write(lifted: LiftedFile, output: Path, *formats: str) -> list[str]:
    settings = config(lifted, output, *formats)
    return lifted_files.write(lifted, settings, lifted_files.output_folder(settings), pages)


def pages(lifted: LiftedFile, folder: Path) -> list[str]:
    """Stands in for `viewer.write_pages`."""
    (folder / "view.html").write_text("a page")
    return ["view.html"]


def arrays(path: Path) -> list[dict[str, np.ndarray]]:
    with np.load(path, allow_pickle=False) as stored:
        return [{name: stored[f"person{place}/{name}"] for name in ARRAYS} for place in range(len(stored["people"]))]


def columns(path: Path) -> list[dict[str, np.ndarray]]:
    table = pq.read_table(path)
    people = np.array(table["person"].to_pylist())
    values = {name: table[name].to_numpy() for name in ("frame", "time")}
    values |= {name: tensor_values(table[name]) for name in ("pose_3d", "root_3d", "spread", "pose_2d")}
    values["seen"] = np.array(table["seen"].to_pylist())
    return [{name: value[people == one] for name, value in values.items()} for one in dict.fromkeys(people)]


@pytest.mark.parametrize(("name", "read"), [("poses.npz", arrays), ("poses.parquet", columns)])
def test_what_was_written_comes_back(lifted: LiftedFile, tmp_path: Path, name: str, read) -> None:
    write(lifted, tmp_path / "out")
    for found, wanted in zip(read(tmp_path / "out" / name), lifted.recordings[0].people, strict=True):
        for array in ARRAYS:
            value = wanted.frame / 25.0 if array == "time" else getattr(wanted, array)
            np.testing.assert_array_equal(found[array], value, err_msg=array)


def test_the_arrays_say_joints_units_camera_and_model(lifted: LiftedFile, tmp_path: Path) -> None:
    write(lifted, tmp_path)
    with np.load(tmp_path / "poses.npz") as stored:
        about = json.loads(str(stored["about"]))
        assert stored["joints"].tolist() == list(JOINTS) and stored["people"].tolist() == ["person 0", "person 1"]
        assert stored["fps"].tolist() == [25] and stored["image_size"].tolist() == [[1280, 720]]
        assert stored["camera_assumed"].tolist() == [True]
    assert set(about["units"]) == {*ARRAYS, "world"}
    assert about["model"]["content_hash"] == "abc123"
    [recording] = about["recordings"]
    assert recording["camera_assumed"] and not recording["fps_assumed"]
    assert Camera.from_dict(recording["camera"]) == lifted.recordings[0].camera
    metadata = pq.read_schema(tmp_path / "poses.parquet").metadata
    assert json.loads(metadata[lifted_arrays.METADATA]) == about


def test_several_formats_are_written_and_listed(lifted: LiftedFile, tmp_path: Path) -> None:
    paths = write(lifted, tmp_path, "npz", "bvh", "trc", "c3d", "csv", "videopose3d")
    names = {str(Path(path).relative_to(tmp_path)) for path in paths}
    each = {f"person {number}/clip.{suffix}" for number in (0, 1) for suffix in ("bvh", "trc", "c3d")}
    assert names == {"poses.npz", "poses.csv", "positions_3d.npz"} | each
    assert all((tmp_path / name).is_file() for name in names)
    assert set(json.loads((tmp_path / "lift.json").read_text())["files"]) == names
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == names | {"lift.json"}


def test_a_table_names_its_columns_and_places_people_where_they_stand(lifted: LiftedFile, tmp_path: Path) -> None:
    write(lifted, tmp_path, "csv")
    with (tmp_path / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["frame", "time", "person", "recording", "Hip_x"] and "Neck_z" in rows[0]
    last, one = rows[-1], lifted.recordings[0].people[1]
    assert (last["frame"], last["time"], last["person"], last["recording"]) == ("3", "0.12", "person 1", "clip")
    assert float(last["RWrist_y"]) == pytest.approx(one.joints_3d[-1, 16, 1], abs=1e-6)


def test_joints_in_the_world_are_in_both_files_with_how_up_is_known(lifted: LiftedFile, tmp_path: Path) -> None:
    recording = placed(lifted.recordings[0], tilt=10)
    write(replace(lifted, recordings=(recording,)), tmp_path)
    with np.load(tmp_path / "poses.npz") as stored:
        about = json.loads(str(stored["about"]))
        for number in (0, 1):
            np.testing.assert_array_equal(stored[f"person{number}/world"], recording.joints_world(number))
    rows = tensor_values(pq.read_table(tmp_path / "poses.parquet")["world"])
    np.testing.assert_array_equal(rows, np.concatenate([recording.joints_world(number) for number in (0, 1)]))
    assert about["recordings"][0]["world"]["up_from"] == "given"
    assert about["recordings"][0]["world"]["tilt_degrees"] == pytest.approx(10)


def test_without_a_world_its_joints_are_unknown(lifted: LiftedFile, tmp_path: Path) -> None:
    write(lifted, tmp_path)
    with np.load(tmp_path / "poses.npz") as stored:
        assert np.isnan(stored["person0/world"]).all()
        assert json.loads(str(stored["about"]))["recordings"][0]["world"] is None


@pytest.mark.parametrize("keys", [{"view": True}, {"video": "clip.mp4"}, {"format": ["npz", "html"]}])
def test_a_page_is_written_where_it_is_asked_for(lifted: LiftedFile, tmp_path: Path, keys: dict) -> None:
    settings = Config(lift=LiftConfig(input=lifted.path, output=str(tmp_path), **keys))
    assert str(tmp_path / "view.html") in lifted_files.write(lifted, settings, str(tmp_path), pages)
    assert "view.html" in json.loads((tmp_path / "lift.json").read_text())["files"]


def test_the_folder_is_by_default_beside_the_input(lifted: LiftedFile, tmp_path: Path) -> None:
    assert lifted_files.output_folder(config(lifted)) == str(tmp_path / "clip_3d")
    folder = tmp_path / "take.2"
    folder.mkdir()
    (folder / "a.json").write_text("[]")
    assert lifted_files.output_folder(config(replace(lifted, path=str(folder)))) == f"{folder}_3d"
    assert lifted_files.beside("s3://bucket/a.b/clip", is_folder=False) == "s3://bucket/a.b/clip_3d"


def test_results_of_the_same_input_are_replaced_and_stale_ones_go(lifted: LiftedFile, tmp_path: Path) -> None:
    write(lifted, tmp_path, "npz", "bvh")
    (tmp_path / "notes.txt").write_text("mine")
    other = replace(lifted, recordings=(replace(lifted.recordings[0], people=lifted.recordings[0].people[1:]),))
    write(other, tmp_path, "npz")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["lift.json", "notes.txt", "poses.npz"]
    assert len(arrays(tmp_path / "poses.npz")) == 1


def test_a_run_that_fails_leaves_the_earlier_results(lifted: LiftedFile, tmp_path: Path, monkeypatch) -> None:
    write(lifted, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken(lifted: LiftedFile, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk")

    monkeypatch.setitem(lifted_files.ARRAYS, "parquet", ("poses.parquet", broken))
    with pytest.raises(OSError, match="disk"):
        write(lifted, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("form", ["bvh", "trc", "c3d"])
def test_images_that_are_no_video_are_refused_where_time_must_run_evenly(lifted: LiftedFile, tmp_path: Path, form: str) -> None:
    images = replace(lifted.recordings[0].people[0], frame=np.array([0, 139, 285, 581_929, 2_000_000_000]))
    apart = replace(lifted, recordings=(replace(lifted.recordings[0], people=(images,)),))
    with pytest.raises(InputError, match=r"person 0 / clip: 5 poses over \d+ frames, so no video.*choose csv"):
        write(apart, tmp_path, form)


def test_results_of_another_input_are_not_replaced(lifted: LiftedFile, tmp_path: Path) -> None:
    write(lifted, tmp_path)
    other = replace(lifted, path=str(tmp_path / "other.json"))
    with pytest.raises(InputError, match=r"holds the 3D of .*clip\.json: choose another -o"):
        lifted_files.output_folder(config(other, tmp_path))


def test_a_file_that_lift_has_not_written_is_not_replaced(lifted: LiftedFile, tmp_path: Path) -> None:
    (tmp_path / "poses.npz").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"poses\.npz: is there, and not from lift"):
        write(lifted, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["poses.npz"] and (tmp_path / "poses.npz").read_bytes() == b"mine"


@pytest.mark.parametrize("record", ["", "[]", '{"files": "all"}', '{"files": ["../../home"]}', '{"files": ["/etc/hosts"]}'])
def test_a_record_that_lift_does_not_write_is_refused(lifted: LiftedFile, tmp_path: Path, record: str) -> None:
    (tmp_path / "lift.json").write_text(record)
    with pytest.raises(InputError, match=r"lift\.json: not as lift writes it"):
        lifted_files.output_folder(config(lifted, tmp_path))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("poses.npz", r"poses\.npz: -o takes a folder; choose what is written into it by --format npz"),
        ("walk.bvh", "--format bvh"),
        ("clip.json", "is in the input's folder"),
        ("clip.json/out", "is in the input's folder"),
        ("taken/out", "taken is a file, not a folder"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_anything_is_lifted(
    lifted: LiftedFile, tmp_path: Path, output: str, message: str
) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=message):
        lifted_files.output_folder(config(lifted, tmp_path / output))
