"""The search space of `tune.space`: for each config key, whole ('diffusion.beta_end'), one way to draw its values.

choice: [a, b, ...]         one of these
grid: [a, b, ...]           each of these; grids multiply
uniform: [low, high]        a number between, evenly
loguniform: [low, high]     a number between, evenly in its logarithm
randint: [low, high]        a whole number, both ends included
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from pose_diffusion.config import Config, loading
from pose_diffusion.errors import InputError

WHERE = "key 'tune.space'"
KINDS = ("choice", "grid", "uniform", "loguniform", "randint")
_LISTS = ("choice", "grid")
_MOST_CORNERS = 50_000

# What a trial may vary. What trials are judged by, and where they write, is one for all.
_TRAINING_SECTIONS = {"published": ("data", "model", "diffusion", "train"), "video": ("data", "model", "train", "video")}
_ONE_FOR_ALL = {
    "data.shards",
    "data.actions",
    "model.family",
    "model.frames",  # held-out clips of the video model have as many
    "train.output",
    "train.holdout_subjects",
    "train.holdout_poses",
    "train.lifter_epochs",
    "train.denoiser_epochs",
    "train.epochs",
    "train.evaluate_every",
    "train.workers",
    "train.device",
}
# What the video model's training does not look at.
_PUBLISHED = {f"train.{key}" for key in ("lifter", "loss", "denoiser_errors", "yaw_augment", "sample_kernels", "compiled")}
_SAMPLING_KEYS = ("sampling", "window", "count", "step_list", "eta", "preserve_scale")
SAMPLING = (*(f"diffusion.{key}" for key in _SAMPLING_KEYS), "infer.flips", "infer.hypotheses", "infer.pose_2d")


@dataclass(frozen=True)
class Domain:
    """The values of one key: those of a choice or grid, else (low, high)."""

    kind: str
    values: tuple[Any, ...]

    def corners(self) -> list[Any]:
        """Values that stand for all: each of a list; of a range both ends and one between."""
        if self.kind in _LISTS:
            return list(self.values)
        low, high = self.values
        # Not a round share: a key of whole numbers must not seem to take a range of any numbers.
        between = low * (high / low) ** 0.381966 if self.kind == "loguniform" else low + (high - low) * 0.381966
        return [low, high, round(between) if self.kind == "randint" else between]

    @property
    def size(self) -> float:
        """How many different values there are."""
        if self.kind in _LISTS:
            return len(self.values)
        low, high = self.values
        return 1 if low == high else high - low + 1 if self.kind == "randint" else math.inf


@dataclass(frozen=True)
class Space:
    domains: Mapping[str, Domain]

    @property
    def size(self) -> float:
        """How many different settings there are."""
        return math.prod(domain.size for domain in self.domains.values())

    def plain(self) -> dict[str, dict[str, list]]:
        """The space as the config writes it, with every value as the config understands it."""
        return {key: {domain.kind: list(domain.values)} for key, domain in self.domains.items()}

    @property
    def grids(self) -> list[dict[str, Any]]:
        """Every combination of the grids' values; one empty combination without grids."""
        keys = [key for key, domain in self.domains.items() if domain.kind == "grid"]
        return [dict(zip(keys, values, strict=True)) for values in itertools.product(*(self.domains[k].values for k in keys))]


def parse(config: Config) -> Space:
    """The checked space of a config. Raises InputError, naming the key, for one that could draw what the config refuses."""
    if not config.tune.space:
        raise InputError(f"{WHERE}: expected at least one key to search, got nothing")
    domains = {key: _domain(config, key, given) for key, given in config.tune.space.items()}
    for section in dict.fromkeys(key.split(".")[0] for key in domains):
        _check_combinations(config, section, {key: d for key, d in domains.items() if key.split(".")[0] == section})
    if config.train.lifter and any(key.startswith("model.") for key in domains):
        raise InputError(f"{WHERE}: keys of 'model' cannot be searched with train.lifter, whose size is what it is")
    return Space(domains)


def apply(config: Config, settings: Mapping[str, Any]) -> Config:
    """The config with these keys set. Raises InputError where it refuses them together."""
    values: dict[str, dict] = {}
    for key, value in settings.items():
        section, name = key.split(".")
        values.setdefault(section, getattr(config, section).model_dump())[name] = value
    changed: Config = loading.from_dict(values, where=WHERE)
    return config.model_copy(update={section: getattr(changed, section) for section in values})


def _domain(config: Config, key: str, given: Mapping[str, Any]) -> Domain:
    section = key.split(".")[0]
    field = loading.field(key, WHERE)
    if config.tune.mode == "sampling":
        if key not in SAMPLING:
            raise InputError(f"{WHERE}: '{key}' cannot be tried without training, only {', '.join(SAMPLING)} can")
    elif section not in (sections := _TRAINING_SECTIONS[config.model.family]):
        raise InputError(f"{WHERE}: '{key}' does not change training, expected a key of {', '.join(sections)}")
    elif key in _ONE_FOR_ALL:
        raise InputError(f"{WHERE}: '{key}' must be the same for all trials")
    elif config.model.family == "video" and key in _PUBLISHED:
        raise InputError(f"{WHERE}: '{key}' is of the published family, and model.family is video")
    if len(given) != 1 or next(iter(given)) not in KINDS:
        raise InputError(f"{WHERE}: '{key}': expected one of {', '.join(KINDS)} with its values, got {dict(given)!r}")
    ((kind, values),) = given.items()
    if not isinstance(values, list) or not values:
        raise InputError(f"{WHERE}: '{key}': {kind} needs a list of values, got {values!r}")
    if kind not in _LISTS:
        values = _ends(key, kind, values)
    domain = Domain(kind, tuple(values))
    kind_of_value: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    checked: TypeAdapter = TypeAdapter(kind_of_value)
    as_config = [_checked(checked, value, f"'{key}'") for value in domain.corners()]
    if kind not in _LISTS:
        return domain
    if any(value in as_config[:number] for number, value in enumerate(as_config)):
        raise InputError(f"{WHERE}: '{key}': {kind} {values!r} holds a value twice")
    return Domain(kind, tuple(as_config))


def _ends(key: str, kind: str, values: list) -> list:
    """Low and high as numbers (YAML takes 1e-3 for a text)."""
    if len(values) != 2:
        raise InputError(f"{WHERE}: '{key}': {kind} needs [low, high], got {values!r}")
    number: TypeAdapter = TypeAdapter(int if kind == "randint" else float)
    low, high = (_checked(number, value, f"'{key}': {kind}") for value in values)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(f"{WHERE}: '{key}': {kind} needs finite numbers, got {values!r}")
    if low > high:
        raise InputError(f"{WHERE}: '{key}': {kind} has its low {low} above its high {high}")
    if kind == "loguniform" and low <= 0:
        raise InputError(f"{WHERE}: '{key}': loguniform needs numbers above 0, got {low}")
    return [low, high]


def _checked(adapter: TypeAdapter, value: Any, what: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise InputError(f"{WHERE}: {what}: {error.errors()[0]['msg']} (given: {value!r})") from None


def _check_combinations(config: Config, section: str, domains: Mapping[str, Domain]) -> None:
    """Keys of a section bound each other (heads and width): all their corners are tried together."""
    combinations = itertools.product(*(domain.corners() for domain in domains.values()))
    for values in itertools.islice(combinations, _MOST_CORNERS):
        apply(config, dict(zip(domains, values, strict=True)))
