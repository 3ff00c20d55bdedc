"""Bundles of the video family: written, read, refused, and lifting keypoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pose_diffusion.config import ModelConfig
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inference.bundle import Bundle, load_bundle, load_published, save_bundle
from pose_diffusion.inference.bundle_folder import content_hash
from pose_diffusion.inference.clip_lifting import lift_clips
from pose_diffusion.inference.video_bundle import VideoBundle, load_video_bundle, save_video_bundle
from pose_diffusion.training.bundles import given_lifter
from tests.inference.videos import MODEL, random_network, video

SIZE = (1920, 1080)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    save_video_bundle(str(folder), MODEL, random_network().state_dict(), {"run": "a"}, "Best epoch: 3")
    return folder


@pytest.fixture
def pixels() -> np.ndarray:
    """(30, 17, 3): a person in COCO's layout who moves a little."""
    rng = np.random.default_rng(0)
    points = np.ones((30, 17, 3))
    points[..., :2] = rng.uniform(300, 800, (17, 2)) + rng.normal(0, 5, (30, 17, 2))
    return points


def test_a_bundle_comes_back_as_it_was_saved(saved: Path) -> None:
    bundle = load_bundle(str(saved))
    assert isinstance(bundle, VideoBundle)
    assert bundle.model == MODEL and bundle.provenance == {"run": "a"}
    assert not bundle.network.training and bundle.device == torch.device("cpu")
    for name, weight in random_network().state_dict().items():
        assert torch.equal(bundle.network.state_dict()[name], weight)


def test_the_content_hash_is_of_weights_and_sizes_alone(saved: Path, tmp_path: Path) -> None:
    save_video_bundle(str(tmp_path / "same"), MODEL, random_network().state_dict(), {"run": "b"})
    save_video_bundle(str(tmp_path / "other"), MODEL, random_network(1).state_dict(), {"run": "a"})
    assert content_hash(str(saved)) == content_hash(str(tmp_path / "same")) == load_video_bundle(str(saved)).content_hash
    assert content_hash(str(saved)) != content_hash(str(tmp_path / "other"))


def test_the_card_says_what_it_is(saved: Path) -> None:
    card = (saved / "card.md").read_text()
    assert "up to 9 frames" in card and "- run: a" in card and card.endswith("Best epoch: 3\n")
    assert f"{sum(p.numel() for p in random_network().parameters()):,} parameters" in card


def test_one_family_over_another_leaves_no_weights_of_the_first(saved: Path, tiny: Bundle) -> None:
    save_bundle(str(saved), tiny.model, tiny.diffusion, tiny.lifter.state_dict())
    assert isinstance(load_bundle(str(saved)), Bundle)
    assert sorted(path.name for path in saved.iterdir()) == ["card.md", "lifter.safetensors", "model.yaml"]


def test_a_bundle_of_the_other_family_is_refused(saved: Path, tmp_path: Path, tiny: Bundle) -> None:
    with pytest.raises(InputError, match="a bundle of the video family, expected one of the published family"):
        load_published(str(saved))
    with pytest.raises(InputError, match="a bundle of the video family"):
        given_lifter(str(saved), ModelConfig())
    save_bundle(str(tmp_path / "published"), tiny.model, tiny.diffusion, tiny.lifter.state_dict())
    with pytest.raises(InputError, match="a bundle of the published family, expected one of the video family"):
        load_video_bundle(str(tmp_path / "published"))


def test_truncated_changed_and_missing_weights_are_refused(saved: Path) -> None:
    path = saved / "video.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    with pytest.raises(InputError, match=r"video\.safetensors: not a whole safetensors file"):
        load_bundle(str(saved))
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=r"video\.safetensors: its SHA-256 is not the one"):
        load_bundle(str(saved))
    path.unlink()
    with pytest.raises(InputError, match=r"video\.safetensors"):
        load_bundle(str(saved))


def test_weights_that_do_not_fit_the_sizes_are_refused(tmp_path: Path) -> None:
    deeper = MODEL.model_copy(update={"layers": 2})
    with pytest.raises(InputError, match=r"weight 'layers\.1\..*' is missing for a video network of width 16, 2 layers"):
        save_video_bundle(str(tmp_path), deeper, random_network().state_dict())
    with pytest.raises(InputError, match=r"model\.family is published"):
        save_video_bundle(str(tmp_path), ModelConfig(), random_network().state_dict())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"family": "spiral"}}, "key 'model.family': 'spiral', expected published or video"),
        ({"model": None}, "key 'model': expected a mapping"),
        ({"files": {}}, r"video\.safetensors is missing"),
        ({"convention": {"input": "pixels"}}, "key 'convention'"),
    ],
)
def test_a_description_of_something_else_is_refused(saved: Path, change: dict, message: str) -> None:
    path = saved / "model.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        load_bundle(str(saved))


def test_keypoints_are_lifted_with_a_root_where_the_camera_is_given(saved: Path, pixels: np.ndarray) -> None:
    bundle = load_video_bundle(str(saved))
    assumed = bundle.lift_keypoints(pixels, SIZE, fps=25)
    assert assumed.pose_3d.shape == (30, 17, 3) and np.isfinite(assumed.pose_3d).all()
    assert assumed.root_3d is None and (assumed.spread == 0).all()
    known = bundle.lift_keypoints(pixels, SIZE, fps=25, camera=Camera.from_field_of_view(40, *SIZE))
    assert known.root_3d is not None and np.isfinite(known.root_3d).all()
    angle = bundle.lift_keypoints(pixels, SIZE, fps=25, field_of_view=40)
    np.testing.assert_array_equal(angle.pose_3d, known.pose_3d)
    assert np.abs(known.pose_3d - assumed.pose_3d).max() > 1e-3


def test_thirty_frames_a_second_are_assumed(saved: Path, pixels: np.ndarray) -> None:
    bundle = load_video_bundle(str(saved))
    unknown, thirty, ten = (bundle.lift_keypoints(pixels, SIZE, fps=fps).pose_3d for fps in (None, 30, 10))
    np.testing.assert_array_equal(unknown, thirty)
    assert np.abs(ten - thirty).max() > 1e-4


def test_frames_without_a_person_are_nan_and_one_frame_is_enough(saved: Path, pixels: np.ndarray) -> None:
    pixels[1:] = 0
    found = load_video_bundle(str(saved)).lift_keypoints(pixels, SIZE, longest_gap=0)
    assert found.frames.tolist() == [0] and np.isfinite(found.pose_3d[0]).all() and np.isnan(found.pose_3d[1:]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hypotheses": 3}, "hypotheses is 3: the video model has no diffusion"),
        ({"eta": 0.5}, "eta is 0.5"),
        ({"steps": [0]}, "steps is"),
        ({"preserve_scale": True}, "preserve_scale is True"),
        ({"aggregate": "weighted"}, "aggregate is weighted"),
        ({"fps": 0}, "fps is 0"),
        ({"field_of_view": 0}, "field of view"),
        ({"field_of_view": 200}, "field of view"),
    ],
)
def test_options_that_make_no_sense_are_refused(saved: Path, pixels: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_video_bundle(str(saved)).lift_keypoints(pixels, SIZE, **options)


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory: pytest.TempPathFactory) -> VideoBundle:
    """A bundle of clips of up to 81 frames."""
    folder = str(tmp_path_factory.mktemp("long"))
    save_video_bundle(folder, MODEL.model_copy(update={"frames": 81}), random_network().state_dict())
    return load_video_bundle(folder)


@pytest.mark.parametrize("rate", [25.0, 60.0])
@pytest.mark.parametrize("count", [1, 9, 27, 81])
def test_one_file_of_weights_lifts_clips_of_any_length_and_rate(long_clips: VideoBundle, count: int, rate: float) -> None:
    """Frames are told by their times: each fifth frame at a rate is as each frame at a fifth of it."""
    rows = video(count)
    found, sparse = (
        lift_clips(long_clips.network, rows.mixture, rows.intrinsic, rows.sequence, step * rows.frame, step * rate, 81)
        for step in (1, 5)
    )
    assert found.shape == (count, 17, 3) and bool(found.isfinite().all())
    torch.testing.assert_close(sparse, found, atol=1e-5, rtol=0)
    if count > 1:
        other = lift_clips(long_clips.network, rows.mixture, rows.intrinsic, rows.sequence, rows.frame, 85 - rate, 81)
        assert (other - found).abs().max() > 1e-3
