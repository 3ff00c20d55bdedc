import dataclasses

import pytest
import torch

from pose_diffusion.data.mixture import heaviest, overall
from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.geometry.reprojection import fit_root
from pose_diffusion.geometry.smoothing import smooth
from pose_diffusion.inference import aggregation
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.inference.estimation import Estimate, estimate
from pose_diffusion.inference.lifting import lift
from pose_diffusion.inference.options import SamplingOptions

KEYS = torch.arange(6)
SEVERAL = SamplingOptions(hypotheses=4, reproject=True)


@pytest.fixture
def intrinsic() -> torch.Tensor:
    return torch.tensor(h36m_cameras()["S9"]["54138969"].intrinsic).repeat(6, 1)


@pytest.fixture
def mixture(expected: dict) -> torch.Tensor:
    """(6, 17, 3, 5): kernels around the published test's 2D poses."""
    uv = expected["uv"]
    mixture = torch.empty(len(uv), 17, 3, 5)
    mixture[..., 0] = torch.tensor([0.5, 0.3, 0.2])
    mixture[..., 1:3] = uv[:, :, None] + torch.tensor([0.0, 0.02, -0.03])[:, None]
    mixture[..., 3:] = 0.01
    return mixture


def test_the_mean_weighs_all_hypotheses_alike() -> None:
    hypotheses = torch.randn(5, 3, 17, 3)
    torch.testing.assert_close(aggregation.mean(hypotheses), (hypotheses[:, 0] + hypotheses[:, 1] + hypotheses[:, 2]) / 3)


def test_of_equal_likelihoods_the_weighted_pose_is_the_mean() -> None:
    hypotheses = torch.randn(5, 3, 17, 3)
    torch.testing.assert_close(aggregation.weighted(hypotheses, torch.full((5, 3, 17), -7.0)), hypotheses.mean(1))


def test_a_hypothesis_far_likelier_is_the_weighted_and_the_jointwise_pose() -> None:
    hypotheses, likelihood = torch.randn(5, 3, 17, 3), torch.zeros(5, 3, 17)
    likelihood[:, 1] = 200.0
    torch.testing.assert_close(aggregation.weighted(hypotheses, likelihood), hypotheses[:, 1])
    assert torch.equal(aggregation.jointwise(hypotheses, likelihood), hypotheses[:, 1])


def test_the_jointwise_pose_takes_each_joint_from_its_likeliest_hypothesis() -> None:
    hypotheses, likelihood = torch.randn(5, 3, 17, 3), torch.randn(5, 3, 17)
    chosen = aggregation.jointwise(hypotheses, likelihood)
    for n in range(5):
        for j in range(17):
            assert torch.equal(chosen[n, j], hypotheses[n, likelihood[n, :, j].argmax(), j])


def test_one_hypothesis_has_the_methods_lifter_and_diffusion(bundle: Bundle, mixture: torch.Tensor) -> None:
    found = estimate(bundle, mixture, SamplingOptions(), KEYS)
    assert list(found.poses) == ["lifter", "diffusion"]
    assert found.hypotheses is None and found.root_3d is None and not found.spread_mm.any()


def test_a_bundle_of_a_lifter_alone_has_its_method_alone(bundle: Bundle, mixture: torch.Tensor) -> None:
    lifter = Bundle(bundle.model, bundle.diffusion, bundle.lifter)
    assert list(estimate(lifter, mixture, SamplingOptions(), KEYS).poses) == ["lifter"]


@pytest.mark.parametrize("choice", ["mean", "weighted", "jointwise"])
def test_the_chosen_aggregate_comes_last(bundle: Bundle, mixture: torch.Tensor, intrinsic: torch.Tensor, choice: str) -> None:
    found = estimate(bundle, mixture, dataclasses.replace(SEVERAL, aggregate=choice), KEYS, intrinsic)
    assert list(found.poses)[-1] == choice
    assert set(found.poses) == {"lifter", "diffusion", "mean", "weighted", "jointwise"}


def test_the_mixtures_mean_is_lifted_told_and_stands_in_the_camera(
    bundle: Bundle, mixture: torch.Tensor, intrinsic: torch.Tensor
) -> None:
    found = estimate(bundle, mixture, SamplingOptions(pose_2d="mean"), KEYS, intrinsic)
    uv, sigma = overall(mixture).split(2, -1)
    torch.testing.assert_close(found.pose_2d, uv)
    torch.testing.assert_close(found.poses["diffusion"], lift(bundle, uv).pose_3d, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.root_3d, fit_root(found.poses["diffusion"], uv, intrinsic, sigma))


def test_diffusion_is_the_hypothesis_of_the_heaviest_kernels(bundle: Bundle, mixture: torch.Tensor) -> None:
    found = estimate(bundle, mixture, SamplingOptions(hypotheses=4), KEYS)
    torch.testing.assert_close(found.poses["diffusion"], lift(bundle, heaviest(mixture)[..., :2]).pose_3d, rtol=0, atol=1e-5)
    assert list(found.poses) == ["lifter", "diffusion", "mean"]


@pytest.mark.parametrize("options", [SamplingOptions(), SEVERAL], ids=["one", "several"])
def test_the_root_is_that_of_the_pose_to_publish(
    bundle: Bundle, mixture: torch.Tensor, intrinsic: torch.Tensor, options: SamplingOptions
) -> None:
    found = estimate(bundle, mixture, options, KEYS, intrinsic)
    uv, sigma = heaviest(mixture).split(2, -1)
    torch.testing.assert_close(found.root_3d, fit_root(list(found.poses.values())[-1], uv, intrinsic, sigma))
    assert found.root_3d.isfinite().all()


@pytest.mark.parametrize("options", [SamplingOptions(), SEVERAL], ids=["one", "several"])
def test_smoothed_comes_last_with_its_root_and_changes_nothing_else(
    bundle: Bundle, mixture: torch.Tensor, intrinsic: torch.Tensor, options: SamplingOptions
) -> None:
    found = estimate(bundle, mixture, options, KEYS, intrinsic)
    frame, sequence = torch.arange(6), torch.tensor([0, 0, 0, 1, 1, 1])
    smoothed = found.smoothed(frame, sequence, 2.0)
    assert list(smoothed.poses) == [*found.poses, "smoothed"]
    final = list(found.poses.values())[-1]
    torch.testing.assert_close(smoothed.poses["smoothed"], smooth(final, frame, sequence, 2.0))
    torch.testing.assert_close(smoothed.root_3d, smooth(found.root_3d, frame, sequence, 2.0))
    assert not torch.equal(smoothed.root_3d, found.root_3d)
    assert all(torch.equal(smoothed.poses[method], pose) for method, pose in found.poses.items())


def test_poses_in_parts_are_the_poses_of_the_whole(bundle: Bundle, mixture: torch.Tensor, intrinsic: torch.Tensor) -> None:
    whole = estimate(bundle, mixture, SEVERAL, KEYS, intrinsic)
    parts = [slice(0, 1), slice(1, 6)]
    joined = Estimate.joined([estimate(bundle, mixture[p], SEVERAL, KEYS[p], intrinsic[p]) for p in parts])
    for method, pose in whole.poses.items():
        torch.testing.assert_close(joined.poses[method], pose, rtol=0, atol=1e-5)
    torch.testing.assert_close(joined.spread_mm, whole.spread_mm, rtol=0, atol=1e-2)
    torch.testing.assert_close(joined.root_3d, whole.root_3d, rtol=1e-3, atol=1e-3)
    assert joined.hypotheses.shape == (6, 4, 17, 3)
