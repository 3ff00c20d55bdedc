"""What `import pose_diffusion as pd` offers, and that it costs nothing before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pose_diffusion as pd


@pytest.mark.parametrize("name", pd.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(pd, name).__name__.endswith(name) if name != "LAYOUTS" else "coco17" in pd.LAYOUTS


def test_dir_lists_the_public_names() -> None:
    assert set(pd.__all__) <= set(dir(pd))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'pose_diffusion' has no attribute 'lift_everything'"):
        _ = pd.lift_everything


@pytest.mark.parametrize("name", ["", "Config", "InputError", "LAYOUTS", "Layout", "Camera"])
def test_neither_torch_nor_ray_is_loaded_by_the_import_or_by_what_needs_neither(name: str) -> None:
    use = f"pd.{name}" if name else "pass"
    check = f"import sys, pose_diffusion as pd; {use}; sys.exit(bool({{'torch', 'ray'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", check], timeout=60).returncode == 0


@pytest.mark.parametrize("name", ["load_bundle", "metrics", "lift_file", "Trainer"])
def test_ray_is_not_loaded_by_the_model_or_the_trainer(name: str) -> None:
    check = f"import sys, pose_diffusion as pd; pd.{name}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], timeout=120).returncode == 0
