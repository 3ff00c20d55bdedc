"""The RayJobs: against KubeRay's own schema where it is at hand, and field by field."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

JOBS = ("train", "infer", "tune")


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "kuberay" / f"{request.param}.yaml").read_text())


@pytest.fixture(scope="session")
def schema(shared: Path) -> jsonschema.Draft7Validator:
    path = shared / "schemas" / "kuberay_rayjob_crd.yaml.gz"
    if not path.exists():
        pytest.skip("KubeRay's schema is not beside this checkout")
    versions = yaml.load(gzip.decompress(path.read_bytes()), yaml.CSafeLoader)["spec"]["versions"]
    (found,) = [version["schema"]["openAPIV3Schema"] for version in versions if version["name"] == "v1"]
    found = _strict(found)
    found["properties"]["metadata"] = {"type": "object"}  # the API server's own
    return jsonschema.Draft7Validator(found)


def _strict(node: Any) -> Any:
    """Kubernetes' dialect as JSON schema, in which an unknown field is an error: the API server drops it in silence."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {key: _strict(value) for key, value in node.items()}
    if isinstance(made.get("properties"), dict) and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


def test_a_job_follows_kuberays_schema(job, schema):
    assert [error.message for error in schema.iter_errors(job)] == []
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["minReplica"] = 1
    assert any("minReplica" in error.message for error in schema.iter_errors(job))


def test_a_job_is_named_after_its_file(job, folder):
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    verb = job["metadata"]["name"].removeprefix("pose-diffusion-")
    assert f"/app/jobs/{verb}.py" in job["spec"]["entrypoint"]


def test_the_cluster_goes_after_the_job_and_no_job_runs_for_ever(job):
    spec = job["spec"]
    assert spec["shutdownAfterJobFinishes"] and 0 < spec["ttlSecondsAfterFinished"] <= 3600
    assert spec["activeDeadlineSeconds"] > 0 and spec["backoffLimit"] > 0


def test_gpu_workers_come_and_go(job):
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"]
    (gpu,) = [group for group in cluster["workerGroupSpecs"] if group["groupName"] == "gpu"]
    assert (gpu["minReplicas"], gpu["labels"]) == (0, {"role": "gpu"}) and gpu["maxReplicas"] >= 1
    (container,) = gpu["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_head_runs_no_tasks_and_the_api_asks_for_a_token(job):
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["authOptions"] == {"mode": "token"}


def test_no_more_workers_are_asked_for_than_there_can_be(job):
    arguments = dict(part.split("=", 1) for part in job["spec"]["entrypoint"].split() if "=" in part)
    groups = {group["groupName"]: group for group in job["spec"]["rayClusterSpec"]["workerGroupSpecs"]}
    asked = arguments.get("train.workers") or arguments.get("infer.workers") or "1"
    assert yaml.safe_load(asked.strip("[]").split(",")[-1]) <= groups["gpu"]["maxReplicas"]
    if label := arguments.get("ray.cpu_label"):
        assert dict([label.split("=")]) in [group["labels"] for group in groups.values()]


def test_every_pod_has_the_image_the_account_and_equal_requests_and_limits(job):
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert pod["serviceAccountName"] == "pose-diffusion"
        for container in pod["containers"]:
            assert container["image"] == "IMAGE"
            assert container["resources"]["requests"] == container["resources"]["limits"]


def test_the_service_account_is_the_one_the_pods_name(folder):
    account = yaml.safe_load((folder / "kuberay" / "service_account.yaml").read_text())
    assert (account["kind"], account["metadata"]["name"]) == ("ServiceAccount", "pose-diffusion")
