"""Shard files and folders: what is written is read back, by anyone; what is wrong is named with file, row and column."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pose_diffusion import storage
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import schema, shards
from pose_diffusion.data.manifest import Selection
from pose_diffusion.errors import InputError
from tests.data.poses import rewrite, sequence, with_mixture, write_folder

TRAIN = "split=train/part-00000.parquet"
TEST = "split=test/part-00000.parquet"


@pytest.fixture
def folder(tmp_path):
    files = {
        TRAIN: [sequence("S1"), sequence("S1", "Sitting 2"), sequence("S8", "SittingDown", rows=7)],
        "split=train/part-00001.parquet": [sequence("S5", rows=11)],
        TEST: [sequence("S9", rows=5)],
    }
    write_folder(tmp_path / "shards", files)
    return str(tmp_path / "shards")


def test_a_sequence_is_read_back_as_it_was(folder):
    table = shards.read(f"{folder}/{TRAIN}")
    first = sequence("S1")
    np.testing.assert_array_equal(schema.tensor_values(table["mixture"])[:20], first.mixture)
    np.testing.assert_array_equal(schema.tensor_values(table["pose_3d"])[:20], first.pose_3d)
    np.testing.assert_array_equal(table["frame"][:20], first.frame)
    assert table["action"][20].as_py() == "Sitting 2"


def test_any_parquet_reader_sees_the_tensor_shapes(folder):
    table = pq.read_table(f"{folder}/{TRAIN}")
    assert table.schema.field("mixture").type.shape == [17, 3, 5]
    assert table.schema.field("pose_3d").type.shape == [17, 3]


def test_poses_without_3d_are_null(tmp_path):
    write_folder(tmp_path, {TEST: [sequence(with_3d=False, rows=4), sequence(camera="c2", rows=2)]})
    table = shards.read(str(tmp_path / TEST))
    assert table["pose_3d"].null_count == 4
    values = schema.tensor_values(table["pose_3d"])
    assert np.isnan(values[:4]).all() and np.isfinite(values[4:]).all()


def test_the_same_content_gives_the_same_bytes(tmp_path):
    one = shards.write(str(tmp_path / "a"), TRAIN, "train", [sequence()])
    two = shards.write(str(tmp_path / "b"), TRAIN, "train", [sequence()])
    assert one.sha256 == two.sha256


def test_spans_are_the_sequences_in_order(folder):
    table = shards.read(f"{folder}/{TRAIN}", list(schema.KEYS))
    assert [(s.subject, s.action, s.rows) for s in shards.spans_of(table)] == [
        ("S1", "Walking 1", 20),
        ("S1", "Sitting 2", 20),
        ("S8", "SittingDown", 7),
    ]


def test_a_selection_matches_actions_by_whole_name(folder):
    manifest = manifests.read(folder)
    sitting = Selection(split="train", actions=frozenset({"Sitting"}))
    (file,) = sitting.files(manifest)
    assert sitting.count(file) == 20
    table = shards.select(shards.read(f"{folder}/{file.path}"), sitting)
    assert table["action"].to_pylist() == ["Sitting 2"] * 20


def test_a_selection_leaves_out_the_held_out_subjects(folder):
    manifest = manifests.read(folder)
    selection = Selection(split="train", without_subjects=frozenset({"S8"}))
    table = shards.select(shards.read(f"{folder}/{TRAIN}"), selection)
    assert set(table["subject"].to_pylist()) == {"S1"}
    assert sum(selection.count(file) for file in selection.files(manifest)) == 51


def test_rows_are_read_evenly_over_all_files(folder):
    manifest = manifests.read(folder)
    table = shards.read_evenly(folder, manifest, Selection(split="train"), 10, ("frame",))
    # 58 rows in all, so the chosen ones are 0, 6.33, 12.67, ... 57, counted over both files.
    rows = np.linspace(0, 57, 10).round().astype(int)
    frames = np.r_[np.arange(20), np.arange(20), np.arange(7), np.arange(11)]
    assert table["frame"].to_pylist() == frames[rows].tolist()


def test_an_unknown_subject_or_action_is_named_with_what_there_is(folder):
    manifest = manifests.read(folder)
    with pytest.raises(InputError, match=r"no subject 'S7' in split 'train'; it has 'S1', 'S5', 'S8'"):
        Selection(split="train", subjects=frozenset({"S7"})).check(manifest, folder)
    with pytest.raises(InputError, match="no action 'Sit'"):
        Selection(split="train", actions=frozenset({"Sit"})).check(manifest, folder)
    with pytest.raises(InputError, match="no rows in split 'validation'"):
        Selection(split="validation").check(manifest, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.__setitem__((3, 0, 0, 1), np.nan), "row 3, column 'mixture': a value is not finite"),
        (lambda m: m.__setitem__((2, 5, 1, 4), np.inf), "row 2, column 'mixture': a value is not finite"),
        (lambda m: m.__setitem__((4, 5, 1, 3), -0.1), "row 4, column 'mixture': a sigma is negative"),
        (lambda m: m.__setitem__((1, 0, 0, 0), 0.1), "row 1, column 'mixture': weights of a joint do not sum to 1"),
        (lambda m: m.__setitem__((0, 0, slice(None), 0), [1.5, -0.25, -0.25]), "row 0, column 'mixture': a weight is negative"),
        (lambda m: m.__setitem__((6, 0, slice(None), 0), [0.2, 0.3, 0.5]), "row 6, column 'mixture': kernels are not heaviest"),
    ],
)
def test_a_bad_mixture_is_named_with_its_row(folder, change, message):
    rewrite(f"{folder}/{TRAIN}", with_mixture(change))
    with pytest.raises(InputError, match=message) as error:
        shards.read(f"{folder}/{TRAIN}")
    assert str(error.value).startswith(f"{folder}/{TRAIN}: ")


def test_a_pose_that_is_not_finite_is_named(tmp_path):
    bad = sequence()
    bad.pose_3d[7, 3, 1] = np.inf
    with pytest.raises(InputError, match="S1 / Walking 1 / camera c1: row 7, column 'pose_3d': a value is not finite"):
        shards.write(str(tmp_path), TRAIN, "train", [bad])
    assert list(tmp_path.iterdir()) == []


def test_poses_without_3d_are_refused_for_training(tmp_path):
    write_folder(tmp_path, {TRAIN: [sequence(rows=3), sequence(camera="c2", with_3d=False, rows=4)]})
    with pytest.raises(InputError, match="row 3, column 'pose_3d': is null, and training needs it"):
        shards.read(str(tmp_path / TRAIN), require_3d=True)


def test_another_k_is_refused(folder):
    with pytest.raises(InputError, match="column 'mixture' has K = 3, expected 5"):
        shards.read(f"{folder}/{TRAIN}", kernels=5)


def test_another_joint_count_is_refused(folder):
    def fewer(table):
        values = schema.tensor_values(table["mixture"])[:, :16]
        column = schema.tensor_column(values, len(table), (16, 3, 5))
        place = table.column_names.index("mixture")
        return table.set_column(place, pa.field("mixture", column.type, nullable=False), column)

    rewrite(f"{folder}/{TRAIN}", fewer)
    with pytest.raises(InputError, match=r"column 'mixture': expected a tensor \(17, K, 5\)"):
        shards.read(f"{folder}/{TRAIN}")


def test_another_schema_version_is_refused(folder):
    rewrite(f"{folder}/{TRAIN}", lambda t: t.replace_schema_metadata({"pose_diffusion.version": "2"}))
    with pytest.raises(InputError, match="shard schema version 2, expected 1"):
        shards.read(f"{folder}/{TRAIN}")


def test_a_missing_column_is_named(folder):
    rewrite(f"{folder}/{TRAIN}", lambda t: t.drop_columns(["width"]))
    with pytest.raises(InputError, match="no column 'width'"):
        shards.read(f"{folder}/{TRAIN}")


def test_a_truncated_file_is_named(folder):
    path = Path(folder) / TRAIN
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        shards.read(str(path))


def test_footers_tell_a_bad_file_among_good_ones(folder):
    manifest = manifests.read(folder)
    rewrite(f"{folder}/split=train/part-00001.parquet", lambda t: t.slice(1))
    sizes = storage.list_sizes(folder)
    files = [file.model_copy(update={"bytes": sizes[file.path]}) for file in manifest.files]
    with pytest.raises(InputError, match=r"part-00001\.parquet: 10 rows, the manifest says 11"):
        shards.check_footers(folder, files, 3)


def test_a_footer_larger_than_most_is_read_whole(folder):
    size = manifests.read(folder).files[0].bytes
    assert shards.read_footer(f"{folder}/{TRAIN}", size, most=100) == shards.read_footer(f"{folder}/{TRAIN}", size)


def test_footers_tell_a_file_that_is_not_parquet(folder):
    manifest = manifests.read(folder)
    path = Path(folder) / TRAIN
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(InputError, match=r"part-00000\.parquet: cannot be read as Parquet"):
        shards.check_footers(folder, manifest.files, 3)


def test_finding_the_bad_file_names_its_row(folder):
    manifest = manifests.read(folder)
    rewrite(f"{folder}/{TRAIN}", with_mixture(lambda m: m.__setitem__((3, 0, 0, 1), np.nan)))
    with pytest.raises(InputError, match=r"part-00000\.parquet: row 3, column 'mixture'"):
        shards.find_bad(folder, [f for f in manifest.files if f.split == "train"], 3, ["mixture", "pose_3d"])


class TestFolder:
    def test_a_folder_without_manifest_is_refused(self, folder, tmp_path):
        (tmp_path / "shards" / manifests.NAME).unlink()
        with pytest.raises(InputError, match=r"no manifest\.json"):
            manifests.read(folder)

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(InputError, match="absent: no such shard folder"):
            manifests.read(str(tmp_path / "absent"))

    def test_a_missing_file_is_named(self, folder, tmp_path):
        (tmp_path / "shards" / TEST).unlink()
        with pytest.raises(InputError, match=r"split=test/part-00000\.parquet: listed in manifest\.json but missing"):
            manifests.read(folder)

    def test_a_file_that_is_not_listed_is_named(self, folder):
        shards.write(folder, "split=train/part-00009.parquet", "train", [sequence()])
        with pytest.raises(InputError, match=r"part-00009\.parquet: not listed"):
            manifests.read(folder)

    def test_a_file_of_another_size_is_named(self, folder):
        with open(f"{folder}/{TEST}", "ab") as file:
            file.write(b"more")
        with pytest.raises(InputError, match="truncated or replaced"):
            manifests.read(folder)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda m: m.update(version=7), "shard schema version 7, expected 1"),
            (lambda m: m.update(joints=m["joints"][::-1]), "key 'joints': expected Human3.6M's 17 joints"),
            (lambda m: m.pop("kernels"), "key 'kernels': Field required"),
            (lambda m: m["files"][0].update(rows="many"), r"key 'files\.0\.rows'"),
            (lambda m: m.update(extra=1), "key 'extra'"),
        ],
    )
    def test_a_bad_manifest_is_named_with_its_key(self, folder, change, message):
        path = f"{folder}/{manifests.NAME}"
        with open(path) as file:
            values = json.load(file)
        change(values)
        with open(path, "w") as file:
            json.dump(values, file)
        with pytest.raises(InputError, match=message):
            manifests.read(folder)

    def test_a_manifest_that_is_not_json_is_refused(self, folder):
        with open(f"{folder}/{manifests.NAME}", "w") as file:
            file.write("{")
        with pytest.raises(InputError, match="not JSON"):
            manifests.read(folder)


def test_shapes_that_disagree_are_refused(tmp_path):
    bad = dataclasses.replace(sequence(), frame=np.arange(19, dtype=np.int32))
    with pytest.raises(InputError, match="S1 / Walking 1 / camera c1"):
        shards.write(str(tmp_path), TRAIN, "train", [bad])
