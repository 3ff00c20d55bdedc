"""The card of a model bundle: one Markdown page for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pose_diffusion.config import DiffusionConfig, ModelConfig


def describe(
    model: ModelConfig,
    diffusion: DiffusionConfig,
    parameters: Mapping[str, int],
    provenance: Mapping[str, Any],
    notes: str = "",
) -> str:
    """The card's text. `parameters`: how many weights each file holds; `notes`: Markdown put at the end."""
    noise = "0.1 on u, v" if diffusion.noise_scale == "constant" else "the mixture's sigma on u, v"
    lines = [
        "# 2D-to-3D human pose model",
        "",
        "Lifts single 2D poses (Human3.6M's 17 joints) to 3D: a graph-attention lifter"
        + (", refined by a diffusion model." if len(parameters) > 1 else " alone, without a diffusion model."),
        "",
        "- Input: 2D joints in normalised screen units, u = 2 x / width - 1, v = 2 y / width - height / width.",
        "- Output: joints in metres, camera frame, minus the pelvis. No absolute position, one person a pose.",
        f"- Networks: width {model.width}, {model.layers} layers, {model.heads} heads.",
        *(f"- {name}: {count:,} parameters." for name, count in parameters.items()),
        f"- Diffusion: {diffusion.schedule} schedule of {diffusion.steps} steps, noise scale {noise}.",
        "",
    ]
    return _page(lines, provenance, notes)


def describe_video(model: ModelConfig, parameters: int, provenance: Mapping[str, Any], notes: str = "") -> str:
    """The card's text of a bundle of the video family. `parameters`: how many weights it has."""
    lines = [
        "# 2D-to-3D human pose model for video",
        "",
        "Lifts sequences of 2D poses (Human3.6M's 17 joints), of one frame or many at any frame rate, to 3D: attention over "
        "joints and over time, in a view of the person that does not depend on where the camera points or how it zooms.",
        "",
        "- Input: mixtures of 2D joints in normalised screen units, u = 2 x / width - 1, v = 2 y / width - height / width; "
        "the camera's intrinsics, known or assumed (focal length = the image's diagonal); the frames' times in seconds.",
        "- Output: joints in metres, camera frame, minus the pelvis. One person a sequence.",
        f"- Network: width {model.width}, {model.layers} layers, {model.heads} heads; {parameters:,} parameters.",
        f"- Clips: up to {model.frames} frames.",
        "",
    ]
    return _page(lines, provenance, notes)


def _page(lines: list[str], provenance: Mapping[str, Any], notes: str) -> str:
    lines = [*lines, "## Where it came from", "", *(f"- {key}: {value}" for key, value in provenance.items())]
    return "\n".join([*lines, *(["", notes.strip()] if notes.strip() else []), ""])
