"""The two stages: what they minimise and how they are judged."""

import math

import pytest
import torch
from torch import nn

from pose_diffusion.config import loading
from pose_diffusion.geometry import metrics
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.training import stages
from pose_diffusion.training.batch import Batch
from pose_diffusion.training.data import HeldOut


class Answer(nn.Module):
    """A network that gives back one fixed answer."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, *_):
        return self.answer


def config(*overrides):
    return loading.load(None, ["model.width=8", "model.layers=1", "model.heads=2", *overrides])


def denoiser_loss(network, batch, settings, generator):
    return stages.denoiser_loss(network, batch, generator, settings.train, settings.diffusion)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    xyz = torch.randn(6, 17, 3, generator=generator)
    return Batch(torch.randn(6, 17, 2, generator=generator), torch.full((6, 17, 2), 0.05), xyz - xyz[:, :1])


@pytest.mark.parametrize("kind", ["squared", "distance"])
def test_the_lifters_loss_is_zero_for_the_truth_alone(batch, kind):
    settings = config(f"train.loss={kind}").train
    assert (stages.lifter_loss(Answer(batch.xyz), batch, settings) == 0).all()
    assert (stages.lifter_loss(Answer(batch.xyz + 0.1), batch, settings) > 0).all()


def test_the_distance_loss_is_mpjpe_in_metres(batch):
    pose = batch.xyz + torch.randn(6, 17, 3, generator=torch.Generator().manual_seed(1))
    loss = stages.lifter_loss(Answer(pose), batch, config("train.loss=distance").train)
    torch.testing.assert_close(loss * 1000, metrics.mpjpe(pose, batch.xyz))


def test_the_squared_loss_is_the_mean_over_joints_and_channels(batch):
    loss = stages.lifter_loss(Answer(batch.xyz + 0.1), batch, config().train)
    torch.testing.assert_close(loss, torch.full((6,), 0.01))


def test_a_denoiser_that_sees_no_noise_has_the_noises_energy_as_loss(batch):
    generator = torch.Generator().manual_seed(0)
    wide = Batch(*(value.repeat(200, 1, 1) for value in (batch.uv, batch.sigma, batch.xyz)))
    loss = denoiser_loss(Answer(torch.zeros(1200, 17, 5)), wide, config(), generator).mean()
    assert loss.item() == pytest.approx(17 * (3 + 2 * 0.1**2), rel=0.02)
    mixture = denoiser_loss(Answer(torch.zeros(1200, 17, 5)), wide, config("diffusion.noise_scale=mixture"), generator)
    assert mixture.mean().item() == pytest.approx(17 * (3 + 2 * 0.05**2), rel=0.02)


def test_the_denoisers_distance_loss_is_the_length_of_each_joints_error(batch):
    generator = torch.Generator().manual_seed(0)
    wide = Batch(*(value.repeat(200, 1, 1) for value in (batch.uv, batch.sigma, batch.xyz)))
    loss = denoiser_loss(Answer(torch.zeros(1200, 17, 5)), wide, config("train.loss=distance"), generator).mean()
    assert loss.item() == pytest.approx(17 * math.sqrt(8 / math.pi), rel=0.02)  # mean length of a normal 3-vector, and a little


def test_the_lifters_errors_are_met_at_the_step_that_sampling_starts_from_and_are_smaller_before(batch):
    lifted = batch.xyz + 0.1 * torch.randn(6, 17, 3, generator=torch.Generator().manual_seed(1))
    known = Batch(batch.uv, batch.sigma, batch.xyz, lifted)
    wide = Batch(*(value.repeat(20, 1, 1) for value in (known.uv, known.sigma, known.xyz, known.lifted)))
    seen = {}

    class Recorder(nn.Module):
        def forward(self, x_t, uv, t):
            for step in t.unique().tolist():
                seen[step] = (x_t[t == step][..., 2:] - wide.xyz[t == step]).norm(dim=-1).mean().item()
            at_start = t == 6
            torch.testing.assert_close(x_t[at_start], torch.cat([wide.uv, wide.lifted], -1)[at_start], rtol=1e-5, atol=1e-5)
            return torch.zeros_like(x_t)

    settings = config("diffusion.sampling=list", "diffusion.step_list=[0, 6]")
    loss = denoiser_loss(Recorder(), wide, settings, torch.Generator().manual_seed(0))
    assert sorted(seen) == list(range(7)) and list(seen.values()) == sorted(seen.values())
    assert (loss > 0).all()


def test_a_lifter_without_errors_leaves_a_denoiser_nothing_to_predict(batch):
    known = Batch(batch.uv, batch.sigma, batch.xyz, batch.xyz)
    loss = denoiser_loss(Answer(torch.zeros(6, 17, 5)), known, config(), torch.Generator())
    assert loss.max() < 0.5  # what is left is (1 - sqrt(alpha_bar)) of the pose


def test_stages_of_no_epochs_are_left_out():
    assert [s.name for s in stages.stages(config("train.lifter_epochs=0"))] == ["denoiser"]
    assert [s.name for s in stages.stages(config("train.denoiser_epochs=0"))] == ["lifter"]
    assert [s.name for s in stages.stages(config("train.lifter=bundle"))] == ["denoiser"]


def test_evaluation_sums_the_errors_over_poses(batch):
    settings = config()
    lifter, denoiser = Lifter(settings.model).eval(), Denoiser(settings.model).eval()
    networks = Networks(settings.model, settings.diffusion, lifter, denoiser)
    mixture = torch.cat([torch.ones(6, 17, 1, 1), batch.uv[:, :, None], batch.sigma[:, :, None]], -1)
    whole = stages.evaluate(networks, HeldOut(mixture, batch.xyz))
    parts = sum(stages.evaluate(networks, HeldOut(mixture[p], batch.xyz[p])) for p in (slice(0, 4), slice(4, 6)))
    torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-3)
    pose = lifter(batch.uv)
    expected = metrics.mpjpe(pose - pose[:, :1], batch.xyz).double().sum()
    assert whole[0] == 6
    torch.testing.assert_close(whole[1], expected, rtol=1e-5, atol=1e-3)
