"""How poses are sampled: the options that travel together from the config to the DDIM sampler."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pose_diffusion import pretrained
from pose_diffusion.config import DiffusionConfig, InferConfig
from pose_diffusion.data.mixture import Pose2D
from pose_diffusion.diffusion.schedule import sampling_steps
from pose_diffusion.errors import InputError

Aggregate = Literal["mean", "weighted", "jointwise"]


@dataclass(frozen=True)
class SamplingOptions:
    """One sentence under each option. What is random (a generator or keys) is a separate argument.

    Raises InputError for a value that no sampling can have.
    """

    flips: bool = True
    """Average with the prediction of the mirrored pose."""
    hypotheses: int = 1
    """Poses drawn for each input; the first starts from `pose_2d`, the others from kernels drawn by weight."""
    pose_2d: Pose2D = "heaviest"
    """What of a mixture the first hypothesis starts from: each joint's heaviest kernel, or its mixture's mean."""
    steps: Sequence[int] | None = None
    """DDIM steps, ascending; None takes the bundle's."""
    eta: float | None = None
    """Fresh noise in a DDIM step, 0 to 1; None takes the bundle's."""
    preserve_scale: bool | None = None
    """Whether refined poses take the size of the lifter's; None does as the bundle says."""
    aggregate: Aggregate = "mean"
    """Which pose several hypotheses become: see `aggregation`."""
    reproject: bool = False
    """Make the aggregates that reproject (weighted, jointwise), which takes the camera of every pose."""
    batch: int | None = None
    """Poses in every pass of the networks, mirror images and hypotheses counted, the last pass padded; None takes what suits
    the device and pads nothing."""

    def __post_init__(self) -> None:
        if self.hypotheses < 1:
            raise InputError(f"hypotheses is {self.hypotheses}, expected at least 1")
        if self.batch is not None and self.batch < 1:
            raise InputError(f"batch is {self.batch}, expected at least 1, or None")
        for name, choices in (("pose_2d", get_args(Pose2D)), ("aggregate", get_args(Aggregate))):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} is {getattr(self, name)!r}, expected {' or '.join(choices)}")

    @staticmethod
    def from_config(infer: InferConfig, **changes: Any) -> SamplingOptions:
        """The options of the `infer` section, some of them changed."""
        options = SamplingOptions(
            flips=infer.flips,
            hypotheses=infer.hypotheses,
            pose_2d=infer.pose_2d,
            eta=infer.eta,
            preserve_scale=infer.preserve_scale,
            aggregate=infer.aggregate,
            batch=infer.batch or None,
        )
        return dataclasses.replace(options, **changes)

    def check_video(self, prefix: str = "", suffix: str = "") -> None:
        """Raises InputError for an option that the video family does not have. prefix, suffix: about its name."""
        for name in ("hypotheses", "steps", "eta", "preserve_scale", "aggregate"):
            value = getattr(self, name)
            if value != getattr(DEFAULTS, name):
                raise InputError(f"{prefix}{name}{suffix} is {value}: the video model has no diffusion, leave it out")

    def resolve(self, diffusion: DiffusionConfig) -> ResolvedOptions:
        """With the bundle's own steps, eta and preserve_scale where None stands for them."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        defaults = {"steps": sampling_steps(diffusion), "eta": diffusion.eta, "preserve_scale": diffusion.preserve_scale}
        missing = {name: value for name, value in defaults.items() if values[name] is None}
        return ResolvedOptions(**(values | missing))


@dataclass(frozen=True)
class ResolvedOptions(SamplingOptions):
    """Options that leave nothing to the bundle."""

    steps: Sequence[int] = ()
    eta: float = 0.0
    preserve_scale: bool = False


DEFAULTS = SamplingOptions()


def check_video_settings(infer: InferConfig) -> None:
    """Raises InputError for settings of the `infer` section that the video family does not have."""
    SamplingOptions.from_config(infer).check_video("key 'infer.", "'")
    for name, usual in (("diffusion", True), ("compiled", False), ("keep_hypotheses", False)):
        if getattr(infer, name) is not usual:
            value, bundle = str(getattr(infer, name)).lower(), pretrained.title(infer.bundle)
            raise InputError(f"key 'infer.{name}': {value} is for the published family, {bundle} is of the video family")
