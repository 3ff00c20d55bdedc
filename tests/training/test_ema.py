"""The moving average of the weights."""

import torch
from torch import nn

from pose_diffusion.training.ema import Ema


def network(value):
    made = nn.Linear(1, 1)
    with torch.no_grad():
        made.weight.fill_(value)
        made.bias.fill_(value)
    return made


def test_constant_weights_are_their_own_average():
    net = network(3.0)
    ema = Ema(net, 0.9)
    for _ in range(5):
        ema.update()
    assert ema.state_dict()["weight"].item() == 3.0


def test_late_in_a_run_it_moves_by_one_minus_decay():
    net = network(0.0)
    ema = Ema(net, 0.9)
    ema.updates = 10_000
    with torch.no_grad():
        net.weight.fill_(1.0)
    ema.update()
    torch.testing.assert_close(ema.state_dict()["weight"].item(), 0.1)


def test_early_in_a_run_it_forgets_the_random_start():
    net = network(0.0)
    ema = Ema(net, 0.999)
    with torch.no_grad():
        net.weight.fill_(1.0)
    for _ in range(100):
        ema.update()
    assert ema.state_dict()["weight"].item() > 0.99


def test_swapping_twice_changes_nothing():
    net = network(0.0)
    ema = Ema(net, 0.5)
    with torch.no_grad():
        net.weight.fill_(1.0)
    ema.update()
    average = ema.state_dict()["weight"].item()
    ema.swap()
    assert net.weight.item() == average
    ema.swap()
    assert net.weight.item() == 1.0 and ema.state_dict()["weight"].item() == average


def test_a_restored_average_goes_on_as_before():
    nets = network(0.0), network(0.0)
    one, two = (Ema(net, 0.99) for net in nets)
    for _ in range(7):
        one.update()
    two.load_state_dict(one.state_dict())
    for net, ema in zip(nets, (one, two), strict=True):
        with torch.no_grad():
            net.weight.fill_(5.0)
        ema.update()
    torch.testing.assert_close(one.state_dict(), two.state_dict(), atol=0, rtol=0)
