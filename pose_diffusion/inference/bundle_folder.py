"""A bundle's folder on disk or S3: its weights, its card and its description, of either family.

    *.safetensors   weights of the networks
    card.md         for people: what this is, where it came from
    model.yaml      format, version, sizes, joints, units, SHA-256 of the weights, provenance

model.yaml is published last and names what the weights must be, so a half-written or mixed folder is never read as a bundle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
import yaml
from safetensors import SafetensorError
from torch import Tensor

from pose_diffusion import storage
from pose_diffusion.errors import InputError
from pose_diffusion.geometry import skeleton

FORMAT = "pose-diffusion-bundle"
VERSION = 1
LIFTER, DENOISER, VIDEO = "lifter.safetensors", "denoiser.safetensors", "video.safetensors"
DESCRIPTION, CARD = "model.yaml", "card.md"
CONVENTION = {
    "joints": list(skeleton.JOINTS),
    "input": "normalised screen: u = 2 x_px / width - 1, v = 2 y_px / width - height / width",
    "output": "metres, camera frame, minus the pelvis",
}
VIDEO_CONVENTION = CONVENTION | {
    "input": "mixtures of detections in normalised screen units, u = 2 x_px / width - 1, v = 2 y_px / width - height / width, "
    "with the camera's intrinsics, known or assumed, and frames' times in seconds",
}
# Of each family: its convention, the sections of settings that its description has, and the weights that it must have.
_FAMILIES: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "published": (CONVENTION, ("model", "diffusion"), LIFTER),
    "video": (VIDEO_CONVENTION, ("model",), VIDEO),
}


def publish(
    folder: str,
    settings: Mapping[str, Mapping[str, Any]],
    convention: Mapping[str, Any],
    states: Mapping[str, Mapping[str, Tensor]],
    provenance: Mapping[str, Any],
    card: str,
) -> None:
    """Writes a bundle. settings: its sections, as plain values. states: file name -> a network's weights."""
    weights = {name: _serialise(state) for name, state in states.items()}
    description = {
        "format": FORMAT,
        "version": VERSION,
        **settings,
        "convention": convention,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in weights.items()},
        "provenance": dict(provenance),
    }
    storage.remove_file(storage.join(folder, DESCRIPTION))
    for name in (LIFTER, DENOISER, VIDEO):
        if name not in weights:
            storage.remove_file(storage.join(folder, name))
    for name, content in weights.items():
        storage.publish_bytes(storage.join(folder, name), content)
    storage.publish_bytes(storage.join(folder, CARD), card.encode())
    storage.publish_bytes(storage.join(folder, DESCRIPTION), yaml.safe_dump(description, sort_keys=False).encode())


def read_description(folder: str) -> dict[str, Any]:
    """model.yaml, checked for format and version. Raises InputError where the folder holds no bundle of this version."""
    path = storage.join(folder, DESCRIPTION)
    if not storage.exists(path):
        raise InputError(f"{folder}: no model bundle here ({DESCRIPTION} is missing)")
    try:
        description = yaml.safe_load(storage.read_bytes(path))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InputError(f"{path}: not YAML") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{path}: expected the description of a {FORMAT}")
    if description.get("version") != VERSION:
        raise InputError(f"{path}: format version {description.get('version')!r}, expected {VERSION}")
    _check_mapping(description, "model", path)
    name = family(description)
    if name not in _FAMILIES:
        raise InputError(f"{path}: key 'model.family': {name!r}, expected {' or '.join(_FAMILIES)}")
    convention, sections, weights = _FAMILIES[name]
    for key in (*sections, "convention", "files", "provenance"):
        _check_mapping(description, key, path)
    if description["convention"] != convention:
        raise InputError(f"{path}: key 'convention': its joints or units are not those of this package")
    if weights not in description["files"]:
        raise InputError(f"{path}: key 'files': {weights} is missing")
    return description


def _check_mapping(description: Mapping[str, Any], key: str, path: str) -> None:
    if not isinstance(description.get(key), dict):
        raise InputError(f"{path}: key '{key}': expected a mapping, got {description.get(key)!r}")


def family(description: Mapping[str, Any]) -> str:
    """The model family of a description; those of the published one do not name it."""
    return description["model"].get("family", "published")


def content_hash(folder: str) -> str:
    """What a bundle computes, as a hex digest: equal weights and settings are equal, wherever they came from."""
    return hash_of(read_description(folder))


def hash_of(description: Mapping[str, Any]) -> str:
    """`content_hash` of a description."""
    decisive = {key: value for key, value in description.items() if key != "provenance"}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def read_weights(folder: str, name: str, description: Mapping[str, Any]) -> dict[str, Tensor]:
    """One of a bundle's files of weights. Raises InputError where it is truncated or not the one that model.yaml names."""
    path = storage.join(folder, name)
    content = storage.read_bytes(path)
    try:
        state = safetensors.torch.load(content)
    except SafetensorError as error:
        raise InputError(f"{path}: not a whole safetensors file ({error})") from None
    if hashlib.sha256(content).hexdigest() != description["files"][name]:
        raise InputError(f"{path}: its SHA-256 is not the one in {DESCRIPTION}: changed, or of another bundle")
    return state


def checked_device(device: str | torch.device) -> torch.device:
    """Raises InputError for a device that is not there."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device '{device}': {str(error).splitlines()[0]}") from None


def _serialise(state: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: tensor.detach().cpu().float().contiguous() for name, tensor in state.items()})
