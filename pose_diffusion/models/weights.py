"""Networks from their config and a state dict."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from pose_diffusion.config import ModelConfig
from pose_diffusion.errors import InputError

Network = TypeVar("Network", bound=nn.Module)


def build(kind: Callable[[ModelConfig], Network], config: ModelConfig, state: Mapping[str, Tensor], where: str) -> Network:
    """A network of the config's size with these weights. Raises InputError, naming `where`, unless names and shapes match."""
    with torch.random.fork_rng(devices=[]):  # the discarded initial weights leave the caller's random state as it was
        network = kind(config)
    own = network.state_dict()
    name = re.sub("(?<=[a-z])(?=[A-Z])", " ", type(network).__name__).lower()
    size = f"a {name} of width {config.width}, {config.layers} layers"
    for problem, names in (("missing", own.keys() - state.keys()), ("unknown", state.keys() - own.keys())):
        if names:
            raise InputError(
                f"{where}: weight '{min(names)}' is {problem} for {size}" + (f" ({len(names)} such)" if len(names) > 1 else "")
            )
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            raise InputError(
                f"{where}: weight '{name}' is {tuple(state[name].shape)}, expected {tuple(tensor.shape)} for {size}"
            )
    network.load_state_dict(dict(state))
    return network
