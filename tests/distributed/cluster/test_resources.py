"""What fits the machines that Ray has, and what a job says of what does not."""

import logging

import pytest

from pose_diffusion.config import Config, loading
from pose_diffusion.distributed.cluster import resources
from pose_diffusion.errors import InputError


def machine(cpus: float, gpus: float = 0, alive: bool = True, **labels: str) -> dict:
    return {"Alive": alive, "Resources": {"CPU": cpus, **({"GPU": gpus} if gpus else {})}, "Labels": labels}


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch):
    """Gives Ray these machines."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def give(*those: dict) -> None:
        alive = [one["Resources"] for one in those if one["Alive"]]
        monkeypatch.setattr("ray.nodes", lambda: list(those))
        monkeypatch.setattr("ray.cluster_resources", lambda: {n: sum(r.get(n, 0) for r in alive) for n in ("CPU", "GPU")})

    return give


def config(*overrides: str) -> Config:
    return loading.load(None, overrides)


def test_workers_fit_machine_by_machine(machines) -> None:
    machines(machine(2), machine(16, 2), machine(3, alive=False))
    assert [resources.capacity(cpus=cpus) for cpus in (1, 3, 16, 17)] == [18, 5, 1, 0]
    assert [resources.capacity(cpus, gpus=1) for cpus in (0, 5, 9, 17)] == [2, 2, 1, 0]
    assert resources.capacity(gpus=0.25) == 8


@pytest.mark.parametrize(
    ("those", "workers", "gpus", "cpus"),
    [
        ([machine(8)], 8, 0, 1),
        ([machine(8)], 3, 0, 2),
        ([machine(8)], 1, 0, 8),
        ([machine(2), machine(2), machine(2)], 2, 0, 2),  # not a third of six
        ([machine(4), machine(16, 1)], 1, 1, 16),  # not all twenty
        ([machine(4), machine(16, 4)], 4, 1, 4),
        ([machine(4), machine(16, 1)], 2, 1, 1),  # one GPU is yet to come
        ([], 1, 0, 1),
    ],
)
def test_cpus_are_shared_as_the_machines_allow(machines, those: list, workers: int, gpus: int, cpus: int) -> None:
    machines(*those)
    assert resources.cpus_per_worker(workers, gpus) == cpus


def test_what_fits_is_not_spoken_of(machines, caplog: pytest.LogCaptureFixture) -> None:
    machines(machine(4), machine(16, 1, role="cpu"))
    resources.require(config(), "infer.device", 1, cpus=16, gpus=1)
    resources.require_label(config())
    resources.require_label(config("ray.cpu_label=role=cpu"))
    assert not caplog.text


def test_more_than_this_machine_has_is_refused(machines) -> None:
    machines(machine(2))
    with pytest.raises(InputError, match=r"'infer\.threads': no machines for 1 worker of 8 CPUs: .* has 2 CPUs and 0 GPUs"):
        resources.require(config(), "infer.threads", 1, cpus=8)
    with pytest.raises(InputError, match=r"'train\.workers': no machines for 4 workers of 1 GPU: .* has 2 CPUs and 0 GPUs"):
        resources.require(config(), "train.workers", 4, gpus=1)


def test_a_label_that_no_machine_has_is_refused(machines) -> None:
    machines(machine(2, role="gpu"), machine(2, alive=False, role="cpu"))
    with pytest.raises(InputError, match=r"'ray\.cpu_label': no machine has the label role=cpu"):
        resources.require_label(config("ray.cpu_label=role=cpu"))


@pytest.mark.parametrize("told", ["key", "variable"])
def test_a_cluster_that_may_grow_is_waited_for(machines, monkeypatch, caplog: pytest.LogCaptureFixture, told: str) -> None:
    machines(machine(2))
    if told == "variable":
        monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    joins = config(*(["ray.address=head:6379"] if told == "key" else []), "ray.cpu_label=role=cpu")
    with caplog.at_level(logging.WARNING):
        resources.require(joins, "infer.device", 1, cpus=2, gpus=1)
        resources.require_label(joins)
    assert "no machines for 1 worker of 2 CPUs and 1 GPU: the cluster has 2 CPUs and 0 GPUs now; waiting" in caplog.text
    assert "no machine has the label role=cpu" in caplog.text
