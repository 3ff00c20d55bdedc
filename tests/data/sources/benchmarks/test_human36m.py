from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.config import loading
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import open_source
from pose_diffusion.errors import InputError
from pose_diffusion.geometry import camera as cameras
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.geometry.skeleton import H36M_32
from tests.data.sources.benchmarks.human36m_files import FRAMES, KERNELS, KEYS, mixtures, pixels, world, write


def clips(folder: Path, **settings: str | float | list) -> Source:
    section = {"poses": "3d.npz", "detections": "2d.npz", **settings}
    return open_source(loading.from_dict({"prepare": {"source": "human36m", "input": str(folder)}, "human36m": section}))


def test_clips_are_subjects_actions_and_cameras_in_natural_order(tmp_path: Path) -> None:
    write(tmp_path, {("S11", "Sitting 10"): world("S11", "x"), ("S11", "Sitting 2"): world("S11", "x")},
          {("S11", "Sitting 10"): mixtures("S11", "x"), ("S11", "Sitting 2"): mixtures("S11", "x")})  # fmt: skip
    source = clips(tmp_path)
    sequences = list(dict.fromkeys((clip.subject, clip.action) for clip in source.sequences))
    assert sequences == [*KEYS, ("S11", "Sitting 2"), ("S11", "Sitting 10")]
    assert [clip.camera for clip in source.sequences[:4]] == ["54138969", "55011271", "58860488", "60457274"]
    assert {clip.rows for clip in source.sequences} == {FRAMES} and source.kernels == KERNELS


def test_pose_and_root_make_up_the_world_again(tmp_path: Path) -> None:
    write(tmp_path)
    source = clips(tmp_path)
    for clip in source.sequences:
        sequence = clip.load()
        assert sequence.pose_3d is not None and sequence.root_3d is not None
        camera = Camera.from_dict(source.cameras[f"{clip.subject}/{clip.camera}"])
        found = camera.to_world(sequence.pose_3d + sequence.root_3d[:, None])
        np.testing.assert_allclose(found, world(clip.subject, clip.action)[:, H36M_32], atol=1e-5)
        assert not sequence.pose_3d[:, 0].any()


def test_the_heaviest_kernel_comes_first_and_lies_on_the_projected_joint(tmp_path: Path) -> None:
    write(tmp_path)
    source = clips(tmp_path)
    for clip in source.sequences:
        sequence = clip.load()
        assert sequence.pose_3d is not None and sequence.root_3d is not None
        camera = Camera.from_dict(source.cameras[f"{clip.subject}/{clip.camera}"])
        projected = camera.project(sequence.pose_3d + sequence.root_3d[:, None])
        np.testing.assert_allclose(sequence.mixture[:, :, 0, 1:3], projected, atol=1e-5)
        np.testing.assert_allclose(sequence.mixture[..., 0], np.broadcast_to([0.5, 0.25, 0.25], (FRAMES, 17, 3)))


@pytest.mark.parametrize(("unit", "sigma"), [("pixels", [8 * 2 / 1000, 4 * 2 / 1000]), ("normalised", [8, 4])])
def test_sigma_is_scaled_only_where_it_is_in_pixels(tmp_path: Path, unit: str, sigma: list[float]) -> None:
    write(tmp_path)
    mixture = clips(tmp_path, sigma_unit=unit).sequences[0].load().mixture
    np.testing.assert_allclose(mixture[..., 3:], np.broadcast_to(sigma, (FRAMES, 17, KERNELS, 2)), rtol=1e-6)


def test_points_become_one_kernel(tmp_path: Path) -> None:
    write(tmp_path, detections={at: pixels(*at) for at in KEYS})
    source = clips(tmp_path, point_sigma_px=10.0)
    camera = h36m_cameras()["S1"]["54138969"]
    mixture = source.sequences[0].load().mixture
    assert source.kernels == 1 and mixture.shape == (FRAMES, 17, 1, 5)
    expected = cameras.to_screen(pixels("S1", "Walking")[0], camera.width, camera.height)
    np.testing.assert_allclose(mixture[:, :, 0, 1:3], expected, atol=1e-6)
    np.testing.assert_allclose(mixture[:, :, 0, 3:], 0.02)


def test_2d_that_runs_on_after_the_mocap_is_trimmed(tmp_path: Path) -> None:
    write(tmp_path, detections={at: pixels(*at, extra=3) for at in KEYS})
    sequence = clips(tmp_path).sequences[0].load()
    assert len(sequence) == FRAMES == len(sequence.mixture)


def test_published_image_size_is_1000_by_1000_for_every_camera(tmp_path: Path) -> None:
    write(tmp_path)
    source = clips(tmp_path, image_size="published")
    own, published = clips(tmp_path).sequences[0].load(), source.sequences[0].load()
    assert (own.height, published.height) == (1002, 1000)
    assert Camera.from_dict(source.cameras["S1/54138969"]).height == 1000
    shift = published.mixture[..., 2] - own.mixture[..., 2]
    np.testing.assert_allclose(shift, 0.002, atol=1e-6)


def test_the_corrupted_recording_is_dropped_even_where_one_file_lacks_it(tmp_path: Path) -> None:
    write(tmp_path, detections={("S11", "Directions"): [], ("S11", "Directions 1"): mixtures("S11", "x")},
          poses={("S11", "Directions 1"): world("S11", "x")})  # fmt: skip
    assert {clip.action for clip in clips(tmp_path).sequences if clip.subject == "S11"} == {"Directions 1"}


def test_a_clip_carries_its_own_frames_alone(tmp_path: Path) -> None:
    write(tmp_path)
    clip = clips(tmp_path).sequences[0]
    assert len(pickle.dumps(clip)) < 2 * (mixtures("S1", "Walking")[0].nbytes + world("S1", "Walking").nbytes)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clip)).load().mixture, clip.load().mixture)


S1_WALKING = ("S1", "Walking")


@pytest.mark.parametrize(
    ("poses", "detections", "told"),
    [
        ({}, {("S9", "Sitting"): None}, r"2d\.npz: no subject 'S9', which .*3d\.npz has"),
        ({("S9", "Sitting"): None}, {}, r"3d\.npz: no subject 'S9'"),
        ({}, {("S1", "Walking 1"): None}, r"2d\.npz: S1 has no action 'Walking 1'"),
        ({("S1", "Walking 1"): None}, {}, r"3d\.npz: S1 has no action 'Walking 1'"),
        ({}, {S1_WALKING: mixtures(*S1_WALKING)[:3]}, r"2d\.npz: S1 / Walking: expected 4 cameras, got 3"),
        ({}, {S1_WALKING: 7}, r"2d\.npz: S1 / Walking: expected 4 cameras, got int"),
        (
            {},
            {S1_WALKING: [m[:-1] for m in mixtures(*S1_WALKING)]},
            r"S1 / Walking / camera 54138969: 4 frames of 2D for 5 of 3D",
        ),
        ({}, {S1_WALKING: [m[:, :16] for m in mixtures(*S1_WALKING)]}, r"expected numbers \(frames, 17, 3, 5\), got float32"),
        ({}, {S1_WALKING: [m[:, :, :2] for m in mixtures(*S1_WALKING)]}, r"3 kernels a joint, 2 before"),
        ({}, {S1_WALKING: ["x"] * 4}, r"2d\.npz: S1 / Walking / camera 54138969: expected numbers .* got str"),
        (
            {S1_WALKING: world(*S1_WALKING)[:, :17]},
            {},
            r"3d\.npz: S1 / Walking: expected numbers \(frames, 32, 3\), got float32",
        ),
        ({S1_WALKING: world(*S1_WALKING)[:0]}, {}, r"3d\.npz: S1 / Walking: expected numbers"),
        ({("S2", "x"): world("S2", "x")}, {("S2", "x"): []}, r"no cameras are published for subject 'S2'"),
    ],
)
def test_files_that_do_not_match_are_refused(tmp_path: Path, poses: dict, detections: dict, told: str) -> None:
    write(tmp_path, poses, detections)
    with pytest.raises(InputError, match=told):
        clips(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        (0, np.nan, "a value is not finite"),
        (1, np.inf, "a value is not finite"),
        (3, -1, "a sigma is negative"),
        (0, -1, "a weight is negative"),
    ],
)
def test_a_bad_value_is_refused_with_its_frame(tmp_path: Path, column: int, value: float, told: str) -> None:
    bad = mixtures(*S1_WALKING)
    bad[1][3, 8, 2, column] = value
    write(tmp_path, detections={S1_WALKING: bad})
    with pytest.raises(InputError, match=rf"2d\.npz: S1 / Walking / camera 55011271: frame 3: {told}"):
        clips(tmp_path).sequences[1].load()


def test_a_joint_that_is_nan_is_refused_with_its_frame(tmp_path: Path) -> None:
    bad = world(*S1_WALKING)
    bad[2, 25] = np.nan
    write(tmp_path, {S1_WALKING: bad})
    with pytest.raises(InputError, match=r"S1 / Walking .*frame 2: a 3D joint is not finite"):
        clips(tmp_path).sequences[0].load()


def test_a_file_that_is_not_nested_dicts_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    np.savez(tmp_path / "2d.npz", positions_2d=np.zeros((5, 17, 2)))
    with pytest.raises(InputError, match=r"2d\.npz: 'positions_2d': expected nested dicts"):
        clips(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3d\.npz: no such file"):
        clips(tmp_path)


def test_files_without_sequences_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "3d.npz", positions_3d=np.array({}, dtype=object))
    np.savez(tmp_path / "2d.npz", positions_2d=np.array({}, dtype=object))
    with pytest.raises(InputError, match="holds no sequence"):
        clips(tmp_path)
