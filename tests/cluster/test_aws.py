"""The autoscaler's file against Ray's own schema, and what it promises: spot first, roles instead of keys."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import cfnlint
import jsonschema
import pytest
import yaml


@pytest.fixture
def cluster(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "aws.yaml").read_text())


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    spec = importlib.util.find_spec("ray")  # its files, without importing it
    assert spec and spec.submodule_search_locations
    return json.loads((Path(spec.submodule_search_locations[0]) / "autoscaler" / "ray-schema.json").read_text())


def test_the_cluster_follows_rays_schema(cluster, schema):
    jsonschema.validate(cluster, schema)


def test_the_schema_refuses_an_unknown_key(cluster, schema):
    cluster["available_node_types"]["cpu"]["max_worker"] = 1
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(cluster, schema)


def test_the_head_has_no_gpu_and_takes_no_tasks(cluster):
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0}


def test_gpus_are_spot_first_and_on_demand_where_there_is_none(cluster):
    kinds = cluster["available_node_types"]
    spot, fallback = kinds["gpu-spot"], kinds["gpu-on-demand"]
    assert spot["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in fallback["node_config"]
    assert spot["priority"] > fallback["priority"]
    assert spot["resources"] == fallback["resources"]  # so that one can stand in for the other


def test_idle_machines_cost_nothing(cluster):
    kinds = cluster["available_node_types"]
    assert all(kind["min_workers"] == 0 for name, kind in kinds.items() if name != "head")
    assert cluster["idle_timeout_minutes"] <= 10 and not cluster["provider"]["cache_stopped_nodes"]
    assert sum(kind.get("max_workers", 0) for kind in kinds.values()) >= cluster["max_workers"]


def test_machines_have_the_roles_that_the_template_makes(cluster, folder):
    template = folder / "aws_roles.yaml"
    for kind in cluster["available_node_types"].values():
        assert f"InstanceProfileName: {kind['node_config']['IamInstanceProfile']['Name']}\n" in template.read_text()


def test_the_roles_are_a_template_that_cloudformation_takes(folder):
    template, problems = cfnlint.decode.decode(str(folder / "aws_roles.yaml"))
    assert not problems
    assert not cfnlint.lint(json.dumps(template), config={"ignore_checks": []})
