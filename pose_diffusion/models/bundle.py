"""A model bundle: the folder (local or s3://) that training writes and everything else reads.

    lifter.safetensors      weights of the lifter
    denoiser.safetensors    weights of the denoiser; absent where only a lifter was trained
    card.md                 for people: what this is, where it came from
    model.yaml              format, version, sizes, diffusion settings, joints, units, SHA-256 of the weights, provenance

model.yaml is published last and names what the weights must be, so a half-written or mixed folder is never read as a bundle.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import safetensors.torch
import torch
import yaml
from safetensors import SafetensorError
from torch import Tensor

from pose_diffusion import config_file, skeleton, storage
from pose_diffusion.config import DiffusionConfig, ModelConfig
from pose_diffusion.diffusion.noise import Source
from pose_diffusion.diffusion.sampler import ddim
from pose_diffusion.diffusion.schedule import Schedule, sampling_steps
from pose_diffusion.errors import InputError
from pose_diffusion.models.card import describe
from pose_diffusion.models.compiling import compiled
from pose_diffusion.models.denoiser import Denoiser
from pose_diffusion.models.graformer import Lifter

if TYPE_CHECKING:
    from pose_diffusion.lifting import Lifted

Network = TypeVar("Network", Lifter, Denoiser)

FORMAT = "pose-diffusion-bundle"
VERSION = 1
LIFTER, DENOISER, DESCRIPTION, CARD = "lifter.safetensors", "denoiser.safetensors", "model.yaml", "card.md"
CONVENTION = {
    "joints": list(skeleton.JOINTS),
    "input": "normalised screen: u = 2 x_px / width - 1, v = 2 y_px / width - height / width",
    "output": "metres, camera frame, minus the pelvis",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
    """The two networks, in evaluation mode on one device, and the settings they were trained with."""

    model: ModelConfig
    diffusion: DiffusionConfig
    lifter: Lifter
    denoiser: Denoiser | None = None
    content_hash: str = ""
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @cached_property
    def schedule(self) -> Schedule:
        return Schedule.from_config(self.diffusion)

    @cached_property
    def steps(self) -> list[int]:
        """The DDIM steps that the settings ask for."""
        return sampling_steps(self.diffusion)

    @property
    def device(self) -> torch.device:
        return self.lifter.project.bias.device

    @torch.no_grad()
    def sample(
        self,
        x_start: Tensor,
        uv: Tensor,
        steps: Sequence[int] | None = None,
        eta: float | None = None,
        scale: Tensor | None = None,
        generator: Source | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """DDIM from x_start (B, 17, 5), guided by uv (B, 17, 2); steps and eta default to the bundle's.

        Returns the last sample (B, 17, 5) and the x_0 predicted at each step, latest t first.
        Raises InputError where the bundle has no denoiser or the steps do not fit the schedule.
        """
        denoiser = self.denoiser
        if denoiser is None:
            raise InputError("this bundle holds a lifter alone: there is no denoiser to sample with")
        context = denoiser.encode(uv)  # the same for all steps
        return ddim(
            lambda x_t, t: denoiser.denoise(x_t, context, t),
            x_start,
            self.steps if steps is None else steps,
            self.schedule,
            self.diffusion.eta if eta is None else eta,
            scale,
            generator,
        )

    def compile(self) -> None:
        """Compiles the networks at the first pass of each shape: see `compiling`. Results differ in their last bits."""
        self.lifter.forward = compiled(self.lifter.forward, self.device)  # type: ignore[method-assign]
        if self.denoiser is not None:
            self.denoiser.denoise = compiled(self.denoiser.denoise, self.device)  # type: ignore[method-assign]

    def lift(self, uv_or_mixture: Tensor, flips: bool = True, hypotheses: int = 1, **options: Any) -> Lifted:
        """2D poses (N, 17, 2) or mixtures (N, 17, K, 5) to 3D: see `pose_diffusion.lifting.lift`."""
        from pose_diffusion import lifting  # stands above this module

        return lifting.lift(self, uv_or_mixture, flips=flips, hypotheses=hypotheses, **options)


def save_bundle(
    folder: str,
    model: ModelConfig,
    diffusion: DiffusionConfig,
    lifter: Mapping[str, Tensor],
    denoiser: Mapping[str, Tensor] | None = None,
    provenance: Mapping[str, Any] | None = None,
    notes: str = "",
) -> None:
    """Writes a bundle from the networks' state dicts. `provenance` holds plain values; `notes` (Markdown) ends the card.

    Raises InputError where the weights do not fit the sizes in `model`.
    """
    build(Lifter, model, lifter, "lifter")
    weights = {LIFTER: _serialise(lifter)}
    if denoiser is not None:
        build(Denoiser, model, denoiser, "denoiser")
        weights[DENOISER] = _serialise(denoiser)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "model": model.model_dump(mode="json"),
        "diffusion": diffusion.model_dump(mode="json"),
        "convention": CONVENTION,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in weights.items()},
        "provenance": dict(provenance or {}),
    }
    storage.remove_file(storage.join(folder, DESCRIPTION))
    if denoiser is None:
        storage.remove_file(storage.join(folder, DENOISER))
    for name, content in weights.items():
        storage.publish_bytes(storage.join(folder, name), content)
    parameters = {LIFTER: lifter, DENOISER: denoiser or {}}
    counts = {name: sum(tensor.numel() for tensor in parameters[name].values()) for name in weights}
    card = describe(model, diffusion, counts, provenance or {}, notes)
    storage.publish_bytes(storage.join(folder, CARD), card.encode())
    storage.publish_bytes(storage.join(folder, DESCRIPTION), yaml.safe_dump(description, sort_keys=False).encode())


def load_bundle(folder: str, device: str | torch.device = "cpu") -> Bundle:
    """Reads a bundle, strictly. `device`: "cpu", "cuda", ...

    Raises InputError for a missing file, an unknown format version, bad settings, weights that are truncated, are not those
    that model.yaml names, or do not fit the sizes, and for a device that is not there.
    """
    description = read_description(folder)
    path = storage.join(folder, DESCRIPTION)
    config = config_file.from_dict({key: description[key] for key in ("model", "diffusion")}, where=path)
    try:
        target = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device '{device}': {str(error).splitlines()[0]}") from None
    files = description["files"]

    def network(kind: type[Network], name: str) -> Network:
        path = storage.join(folder, name)
        return build(kind, config.model, _read_weights(path, files[name]), path).to(target).eval().requires_grad_(False)

    return Bundle(
        model=config.model,
        diffusion=config.diffusion,
        lifter=network(Lifter, LIFTER),
        denoiser=network(Denoiser, DENOISER) if DENOISER in files else None,
        content_hash=_content_hash(description),
        provenance=description["provenance"],
    )


def build(kind: type[Network], config: ModelConfig, state: Mapping[str, Tensor], where: str) -> Network:
    """A network of the config's size with these weights. Raises InputError, naming `where`, unless names and shapes match."""
    with torch.random.fork_rng(devices=[]):  # the discarded initial weights leave the caller's random state as it was
        network = kind(config)
    own = network.state_dict()
    size = f"a {kind.__name__.lower()} of width {config.width}, {config.layers} layers"
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
    for key in ("model", "diffusion", "convention", "files", "provenance"):
        if not isinstance(description.get(key), dict):
            raise InputError(f"{path}: key '{key}': expected a mapping, got {description.get(key)!r}")
    if description["convention"] != CONVENTION:
        raise InputError(f"{path}: key 'convention': its joints or units are not those of this package")
    if LIFTER not in description["files"]:
        raise InputError(f"{path}: key 'files': {LIFTER} is missing")
    return description


def content_hash(folder: str) -> str:
    """What a bundle computes, as a hex digest: equal weights and settings are equal, wherever they came from."""
    return _content_hash(read_description(folder))


def _content_hash(description: Mapping[str, Any]) -> str:
    decisive = {key: value for key, value in description.items() if key != "provenance"}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _serialise(state: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: tensor.detach().cpu().float().contiguous() for name, tensor in state.items()})


def _read_weights(path: str, sha256: str) -> dict[str, Tensor]:
    content = storage.read_bytes(path)
    try:
        state = safetensors.torch.load(content)
    except SafetensorError as error:
        raise InputError(f"{path}: not a whole safetensors file ({error})") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path}: its SHA-256 is not the one in {DESCRIPTION}: changed, or of another bundle")
    return state
