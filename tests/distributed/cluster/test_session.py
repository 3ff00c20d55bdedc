"""The Ray that a job joins or starts."""

from __future__ import annotations

import os
import socket

import pytest

from pose_diffusion.config import loading
from pose_diffusion.distributed.cluster import session
from pose_diffusion.errors import InputError


@pytest.mark.parametrize("form", ["{}", "ray://{}"])
def test_an_address_where_nothing_listens_is_told_from_one_where_something_does(form):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = form.format(f"127.0.0.1:{server.getsockname()[1]}")
        assert session.listens(address, 0.2)
    assert not session.listens(address, 0.2)


def test_an_address_that_ray_looks_up_is_left_to_it():
    assert session.listens("auto")


@pytest.mark.parametrize(("mode", "told"), [(None, "token.*RAY_AUTH_MODE=token"), ("token", "Failed to connect$")])
def test_a_cluster_that_may_want_a_token_is_told_of(monkeypatch, mode, told):
    def refuse(**_: object) -> None:
        raise ConnectionError("Failed to connect")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setattr(session, "listens", lambda address: True)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(InputError, match=told), session.ray_cluster(loading.load(None, ["ray.address=127.0.0.1:9"])):
        pass


def test_no_cluster_at_an_address_is_bad_input(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr(session, "listens", lambda address: False)
    config = loading.load(None, ["ray.address=127.0.0.1:9"])
    with (
        pytest.raises(InputError, match=r"'ray\.address': no Ray cluster answers at 127\.0\.0\.1:9"),
        session.ray_cluster(config),
    ):
        pass


def test_a_ray_started_here_tells_its_workers_where_its_dashboard_is(ray_session):
    import ray

    def ask():
        from ray.util.state import list_nodes

        return os.environ["RAY_API_SERVER_ADDRESS"], len(list_nodes())

    address, nodes = ray.get(ray.remote(num_cpus=0)(ask).remote())
    assert address.startswith("http://127.0.0.1:") and nodes == 1
    assert os.environ.get("RAY_API_SERVER_ADDRESS") != address  # the job's own environment is as it was
