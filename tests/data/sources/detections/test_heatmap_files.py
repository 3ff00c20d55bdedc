"""Files of heatmaps as a source."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose_diffusion.config import loading
from pose_diffusion.data import schema
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.data.sources import open_source
from pose_diffusion.data.sources.detections import heatmaps
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import to_pixels
from pose_diffusion.geometry.skeleton import JOINTS

FRAMES, HEIGHT, WIDTH = 3, 32, 24
STRIDE = 4


def peaks(points: np.ndarray) -> np.ndarray:
    """Heatmaps (..., H, W) with a peak at each of the points (..., 2), heatmap pixels."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    x, y = points[..., 0, None, None], points[..., 1, None, None]
    return np.exp(-((column - x) ** 2 + (row - y) ** 2) / 2 / 1.5**2).astype(np.float32)


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(6, 18, (FRAMES, 17, 2))


def configured(path, *overrides: str):
    keys = ["prepare.source=heatmaps", f"prepare.input={path}", "heatmaps.layout=h36m17", "heatmaps.kernels=2"]
    return loading.load(None, [*keys, f"heatmaps.stride={STRIDE}", *overrides])


def read(path, *overrides: str) -> PoseSequence:
    (clip,) = open_source(configured(path, *overrides)).sequences
    sequence = clip.load()
    schema.checked_table(sequence)
    assert len(sequence) == clip.rows
    return sequence


def pixels(sequence: PoseSequence) -> np.ndarray:
    """Mean of each joint's mixture, in image pixels."""
    mean = (sequence.mixture[..., :1] * sequence.mixture[..., 1:3]).sum(2)
    return to_pixels(mean, sequence.width, sequence.height)


def save(tmp_path, values: np.ndarray, name: str = "clip.npy", **more) -> str:
    path = str(tmp_path / name)
    if name.endswith(".npy"):
        np.save(path, values)
    else:
        np.savez_compressed(path, heatmaps=values, **more)
    return path


@pytest.mark.parametrize("name", ["clip.npy", "clip.npz"])
def test_peaks_come_back_in_image_pixels(tmp_path, points, name):
    sequence = read(save(tmp_path, peaks(points), name))
    np.testing.assert_allclose(pixels(sequence), points * STRIDE, atol=0.3)
    assert (sequence.width, sequence.height, sequence.action) == (WIDTH * STRIDE, HEIGHT * STRIDE, "clip")
    np.testing.assert_allclose(sequence.mixture[..., 0, 3] * sequence.width / 2, 1.5 * STRIDE, rtol=0.1)


def test_the_offset_moves_by_its_share_of_a_heatmap_pixel(tmp_path, points):
    sequence = read(save(tmp_path, peaks(points)), "heatmaps.offset=0.5")
    np.testing.assert_allclose(pixels(sequence), (points + 0.5) * STRIDE, atol=0.3)


def test_the_image_size_tells_the_stride(tmp_path, points):
    size = [WIDTH * 8, HEIGHT * 8]
    sequence = read(save(tmp_path, peaks(points)), f"heatmaps.image_size={size}", "heatmaps.stride=null")
    np.testing.assert_allclose(pixels(sequence), points * 8, atol=0.6)


def test_boxes_place_each_frame_in_the_image(tmp_path, points):
    boxes = np.array([[100, 50, WIDTH * 2, HEIGHT * 2], [0, 0, WIDTH, HEIGHT], [300, 200, WIDTH * 10, HEIGHT * 10]])
    sequence = read(save(tmp_path, peaks(points), "clip.npz", boxes=boxes), "heatmaps.image_size=[1000, 800]")
    expected = points * np.array([2, 1, 10])[:, None, None] + boxes[:, None, :2]
    np.testing.assert_allclose(pixels(sequence), expected, atol=0.8)
    assert (sequence.width, sequence.height) == (1000, 800)


def test_coco_heatmaps_become_our_joints(tmp_path, points):
    sequence = read(save(tmp_path, peaks(points)), "heatmaps.layout=coco17")
    found = pixels(sequence)
    left_hip, right_hip = points[:, 11] * STRIDE, points[:, 12] * STRIDE
    np.testing.assert_allclose(found[:, JOINTS.index("LHip")], left_hip, atol=0.3)
    np.testing.assert_allclose(found[:, JOINTS.index("Hip")], (left_hip + right_hip) / 2, atol=2)
    np.testing.assert_allclose(found[:, JOINTS.index("Spine")], points[:, [5, 6, 11, 12]].mean(1) * STRIDE, atol=2)


def test_frame_numbers_are_taken_from_the_file(tmp_path, points):
    assert read(save(tmp_path, peaks(points), "c.npz", frame=np.array([5, 7, 20]))).frame.tolist() == [5, 7, 20]


def test_heatmaps_that_say_nothing_are_filled_and_counted(tmp_path, points):
    points[1] = (points[0] + points[2]) / 2
    maps = peaks(points)
    maps[1, 3], maps[1, 4] = 0, 0.5
    maps[2, 5] = 0
    maps[2, 5, 8, 9] = 1
    sequence = read(save(tmp_path, maps), "heatmaps.missing_sigma_px=20")
    counted = {"heatmaps_empty": 1, "heatmaps_flat": 1, "heatmaps_single_pixel": 1, "joints_missing": 2}
    assert sequence.counts == {**counted, "frames_without_person": 0}
    # Between the heaviest kernels of the frames around, of which each is near its peak.
    np.testing.assert_allclose(pixels(sequence)[1, 3:5], points[1, 3:5] * STRIDE, atol=2)
    np.testing.assert_allclose(sequence.mixture[1, 3, 0, 3:] * sequence.width / 2, 20, rtol=1e-5)


def test_a_frame_without_anything_is_as_wide_as_its_heatmaps(tmp_path, points):
    maps = peaks(points)
    maps[1] = 0
    sequence = read(save(tmp_path, maps))
    assert sequence.counts["frames_without_person"] == 1
    np.testing.assert_allclose(sequence.mixture[1, :, 0, 3], 2 / 12**0.5, rtol=1e-5)


def test_a_file_is_read_in_blocks(tmp_path, points, monkeypatch):
    path = save(tmp_path, peaks(points), "clip.npz")
    whole = read(path)
    monkeypatch.setattr(heatmaps, "_BLOCK_BYTES", 17 * HEIGHT * WIDTH * 4)
    np.testing.assert_allclose(read(path).mixture, whole.mixture, atol=1e-4)


def test_a_value_that_is_not_finite_is_named(tmp_path, points):
    maps = peaks(points)
    maps[2, 6, 4, 4] = np.nan
    with pytest.raises(InputError, match=r"clip\.npy: frame 2, joint 6 \(LFoot\): a heatmap value is not finite"):
        read(save(tmp_path, maps))


def test_the_layout_must_be_stated(tmp_path, points):
    with pytest.raises(InputError, match=r"key 'heatmaps\.layout': expected the joint order, one of .*coco17"):
        read(save(tmp_path, peaks(points)), "heatmaps.layout=")


def test_the_image_size_is_never_guessed(tmp_path, points):
    with pytest.raises(InputError, match=r"set 'heatmaps\.image_size' or 'heatmaps\.stride'"):
        read(save(tmp_path, peaks(points)), "heatmaps.stride=null")
    boxes = np.tile([0, 0, 10, 10], (FRAMES, 1))
    with pytest.raises(InputError, match=r"set 'heatmaps\.image_size'"):
        read(save(tmp_path, peaks(points), "clip.npz", boxes=boxes))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 16, 8, 8), np.float32), r"expected heatmaps \(frames, 17 joints of h36m17, height, width\), got \(3, 16"),
        (np.zeros((3, 17, 8), np.float32), "expected heatmaps"),
        (np.zeros((0, 17, 8, 8), np.float32), "expected heatmaps"),
        (np.array(["text"]), "expected an array of numbers"),
        (np.array([{"a": 1}], dtype=object), "expected an array of numbers"),
    ],
)
def test_arrays_that_are_no_heatmaps_are_refused(tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        read(save(tmp_path, values))


@pytest.mark.parametrize("name", ["clip.npy", "clip.npz"])
def test_a_truncated_file_is_refused(tmp_path, points, name):
    path = save(tmp_path, peaks(points), name)
    with open(path, "r+b") as file:
        file.truncate(2000)
    with pytest.raises(InputError, match=r"clip\.np"):
        read(path)


def test_an_npz_without_heatmaps_is_refused(tmp_path):
    np.savez(tmp_path / "clip.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="no array 'heatmaps'; the file holds other"):
        read(tmp_path / "clip.npz")


@pytest.mark.parametrize(
    "more",
    [
        {"boxes": np.zeros((2, 4))},
        {"boxes": np.zeros((3, 4))},
        {"boxes": np.array(["a"])},
        {"frame": np.array([3, 2, 1])},
        {"frame": np.array([0.5, 1, 2])},
        {"frame": np.array([-1, 1, 2])},
    ],
    ids=str,
)
def test_bad_boxes_and_frames_are_refused(tmp_path, points, more):
    with pytest.raises(InputError, match=f"member '{next(iter(more))}'"):
        read(save(tmp_path, peaks(points), "clip.npz", **more), "heatmaps.image_size=[100, 100]")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["clip.npy", "clip.npz"]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 400),
)
def test_a_mutated_file_gives_mixtures_or_a_clean_error(tmp_path, name, changes, cut):
    maps = np.random.default_rng(0).random((2, 17, 3, 2), np.float32)
    path = save(tmp_path, maps, name, boxes=np.tile([0.0, 0, 8, 12], (2, 1)), frame=np.array([1, 2]))
    with open(path, "r+b") as file:
        content = bytearray(file.read())
        for place, value in changes:
            content[place % len(content)] = value
        file.seek(0)
        file.write(content)
        file.truncate(len(content) - cut)
    try:
        read(path, "heatmaps.image_size=[8, 12]")
    except InputError as error:
        assert "\n" not in str(error)
