"""What the networks train on: drawn, and mirrored without losing its meaning."""

import pytest
import torch

from pose_diffusion.config import TrainConfig
from pose_diffusion.errors import InputError
from pose_diffusion.geometry import skeleton
from pose_diffusion.training.batch import make_batch


def poses(rows=64, kernels=3):
    generator = torch.Generator().manual_seed(0)
    mixture = torch.rand(rows, 17, kernels, 5, generator=generator)
    mixture[..., 0] = torch.softmax(mixture[..., 0], -1)
    return mixture, torch.randn(rows, 17, 3, generator=generator)


def batch(*columns, draw=False, flip=False, yaw=0.0, seed=0):
    config = TrainConfig(sample_kernels=draw, flip=flip, yaw_augment=yaw)
    return make_batch(columns, config, torch.Generator().manual_seed(seed))


def test_without_draw_and_flip_it_is_the_heaviest_kernel_and_the_pose():
    mixture, xyz = poses()
    made = batch(mixture, xyz)
    torch.testing.assert_close(made.uv, mixture[:, :, 0, 1:3])
    torch.testing.assert_close(made.sigma, mixture[:, :, 0, 3:])
    torch.testing.assert_close(made.xyz, xyz)


def test_about_half_are_mirrored_and_the_rest_untouched():
    mixture, xyz = poses(2000)
    made = batch(mixture, xyz, flip=True)
    untouched = (made.xyz == xyz).flatten(1).all(1)
    assert 0.45 < untouched.float().mean() < 0.55
    assert (made.uv[untouched] == mixture[untouched][:, :, 0, 1:3]).all()


def test_a_mirrored_pose_negates_u_and_x_and_swaps_left_and_right():
    mixture, xyz = poses()
    made = batch(mixture, xyz, flip=True)
    mirrored = ~(made.xyz == xyz).flatten(1).all(1)
    order = list(skeleton.FLIP)
    expected_3d = xyz[mirrored][:, order] * torch.tensor([-1.0, 1.0, 1.0])
    expected_2d = mixture[mirrored][:, order, 0, 1:3] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(made.xyz[mirrored], expected_3d)
    torch.testing.assert_close(made.uv[mirrored], expected_2d)
    assert (made.sigma > 0).all()


def views(rows):
    """A camera without distortion that looks level at a pelvis four metres away, -y up."""
    return torch.tensor([0.0, 0, 4, 0, -1, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0]).expand(rows, 15)


def test_about_the_asked_share_turns_about_the_vertical_and_its_2d_with_it():
    mixture, _ = poses(2000)
    xyz = 0.3 * torch.randn(2000, 17, 3, generator=torch.Generator().manual_seed(1))
    xyz = xyz - xyz[:, :1]
    made = batch(mixture, xyz, views(2000), yaw=0.3)
    turned = (made.xyz - xyz).abs().amax((1, 2)) > 1e-4
    assert 0.27 < turned.float().mean() < 0.33
    torch.testing.assert_close(made.uv[~turned], mixture[~turned][:, :, 0, 1:3], atol=1e-5, rtol=0)
    torch.testing.assert_close(made.xyz[..., 1], xyz[..., 1], atol=1e-5, rtol=0)  # nobody rises or leans
    torch.testing.assert_close(made.xyz.norm(dim=-1), xyz.norm(dim=-1), atol=1e-5, rtol=0)
    before, after = (2 * p[..., :2] / (p[..., 2:] + 4) for p in (xyz, made.xyz))
    torch.testing.assert_close(made.uv - after, mixture[:, :, 0, 1:3] - before, atol=1e-5, rtol=0)
    torch.testing.assert_close(made.sigma, mixture[:, :, 0, 3:])


def test_a_turned_pose_is_mirrored_as_others_are():
    mixture, xyz = poses(64)
    plain, both = (batch(mixture, xyz, views(64), flip=flip, yaw=1.0) for flip in (False, True))
    order = list(skeleton.FLIP)
    mirrored = plain.xyz[:, order] * torch.tensor([-1.0, 1.0, 1.0])
    as_it_is, mirror = ((both.xyz == one).flatten(1).all(1) for one in (plain.xyz, mirrored))
    assert (as_it_is ^ mirror).all() and mirror.any() and as_it_is.any()


def test_poses_whose_views_are_unknown_cannot_be_turned():
    with pytest.raises(InputError, match=r"key 'train\.yaw_augment': these rows have no camera views"):
        batch(*poses(), yaw=0.5)


def test_the_input_is_not_written_to():
    mixture, xyz = poses()
    before = mixture.clone(), xyz.clone()
    batch(mixture, xyz, draw=True, flip=True)
    torch.testing.assert_close((mixture, xyz), before, atol=0, rtol=0)


def test_parts_put_together_are_the_batch():
    made = batch(*poses(10))
    parts = made.split(4)
    assert [len(part) for part in parts] == [4, 4, 2]
    torch.testing.assert_close(torch.cat([part.uv for part in parts]), made.uv)


def test_a_lifters_poses_go_with_the_batch_minus_their_pelvis():
    class Lifter(torch.nn.Module):
        def forward(self, uv):
            assert len(uv) <= 4
            return torch.cat([uv, uv[..., :1]], -1)

    made = batch(*poses(10)).lift(Lifter(), rows=4)
    expected = torch.cat([made.uv, made.uv[..., :1]], -1)
    torch.testing.assert_close(made.lifted, expected - expected[:, :1])
    torch.testing.assert_close(torch.cat([part.lifted for part in made.split(3)]), made.lifted)


def test_the_same_seed_gives_the_same_batch():
    one, two, other = (batch(*poses(), draw=True, flip=True, seed=seed) for seed in (3, 3, 4))
    assert (one.uv == two.uv).all() and (one.xyz == two.xyz).all()
    assert (one.uv != other.uv).any()
