"""Motion as arrays of the 17 joints' places, and the file that splits it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose_diffusion.config import loading
from pose_diffusion.data import schema
from pose_diffusion.data.plan import plan
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import all_recognisers, recognise
from pose_diffusion.data.sources.sample import look
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import JOINTS
from tests.data.sources.motion.mocap_files import motion, source_of, world_of, write_arrays, write_map

RING = {"cameras": "ring", "ring_cameras": 1}


def write(path: Path, **clips: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **clips)


def joints(path: Path, prepare: dict | None = None, **keys: object) -> Source:
    return source_of("joints", path, prepare, **{"fps": 30, **RING, **keys})


def relative(points: np.ndarray) -> np.ndarray:
    return points - points[:, :1]


def named(source: Source) -> list[tuple[str, str]]:
    return [(clip.subject, clip.action) for clip in source.sequences]


def splits(source: Source) -> dict[str, str]:
    """Each clip's split in the plan, by 'subject/action'."""
    files = plan(source, loading.from_dict({"prepare": {"test_subjects": ["lab/bob"]}}).prepare)
    return {f"{part.clip.subject}/{part.clip.action}": file.split for file in files for part in file.slices}


# --- Arrays


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_metres_come_back_as_they_are(tmp_path: Path, kind: type) -> None:
    points = motion().astype(kind)
    write(tmp_path / "a.npz", **{"anna/walk": points})
    np.testing.assert_allclose(relative(world_of(joints(tmp_path))), relative(points.astype(float)), atol=1e-6)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.int64])
@pytest.mark.parametrize("unit", ["auto", "quarter_millimetres"])
def test_whole_numbers_are_quarter_millimetres_stated_or_detected(tmp_path: Path, kind: type, unit: str) -> None:
    steps = np.round(motion() * 4000).astype(kind)
    write(tmp_path / "a.npz", **{"anna/walk": steps})
    np.testing.assert_allclose(relative(world_of(joints(tmp_path, unit=unit))), relative(steps / 4000), atol=1e-6)


@pytest.mark.parametrize(("unit", "metres"), [("metres", 1), ("centimetres", 0.01), ("millimetres", 0.001), ("inches", 0.0254)])
@pytest.mark.parametrize("stated", [True, False])
def test_other_units_of_floats_are_read_stated_or_detected(tmp_path: Path, unit: str, metres: float, stated: bool) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": motion() / metres})
    found = world_of(joints(tmp_path, unit=unit if stated else "auto"))
    np.testing.assert_allclose(relative(found), relative(motion()), atol=1e-5)


def test_whole_millimetres_are_not_taken_for_quarters_of_one(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": np.round(motion() * 1000).astype(np.int16)})
    np.testing.assert_allclose(relative(world_of(joints(tmp_path))), relative(motion()), atol=2e-3)


def test_floats_are_never_taken_for_quarter_millimetres(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": motion() * 4000})
    with pytest.raises(InputError, match=r"member 'anna/walk': a person [0-9.]+ units tall, in no known unit"):
        joints(tmp_path)


def test_z_is_up_even_of_a_person_who_lies(tmp_path: Path) -> None:
    lying = motion()[..., [2, 1, 0]] * [1, -1, 1]
    write(tmp_path / "a.npz", **{"anna/lie": lying})
    np.testing.assert_allclose(relative(world_of(joints(tmp_path))), relative(lying), atol=1e-5)


def test_another_axis_is_up_where_the_config_says_so(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": motion()[..., [1, 2, 0]]})
    np.testing.assert_allclose(relative(world_of(joints(tmp_path, up="y"))), relative(motion()), atol=1e-5)


def test_30_frames_a_second_are_resampled_to_50(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": motion(16)})
    (clip,) = source_of("joints", tmp_path, **RING).sequences
    assert clip.rows == len(clip.load()) == 26
    found, given = relative(world_of(source_of("joints", tmp_path, **RING))), relative(motion(16))
    np.testing.assert_allclose(found[::5], given[::3], atol=1e-5)


def test_the_arrays_frame_rate_is_the_configs(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": motion(16)})
    assert joints(tmp_path, source_fps=60).sequences[0].rows == 8


def test_the_last_part_of_a_name_is_the_action_and_the_rest_the_subject(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"lab/anna/walk 2": motion(3), "bob/run": motion(3), "jump": motion(3)})
    assert named(joints(tmp_path, subject="S9")) == [("bob", "run"), ("S9", "jump"), ("lab/anna", "walk 2")]


def test_a_folder_of_files_is_read_as_one_archive_and_a_file_alone_as_itself(tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.npz", **{"anna/walk": motion(3)})
    write(tmp_path / "b.npz", **{"bob/walk": motion(3)})
    assert sorted(named(joints(tmp_path))) == [("anna", "walk"), ("bob", "walk")]
    assert named(joints(tmp_path / "b.npz")) == [("bob", "walk")]


def test_each_camera_of_the_rig_sees_the_motion(tmp_path: Path) -> None:
    write_arrays(tmp_path)
    source = source_of("joints", tmp_path)
    assert len(source.sequences) == 12
    np.testing.assert_allclose(world_of(source, 0), world_of(source, 3), atol=1e-5)
    schema.check_rows(schema.to_table(source.sequences[0].load()), "clip", require_3d=True)


def test_joints_in_another_order_are_read_by_a_map(tmp_path: Path) -> None:
    order = list(np.roll(np.arange(17), 5))
    write(tmp_path / "a.npz", **{"anna/walk": motion()[:, order]})
    write_map(tmp_path / "map.yaml", {JOINTS[joint]: JOINTS[place] for place, joint in enumerate(order)})
    found = world_of(joints(tmp_path / "a.npz", joints=str(tmp_path / "map.yaml")))
    np.testing.assert_allclose(relative(found), relative(motion()), atol=1e-6)


# --- Bad arrays


def spoilt(value: float) -> np.ndarray:
    points = motion(6)
    points[3, 5, 1] = value
    return points


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (motion(6)[:, :16], r"expected \(frames, 17, 3\), .* got \(6, 16, 3\)"),
        (motion(6)[..., :2], r".*got \(6, 17, 2\)"),
        (motion(6)[0], r".*got \(17, 3\)"),
        (motion(6)[None], r".*got \(1, 6, 17, 3\)"),
        (np.float64(3), r".*got \(\)"),
        (np.zeros((0, 17, 3)), "has no frames; leave it out"),
        (spoilt(np.nan), "frame 3: LKnee is not finite"),
        (spoilt(-np.inf), "frame 3: LKnee is not finite"),
        (spoilt(1e30), r"frame 3: LKnee is not finite or beyond 1e\+06"),
        (np.zeros((6, 17, 3)), "a person 0 units tall, in no known unit"),
        (np.full((6, 17, 3), None), "expected an array of numbers, got object"),
        (np.full((6, 17, 3), "1"), "expected an array of numbers, got <U1"),
        (motion(6) + 0j, "expected an array of numbers, got complex128"),
    ],
)  # fmt: skip
def test_an_array_that_is_no_motion_is_refused_by_its_name(tmp_path: Path, array: Any, told: str) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": motion(6), "bob/walk": array})
    with pytest.raises(InputError, match=rf"a\.npz: member 'bob/walk': {told}") as caught:
        joints(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_bad_array_is_left_out_where_the_config_says_so(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": motion(6), "bob/walk": spoilt(np.nan)})
    source = joints(tmp_path, {"on_error": "skip"})
    assert named(source) == [("anna", "walk")]
    assert len(source.skipped) == 1 and "bob/walk" in source.skipped[0]


def test_a_file_without_arrays_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"a\.npz: holds no array; expected one a recording"):
        joints(tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_a_file_has_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"anna/walk": motion(3)})
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("anna/walk.npy", archive.read("anna/walk.npy"))
    with pytest.raises(InputError, match=r"a\.npz: member 'anna/walk\.npy' is there twice"):
        joints(tmp_path)


def test_a_recording_that_two_files_have_is_refused_with_both(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **{"mocap/walk": motion(3)})
    write(tmp_path / "b.npz", walk=motion(3))
    with pytest.raises(InputError, match=r"b\.npz: member 'walk': recording 'mocap/walk' is there twice, before in .*a\.npz"):
        joints(tmp_path)


@pytest.mark.parametrize("name", ["anna/", "anna//walk"])
def test_a_name_with_an_empty_part_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.npz", **{name: motion(3)})
    with pytest.raises(InputError, match=rf"a\.npz: member '{name}': expected a name 'SUBJECT/ACTION'"):
        joints(tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6), cut=st.integers(0, 50))
def test_a_mutated_file_gives_motion_or_a_clean_error(tmp_path: Path, changes: list, cut: int) -> None:
    write_arrays(tmp_path, "a.npz")
    content = bytearray((tmp_path / "a.npz").read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    (tmp_path / "a.npz").write_bytes(content[: len(content) - cut])
    try:
        schema.check_rows(schema.to_table(joints(tmp_path).sequences[0].load()), "clip")
    except InputError as error:
        assert "\n" not in str(error)


# --- The split file


def divided(folder: Path, content: Any, name: str = "split.json") -> Source:
    write_arrays(folder)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return joints(folder, split="split.json")


def test_without_a_split_file_the_test_subjects_decide(tmp_path: Path) -> None:
    write_arrays(tmp_path)
    assert splits(joints(tmp_path)) == {"lab/anna/run": "train", "lab/anna/walk": "train", "lab/bob/walk": "test"}


def test_subjects_of_the_split_file_go_before_the_test_subjects(tmp_path: Path) -> None:
    source = divided(tmp_path, {"train": {"subjects": ["lab/bob"]}, "test": {"subjects": ["lab/anna"]}})
    assert splits(source) == {"lab/anna/run": "test", "lab/anna/walk": "test", "lab/bob/walk": "train"}


def test_a_clip_of_its_own_part_goes_before_its_subject_and_one_in_none_is_left_out(tmp_path: Path) -> None:
    everybody = {"subjects": ["lab/anna", "lab/bob"], "clips": []}
    none = {"why": "a fall", "clips": ["lab/anna/run"]}
    source = divided(tmp_path, {"train": everybody, "test": {"clips": ["lab/anna/walk"]}, "none": none})
    assert splits(source) == {"lab/anna/walk": "test", "lab/bob/walk": "train"}


def test_the_split_file_is_beside_a_file_that_is_given_alone(tmp_path: Path) -> None:
    divided(tmp_path, {"train": {"subjects": ["lab/anna"]}, "test": {"subjects": ["lab/bob"]}})
    assert splits(joints(tmp_path / "motion.npz", split="split.json"))["lab/bob/walk"] == "test"


def test_a_split_file_elsewhere_is_named_by_its_path(tmp_path: Path) -> None:
    divided(tmp_path, {"train": {"subjects": ["lab/anna", "lab/bob"]}})
    shutil.move(tmp_path / "split.json", tmp_path.parent / f"{tmp_path.name}.json")
    source = joints(tmp_path, split=str(tmp_path.parent / f"{tmp_path.name}.json"))
    assert set(splits(source).values()) == {"train"}


EVERYBODY = {"subjects": ["lab/anna", "lab/bob"]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"train": EVERYBODY, "test": {"clips": ["lab/anna/wolk"]}},
         "key 'test.clips': 'lab/anna/wolk' is not in the input, the nearest is 'lab/anna/walk'"),
        ({"train": {"subjects": ["lab/bab"]}}, "key 'train.subjects': 'lab/bab' is not in the input, the nearest is 'lab/bob'"),
        ({"train": EVERYBODY, "test": {"subjects": ["lab/bob"]}}, "key 'test.subjects': 'lab/bob' is in 'train' too"),
        ({"train": {"clips": ["lab/bob/walk"]}, "none": {"clips": ["lab/bob/walk"]}}, "'lab/bob/walk' is in 'train' too"),
        ({"train": {"subjects": ["lab/anna"]}}, "'lab/bob/walk' is of no part; add the clip or its subject"),
        ({"none": EVERYBODY}, "leaves out all of the 3 recordings"),
        ({"train": ["lab/bob"]}, "key 'train.clips': expected a list of names"),
        ({"train": {"clips": "lab/bob/walk"}}, "key 'train.clips': expected a list of names"),
        ({"train": {"subjects": [1]}}, "key 'train.subjects': expected a list of names"),
        ({"trian": EVERYBODY}, "expected a mapping with train, test, none, got keys trian"),
        ({}, "expected a mapping with train, test, none, got nothing"),
        (["lab/bob"], "expected a mapping with train, test, none, got list"),
        ("null", "expected a mapping with train, test, none"),
        ("", "is empty"),
        ('{"train": ', "not JSON, line 1"),
        ("[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_a_split_file_that_does_not_fit_is_refused(tmp_path: Path, content: Any, told: str) -> None:
    with pytest.raises(InputError, match=rf"split\.json: {'.*' if told[0] == chr(39) else ''}{told}") as caught:
        divided(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_a_split_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split\.json"):
        divided(tmp_path, {}, "other.json")


# --- prepare.source=auto


def test_arrays_are_recognised_beside_their_split_and_their_notes(tmp_path: Path) -> None:
    divided(tmp_path, {"train": EVERYBODY})
    (tmp_path / "clips.csv").write_text("name,source,subject,action,frames\nlab/bob/walk,lab,lab/bob,walk,5\n")
    (tmp_path / "README.md").write_text("# motion\n")
    assert recognise.recognise(str(tmp_path), all_recognisers(), ["joints"]).source == "joints"


@pytest.mark.parametrize(
    "arrays",
    [
        {"keypoints": motion(3)},  # may be x, y, score
        {"reconstruction": motion(3)},
        {"anna/walk": motion(3)[:, :16]},
        {"anna/walk": np.full((3, 17, 3), None)},
        {"anna/walk": motion(3), "anna/fps": np.float64(30)},
        {"anna/walk": np.zeros((3, 17, 64, 48))},
    ],
)  # fmt: skip
def test_other_arrays_are_not_taken_for_motion(tmp_path: Path, arrays: dict) -> None:
    write(tmp_path / "a.npz", **arrays)
    assert all_recognisers()["joints"](look(str(tmp_path / "a.npz"))) is None


def test_arrays_that_may_be_results_are_refused_with_the_source_that_would_train_on_them(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", walk=motion(3))
    with pytest.raises(InputError, match=r"for motion to train on, set prepare\.source=joints"):
        recognise.recognise(str(tmp_path), all_recognisers(), ["joints"])
