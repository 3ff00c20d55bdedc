"""The reference functions below are slow and plain, a pose and a joint at a time, written from the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pose_diffusion.geometry import metrics
from pose_diffusion.geometry.skeleton import JOINTS

PCK_NAMES = {
    *("RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Thorax", "Head"),
    *("LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist"),
}


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True)))


def slow_mpjpe(pose: np.ndarray, truth: np.ndarray) -> float:
    return 1000 * sum(distance(p, g) for p, g in zip(pose, truth, strict=True)) / len(pose)


def slow_n_mpjpe(pose: np.ndarray, truth: np.ndarray) -> float:
    scale = sum(float(np.dot(p, g)) for p, g in zip(pose, truth, strict=True)) / sum(float(np.dot(p, p)) for p in pose)
    return slow_mpjpe(scale * pose, truth)


def slow_p_mpjpe(pose: np.ndarray, truth: np.ndarray) -> float:
    """The rotation by Horn's quaternions (1987): another way than the one under test."""
    p, g = pose - pose.mean(0), truth - truth.mean(0)
    s = p.T @ g
    n = np.zeros((4, 4))
    n[0, 0] = np.trace(s)
    n[0, 1:] = n[1:, 0] = s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]
    n[1:, 1:] = s + s.T - np.trace(s) * np.eye(3)
    w, *v = np.linalg.eigh(n)[1][:, -1]
    v = np.array(v)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    rotation = (w * w - v @ v) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * cross
    turned = p @ rotation.T
    scale = (turned * g).sum() / (p * p).sum()
    return slow_mpjpe(scale * turned + truth.mean(0), truth)


def slow_pck(pose: np.ndarray, truth: np.ndarray, threshold_mm: float) -> float:
    near = [1000 * distance(p, g) < threshold_mm for name, p, g in zip(JOINTS, pose, truth, strict=True) if name in PCK_NAMES]
    assert len(near) == 14
    return sum(near) / 14


def slow_auc(pose: np.ndarray, truth: np.ndarray) -> float:
    return sum(slow_pck(pose, truth, 5.0 * k) for k in range(31)) / 31


SLOW = {
    "mpjpe": slow_mpjpe,
    "n_mpjpe": slow_n_mpjpe,
    "p_mpjpe": slow_p_mpjpe,
    "pck": lambda pose, truth: slow_pck(pose, truth, 150.0),
    "auc": slow_auc,
}


@pytest.fixture
def poses() -> tuple[torch.Tensor, torch.Tensor]:
    """300 float32 poses with errors from a millimetre to half a metre, and their truth."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.4, (300, 17, 3))
    pose = truth + rng.normal(0, 1, truth.shape) * np.geomspace(0.001, 0.5, 300)[:, None, None]
    return torch.from_numpy(pose.astype(np.float32)), torch.from_numpy(truth.astype(np.float32))


@pytest.mark.parametrize("name", SLOW)
def test_agrees_with_slow_plain_code(name: str, poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    pose, truth = poses
    slow = [SLOW[name](p.astype(np.float64), g.astype(np.float64)) for p, g in zip(pose.numpy(), truth.numpy(), strict=True)]
    fast = getattr(metrics, name)(pose, truth)
    assert fast.shape == (300,)
    np.testing.assert_allclose(fast.numpy(), slow, rtol=2e-5, atol=1e-3)


def test_mpjve_agrees_with_slow_plain_code(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, g = (pose.double().numpy() for pose in poses)
    slow = [slow_mpjpe(p[t] - p[t - 1], g[t] - g[t - 1]) for t in range(1, len(p))]
    np.testing.assert_allclose(metrics.mpjve(*poses).numpy(), slow, rtol=2e-5)


@pytest.mark.parametrize("name", ["mpjpe", "p_mpjpe", "n_mpjpe", "mpjve"])
def test_agrees_with_the_published_implementation(name: str, expected: dict[str, torch.Tensor]) -> None:
    metres = getattr(metrics, name)(expected["pred"], expected["target"]).mean() / 1000
    assert abs(float(metres) - float(expected[name])) < 1e-5


def rotation(seed: int) -> torch.Tensor:
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return torch.from_numpy((q * np.sign(np.linalg.det(q))).astype(np.float32))


@pytest.mark.parametrize("seed", range(5))
def test_p_mpjpe_is_zero_after_a_similarity_transform(seed: int, poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    truth = poses[1]
    moved = 1.7 * truth @ rotation(seed) + torch.tensor([0.3, -2.0, 4.0])
    assert metrics.p_mpjpe(moved, truth).max() < 2e-3


def test_p_mpjpe_does_not_remove_a_reflection(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    truth = poses[1]
    assert metrics.p_mpjpe(truth * torch.tensor([-1.0, 1.0, 1.0]), truth).min() > 50


def test_p_mpjpe_of_a_flat_pose_is_zero_after_a_similarity_transform(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    flat = poses[1] * torch.tensor([1.0, 1.0, 0.0])
    assert metrics.p_mpjpe(0.5 * flat @ rotation(1), flat).max() < 2e-3


def test_p_mpjpe_is_no_larger_in_the_least_squares_sense_than_scale_alone(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    pose, truth = (p.double() for p in poses)
    aligned = metrics.align(pose, truth)
    scale = (pose * truth).sum((1, 2), keepdim=True) / pose.square().sum((1, 2), keepdim=True)
    best, other = ((p - truth).square().sum((1, 2)) for p in (aligned, scale * pose))
    assert (best <= other + 1e-12).all()


def test_p_mpjpe_of_a_pose_shrunk_to_a_point_is_finite(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert metrics.p_mpjpe(torch.zeros_like(poses[1]), poses[1]).isfinite().all()


def test_n_mpjpe_is_zero_after_scaling(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert metrics.n_mpjpe(0.2 * poses[1], poses[1]).max() < 1e-3


def test_n_mpjpe_keeps_a_rotation(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert metrics.n_mpjpe(poses[1] @ rotation(3), poses[1]).min() > 50


def test_mpjve_is_zero_for_a_constant_offset(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert metrics.mpjve(poses[1] + torch.tensor([0.1, 0.2, 0.3]), poses[1]).max() < 1e-3


def test_pck_does_not_count_an_error_equal_to_the_threshold() -> None:
    truth = torch.zeros(1, 17, 3)
    pose = truth.clone()
    pose[..., 0] = 0.15
    error = float(metrics.joint_errors(pose, truth)[0, 1])
    assert metrics.pck(pose, truth, error) == 0
    assert metrics.pck(pose, truth, error * 1.001) == 1


def test_pck_leaves_out_pelvis_spine_and_neck() -> None:
    truth = torch.zeros(1, 17, 3)
    pose = truth.clone()
    pose[:, [0, 7, 9]] = 1.0
    assert metrics.pck(pose, truth) == 1


def test_auc_of_a_perfect_pose_misses_the_threshold_of_zero() -> None:
    truth = torch.zeros(1, 17, 3)
    assert float(metrics.auc(truth, truth)) == pytest.approx(30 / 31)


def test_centre_puts_the_pelvis_at_zero(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert (metrics.centre(poses[0])[:, 0] == 0).all()


def test_leading_dimensions_are_kept(poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    pose, truth = (p.view(3, 100, 17, 3) for p in poses)
    assert torch.equal(metrics.p_mpjpe(pose, truth).flatten(), metrics.p_mpjpe(*poses))
