"""The published checkpoints, read into this package's networks.

A file is `torch.save` of the list [state dict, optimiser, epoch, step, EMA state dict]; names may begin with 'module.'
(saved from DataParallel). Each published name becomes one of ours (a projection of q, k or v becomes its third of one
matrix); the denoiser's last guide pair and the guide's output convolution are in the file but never run, and are dropped
by name. Any other name, or a missing one, is an error.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pose_diffusion import storage
from pose_diffusion.config import DiffusionConfig, ModelConfig, OfficialConfig, loading
from pose_diffusion.errors import InputError
from pose_diffusion.inference.bundle import save_bundle
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.weights import build

_BLOCK = {
    "self_attn.linears.3": "attention.out",
    "feed_forward.gconv1.fc": "graph.widen",
    "feed_forward.gconv2.fc": "graph.narrow",
}
_PAIR = {"gconv1.gconv": "first.conv", "gconv2.gconv": "second.conv"}


def read_checkpoint(path: str, ema: bool = False) -> dict[str, Tensor]:
    """The weights of a published checkpoint by their published names without 'module.'; `ema` takes the averaged ones.

    Raises InputError where the file is missing, truncated, of another layout, or holds more than tensors and plain values
    (which are never executed).
    """
    with storage.open_file(path) as file:
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise InputError(f"{path}: holds objects other than weights and plain values, or is no checkpoint") from None
        except (RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
            raise InputError(f"{path}: not a readable checkpoint ({(str(error) or 'it ends early').splitlines()[0]})") from None
    if not isinstance(content, (list, tuple)) or len(content) != 5:
        raise InputError(f"{path}: expected a list [weights, optimiser, epoch, step, EMA], got {_describe(content)}")
    weights = content[4 if ema else 0]
    if not isinstance(weights, Mapping) or not weights or not all(isinstance(v, Tensor) for v in weights.values()):
        raise InputError(f"{path}: its {'EMA' if ema else 'first'} entry is no state dict, got {_describe(weights)}")
    return {name.removeprefix("module."): tensor for name, tensor in weights.items()}


def infer_size(weights: Mapping[str, Tensor], path: str) -> tuple[int, int]:
    """Width and number of layers of a published checkpoint. Raises InputError where they cannot be told."""
    embed = weights.get("gconv_input.bias")
    layers = {int(found[1]) for name in weights if (found := re.match(r"atten_layers\.(\d+)\.", name))}
    if embed is None or not layers:
        raise InputError(f"{path}: neither lifter nor denoiser: no gconv_input.bias or atten_layers.*")
    return embed.shape[-1], max(layers) + 1


def lifter_state(weights: Mapping[str, Tensor], config: ModelConfig, path: str) -> dict[str, Tensor]:
    """Our lifter's state dict from the published one. Raises InputError for a missing or left-over name."""
    source = _PublishedWeights(weights, path)
    state = source.conv("gconv_input", "embed") | source.conv("gconv_output", "project")
    for layer in range(config.layers):
        state |= source.block(f"atten_layers.{layer}", f"blocks.{layer}")
        state |= source.pair(f"gconv_layers.{layer}", f"pairs.{layer}")
    source.finish(())
    return state


def denoiser_state(weights: Mapping[str, Tensor], config: ModelConfig, path: str) -> dict[str, Tensor]:
    """Our denoiser's state dict from the published one. Raises InputError for a missing or left-over name."""
    source, last = _PublishedWeights(weights, path), config.layers - 1
    state: dict[str, Tensor] = {}
    for theirs, ours in {"gconv_input": "embed", "gconv_input_t": "guide_embed", "gconv_output": "project"}.items():
        state |= source.conv(theirs, ours)
    for theirs, ours in {
        "fc1": "lift_uv",
        "fc2": "join",
        "fc3": "guide_spread",
        "temb.dense.0": "timestep.first",
        "temb.dense.1": "timestep.second",
    }.items():
        state |= source.linear(theirs, ours)
    for layer in range(config.layers):
        state |= source.block(f"atten_layers.{layer}", f"blocks.{layer}")
        state |= source.block(f"atten_layers_t.{layer}", f"guide_blocks.{layer}")
        state |= source.pair(f"gconv_layers.{layer}", f"pairs.{layer}")
        if layer < last:
            state |= source.pair(f"gconv_layers_t.{layer}", f"guide_pairs.{layer}")
    shifts = [f"gconv_layers.{i}.temb_proj" for i in range(config.layers)] + [
        f"gconv_layers_t.{i}.temb_proj" for i in range(last)
    ]
    state |= source.joined(shifts, "timestep.shifts")
    source.finish((f"gconv_layers_t.{last}.", "gconv_output_t."))
    return state


def import_official(config: OfficialConfig, model: ModelConfig, diffusion: DiffusionConfig) -> ModelConfig:
    """Writes the bundle of a published lifter and, where one is given, denoiser to config.output.

    Width and layers are the checkpoints' own; heads, dropout and the diffusion settings, which they do not hold, are the
    arguments'. Returns the model's settings. Raises InputError for a checkpoint that is not strictly what was published,
    and for a pair of two sizes.
    """
    for key in ("lifter", "output"):
        if not getattr(config, key):
            raise InputError(f"key 'official.{key}': expected a path, got nothing")
    paths = [path for path in (config.lifter, config.denoiser) if path]
    weights = [read_checkpoint(path, config.ema) for path in paths]
    sizes = [infer_size(w, path) for w, path in zip(weights, paths, strict=True)]
    if len(set(sizes)) > 1:
        shown = ", ".join(f"{path} has width {w} and {n} layers" for path, (w, n) in zip(paths, sizes, strict=True))
        raise InputError(f"{shown}: a bundle holds networks of one size")
    width, layers = sizes[0]
    model = loading.from_dict({"model": {**model.model_dump(), "width": width, "layers": layers}}, where=config.lifter).model
    provenance = {
        "source": "published checkpoints",
        "weights": "EMA" if config.ema else "raw, as published evaluation takes them",
    }
    provenance |= {f"{key}_sha256": storage.sha256(path) for key, path in zip(("lifter", "denoiser"), paths, strict=False)}
    lifter = build(Lifter, model, lifter_state(weights[0], model, paths[0]), paths[0]).state_dict()
    denoiser = None
    if config.denoiser:
        denoiser = build(Denoiser, model, denoiser_state(weights[1], model, paths[1]), paths[1]).state_dict()
    save_bundle(config.output, model, diffusion, lifter, denoiser, provenance)
    return model


class _PublishedWeights:
    """Published weights of which each name is taken once."""

    def __init__(self, weights: Mapping[str, Tensor], path: str) -> None:
        self._left, self._path = dict(weights), path

    def take(self, name: str) -> Tensor:
        if name not in self._left:
            raise InputError(f"{self._path}: weight '{name}' is missing")
        return self._left.pop(name).float()

    def finish(self, dropped: tuple[str, ...]) -> None:
        unknown = sorted(name for name in self._left if not name.startswith(dropped or ("\0",)))
        if unknown:
            raise InputError(
                f"{self._path}: unknown weight '{unknown[0]}'" + (f" and {len(unknown) - 1} more" if unknown[1:] else "")
            )

    def linear(self, theirs: str, ours: str) -> dict[str, Tensor]:
        return {f"{ours}.{kind}": self.take(f"{theirs}.{kind}") for kind in ("weight", "bias")}

    def joined(self, theirs: list[str], ours: str) -> dict[str, Tensor]:
        """Several linear layers of one input and equal size as one."""
        state = {}
        for kind in ("weight", "bias"):
            parts = [self.take(f"{name}.{kind}") for name in theirs]
            odd = next((i for i, part in enumerate(parts) if part.shape != parts[0].shape), None)
            if odd is not None:
                shapes = f"is {tuple(parts[odd].shape)}, expected {tuple(parts[0].shape)}"
                raise InputError(f"{self._path}: weight '{theirs[odd]}.{kind}' {shapes} as '{theirs[0]}.{kind}'")
            state[f"{ours}.{kind}"] = torch.cat(parts)
        return state

    def conv(self, theirs: str, ours: str) -> dict[str, Tensor]:
        weight, bias = self.take(f"{theirs}.weight"), self.take(f"{theirs}.bias")  # (K + 1, 1, in, out), (1, 1, out)
        if weight.dim() != 4 or weight.shape[1] != 1 or bias.dim() != 3:
            raise InputError(f"{self._path}: weight '{theirs}.weight' is {tuple(weight.shape)}, expected (3, 1, in, out)")
        return {f"{ours}.weight": weight[:, 0].transpose(0, 1).contiguous(), f"{ours}.bias": bias.flatten()}

    def pair(self, theirs: str, ours: str) -> dict[str, Tensor]:
        return {k: v for a, b in _PAIR.items() for k, v in self.conv(f"{theirs}.{a}", f"{ours}.{b}").items()}

    def block(self, theirs: str, ours: str) -> dict[str, Tensor]:
        state = self.joined([f"{theirs}.self_attn.linears.{i}" for i in range(3)], f"{ours}.attention.qkv")
        for a, b in _BLOCK.items():
            state |= self.linear(f"{theirs}.{a}", f"{ours}.{b}")
        state[f"{ours}.graph.adjacency"] = self.take(f"{theirs}.feed_forward.A_hat")
        for i, norm in enumerate(("attention_norm", "graph_norm")):
            state[f"{ours}.{norm}.weight"] = self.take(f"{theirs}.sublayer.{i}.norm.a_2")
            state[f"{ours}.{norm}.bias"] = self.take(f"{theirs}.sublayer.{i}.norm.b_2")
        return state


def _describe(value: Any) -> str:
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else type(value).__name__
