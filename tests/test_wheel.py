"""The package as its users install it: a wheel in an environment of its own, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from pose_diffusion.cli import VERBS
from pose_diffusion.inference.video_bundle import save_video_bundle
from tests.inference.videos import MODEL, random_network
from tests.keypoint_files import write_alphapose


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*build, str(repository)], check=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment with the wheel; what it depends on is that of the tests' own environment."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, timeout=300)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def run(installed: Path, *command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    whole = [str(installed / command[0]), *command[1:]]
    return subprocess.run(whole, capture_output=True, text=True, timeout=300, cwd=folder, env=environment)


def test_a_wheel_holds_the_package_its_configs_and_its_data_alone(wheel, repository):
    names = zipfile.ZipFile(wheel).namelist()
    model = {path for path in (repository / "pose_diffusion" / "pretrained").rglob("*") if "__pycache__" not in path.parts}
    assert {str(path.relative_to(repository)) for path in model if path.is_file()} <= set(names)
    assert {"pose_diffusion/configs/quickstart.yaml", "pose_diffusion/configs/official/h36m_cpn.yaml"} <= set(names)
    assert {"pose_diffusion/geometry/h36m_cameras.json", "pose_diffusion/report/assets/page.html"} <= set(names)
    assert {"pose_diffusion/pages/assets/style.css", "pose_diffusion/viewer/assets/page.html"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} <= {"pose_diffusion"}


def test_the_command_helps_outside_the_checkout(installed, tmp_path):
    overview = run(installed, "pose-diffusion", "--help", folder=tmp_path)
    assert overview.returncode == 0 and all(f"  {verb} " in overview.stdout for verb in VERBS)
    helped = run(installed, "pose-diffusion", "train", "--help", folder=tmp_path)
    assert helped.returncode == 0 and "train.micro_batch" in helped.stdout and "quickstart" in helped.stdout


def test_a_file_is_lifted_outside_the_checkout(installed, tmp_path):
    write_alphapose(tmp_path / "clip.json")
    save_video_bundle(str(tmp_path / "model"), MODEL, random_network().state_dict())
    flags = ["--image-size", "1280x720", "--bundle", "model", "-o", "out"]
    done = run(installed, "pose-diffusion", "lift", "clip.json", *flags, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "poses.npz").is_file()


def test_a_verb_runs_with_a_config_of_the_package(installed, tmp_path):
    small = ["synthetic.subjects=[S1]", "synthetic.actions=[Walking]", "synthetic.frames=4", "ray.num_cpus=1"]
    done = run(installed, "pose-diffusion", "prepare", "--config", "quickstart", "prepare.output=out", *small, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "manifest.json").is_file()
