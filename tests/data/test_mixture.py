"""Mixtures on whole batches: normalising, drawing, units."""

import numpy as np
import torch

from pose_diffusion.data import mixture


def random_mixture(shape=(4, 17), kernels=5, seed=0):
    return np.random.default_rng(seed).random((*shape, kernels, 5)).astype(np.float32)


def test_normalised_weights_sum_to_one_and_fall():
    weight = mixture.normalise(random_mixture())[..., 0]
    np.testing.assert_allclose(weight.sum(-1), 1, atol=1e-6)
    assert (np.diff(weight, axis=-1) <= 0).all()


def test_sorting_moves_whole_kernels():
    given = np.zeros((1, 2, 5), np.float32)
    given[0, 0] = [1, 10, 11, 12, 13]
    given[0, 1] = [3, 20, 21, 22, 23]
    np.testing.assert_array_equal(mixture.normalise(given)[0], [[0.75, 20, 21, 22, 23], [0.25, 10, 11, 12, 13]])


def test_a_joint_without_weight_gets_equal_ones():
    given = random_mixture((1, 1), 4)
    given[..., 0] = 0
    np.testing.assert_array_equal(mixture.normalise(given)[..., 0], 0.25)


def test_normalising_leaves_its_input_alone():
    given = random_mixture()
    before = given.copy()
    mixture.normalise(given)
    np.testing.assert_array_equal(given, before)


def test_a_point_becomes_one_kernel_of_weight_one():
    made = mixture.from_points(np.array([[3.0, 4.0]]), 0.5)
    np.testing.assert_array_equal(made, [[[1, 3, 4, 0.5, 0.5]]])


def test_image_corners_are_where_the_convention_puts_them():
    corners = mixture.from_points(np.array([[0, 0], [1000, 500]]), 10.0)
    screen = mixture.pixels_to_screen(corners, 1000, 500)
    np.testing.assert_allclose(screen[:, 0, 1:3], [[-1, -0.5], [1, 0.5]], atol=1e-6)
    np.testing.assert_allclose(screen[:, 0, 3:], 0.02)


def test_normalised_sigma_is_left_alone():
    made = mixture.from_points(np.zeros((1, 2)), 0.1)
    np.testing.assert_allclose(mixture.pixels_to_screen(made, 1000, 1000, sigma_in_pixels=False)[..., 3:], 0.1)


def test_kernels_are_drawn_as_often_as_their_weights_say():
    given = torch.zeros(40_000, 1, 3, 5)
    given[..., 0] = torch.tensor([0.6, 0.3, 0.1])
    given[..., 1] = torch.tensor([0.0, 1.0, 2.0])
    drawn = mixture.draw_kernel(given, torch.Generator().manual_seed(0))[..., 0].flatten()
    shares = torch.bincount(drawn.long(), minlength=3) / len(drawn)
    torch.testing.assert_close(shares, torch.tensor([0.6, 0.3, 0.1]), atol=0.01, rtol=0)


def test_a_kernel_of_weight_zero_is_never_drawn():
    given = torch.zeros(1000, 17, 3, 5)
    given[..., 0, 0] = 1
    given[..., 1:, 1] = 7
    assert (mixture.draw_kernel(given, torch.Generator().manual_seed(0))[..., 0] == 0).all()


def test_joints_are_drawn_independently():
    given = torch.zeros(200, 17, 2, 5)
    given[..., 0] = 0.5
    given[..., 1, 1] = 1
    drawn = mixture.draw_kernel(given, torch.Generator().manual_seed(0))[..., 0]
    assert (drawn.std(1) > 0).float().mean() > 0.99


def test_mean_and_sigma_of_the_whole_are_those_of_points_drawn_from_it():
    given = torch.from_numpy(mixture.normalise(random_mixture((1, 2), 3)))
    generator = torch.Generator().manual_seed(0)
    kernels = mixture.draw_kernel(given.expand(200_000, 2, 3, 5), generator)
    points = kernels[..., :2] + kernels[..., 2:] * torch.randn(kernels.shape[:-1] + (2,), generator=generator)
    expected = torch.cat([points.mean(0), points.std(0)], -1)
    torch.testing.assert_close(mixture.overall(given)[0], expected, rtol=0, atol=0.01)


def test_the_whole_of_one_kernel_is_that_kernel():
    given = torch.from_numpy(random_mixture((3,), 1))
    given[..., 0] = 1
    torch.testing.assert_close(mixture.single(given, "mean"), mixture.single(given, "heaviest"))


def test_the_heaviest_kernel_is_the_first():
    given = torch.from_numpy(mixture.normalise(random_mixture()))
    torch.testing.assert_close(mixture.heaviest(given), given[..., 0, 1:])


def test_the_mean_of_two_joints_has_the_mixture_of_their_mean():
    joints = np.array([[[[1, 0, 0, 3, 3]], [[1, 2, 4, 4, 4]]]], np.float32)  # (1, 2 joints, 1 kernel, 5)
    found = mixture.mean_of_joints(joints, np.array([[0.5, 0.5], [0, 1]]))
    np.testing.assert_allclose(found[0, :, 0], [[1, 1, 2, 2.5, 2.5], [1, 2, 4, 4, 4]], rtol=1e-6)


def test_the_mean_of_mixtures_keeps_the_heaviest_pairs():
    one = [[0.9, 0, 0, 1, 1], [0.1, 10, 10, 1, 1]]
    found = mixture.mean_of_joints(np.array([[one, one]], np.float32), np.array([[0.5, 0.5]]))[0, 0]
    np.testing.assert_allclose(found[0, 1:], [0, 0, 0.5**0.5, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(found[1, 1:3], [5, 5])
    np.testing.assert_allclose(found[:, 0], [0.9, 0.1], atol=1e-6)
