import dataclasses

import pytest
import torch

from pose_diffusion.errors import InputError
from pose_diffusion.geometry import skeleton
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.inference.lifting import lift, mirror
from pose_diffusion.inference.options import SamplingOptions


@pytest.fixture
def uv(expected: dict) -> torch.Tensor:
    return expected["uv"]


@pytest.fixture
def mixture(uv: torch.Tensor) -> torch.Tensor:
    """(6, 17, 3, 5): kernels around uv, the heaviest on it."""
    mixture = torch.empty(len(uv), 17, 3, 5)
    mixture[..., 0] = torch.tensor([0.5, 0.3, 0.2])
    mixture[..., 1:3] = uv[:, :, None] + torch.tensor([0.0, 0.02, -0.03])[:, None]
    mixture[..., 3:] = 0.01
    return mixture


def test_mirroring_twice_is_the_identity_and_leaves_the_input_alone() -> None:
    for channels in (2, 3):
        pose = torch.randn(4, 17, channels)
        before = pose.clone()
        assert torch.equal(mirror(mirror(pose)), pose)
        assert torch.equal(pose, before)


def test_mirror_swaps_left_and_right_and_negates_the_first_channel() -> None:
    pose = torch.randn(4, 17, 3)
    flipped = mirror(pose)
    assert torch.equal(flipped[:, skeleton.LEFT[0]], pose[:, skeleton.RIGHT[0]] * torch.tensor([-1, 1, 1]))


@pytest.mark.parametrize("refine", [True, False])
def test_with_flips_the_mirror_image_lifts_to_the_mirror_image(bundle: Bundle, uv: torch.Tensor, refine: bool) -> None:
    model = bundle if refine else Bundle(bundle.model, bundle.diffusion, bundle.lifter)
    lifted, mirrored = model.lift(uv), model.lift(mirror(uv))
    torch.testing.assert_close(mirrored.pose_3d, mirror(lifted.pose_3d), rtol=0, atol=1e-5)
    torch.testing.assert_close(mirrored.lifter_pose, mirror(lifted.lifter_pose), rtol=0, atol=1e-5)


def test_without_flips_the_networks_are_not_symmetric(bundle: Bundle, uv: torch.Tensor) -> None:
    difference = bundle.lift(mirror(uv), flips=False).pose_3d - mirror(bundle.lift(uv, flips=False).pose_3d)
    assert difference.abs().max() > 1e-2


@pytest.mark.parametrize("flips", [True, False])
def test_the_pelvis_is_exactly_at_0(bundle: Bundle, mixture: torch.Tensor, flips: bool) -> None:
    lifted = bundle.lift(mixture, flips=flips, hypotheses=3)
    for pose in (lifted.lifter_pose, lifted.pose_3d, lifted.hypotheses):
        assert not pose[..., 0, :].any()


@pytest.mark.parametrize("flips", [True, False])
def test_with_its_size_kept_a_refined_pose_differs_by_a_factor_and_is_as_large_as_the_lifters(
    bundle: Bundle, mixture: torch.Tensor, flips: bool
) -> None:
    plain, kept = (bundle.lift(mixture, flips=flips, hypotheses=3, preserve_scale=keep) for keep in (False, True))
    assert torch.equal(kept.lifter_pose, plain.lifter_pose)
    sizes = torch.linalg.vector_norm(kept.hypotheses[:, 0], dim=(1, 2))
    torch.testing.assert_close(sizes, torch.linalg.vector_norm(kept.lifter_pose, dim=(1, 2)))
    factor = kept.hypotheses.norm(dim=(2, 3), keepdim=True) / plain.hypotheses.norm(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(kept.hypotheses, factor * plain.hypotheses)
    assert (factor - 1).abs().max() > 1e-3


def test_whether_the_size_is_kept_is_the_bundles_unless_told(bundle: Bundle, mixture: torch.Tensor) -> None:
    keeps = dataclasses.replace(bundle, diffusion=bundle.diffusion.model_copy(update={"preserve_scale": True}))
    assert torch.equal(keeps.lift(mixture).pose_3d, bundle.lift(mixture, preserve_scale=True).pose_3d)
    assert torch.equal(keeps.lift(mixture, preserve_scale=False).pose_3d, bundle.lift(mixture).pose_3d)


def test_without_a_denoiser_there_is_no_size_to_keep(bundle: Bundle, mixture: torch.Tensor) -> None:
    alone = Bundle(bundle.model, bundle.diffusion, bundle.lifter)
    assert torch.equal(alone.lift(mixture, preserve_scale=True).pose_3d, alone.lift(mixture).pose_3d)


@pytest.mark.parametrize("batch", [1, 4, 5, 1000])
def test_the_size_of_a_pass_does_not_change_the_result(bundle: Bundle, mixture: torch.Tensor, batch: int) -> None:
    whole, parts = bundle.lift(mixture, hypotheses=3), bundle.lift(mixture, hypotheses=3, batch=batch)
    torch.testing.assert_close(parts.pose_3d, whole.pose_3d, rtol=0, atol=1e-5)
    torch.testing.assert_close(parts.spread, whole.spread, rtol=0, atol=1e-5)


def test_a_mixture_of_one_kernel_lifts_as_its_mean(bundle: Bundle, mixture: torch.Tensor, uv: torch.Tensor) -> None:
    assert torch.equal(bundle.lift(mixture[:, :, :1]).pose_3d, bundle.lift(uv).pose_3d)


def test_one_hypothesis_is_the_heaviest_kernels_and_has_no_spread(
    bundle: Bundle, mixture: torch.Tensor, uv: torch.Tensor
) -> None:
    lifted = bundle.lift(mixture)
    assert lifted.hypotheses is None and not lifted.spread.any()
    torch.testing.assert_close(lifted.pose_3d, bundle.lift(uv).pose_3d)


def test_the_mixtures_mean_is_lifted_as_that_pose(bundle: Bundle, mixture: torch.Tensor) -> None:
    mean = (mixture[..., :1] * mixture[..., 1:3]).sum(-2)
    torch.testing.assert_close(bundle.lift(mixture, pose_2d="mean").pose_3d, bundle.lift(mean).pose_3d)
    several = bundle.lift(mixture, hypotheses=3, pose_2d="mean").hypotheses
    torch.testing.assert_close(several[:, 0], bundle.lift(mean).pose_3d, rtol=0, atol=1e-5)


def test_hypotheses_differ_and_the_first_is_the_heaviest_kernels(bundle: Bundle, mixture: torch.Tensor) -> None:
    lifted, one = bundle.lift(mixture, hypotheses=4), bundle.lift(mixture)
    assert lifted.hypotheses.shape == (6, 4, 17, 3)
    torch.testing.assert_close(lifted.hypotheses[:, 0], one.pose_3d, rtol=0, atol=1e-5)
    torch.testing.assert_close(lifted.lifter_pose, one.lifter_pose, rtol=0, atol=1e-5)
    pairs = lifted.hypotheses[:, :, None] - lifted.hypotheses[:, None]
    assert (pairs.abs().amax((-1, -2))[:, *torch.triu_indices(4, 4, 1)] > 1e-3).all()


def test_pose_and_spread_are_mean_and_deviation_of_the_hypotheses(bundle: Bundle, mixture: torch.Tensor) -> None:
    lifted = bundle.lift(mixture, hypotheses=4)
    torch.testing.assert_close(lifted.pose_3d, lifted.hypotheses.mean(1))
    distance = (lifted.hypotheses - lifted.pose_3d[:, None]).norm(dim=-1)
    torch.testing.assert_close(lifted.spread, distance.square().mean(1).sqrt())


def test_hypotheses_repeat_by_seed(bundle: Bundle, mixture: torch.Tensor) -> None:
    def drawn(seed: int) -> torch.Tensor:
        return bundle.lift(mixture, hypotheses=4, generator=torch.Generator().manual_seed(seed)).hypotheses

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1)[:, 1:], drawn(2)[:, 1:])
    assert torch.equal(bundle.lift(mixture, hypotheses=4).hypotheses, bundle.lift(mixture, hypotheses=4).hypotheses)


def test_with_eta_points_have_hypotheses_that_differ(bundle: Bundle, uv: torch.Tensor) -> None:
    assert (bundle.lift(uv, hypotheses=2, eta=1.0).spread[:, 1:] > 0).all()


def test_fresh_noise_follows_the_mixtures_sigma_where_the_settings_say_so(bundle: Bundle, mixture: torch.Tensor) -> None:
    by_sigma = dataclasses.replace(bundle, diffusion=bundle.diffusion.model_copy(update={"noise_scale": "mixture"}))
    narrow, published = (model.lift(mixture, eta=1.0).pose_3d for model in (by_sigma, bundle))
    assert not torch.allclose(narrow, published)
    mixture[..., 3:] = 0.1  # the published constant
    torch.testing.assert_close(by_sigma.lift(mixture, eta=1.0).pose_3d, published)


def test_more_steps_are_taken_when_asked(bundle: Bundle, uv: torch.Tensor) -> None:
    assert not torch.allclose(bundle.lift(uv, steps=[0, 4, 8]).pose_3d, bundle.lift(uv).pose_3d)


def test_a_bundle_of_a_lifter_alone_gives_its_pose(bundle: Bundle, uv: torch.Tensor) -> None:
    lifted = Bundle(bundle.model, bundle.diffusion, bundle.lifter).lift(uv)
    assert torch.equal(lifted.pose_3d, lifted.lifter_pose)


def test_no_poses_lift_to_no_poses(bundle: Bundle) -> None:
    lifted = bundle.lift(torch.empty(0, 17, 3, 5), hypotheses=2)
    assert lifted.pose_3d.shape == (0, 17, 3) and lifted.hypotheses.shape == (0, 2, 17, 3) and lifted.spread.shape == (0, 17)


def test_the_bundles_own_method_is_the_same(bundle: Bundle, mixture: torch.Tensor) -> None:
    assert torch.equal(bundle.lift(mixture, hypotheses=2).pose_3d, lift(bundle, mixture, SamplingOptions(hypotheses=2)).pose_3d)


@pytest.mark.parametrize("shape", [(17, 2), (6, 16, 2), (6, 17, 3), (6, 17, 3, 4), (6, 16, 3, 5)])
def test_poses_of_another_shape_are_refused(bundle: Bundle, shape: tuple) -> None:
    with pytest.raises(InputError, match="2D poses have shape"):
        bundle.lift(torch.zeros(shape))


def test_hypotheses_that_could_not_differ_are_refused(bundle: Bundle, uv: torch.Tensor) -> None:
    with pytest.raises(InputError, match="hypotheses differ only by"):
        bundle.lift(uv, hypotheses=2)


def test_no_hypothesis_is_refused(bundle: Bundle, mixture: torch.Tensor) -> None:
    with pytest.raises(InputError, match="hypotheses is 0"):
        bundle.lift(mixture, hypotheses=0)


def test_networks_in_training_mode_are_refused(tiny: Bundle) -> None:
    with pytest.raises(ValueError, match="training mode"):
        tiny.lift(torch.zeros(1, 17, 2))


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_with_keys_a_poses_hypotheses_do_not_depend_on_the_poses_beside_it(
    bundle: Bundle, mixture: torch.Tensor, eta: float
) -> None:
    keys = torch.arange(6) * 7919
    order = torch.tensor([4, 0, 5])
    whole = bundle.lift(mixture, hypotheses=3, eta=eta, keys=keys).hypotheses
    part = bundle.lift(mixture[order], hypotheses=3, eta=eta, keys=keys[order], batch=4).hypotheses
    torch.testing.assert_close(part, whole[order], rtol=0, atol=1e-5)


def test_with_keys_poses_of_different_keys_draw_differently(bundle: Bundle, mixture: torch.Tensor) -> None:
    same = mixture[:1].expand(2, -1, -1, -1)
    one, other = bundle.lift(same, hypotheses=4, keys=torch.tensor([1, 2])).hypotheses
    torch.testing.assert_close(one[0], other[0])
    assert not torch.allclose(one[1:], other[1:], atol=1e-3)


def test_a_pass_of_a_given_batch_always_has_that_many(bundle: Bundle, mixture: torch.Tensor) -> None:
    seen: list[int] = []
    handle = bundle.lifter.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    try:
        bundle.lift(mixture, batch=8)
    finally:
        handle.remove()
    assert seen == [8, 8]
