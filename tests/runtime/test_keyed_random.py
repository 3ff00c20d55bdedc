import pytest
import torch

from pose_diffusion.runtime import keyed_random

KEYS = torch.tensor([keyed_random.name_key(0, "S9", "Walking", "cam", frame) for frame in range(4000)])
MASK = (1 << 64) - 1


def splitmix(key: int, lane: int) -> int:
    z = (key + lane * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


@pytest.mark.parametrize("key", [0, 1, -5, 2**62 + 3, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("lane", [0, 1, 7, 10**6])
def test_mix_is_splitmixs_finaliser_on_64_bits(key: int, lane: int) -> None:
    assert int(keyed_random.mix(torch.tensor(key), lane)) & MASK == splitmix(key, lane)
    assert keyed_random.mix(torch.tensor(key), torch.tensor(lane)) == keyed_random.mix(torch.tensor(key), lane)


def test_mix_leaves_the_keys_alone() -> None:
    before = KEYS.clone()
    keyed_random.mix(KEYS, 3)
    assert torch.equal(KEYS, before)


def test_the_first_output_is_the_published_one() -> None:
    assert int(keyed_random.mix(torch.tensor(0), 1)) & MASK == 0xE220A8397B1DCDAF  # SplitMix64 of seed 0


@pytest.mark.parametrize("draw", [keyed_random.uniform, keyed_random.gaussian])
def test_a_keys_numbers_do_not_depend_on_the_keys_beside_it(draw) -> None:
    whole = draw(KEYS, (17, 5))
    order = torch.randperm(len(KEYS), generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw(KEYS[order], (17, 5)), whole[order])
    assert torch.equal(draw(KEYS[7:8], (17, 5)), whole[7:8])


def test_uniform_numbers_are_spread_evenly_over_0_to_1() -> None:
    u = keyed_random.uniform(KEYS, (17,))
    assert u.min() >= 0 and u.max() < 1
    share = torch.histc(u, 20, 0, 1) / u.numel()
    assert (share - 0.05).abs().max() < 0.005


def test_gaussian_numbers_have_the_moments_of_a_standard_normal() -> None:
    g = keyed_random.gaussian(KEYS, (17, 5)).double()
    for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        assert abs((g**power).mean() - moment) < 0.03 * power


def test_neighbouring_keys_and_numbers_are_uncorrelated() -> None:
    g = keyed_random.gaussian(KEYS, (17,)).double()
    for a, b in ((g[:-1], g[1:]), (g[:, :-1], g[:, 1:])):
        assert abs((a * b).mean()) < 0.02


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3), (0,)])
def test_numbers_have_the_shape_asked_for(shape: tuple[int, ...]) -> None:
    assert keyed_random.gaussian(KEYS[:2], shape).shape == (2, *shape)


def test_names_that_join_to_the_same_text_have_different_keys() -> None:
    assert keyed_random.name_key("S1", "1") != keyed_random.name_key("S11", "")
