"""Where poses come from: each source is a function `clips(config) -> Source`, named by `prepare.source`."""

from __future__ import annotations

from collections.abc import Callable

from pose_diffusion.config import Config
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import human36m, synthetic

SOURCES: dict[str, Callable[[Config], Source]] = {
    "synthetic": synthetic.clips,
    "human36m": human36m.clips,
}
