"""torch.compile for passes of one shape: fused on a CPU and a GPU, after a start that takes a minute or more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch

from pose_diffusion.errors import InputError


def compiled(function: Callable, device: torch.device) -> Callable:
    """The function, compiled at its first call with each shape. Without gradients on a CPU, weights become constants.

    Raises InputError on a CPU without a C++ compiler.
    """
    if device.type == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise InputError("compiled networks need a C++ compiler on a CPU: there is no g++ (or CXX names none)")
    options: dict[str, Any] | None = {"freezing": True} if device.type == "cpu" else None
    return torch.compile(function, dynamic=False, options=options)
