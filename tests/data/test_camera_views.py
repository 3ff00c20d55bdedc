"""Views: each row has its own camera's, and a camera that is missing or bad is named."""

import numpy as np
import pyarrow as pa
import pytest

from pose_diffusion.data import camera_views, schema
from pose_diffusion.data.manifest import Selection
from pose_diffusion.errors import InputError
from tests.data.camera_manifests import CAMERAS, MANIFEST_CAMERAS, described, known
from tests.data.poses import sequence, write_folder


def test_a_row_gets_the_camera_of_its_own_sequence():
    names = ["55011271", "54138969"]
    table = pa.concat_tables([schema.to_table(sequence("S1", camera=name, rows=2)) for name in names], promote_options="none")
    view = schema.tensor_values(camera_views.column(table, known()))
    assert view.shape == (4, 15)
    for row, name in enumerate(np.repeat(names, 2)):
        np.testing.assert_allclose(view[row, 3:6], np.array(CAMERAS[name].rotation)[:, 2], rtol=1e-6)
        np.testing.assert_allclose(view[row, 6:], CAMERAS[name].intrinsic, rtol=1e-6)
    np.testing.assert_array_equal(view[:, :3], schema.tensor_values(table["root_3d"]))


class TestBadInput:
    def test_a_sequence_without_its_camera_is_named(self, tmp_path):
        made = write_folder(tmp_path, {"split=train/part-00000.parquet": [sequence("S1", camera="c9")]})
        with pytest.raises(InputError, match=r"shards: no camera 'S1/c9' in the manifest.*set train\.yaw_augment=0"):
            camera_views.check(made, Selection(split="train"), "shards", "train.yaw_augment", "set train.yaw_augment=0")

    def test_a_camera_of_rows_that_are_not_selected_may_be_missing(self, tmp_path):
        files = [sequence("S1", camera="54138969"), sequence("S8", camera="c9")]
        made = write_folder(tmp_path, {"split=train/part-00000.parquet": files}, MANIFEST_CAMERAS)
        camera_views.check(made, Selection(split="train", without_subjects=frozenset(["S8"])), "shards", "turning", "leave it")

    def test_a_bad_camera_is_named(self):
        bad = {"S1/54138969": MANIFEST_CAMERAS["S1/54138969"] | {"focal": [1.0]}}
        with pytest.raises(InputError, match=r"shards: camera 'S1/54138969': key 'focal'"):
            camera_views.cameras(described(bad), "shards")
