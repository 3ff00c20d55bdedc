"""The imported bundle computes what the published implementation does, to 1e-5 in float32."""

import pytest
import torch

from pose_diffusion.geometry import skeleton
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.models.published.denoiser import timestep_embedding

TOLERANCE = {"rtol": 0, "atol": 1e-5}


def test_lifter_equals_the_published_one(bundle: Bundle, expected: dict) -> None:
    torch.testing.assert_close(bundle.lifter(expected["uv"]), expected["lifter_out"], **TOLERANCE)


def test_denoiser_equals_the_published_one(bundle: Bundle, expected: dict) -> None:
    x_t = torch.cat([expected["uv"], expected["xyz"]], -1)
    torch.testing.assert_close(bundle.denoiser(x_t, expected["uv"], expected["t"]), expected["eps"], **TOLERANCE)


def test_timestep_embedding_equals_the_published_one(expected: dict) -> None:
    embedding = expected["temb"]
    torch.testing.assert_close(timestep_embedding(expected["t"], embedding.shape[1]), embedding, **TOLERANCE)


def test_adjacencies_equal_the_published_ones(expected: dict) -> None:
    torch.testing.assert_close(torch.from_numpy(skeleton.adjacency()), expected["adj_ctx"], **TOLERANCE)
    torch.testing.assert_close(torch.from_numpy(skeleton.cross_channel_adjacency()), expected["adj_2d3d"], **TOLERANCE)


@pytest.mark.parametrize(("name", "steps"), [("ddim_0_6", [0, 6]), ("ddim_24", [0, 4, 8, 12, 16, 20])])
def test_ddim_equals_the_published_one_at_each_step(bundle: Bundle, expected: dict, name: str, steps: list[int]) -> None:
    uv, xyz = expected["uv"], bundle.lifter(expected["uv"])
    sample, x_0 = bundle.sample(torch.cat([uv, xyz - xyz[:, :1]], -1), uv, steps=steps)
    torch.testing.assert_close(torch.stack(x_0), expected[f"{name}_x0"], **TOLERANCE)
    torch.testing.assert_close(sample, expected[f"{name}_sample"], **TOLERANCE)


def test_lift_without_flips_is_the_published_sample_minus_the_pelvis(bundle: Bundle, expected: dict) -> None:
    xyz = expected["ddim_0_6_sample"][..., 2:]
    torch.testing.assert_close(bundle.lift(expected["uv"], flips=False).pose_3d, xyz - xyz[:, :1], **TOLERANCE)
