"""Random numbers that are functions of a key, not of the order in which they are drawn.

    number(key, lane) = mix(key + lane * GOLDEN),   mix the finaliser of SplitMix64

(Steele, Lea, Flood, 'Fast splittable pseudorandom number generators', 2014; counter-based generation is that of Salmon et al.,
'Parallel random numbers: as easy as 1, 2, 3', 2011.) A pose whose key comes from its own name draws the same numbers
whatever batch, shard or machine it is lifted in. Arithmetic is that of 64-bit integers modulo 2^64, in torch's int64.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def name_key(*parts: object) -> int:
    """A key of 64 bits (signed) from names and numbers; different parts give different keys."""
    text = "\0".join(f"{len(str(part))}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


def mix(keys: Tensor, lanes: Tensor | int) -> Tensor:
    """A new key for each (key, lane), as good as random bits. Both int64, broadcast against each other."""
    z = keys + (lanes * _signed(_GOLDEN) if isinstance(lanes, Tensor) else _signed(lanes * _GOLDEN))
    z = z.bitwise_xor_(_shift(z, 30)).mul_(_signed(_FIRST))
    z = z.bitwise_xor_(_shift(z, 27)).mul_(_signed(_SECOND))
    return z.bitwise_xor_(_shift(z, 31))


def uniform(keys: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Uniform numbers in [0, 1). keys (...,) int64 -> (..., *shape) float32."""
    # The upper 24 bits, all that a float32 below 1 holds.
    return _shift(_numbers(keys, math.prod(shape)), 40).float().mul_(2.0**-24).view(*keys.shape, *shape)


def gaussian(keys: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers, by Box and Muller's transform. keys (...,) int64 -> (..., *shape) float32."""
    count = math.prod(shape)
    first, second = uniform(keys, (2, (count + 1) // 2)).unbind(-2)  # each (..., half)
    radius = (-2 * torch.log1p(-first)).sqrt()
    angle = 2 * math.pi * second
    return torch.cat([radius * angle.cos(), radius * angle.sin()], -1)[..., :count].reshape(*keys.shape, *shape)


def _numbers(keys: Tensor, count: int) -> Tensor:
    """Random bits, (..., count) int64."""
    return mix(mix(keys, 0).unsqueeze(-1), torch.arange(1, count + 1, device=keys.device))


def _shift(z: Tensor, bits: int) -> Tensor:
    """Right shift that fills with zeros."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    """The signed 64-bit integer with these lowest bits."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
