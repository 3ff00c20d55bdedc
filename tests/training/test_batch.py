"""What the networks train on: drawn, and mirrored without losing its meaning."""

import torch

from pose_diffusion import skeleton
from pose_diffusion.training.batch import make_batch


def poses(rows=64, kernels=3):
    generator = torch.Generator().manual_seed(0)
    mixture = torch.rand(rows, 17, kernels, 5, generator=generator)
    mixture[..., 0] = torch.softmax(mixture[..., 0], -1)
    return mixture, torch.randn(rows, 17, 3, generator=generator)


def batch(mixture, xyz, draw=False, flip=False, seed=0):
    return make_batch(mixture, xyz, draw, flip, torch.Generator().manual_seed(seed))


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
