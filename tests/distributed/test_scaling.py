"""How many CPUs training workers and reading tasks ask for, on the two CPUs of the tests' Ray."""

import pytest

from pose_diffusion import config_file
from pose_diffusion.distributed.scaling import cpu_shares, scaling

pytestmark = pytest.mark.usefixtures("ray_session")


def config(*overrides: str):
    return config_file.load(None, overrides)


@pytest.mark.parametrize(
    ("workers", "shares"),
    [
        ("1", (1.0, None)),  # a whole CPU is left to reading
        ("2", (0.899, 0.1)),
        ("3", (0.449, 0.1)),  # two on one of the CPUs
        ("[1, 8]", (0.899, 0.1)),  # as many as there come to be CPUs
    ],
)
def test_every_cpu_keeps_room_for_reading(workers, shares):
    assert cpu_shares(config(f"train.workers={workers}"), gpu=False) == shares


def test_nodes_that_read_are_never_filled_by_a_worker():
    assert cpu_shares(config("train.workers=1", "ray.cpu_label=role=cpu"), gpu=False) == (0.899, 0.1)


def test_runs_side_by_side_share_the_cpus():
    assert cpu_shares(config("train.workers=1"), gpu=False, side_by_side=4) == (0.449, 0.1)


def test_machines_with_gpus_that_are_yet_to_come_have_a_cpu_for_each():
    assert cpu_shares(config("train.workers=16"), gpu=True) == (1.0, None)


@pytest.mark.parametrize(("workers", "expected"), [("3", 3), ("[1, 4]", (1, 4))])
def test_ray_train_is_asked_for_the_number_or_the_range(workers, expected):
    made = scaling(config(f"train.workers={workers}", "train.placement=SPREAD"), gpu=False)
    assert (made.num_workers, made.placement_strategy) == (expected, "SPREAD")


def test_a_fixed_number_is_a_range_of_one():
    assert config("train.workers=3").train.worker_range == (3, 3)
