"""prepare.source=auto: which source an input is read by, and what is said where there is none."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose_diffusion.config import Config, loading
from pose_diffusion.data.sources import SOURCES, all_recognisers, open_source, recognise, resolve
from pose_diffusion.data.sources.recognise import Recognition
from pose_diffusion.data.sources.sample import look
from pose_diffusion.data.sources.summary import summary
from pose_diffusion.errors import InputError
from tests.data.sources.recognised_files import KINDS, NEEDED

SIZE = {"image_size": [1280, 720]}


def found(path: Path | str) -> Recognition:
    return recognise.recognise(str(path), all_recognisers(), SOURCES)


def refused(path: Path | str) -> str:
    with pytest.raises(InputError) as error:
        found(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def auto(path: Path | str, source: str = "auto") -> Config:
    """The config of an input with the keys that no file states, for each source."""
    archives = {
        name: SIZE
        for name in (
            "coco",
            "openpose",
            "alphapose",
            "mmpose",
            "mediapipe",
            "tfjs",
            "table",
            "videopose3d",
            "deeplabcut",
            "sleap",
            "yolo",
        )
    }
    prepare = {"source": source, "input": str(path), "test_subjects": ["S9", *(f"TS{n}" for n in range(1, 7))]}
    return loading.from_dict({"prepare": prepare, **archives, **NEEDED})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind."""
    folders = {}
    for number, (kind, (_, write)) in enumerate(KINDS.items()):
        folders[kind] = tmp_path_factory.mktemp(f"kind{number}")
        write(folders[kind])
    return folders


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_recognised_as_its_source(written: dict[str, Path], kind: str) -> None:
    recognised = found(written[kind])
    assert recognised.source == KINDS[kind][0]
    assert recognised.tool and recognised.reason


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("human36m", "asf_amc")])
def test_a_file_is_recognised_as_its_folder_is(written: dict[str, Path], kind: str) -> None:
    for path in files(written[kind]):
        assert found(path).source == KINDS[kind][0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_of_one_tool_alone(written: dict[str, Path], kind: str) -> None:
    for path in files(written[kind]):
        sample = look(str(path))
        assert len([name for name, recogniser in all_recognisers().items() if recogniser(sample) is not None]) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_auto_reads_what_the_named_source_reads(written: dict[str, Path], kind: str) -> None:
    named = auto(written[kind], KINDS[kind][0])
    if kind == "mmpose3d":
        named = loading.from_dict(named.model_dump() | {"mmpose3d": {"annotations": "a.npz"}})
    if kind == "mpi_inf_3dhp original":
        named = loading.from_dict(named.model_dump() | {"mpi_inf_3dhp": {"files": "original"}})
    assert resolve(auto(written[kind]))[0] == named
    one, other = open_source(auto(written[kind])), open_source(named)
    assert one.description == other.description
    assert [(clip.subject, clip.action, clip.camera, clip.rows) for clip in one.sequences] == [
        (clip.subject, clip.action, clip.camera, clip.rows) for clip in other.sequences
    ]


def test_a_named_source_is_kept_and_without_an_input_auto_is_synthetic() -> None:
    assert resolve(auto("anything", "bvh"))[0].prepare.source == "bvh"
    config, recognised = resolve(loading.from_dict({}))
    assert (config.prepare.source, recognised) == ("synthetic", None)


def test_a_setting_that_was_given_is_kept_over_what_the_file_states(tmp_path: Path, written: dict[str, Path]) -> None:
    shutil.copy(written["mmpose3d"] / "a.npz", tmp_path / "b.npz")
    given = {"prepare": {"input": str(tmp_path)}, "mmpose3d": {"annotations": "other.npz"}}
    assert resolve(loading.from_dict(given))[0].mmpose3d.annotations == "other.npz"
    assert resolve(loading.from_dict(given | {"mmpose3d": {}}))[0].mmpose3d.annotations == "b.npz"


def test_the_summary_says_tool_joints_tracking_people_and_frames(written: dict[str, Path]) -> None:
    line = summary(open_source(auto(written["alphapose 17"])), "AlphaPose results")
    assert line == "AlphaPose results, 17 joints (coco17), ids in the file; 8 people in 4 frames, 2 tracks"
    line = summary(open_source(auto(written["openpose coco 18"])), "OpenPose JSON")
    assert line == "OpenPose JSON, 18 joints (coco18), no ids, people are followed; 8 people in 4 frames, 2 tracks"


def test_two_kinds_in_a_folder_are_named_with_a_file_of_each(tmp_path: Path, written: dict[str, Path]) -> None:
    shutil.copy(files(written["alphapose 17"])[0], tmp_path / "ap.json")
    shutil.copy(files(written["bvh"])[0], tmp_path / "walk.bvh")
    line = refused(tmp_path)
    for part in (
        "AlphaPose results (ap.json)",
        "BVH motion capture (walk.bvh)",
        "prepare.source=alphapose or prepare.source=bvh",
    ):
        assert part in line


def test_files_of_no_tool_beside_those_of_one_do_not_matter(tmp_path: Path, written: dict[str, Path]) -> None:
    shutil.copy(files(written["bvh"])[0], tmp_path / "walk.bvh")
    for name in ("readme.txt", "walk.mp4", "settings.json", "cover.png", "license"):
        (tmp_path / name).write_bytes(b"nothing \x00 of poses")
    assert found(tmp_path).source == "bvh"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"", "an empty file"),
        ("a.json", b"hello", "not JSON"),
        ("a.json", b"[]", "JSON, an empty list"),
        ("a.json", b'{"fps": 25}', "JSON, a mapping with 'fps'"),
        ("a.json", b'[{"speed": 1}]', "JSON, a list of 1, the first a mapping with 'speed'"),
        ("a.csv", b"time,speed\n1,2\n", "a table with the columns time, speed"),
        ("a.txt", b"notes", "text, of no tool that is known"),
        ("a.bvh", b"\x00\x01\x02", "a binary file"),
        ("a.npz", b"PK\x03\x04 broken", "of no tool that is known"),
        ("a.png", b"\x89PNG", "an image .*run a 2D pose estimator"),
        ("a.mp4", b"\x00", "a video .*run a 2D pose estimator"),
        ("a.fbx", b"Kaydara", "export BVH"),
        ("a.pkl", b"\x80\x04", "pickles are not loaded"),
        ("manifest.json", b'{"files": [], "kernels": 1, "joints": [], "settings": {}}', "a shard folder"),
        ("a.json", b'[{"bbox": [1, 2, 3, 4], "image_id": 1, "score": 0.5}]', "boxes without keypoints"),
        ("a.json", b'[{"keypoints": [1, 2, 0.5], "bbox": [1], "score": 1, "category_id": 1}]', "OpenPifPaf .*image_id"),
        ("a.json", b'{"0.jpg": [{"keypoints": [1, 2, 0.5], "scores": 1}]}', "PoseFlow's input"),
        ("a.json", b'{"instance_info": [{"frame_id": 1, "instances": [{"keypoints": [[1, 2, 3]]}]}]}', "a 3D result"),
        ("a.csv", b"nose_x,nose_y,left_eye_x,left_eye_y,right_eye_x,right_eye_y,left_ear_x,left_ear_y,"
                  b"right_ear_x,right_ear_y\n" + b"1," * 9 + b"1\n", "no column 'frame'"),
        ("a.csv", ",".join(f"x{n},y{n},z{n},v{n}" for n in range(1, 46)).encode(), "the numbers do not say which joints"),
        ("a.csv", b"frame,x_0,y_0,x_1,y_1,x_2,y_2,x_3,y_3,x_4,y_4\n", "columns 'x_0' to 'x_4'"),
        ("a.csv", b"frame,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4\n", "the numbers do not say which joints"),
    ],
)  # fmt: skip
def test_what_is_read_by_no_source_is_refused_with_what_it_is(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    for path in (tmp_path, tmp_path / name):
        assert re.search(message, refused(path))


@pytest.mark.parametrize(("name", "message"), [("absent", "no such file or folder"), ("empty", "the folder is empty")])
def test_an_input_without_files_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    assert message in refused(tmp_path / name)


def test_arrays_that_are_results_or_objects_are_refused_with_the_way_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", reconstruction=np.zeros((4, 17, 3)))
    np.save(tmp_path / "b.npy", np.array([{"x": 1}], object))
    np.save(tmp_path / "c.npy", np.zeros((4, 17, 3)))
    assert "2D keypoints that they were lifted from" in refused(tmp_path / "a.npz")
    assert "pickled objects are not loaded" in refused(tmp_path / "b.npy")
    assert "prepare.source=table" in refused(tmp_path / "c.npy")


def test_two_files_of_which_one_is_a_data_set_need_a_choice(tmp_path: Path, written: dict[str, Path]) -> None:
    for name in ("train.npz", "test.npz"):
        shutil.copy(written["mmpose3d"] / "a.npz", tmp_path / name)
    assert "set prepare.source=mmpose3d and 'mmpose3d.annotations'" in refused(tmp_path)


def _yolo(folder: Path) -> None:
    (folder / "v_1.txt").write_text("0 0.5 0.5 0.2 0.4 " + " ".join(["0.5 0.5 0.9"] * 17) + "\n")


def _yolo_json(folder: Path) -> None:
    keypoints = {"x": [1.0] * 17, "y": [2.0] * 17, "visible": [1.0] * 17}
    entry = {
        "name": "person",
        "class": 0,
        "confidence": 0.9,
        "box": {"x1": 0, "y1": 0, "x2": 1, "y2": 1},
        "keypoints": keypoints,
    }
    (folder / "v.json").write_text(json.dumps([entry | {"keypoints": keypoints}]))


def _deeplabcut(folder: Path) -> None:
    (folder / "v.csv").write_text("scorer,D,D,D\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1.0,2.0,0.9\n")


def _sleap_csv(folder: Path) -> None:
    (folder / "v.csv").write_text("track,frame_idx,instance.score,nose.x,nose.y,nose.score\n,0,nan,1.0,2.0,\n")


def _sleap_h5(folder: Path) -> None:
    with h5py.File(folder / "v.analysis.h5", "w") as file:
        file["tracks"], file["node_names"] = np.zeros((1, 2, 3, 4)), [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("source", "write"),
    [("yolo", _yolo), ("yolo", _yolo_json), ("deeplabcut", _deeplabcut), ("sleap", _sleap_csv), ("sleap", _sleap_h5)],
)
def test_yolo_deeplabcut_and_sleap_are_told_with_or_without_a_reader(tmp_path: Path, source: str, write) -> None:
    write(tmp_path)
    assert recognise.recognise(str(tmp_path), all_recognisers(), [source]).source == source
    with pytest.raises(InputError, match=r"which is not read; save it as a table"):
        recognise.recognise(str(tmp_path), all_recognisers(), [])


def test_of_many_files_a_few_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        (tmp_path / f"v_{number:012d}_keypoints.json").write_text('{"version": 1.3, "people": []}')
    looked_at: list[str] = []
    monkeypatch.setattr(recognise.samples, "look", lambda path: looked_at.append(path) or look(path))
    assert found(tmp_path).source == "openpose"
    assert len(looked_at) <= 8
    names = sorted(path[-27:] for path in looked_at)
    assert names[0].startswith("000000000000") and names[-1].startswith("000000000299")


def test_a_large_json_is_known_by_its_head(tmp_path: Path, written: dict[str, Path]) -> None:
    entry = json.loads(files(written["alphapose 17"])[0].read_text())[0]
    (tmp_path / "a.json").write_text(json.dumps([entry] * 5000))
    assert (tmp_path / "a.json").stat().st_size > 1 << 20
    assert found(tmp_path).source == "alphapose"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    name=st.sampled_from([".json", ".csv", ".npz", ".npy", ".bvh", ".txt", ".parquet", ""]),
    changes=st.lists(st.tuples(st.integers(0, 10**7), st.sampled_from(b'0[]{},:"e-.n\x00\xff ')), max_size=6),
    kept=st.sampled_from([1.0, 1.0, 0.9, 0.5, 0.01]),
)
def test_a_mutated_cut_or_renamed_file_is_read_as_its_own_tool_or_refused_in_a_line(
    tmp_path: Path, written: dict[str, Path], kind: str, name: str, changes: list, kept: float
) -> None:
    original = files(written[kind])[0]
    content = bytearray(original.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path / f"{original.stem}{name or original.suffix}"
    path.write_bytes(content[: int(kept * len(content))])
    try:
        recognised = found(path)
        assert recognised.source == KINDS[kind][0]
        for clip in open_source(auto(path)).sequences[:1]:
            clip.load()
    except InputError as error:
        assert "\n" not in str(error)
    finally:
        path.unlink()
