"""Keypoints in memory to 3D: the same as from files, in any form that a user has them, and clear about what is wrong."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_diffusion.config import InferConfig, loading
from pose_diffusion.data import predictions
from pose_diffusion.data.manifest import Selection
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.data.sources import open_source
from pose_diffusion.distributed.infer.shard_lifter import ShardLifter, Task
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, h36m_cameras, to_screen
from pose_diffusion.geometry.layouts import COCO_17, H36M_17, LAYOUTS, Layout
from pose_diffusion.geometry.reprojection import fit_root
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.inference.bundle_folder import content_hash
from pose_diffusion.inference.lifting import suitable_rows
from tests.data.poses import write_folder

SIZE = (1280, 720)
FRAMES = 12


@pytest.fixture
def pixels() -> np.ndarray:
    """(12, 17, 3): a person in COCO's layout who moves a little, with confidences and some joints unseen."""
    rng = np.random.default_rng(0)
    points = np.empty((FRAMES, 17, 3))
    points[..., :2] = rng.uniform(100, 600, (17, 2)) + rng.normal(0, 5, (FRAMES, 17, 2))
    points[..., 2] = rng.uniform(0.05, 1, (FRAMES, 17))
    points = points.round(2)
    points[3:6, 9] = 0
    points[0, 5] = 0
    return points


def from_files(folder: Path, bundle: str, pixels: np.ndarray, infer: dict, **coco: object) -> dict[str, np.ndarray]:
    """Predictions of keypoints that were written as a COCO results file, prepared and lifted as the jobs do it."""
    entries = [
        {"image_id": t, "category_id": 1, "keypoints": person.reshape(-1).tolist(), "score": 0.9, "track_id": 0}
        for t, person in enumerate(pixels)
    ]
    (folder / "clip.json").write_text(json.dumps(entries))
    settings = {"image_size": list(SIZE), "longest_gap": 25, **coco}
    prepare = {"source": "coco", "input": str(folder / "clip.json")}
    source = open_source(loading.from_dict({"prepare": prepare, "coco": settings}))
    sequences = [sequence.load() for sequence in source.sequences]
    manifest = write_folder(folder / "shards", {"split=test/part-00000.parquet": sequences})
    config = InferConfig(bundle=bundle, input=str(folder / "shards"), output=str(folder / "out"), **infer)
    selection, model = Selection(split="test"), content_hash(bundle)
    task = Task(config, selection, 1, {}, reproject=False, run="run", bundle=model, device="cpu", threads=1)
    outcome = ShardLifter(task).lift(manifest.files[0])
    assert not outcome.bad and not outcome.lost
    table = predictions.read(task.output(manifest.files[0]))
    columns = {name: tensor_values(table[name]) for name in ("pose_3d", "pose_2d", "spread_mm")}
    return columns | {"frame": table["frame"].to_numpy()}


# --- the same as from files


NOISE = {"eta": 0.5, "hypotheses": 3}


@pytest.mark.parametrize("infer", [{}, {"flips": False}, NOISE], ids=["plain", "no flips", "hypotheses"])
def test_keypoints_in_memory_lift_as_those_of_a_file(
    bundle: Bundle, imported: Path, tmp_path: Path, pixels: np.ndarray, infer: dict
) -> None:
    pixels[7, :, 2] = 0  # nobody is there
    expected = from_files(tmp_path, str(imported), pixels, infer)
    # The job pads each pass to one size. The file's name is part of the key of its draws.
    lifted = bundle.lift_keypoints(pixels, SIZE, batch=suitable_rows(torch.device("cpu")), name="clip", **infer)
    assert lifted.frames.tolist() == expected["frame"].tolist() == [t for t in range(FRAMES) if t != 7]
    np.testing.assert_array_equal(lifted.pose_2d[lifted.frames], expected["pose_2d"])
    np.testing.assert_array_equal(lifted.pose_3d[lifted.frames], expected["pose_3d"])
    np.testing.assert_allclose(lifted.spread[lifted.frames] * 1000, expected["spread_mm"], rtol=1e-6)


def test_settings_of_missing_joints_are_those_of_the_source(
    bundle: Bundle, imported: Path, tmp_path: Path, pixels: np.ndarray
) -> None:
    expected = from_files(tmp_path, str(imported), pixels, {}, min_confidence=0.4, longest_gap=1)
    lifted = bundle.lift_keypoints(pixels, SIZE, min_confidence=0.4, longest_gap=1)
    np.testing.assert_allclose(lifted.pose_3d, expected["pose_3d"], rtol=0, atol=1e-5)
    assert abs(lifted.pose_2d - bundle.lift_keypoints(pixels, SIZE).pose_2d).max() > 0.1


def test_smoothing_in_seconds_is_the_jobs_in_frames(bundle: Bundle, imported: Path, tmp_path: Path, pixels: np.ndarray) -> None:
    expected = from_files(tmp_path, str(imported), pixels, {"smooth": 2.0})
    lifted = bundle.lift_keypoints(pixels, SIZE, fps=40, smooth=0.05)
    np.testing.assert_allclose(lifted.pose_3d, expected["pose_3d"], rtol=0, atol=1e-5)
    assert abs(lifted.pose_3d - bundle.lift_keypoints(pixels, SIZE).pose_3d).max() > 1e-3


# --- what a user has in hand


def test_shapes_and_types_are_as_documented(bundle: Bundle, pixels: np.ndarray) -> None:
    lifted = bundle.lift_keypoints(pixels, SIZE, fps=25, **NOISE)
    assert lifted.pose_3d.shape == (FRAMES, 17, 3) and lifted.spread.shape == (FRAMES, 17)
    assert lifted.pose_2d.shape == (FRAMES, 17, 2) and lifted.hypotheses.shape == (FRAMES, 3, 17, 3)
    assert {a.dtype for a in (lifted.pose_3d, lifted.spread, lifted.pose_2d, lifted.hypotheses)} == {np.dtype(np.float32)}
    assert lifted.root_3d is None and lifted.fps == 25
    assert not lifted.pose_3d[:, 0].any()
    np.testing.assert_allclose(lifted.pose_3d, lifted.hypotheses.mean(1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "convert",
    [torch.from_numpy, lambda a: torch.from_numpy(a).requires_grad_(), np.ndarray.tolist],
    ids=["tensor", "tensor with a gradient", "list"],
)
def test_tensors_and_lists_lift_as_arrays(bundle: Bundle, pixels: np.ndarray, convert: Callable) -> None:
    expected, found = bundle.lift_keypoints(pixels, SIZE), bundle.lift_keypoints(convert(pixels), SIZE)
    np.testing.assert_array_equal(found.pose_3d, expected.pose_3d)


def test_the_input_is_left_as_it_was(bundle: Bundle, pixels: np.ndarray) -> None:
    pixels[2, 4] = np.nan
    before = pixels.copy()
    bundle.lift_keypoints(pixels, SIZE)
    np.testing.assert_array_equal(pixels, before)


def test_points_without_confidence_are_certain(bundle: Bundle, pixels: np.ndarray) -> None:
    certain = pixels.copy()
    certain[..., 2] = (pixels[..., :2] != 0).any(-1)
    found, expected = bundle.lift_keypoints(pixels[..., :2], SIZE), bundle.lift_keypoints(certain, SIZE)
    np.testing.assert_array_equal(found.pose_3d, expected.pose_3d)


@pytest.mark.parametrize("value", [[np.nan, np.nan, 0.9], [500.0, np.nan, 0.9], [500.0, 300.0, np.nan], [0.0, 0.0, 0.9]])
def test_an_unseen_joint_is_one_of_confidence_0(bundle: Bundle, pixels: np.ndarray, value: list[float]) -> None:
    unseen, marked = pixels.copy(), pixels.copy()
    unseen[5, 7, 2] = 0
    marked[5, 7] = value
    expected = bundle.lift_keypoints(unseen, SIZE)
    np.testing.assert_array_equal(bundle.lift_keypoints(marked, SIZE).pose_2d, expected.pose_2d)
    assert not np.array_equal(bundle.lift_keypoints(pixels, SIZE).pose_2d, expected.pose_2d)


def test_a_larger_picture_of_the_same_scene_lifts_to_the_same_pose(bundle: Bundle, pixels: np.ndarray) -> None:
    large = pixels * [2, 2, 1]
    found, expected = bundle.lift_keypoints(large, [2 * x for x in SIZE]), bundle.lift_keypoints(pixels, SIZE)
    np.testing.assert_allclose(found.pose_3d, expected.pose_3d, rtol=0, atol=1e-5)


def test_a_layout_of_ones_own_lifts_as_the_named_one_with_its_joints_in_that_order(bundle: Bundle, pixels: np.ndarray) -> None:
    order = np.random.default_rng(1).permutation(17)
    own = Layout("own", tuple(COCO_17.joints[joint] for joint in order), COCO_17.parts)
    found, expected = bundle.lift_keypoints(pixels[:, order], SIZE, own), bundle.lift_keypoints(pixels, SIZE)
    np.testing.assert_allclose(found.pose_3d, expected.pose_3d, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_lifts_its_own_17_joints(bundle: Bundle, layout: Layout) -> None:
    points = np.random.default_rng(2).uniform(100, 600, (3, len(layout.joints), 2))
    found = bundle.lift_keypoints(points, SIZE, layout.name)
    ours = layout.positions(points)
    np.testing.assert_allclose(found.pose_2d, to_screen(ours, *SIZE), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.pose_3d, bundle.lift_keypoints(ours, SIZE, H36M_17).pose_3d, rtol=0, atol=1e-5)


def test_the_body_of_a_whole_body_layout_is_taken(bundle: Bundle, pixels: np.ndarray) -> None:
    whole = np.concatenate([pixels, np.ones((FRAMES, 133 - 17, 3))], axis=1)
    expected = bundle.lift_keypoints(pixels, SIZE)
    for layout in ("coco17", "coco_wholebody133"):
        np.testing.assert_allclose(bundle.lift_keypoints(whole, SIZE, layout).pose_3d, expected.pose_3d, rtol=0, atol=1e-5)


def test_one_frame_lifts_as_it_does_among_others(bundle: Bundle, pixels: np.ndarray) -> None:
    found, expected = bundle.lift_keypoints(pixels[8:9], SIZE), bundle.lift_keypoints(pixels, SIZE)
    assert found.pose_3d.shape == (1, 17, 3)
    np.testing.assert_allclose(found.pose_3d[0], expected.pose_3d[8], rtol=0, atol=1e-5)


def test_frames_without_a_joint_are_nan_and_the_others_keep_their_place(bundle: Bundle, pixels: np.ndarray) -> None:
    pixels[[0, 5]] = np.nan
    lifted = bundle.lift_keypoints(pixels, SIZE, field_of_view=60)
    assert lifted.frames.tolist() == [t for t in range(FRAMES) if t not in (0, 5)]
    for values in (lifted.pose_3d, lifted.pose_2d, lifted.spread, lifted.root_3d):
        assert np.isnan(values[[0, 5]]).all() and np.isfinite(values[lifted.frames]).all()


def test_frames_of_other_image_sizes_lift_as_they_do_alone(bundle: Bundle, pixels: np.ndarray) -> None:
    sizes = np.array([SIZE] * FRAMES)
    sizes[1::3] = 720, 1280
    lifted = bundle.lift_keypoints(pixels, sizes, longest_gap=0)
    for t in range(FRAMES):
        alone = bundle.lift_keypoints(pixels[t : t + 1], sizes[t])
        np.testing.assert_allclose(lifted.pose_3d[t], alone.pose_3d[0], rtol=0, atol=1e-5)


def test_hypotheses_follow_seed_and_name(bundle: Bundle, pixels: np.ndarray) -> None:
    def lifted(**arguments: object) -> np.ndarray:
        return bundle.lift_keypoints(pixels, SIZE, **NOISE, **arguments).pose_3d

    np.testing.assert_array_equal(lifted(seed=1), lifted(seed=1))
    assert not np.array_equal(lifted(seed=1), lifted(seed=2))
    assert not np.array_equal(lifted(name="a"), lifted(name="b"))


# --- where the person stands


def test_the_root_is_fitted_with_the_camera_that_is_given(bundle: Bundle, pixels: np.ndarray) -> None:
    camera = h36m_cameras()["S9"]["54138969"]
    pixels[..., 2] = 1
    lifted = bundle.lift_keypoints(pixels, (camera.width, camera.height), camera=camera, longest_gap=0)
    seen = torch.from_numpy(lifted.pose_2d)
    sigma = torch.full_like(seen, 5.0 * 2 / camera.width)
    unseen = COCO_17.confidence((pixels[..., :2] != 0).all(-1)) == 0
    sigma[torch.from_numpy(unseen)] = 50.0 * 2 / camera.width
    expected = fit_root(torch.from_numpy(lifted.pose_3d), seen, torch.from_numpy(camera.intrinsic).expand(FRAMES, 9), sigma)
    np.testing.assert_allclose(lifted.root_3d, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_a_field_of_view_is_the_pinhole_camera_of_that_angle(bundle: Bundle, pixels: np.ndarray) -> None:
    camera = Camera.from_field_of_view(60, *SIZE)
    edge = np.array([[np.tan(np.radians(30)), 0.0, 1.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(camera.project(edge), [[1.0, 0.0], [0.0, 0.0]], atol=1e-12)
    found = bundle.lift_keypoints(pixels, SIZE, field_of_view=60)
    np.testing.assert_array_equal(found.root_3d, bundle.lift_keypoints(pixels, SIZE, camera=camera).root_3d)


def test_a_camera_allows_the_aggregates_that_reproject(bundle: Bundle, pixels: np.ndarray) -> None:
    lifted = bundle.lift_keypoints(pixels, SIZE, field_of_view=60, aggregate="jointwise", **NOISE)
    distance = np.linalg.norm(lifted.hypotheses - lifted.pose_3d[:, None], axis=-1)
    np.testing.assert_allclose(distance.min(1), 0, atol=1e-6)


# --- bad input


def wrong(change: Callable[[np.ndarray], np.ndarray], message: str, **arguments: object) -> tuple:
    return change, arguments, message


def same(pixels: np.ndarray) -> np.ndarray:
    return pixels


def with_value(frame: int, joint: int, channel: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(pixels: np.ndarray) -> np.ndarray:
        pixels[frame, joint, channel] = value
        return pixels

    return change


SMALL_CAMERA = Camera.from_field_of_view(60, 640, 480)
BAD = {
    "joints of another layout": wrong(
        lambda a: np.concatenate([a, a[:, :8]], 1),
        "pixels: 25 joints a person, but layout coco17 has 17; layouts of 25: .*body25",
    ),
    "joints of no layout": wrong(lambda a: a[:, :11], "pixels: 11 joints a person, but layout coco17 has 17$"),
    "joints of several layouts": wrong(same, "but layout body25 has 25; layouts of 17: coco17 or .*h36m17$", layout="body25"),
    "one pose without frames": wrong(lambda a: a[0], r"pixels: shape \(17, 3\), expected \(frames, joints, 2\)"),
    "four channels": wrong(lambda a: np.concatenate([a, a[..., :1]], -1), r"pixels: shape \(12, 17, 4\)"),
    "words": wrong(lambda a: a.astype(str).astype(object) + "x", "pixels: expected an array of numbers"),
    "ragged": wrong(lambda a: [a[0].tolist(), a[1, :3].tolist()], "pixels: expected an array of numbers"),
    "no frames": wrong(lambda a: a[:0], "pixels: no person in any frame"),
    "nothing seen": wrong(lambda a: a * [1, 1, 0], "pixels: no frame has a joint"),
    "all NaN": wrong(lambda a: a * np.nan, "pixels: no frame has a joint"),
    "infinite": wrong(with_value(3, 2, 0, np.inf), "pixels: frame 3, person 0: a coordinate or confidence is not a finite"),
    "negative confidence": wrong(with_value(4, 2, 2, -0.5), "pixels: frame 4, person 0: a confidence is negative"),
    "far outside": wrong(with_value(2, 1, 1, 9000), "pixels: frame 2, person 0: a joint lies far outside the image of 1280 x"),
    "shares of the image": wrong(lambda a: a / [1280, 720, 1], "expected pixels, not shares of the image"),
    "no image size": wrong(same, r"image_size: expected \(width, height\) in pixels, got None", image_size=None),
    "image size of 0": wrong(same, "pixels: frame 0, person 0: an image size that is not 1 to", image_size=(0, 720)),
    "broken image size": wrong(same, "pixels: frame 0, person 0: an image size", image_size=(1280.5, 720)),
    "NaN image size": wrong(same, "pixels: frame 0, person 0: an image size", image_size=(np.nan, 720)),
    "one number for the size": wrong(same, r"image_size: shape \(\), expected \(2,\)", image_size=1280),
    "image sizes of other frames": wrong(same, r"image_size: shape \(3, 2\), .* or \(12, 2\)", image_size=[SIZE] * 3),
    "unknown layout": wrong(same, "layout 'coco': expected a Layout or one of .*coco17, .*h36m17", layout="coco"),
    "threshold above 1": wrong(same, "min_confidence is 2: input should be less than or equal to 1", min_confidence=2),
    "negative gap": wrong(same, "longest_gap is -1: input should be greater than or equal to 0", longest_gap=-1),
    "fps of 0": wrong(same, "fps is 0, expected a number above 0", fps=0),
    "smoothing without fps": wrong(same, "smooth is in seconds: give fps", smooth=0.1),
    "too long a window": wrong(same, "smooth is 3 s, 90 frames at fps 30: expected 0 to 50", smooth=3, fps=30),
    "negative window": wrong(same, "smooth is -1 s, -30 frames at fps 30", smooth=-1, fps=30),
    "two cameras": wrong(same, "both camera and field_of_view", camera=Camera.from_field_of_view(60, *SIZE), field_of_view=60),
    "camera of another size": wrong(
        same,
        "camera: its images have 640 x 480 pixels, image_size says 1280 x 720",
        camera=SMALL_CAMERA,
    ),
    "field of view of 180": wrong(same, "field of view is 180, expected degrees between 0 and 180", field_of_view=180),
    "hypotheses that cannot differ": wrong(same, "hypotheses of keypoints differ by noise alone: set eta", hypotheses=4),
    "reprojection without a camera": wrong(same, "aggregate 'weighted' reprojects: give camera", aggregate="weighted", **NOISE),
}


@pytest.mark.parametrize(("change", "arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(
    bundle: Bundle, pixels: np.ndarray, change: Callable, arguments: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message) as refused:
        bundle.lift_keypoints(change(pixels), **({"image_size": SIZE} | arguments))
    assert "\n" not in str(refused.value)


def test_hypotheses_of_a_lifter_alone_are_refused(bundle: Bundle, pixels: np.ndarray) -> None:
    alone = dataclasses.replace(bundle, denoiser=None)
    with pytest.raises(InputError, match="a bundle that has a denoiser"):
        alone.lift_keypoints(pixels, SIZE, **NOISE)


def test_an_unknown_option_is_a_type_error(bundle: Bundle, pixels: np.ndarray) -> None:
    with pytest.raises(TypeError, match="flip"):
        bundle.lift_keypoints(pixels, SIZE, flip=True)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (COCO_17.parts[:16], "layout 'own': expected the joints of each of the 17, got 16"),
        ((*COCO_17.parts[:16], ("tail",)), "layout 'own': 'tail' is not among its joints"),
        ((*COCO_17.parts[:16], ()), "layout 'own': no joints for RWrist"),
    ],
)
def test_a_layout_that_does_not_give_the_17_joints_is_refused(parts: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Layout("own", COCO_17.joints, parts)
