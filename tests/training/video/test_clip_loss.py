"""The loss of a clip, against numpy written anew."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from pose_diffusion.geometry.skeleton import PARENTS
from pose_diffusion.training.video.loss import LossWeights, clip_loss
from tests.training.video.synthetic_clips import clip_batch

NONE = LossWeights(0, 0, 0, 0)
TERMS = [field.name for field in fields(LossWeights)]


def clips(frames=9):
    """Predicted, target, valid, time."""
    batch = clip_batch(frames=frames)
    error = torch.randn(batch.pose_3d.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    error[:, :, 0] = 0
    valid = batch.valid.clone()
    valid[1, 7:] = valid[2, 3] = False
    return 1.1 * batch.pose_3d + 0.05 * error, batch.pose_3d, valid, batch.time


def reference(term, predicted, target, valid, time):
    """One clip's term, frame by frame."""
    frames = np.flatnonzero(valid)
    if term == "joint":
        return np.mean([np.linalg.norm(predicted[t] - target[t], axis=-1).mean() for t in frames])
    if term == "scaled":
        scales = {t: (predicted[t] * target[t]).sum() / (predicted[t] ** 2).sum() for t in frames}
        return np.mean([np.linalg.norm(scales[t] * predicted[t] - target[t], axis=-1).mean() for t in frames])
    if term == "velocity":
        return np.mean(
            [
                np.linalg.norm((predicted[t + 1] - predicted[t]) - (target[t + 1] - target[t]), axis=-1).mean()
                / (time[t + 1] - time[t]) / 30
                for t in frames
                if t + 1 in frames
            ]
        )  # fmt: skip
    length = lambda pose, j: np.linalg.norm(pose[j] - pose[PARENTS[j]])  # noqa: E731
    return np.mean([[abs(length(predicted[t], j) - length(target[t], j)) for j in range(1, 17)] for t in frames])


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_that_of_the_reference_times_its_weight(term):
    given = clips()
    expected = [3 * reference(term, *(part[b].numpy() for part in given)) for b in range(4)]
    np.testing.assert_allclose(clip_loss(*given, replace(NONE, **{term: 3})).numpy(), expected, rtol=1e-9)


def test_the_loss_is_the_sum_of_its_terms():
    weights = LossWeights(1, 2, 3, 4)
    parts = sum(clip_loss(*clips(), replace(NONE, **{term: getattr(weights, term)})) for term in TERMS)
    torch.testing.assert_close(clip_loss(*clips(), weights), parts)


def test_all_weights_of_0_leave_every_term_out():
    assert clip_loss(*clips(), NONE).tolist() == [0, 0, 0, 0]


def test_the_truth_has_no_loss_and_a_finite_gradient():
    _, target, valid, time = clips()
    predicted = target.clone().requires_grad_()
    loss = clip_loss(predicted, target, valid, time, replace(LossWeights(), scaled=0))
    loss.sum().backward()
    assert loss.abs().max() == 0 and predicted.grad.isfinite().all()


def test_what_padding_holds_changes_neither_loss_nor_gradient():
    predicted, target, valid, time = clips()
    spoiled = torch.where(valid[..., None, None], predicted, torch.nan).requires_grad_()
    loss = clip_loss(spoiled, target, valid, time, LossWeights())
    torch.testing.assert_close(loss, clip_loss(predicted, target, valid, time, LossWeights()))
    loss.sum().backward()
    assert spoiled.grad.isfinite().all() and (spoiled.grad[~valid] == 0).all()


def test_the_size_of_a_pose_costs_nothing_in_the_scaled_term():
    _, target, valid, time = clips()
    assert clip_loss(1.3 * target, target, valid, time, replace(NONE, scaled=1)).max() < 1e-9


def test_an_error_that_stays_costs_nothing_in_the_velocity_term():
    _, target, valid, time = clips()
    steady = target + torch.randn(4, 1, 17, 3, dtype=torch.float64)
    assert clip_loss(steady, target, valid, time, replace(NONE, velocity=1)).max() < 1e-9


@pytest.mark.parametrize("fps", [15, 25, 60])
def test_an_error_of_a_metre_a_second_costs_a_thirtieth_at_any_frame_rate(fps):
    target = torch.zeros(1, 9, 17, 3)
    time = torch.arange(9.0)[None] / fps
    valid = torch.ones(1, 9, dtype=torch.bool)
    for direction in (1, -1):
        drifting = target + time[..., None, None] * torch.tensor([0.0, 1.0, 0.0])
        loss = clip_loss(drifting, target, valid, direction * time, replace(NONE, velocity=1))
        torch.testing.assert_close(loss, torch.tensor([1 / 30]))


def test_bones_of_the_right_length_cost_nothing_however_they_point():
    _, target, valid, time = clips()
    assert clip_loss(-target, target, valid, time, replace(NONE, bones=1)).max() == 0


def test_a_single_frame_has_no_velocity():
    predicted, target, valid, time = (part[:, :1] for part in clips())
    assert clip_loss(predicted, target, valid, time, replace(NONE, velocity=1)).tolist() == [0, 0, 0, 0]


def test_a_clip_without_frames_has_no_loss():
    predicted, target, valid, time = clips()
    assert clip_loss(predicted, target, torch.zeros_like(valid), time, LossWeights()).tolist() == [0, 0, 0, 0]
