"""Fixtures shared by the tests.

fixtures/parity.npz is what the published implementation computes with random weights of width 32, 2 layers: 'lifter/*' and
'denoiser/*' are its state dicts by their published names, 'expected/*' inputs and outputs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
import torch
from browser import CHROMIUM, Page, chromium
from hypothesis import settings
from moto.server import ThreadedMotoServer

import pose_diffusion.distributed  # noqa: F401  sets what Ray reads when it is imported, which some test may do early
from pose_diffusion.config import Config, DiffusionConfig, ModelConfig, OfficialConfig, RayConfig
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.inference.bundle import Bundle, load_bundle
from pose_diffusion.inference.official_checkpoints import import_official
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from tests.keypoint_files import shipped  # noqa: F401  a fixture
from tests.s3.faults import FaultyS3, faulty

torch.set_num_threads(1)

# The suite draws the same examples each time, so that what fails is what was changed. `explore` draws others each time.
settings.register_profile("suite", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

SHARED = Path(__file__).resolve().parents[2] / "shared"

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def parity() -> dict[str, Weights]:
    """{'lifter': weights, 'denoiser': weights, 'expected': values}."""
    groups: dict[str, Weights] = {}
    with np.load(Path(__file__).parent / "fixtures" / "parity.npz") as stored:
        for name in stored.files:
            group, _, key = name.partition("/")
            groups.setdefault(group, {})[key] = torch.from_numpy(stored[name])
    return groups


@pytest.fixture(scope="session")
def expected(parity: dict[str, Weights]) -> Weights:
    return parity["expected"]


@pytest.fixture(scope="session")
def published(parity: dict[str, Weights], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The lifter's and the denoiser's checkpoint, laid out as published. The EMA weights are the raw ones times 2."""
    folder = tmp_path_factory.mktemp("published")
    paths = folder / "lifter.pth", folder / "diffusion.pth"
    for path, weights in zip(paths, (parity["lifter"], parity["denoiser"]), strict=True):
        torch.save([weights, {"state": {}, "param_groups": []}, 7, 1234, {k: 2 * v for k, v in weights.items()}], path)
    return paths


@pytest.fixture(scope="session")
def imported(published: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the bundle imported from the published pair."""
    folder = tmp_path_factory.mktemp("imported") / "bundle"
    config = OfficialConfig(lifter=str(published[0]), denoiser=str(published[1]), output=str(folder))
    import_official(config, ModelConfig(), DiffusionConfig())
    return folder


@pytest.fixture(scope="session")
def bundle(imported: Path) -> Bundle:
    """The published networks as a user opens them. Not to be changed."""
    return load_bundle(str(imported))


@pytest.fixture
def tiny() -> Bundle:
    """Freshly initialised small networks in training mode."""
    torch.manual_seed(0)
    config = ModelConfig(width=8, layers=2, heads=2)
    return Bundle(config, DiffusionConfig(), Lifter(config), Denoiser(config))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the reference data is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def s3_proxy() -> Iterator[FaultyS3]:
    """A real HTTP S3 server in this process behind a proxy that passes everything on, until a test wants faults."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with faulty(f"http://{host}:{port}", share=0) as proxy:
        yield proxy
    server.stop()


@pytest.fixture(scope="session")
def s3_endpoint(s3_proxy: FaultyS3) -> str:
    """The server's address, which goes into the AWS variables for the whole session."""
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ENDPOINT_URL=s3_proxy.endpoint,
        AWS_EC2_METADATA_DISABLED="true",
    )
    return s3_proxy.endpoint


@pytest.fixture
def s3_bucket(s3_endpoint: str, request: pytest.FixtureRequest) -> str:
    """A new empty bucket, as s3://name."""
    name = "bucket-" + hashlib.sha1(request.node.nodeid.encode()).hexdigest()[:16]
    boto3.client("s3", endpoint_url=s3_endpoint).create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def ray_session(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[None]:
    """One small Ray for all tests, on two CPUs, started as the jobs start it, with a home of its own so that no token of the
    user's is met. The S3 variables are set before, so that workers see them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("RAY_ADDRESS", raising=False)
        with ray_cluster(Config(ray=RayConfig(num_cpus=2)), dashboard=True):
            yield


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian's package is called chromium)")
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as page:
        yield page


@pytest.fixture
def opened(browser: Page) -> Callable[..., Page]:
    """Opens a page in the browser, with nothing kept from the one before."""

    def load(path: Path, width: int = 1400, scheme: str = "light") -> Page:
        browser.errors.clear()
        browser.requests.clear()
        browser.open(path, width, scheme=scheme)
        return browser

    return load
