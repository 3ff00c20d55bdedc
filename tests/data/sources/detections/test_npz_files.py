"""VideoPose3D's .npz as other programs write them, and what must not be taken for 2D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, H36M_17, Layout
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, detectron2, people, source_of


def write(folder: Path, cameras: object, layout: str = "coco") -> Path:
    metadata = {"layout_name": layout, "num_joints": 17, "video_metadata": {"S1": {"w": WIDTH, "h": HEIGHT}}}
    nested = {"S1": {"Walking 1": cameras}}
    np.savez(folder / "clip.npz", positions_2d=np.array(nested, object), metadata=np.array(metadata, object))
    return folder / "clip.npz"


def read(path: Path) -> list[PoseSequence]:
    return [one.load() for one in source_of("videopose3d", path).sequences]


def points(layout: Layout, count: int = 1) -> np.ndarray:
    """(people, frames, J, 3)"""
    return people(layout, 6, count).transpose(1, 0, 2, 3).astype(np.float32)


def test_a_third_number_is_a_confidence_and_an_array_holds_cameras(tmp_path: Path) -> None:
    cameras = points(H36M_17, count=2)
    found = read(write(tmp_path, cameras, "h36m"))
    assert [one.camera for one in found] == ["0", "1"]
    for sequence, camera in zip(found, cameras, strict=True):
        assert sequence.confidence is not None
        np.testing.assert_allclose(sequence.confidence, camera[..., 2], rtol=1e-6)
        pixels = (sequence.mixture[:, :, 0, 1:3] + [1, HEIGHT / WIDTH]) * WIDTH / 2
        np.testing.assert_allclose(pixels, camera[..., :2], atol=0.01)


@pytest.mark.parametrize("z", [-0.4, 3.9])
def test_a_third_number_that_is_a_depth_is_refused(tmp_path: Path, z: float) -> None:
    poses = points(COCO_17)
    poses[0, 2, 5, 2] = z
    with pytest.raises(InputError, match=r"S1 / Walking 1 / camera 0: a third number that is no confidence from 0 to 1"):
        read(write(tmp_path, list(poses)))


def test_shares_of_the_image_are_refused_with_what_makes_them_pixels(tmp_path: Path) -> None:
    shares = points(COCO_17)[..., :2] / np.float32([WIDTH, HEIGHT])
    with pytest.raises(InputError, match="expected pixels, not shares of the image; multiply x by the width"):
        read(write(tmp_path, list(shares)))


def test_one_array_of_frames_is_not_taken_for_cameras(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"S1 / Walking 1: expected a list of cameras, got ndarray"):
        read(write(tmp_path, points(COCO_17)[0]))


@pytest.mark.parametrize("name", ["reconstruction", "arr_0"])
def test_the_output_of_a_lifter_is_refused_as_such(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "clip.npz", **{name: np.zeros((1, 9, 17, 3))})
    with pytest.raises(InputError, match=rf"clip\.npz: '{name}' is the output of a pose lifter, not its 2D input"):
        read(tmp_path / "clip.npz")


@pytest.mark.parametrize("tool", ["videopose3d", "detectron2"])
@pytest.mark.parametrize("turned", [True, False])
def test_a_video_on_its_side_is_told_by_joints_outside_of_its_size(tmp_path: Path, tool: str, turned: bool, caplog) -> None:
    inside = people(COCO_17, 6, 1)
    outside = inside[..., [1, 0, 2]] + [0, 900, 0]  # x to 720, y to 1280
    shown = outside if turned else inside
    if tool == "detectron2":
        detectron2(tmp_path, shown)
    else:
        write(tmp_path, list(shown.transpose(1, 0, 2, 3)[..., :2]))
    assert source_of(tool, tmp_path).sequences
    assert (f"inside one of {HEIGHT} x {WIDTH}: a video on its side" in caplog.text) == turned
