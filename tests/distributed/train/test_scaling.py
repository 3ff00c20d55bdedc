"""How many training workers there are and what they leave to reading, on the two CPUs of the tests' Ray."""

import pytest

from pose_diffusion.config import loading
from pose_diffusion.distributed.train.scaling import cpu_share, runs_at_once, scaling, worker_range

pytestmark = pytest.mark.usefixtures("ray_session")


def config(*overrides: str):
    return loading.load(None, overrides).train


@pytest.mark.parametrize(("workers", "share"), [("1", 1.0), ("2", 0.5), ("3", 0.333), ("[1, 8]", 1.0), ("[2, 8]", 0.5)])
def test_workers_leave_one_cpu_to_reading(workers, share):
    assert cpu_share(config(f"train.workers={workers}"), gpu=False) == pytest.approx(share)


def test_runs_side_by_side_share_the_rest():
    assert cpu_share(config("train.workers=1"), gpu=False, side_by_side=4) == pytest.approx(0.25)


@pytest.mark.parametrize(("workers", "machines", "runs"), [("1", 1, 2), ("1", 2, 1), ("2", 1, 1), ("3", 1, 1)])
def test_runs_at_once_leave_a_whole_cpu_where_there_are_several_machines(monkeypatch, workers, machines, runs):
    monkeypatch.setattr("ray.nodes", lambda: [{"Alive": True, "Resources": {"CPU": 2 / machines}}] * machines)
    assert runs_at_once(config(f"train.workers={workers}"), gpu=False) == runs


@pytest.mark.parametrize("workers", ["16", "[1, 4]"])
def test_machines_with_gpus_that_are_yet_to_come_have_a_cpu_for_each(workers):
    assert cpu_share(config(f"train.workers={workers}"), gpu=True) == 1.0


def test_a_range_follows_the_gpus_and_is_settled_on_cpus():
    assert worker_range(config("train.workers=[1, 4]"), gpu=True) == (1, 4)
    assert worker_range(config("train.workers=[1, 4]"), gpu=False) == (1, 1)


@pytest.mark.parametrize(("workers", "expected"), [("3", 3), ("[1, 4]", (1, 4))])
def test_ray_train_is_asked_for_the_number_or_the_range(workers, expected):
    made = scaling(config(f"train.workers={workers}", "train.placement=SPREAD"), gpu=True)
    assert (made.num_workers, made.placement_strategy) == (expected, "SPREAD")


def test_a_single_cpu_is_left_to_reading(monkeypatch):
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 1.0})
    held = scaling(config("train.workers=1"), gpu=False).resources_per_worker
    assert held["CPU"] == 0 and any(held.values())  # Ray takes no worker that holds nothing
