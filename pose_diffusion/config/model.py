"""The networks and the diffusion process: what a bundle records of itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pose_diffusion.config.section import Count, Positive, Section, Share

_VIDEO = {"family", "frames"}  # keys that the published family's descriptions and identities are without


class ModelConfig(Section):
    family: Literal["published", "video"] = "published"
    """What lifts: the published networks, a frame at a time, or the video model, which looks at clips from any camera."""
    width: Annotated[int, Field(ge=4)] = 96
    """Channels of a node in both networks (C); a multiple of heads, and even. Video: of twice the heads."""
    layers: Count = 5
    """Attention and graph layers of each network (L). Video: pairs of attention over joints and over time."""
    frames: Annotated[int, Field(ge=1, le=243)] = 27
    """The most frames of a clip (video)."""
    heads: Count = 4
    """Attention heads."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Dropout in the blocks' sublayers; attention and graph convolutions keep 0.1 as published."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} is not an even multiple of heads {self.heads}")
        if self.family == "video" and self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is not a multiple of twice the heads {self.heads}, as the video model needs")
        return self

    def described(self) -> dict[str, Any]:
        """As plain values; of the published family without the video model's keys, which its bundles and runs never had."""
        return self.model_dump(mode="json", exclude=_VIDEO if self.family == "published" else None)


class DiffusionConfig(Section):
    schedule: Literal["linear", "quad", "const", "jsd", "sigmoid", "cosine"] = "linear"
    """Shape of the noise schedule."""
    beta_start: Positive = 1e-4
    """First beta (linear, quad, sigmoid)."""
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """Last beta (linear, quad, sigmoid, const)."""
    steps: Annotated[int, Field(ge=2)] = 51
    """Number of diffusion steps (T)."""
    noise_scale: Literal["constant", "mixture"] = "constant"
    """Noise on u, v: the published constant 0.1, or the drawn kernel's own sigma; x, y, z always have 1."""
    sampling: Literal["uniform", "quad", "list"] = "uniform"
    """How the DDIM steps are chosen from the window: evenly, as squares, or as step_list gives them."""
    window: Count = 12
    """DDIM starts below this step (uniform, quad)."""
    count: Count = 2
    """Number of DDIM steps (uniform, quad)."""
    step_list: list[Annotated[int, Field(ge=0)]] = [0, 6]
    """The DDIM steps, ascending, for sampling: list."""
    eta: Share = 0.0
    """Fresh noise in a DDIM step: 0 is deterministic, 1 is as much as in DDPM."""
    preserve_scale: bool = False
    """Give a refined pose the size of the lifter's: one image hardly tells it, and denoisers tend to make bodies larger."""

    @model_validator(mode="after")
    def _steps_exist(self) -> DiffusionConfig:
        if self.beta_start > self.beta_end:
            raise ValueError(f"beta_start {self.beta_start} is above beta_end {self.beta_end}")
        if self.sampling == "list":
            if not self.step_list or sorted(set(self.step_list)) != self.step_list:
                raise ValueError(f"step_list {self.step_list} is not ascending")
            if self.step_list[-1] >= self.steps:
                raise ValueError(f"step_list reaches {self.step_list[-1]}, steps is {self.steps}")
        else:
            if self.window > self.steps:
                raise ValueError(f"window {self.window} is larger than steps {self.steps}")
            if self.count > self.window:
                raise ValueError(f"count {self.count} is larger than window {self.window}")
        return self
