import numpy as np
import pytest
import torch

from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.geometry.reprojection import fit_root, joint_log_likelihood

CAMERA = h36m_cameras()["S9"]["54138969"]
INTRINSIC = torch.tensor(CAMERA.intrinsic)


@pytest.fixture
def pose() -> torch.Tensor:
    """(50, 17, 3) float64, pelvis at 0."""
    pose = torch.randn(50, 17, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.3
    return pose - pose[:, :1]


@pytest.fixture
def root() -> torch.Tensor:
    """(50, 3), 3 to 7 m before the camera."""
    return torch.rand(50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 + torch.tensor([-1, -1, 4.0])


def sigma(uv: torch.Tensor) -> torch.Tensor:
    return torch.full_like(uv, 0.01)


def test_the_root_is_found_where_the_pose_is_exact(pose: torch.Tensor, root: torch.Tensor) -> None:
    uv = CAMERA.project(pose + root[:, None])
    torch.testing.assert_close(fit_root(pose, uv, INTRINSIC, sigma(uv)), root, rtol=0, atol=1e-6)


def test_the_root_is_found_in_float32_to_a_tenth_of_a_millimetre(pose: torch.Tensor, root: torch.Tensor) -> None:
    uv = CAMERA.project(pose + root[:, None])
    found = fit_root(pose.float(), uv.float(), INTRINSIC.float(), sigma(uv).float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), root, rtol=0, atol=1e-4)


def test_a_joint_far_off_hardly_moves_the_root(pose: torch.Tensor, root: torch.Tensor) -> None:
    uv = CAMERA.project(pose + root[:, None])
    uv[:, 13] += 0.5
    assert (fit_root(pose, uv, INTRINSIC, sigma(uv)) - root).norm(dim=-1).median() < 0.02


def test_a_joint_of_large_sigma_hardly_moves_the_root(pose: torch.Tensor, root: torch.Tensor) -> None:
    uv = CAMERA.project(pose + root[:, None])
    uncertain = sigma(uv)
    uncertain[:, 11:] = 10.0
    uv[:, 11:] += 0.02
    assert (fit_root(pose, uv, INTRINSIC, uncertain) - root).norm(dim=-1).max() < 1e-3


def test_hypotheses_are_fitted_each_to_the_one_observation(pose: torch.Tensor, root: torch.Tensor) -> None:
    uv = CAMERA.project(pose + root[:, None])
    hypotheses = torch.stack([pose, pose * 1.1], 1)  # a taller body stands further away
    found = fit_root(hypotheses, uv[:, None], INTRINSIC.expand(50, 1, 9), sigma(uv)[:, None])
    torch.testing.assert_close(found[:, 0], root, rtol=0, atol=1e-6)
    torch.testing.assert_close(found[:, 1], fit_root(pose * 1.1, uv, INTRINSIC, sigma(uv)))
    assert (found[:, 1, 2] > root[:, 2]).all()


def test_an_unknown_camera_gives_nan_for_its_pose_alone(pose: torch.Tensor, root: torch.Tensor) -> None:
    uv = CAMERA.project(pose + root[:, None])
    intrinsic = INTRINSIC.repeat(50, 1)
    intrinsic[7] = torch.nan
    found = fit_root(pose, uv, intrinsic, sigma(uv))
    assert found[7].isnan().all() and found.isfinite().all(1).sum() == 49


def test_the_likelihood_is_the_mixtures_density_at_the_projection(pose: torch.Tensor, root: torch.Tensor) -> None:
    generator = np.random.default_rng(0)
    weight = generator.dirichlet(np.ones(3), (50, 17))
    mean = CAMERA.project(pose + root[:, None])[:, :, None].numpy() + generator.normal(0, 0.02, (50, 17, 3, 2))
    spread = generator.uniform(0.01, 0.05, (50, 17, 3, 2))
    mixture = torch.tensor(np.concatenate([weight[..., None], mean, spread], -1))
    uv = CAMERA.project(pose + root[:, None]).numpy()
    kernels = np.exp(-(((uv[:, :, None] - mean) / spread) ** 2).sum(-1) / 2) / (2 * np.pi * spread.prod(-1))
    expected = np.log((weight * kernels).sum(-1))
    found = joint_log_likelihood(pose, root, mixture, INTRINSIC)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_a_projection_far_from_every_kernel_has_a_finite_likelihood(pose: torch.Tensor, root: torch.Tensor) -> None:
    mixture = torch.zeros(50, 17, 2, 5, dtype=torch.float64)
    mixture[..., 0, 0] = 1
    mixture[..., 1:3] = 100
    assert joint_log_likelihood(pose, root, mixture, INTRINSIC).isfinite().all()
