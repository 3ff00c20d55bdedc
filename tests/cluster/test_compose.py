"""The compose file: its services, what they wait for, and the job they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def services(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "compose.yaml").read_text())["services"]


def test_a_head_two_workers_a_store_and_the_job(services):
    assert set(services) == {"s3", "head", "worker", "quickstart"}
    assert services["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", ["head", "worker", "quickstart"])
def test_rays_services_are_built_from_the_image(services, folder, name):
    build = services[name]["build"]
    assert (folder / build["context"]).resolve() == folder.parent
    assert (folder.parent / build["dockerfile"]).is_file()


def test_the_job_waits_for_a_healthy_head_and_store(services):
    waits = services["quickstart"]["depends_on"]
    assert {waits[name]["condition"] for name in ("head", "s3")} == {"service_healthy"}
    assert all("healthcheck" in services[name] for name in ("head", "s3"))


def test_the_job_works_in_the_bucket_that_the_store_makes(services):
    assert "-bucket=poses " in services["s3"]["command"] + " "
    assert "--root s3://poses/" in services["quickstart"]["command"]
    assert services["quickstart"]["environment"]["AWS_ENDPOINT_URL"] == "http://s3:8333"


def test_only_the_dashboard_is_reachable_and_only_from_this_machine(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8265:8265"]


def test_every_service_gets_the_store_and_the_token_from_the_environment(services):
    for service in services.values():
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN"):
            assert service["environment"][key].startswith(f"${{{key}:?")
