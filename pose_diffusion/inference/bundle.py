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
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
import yaml
from numpy.typing import ArrayLike
from safetensors import SafetensorError
from torch import Tensor

from pose_diffusion import storage
from pose_diffusion.config import Config, DiffusionConfig, ModelConfig, loading
from pose_diffusion.config.renamed import upgrade
from pose_diffusion.errors import InputError
from pose_diffusion.geometry import skeleton
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.layouts import Layout
from pose_diffusion.inference.bundle_card import describe
from pose_diffusion.inference.lifting import Lifted, lift
from pose_diffusion.inference.options import DEFAULTS, SamplingOptions
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.networks import Network, Networks, build

if TYPE_CHECKING:
    from pose_diffusion.inference.keypoints import LiftedPoses

FORMAT = "pose-diffusion-bundle"
VERSION = 1
LIFTER, DENOISER, DESCRIPTION, CARD = "lifter.safetensors", "denoiser.safetensors", "model.yaml", "card.md"
CONVENTION = {
    "joints": list(skeleton.JOINTS),
    "input": "normalised screen: u = 2 x_px / width - 1, v = 2 y_px / width - height / width",
    "output": "metres, camera frame, minus the pelvis",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle(Networks):
    """Networks from a folder, with a digest of what they compute and where they came from."""

    content_hash: str = ""
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def lift(
        self,
        uv_or_mixture: Tensor,
        options: SamplingOptions = DEFAULTS,
        generator: torch.Generator | None = None,
        keys: Tensor | None = None,
        **changes: Any,
    ) -> Lifted:
        """2D poses (N, 17, 2) or mixtures (N, 17, K, 5) to 3D: see `pose_diffusion.inference.lifting.lift`.

        changes: single options by name, such as hypotheses=5, on top of `options`.
        """
        return lift(self, uv_or_mixture, dataclasses.replace(options, **changes), generator, keys)

    def lift_keypoints(
        self,
        pixels: ArrayLike | Tensor,
        image_size: ArrayLike | Tensor,
        layout: str | Layout = "coco17",
        fps: float | None = None,
        *,
        camera: Camera | None = None,
        field_of_view: float | None = None,
        smooth: float = 0.0,
        min_confidence: float = 0.0,
        longest_gap: int = 25,
        seed: int = 0,
        name: str = "",
        **options: Any,
    ) -> LiftedPoses:
        """Keypoints of one person to 3D, as `prepare` and `infer` do it with a file of them.

        pixels: (T, J, 2 or 3) x, y and, where known, confidence; a joint is unseen where one of them is NaN, the confidence is
        not above min_confidence, or x and y are 0. image_size: (width, height), or (T, 2) one for each frame. layout: the
        order of the joints, a name in `LAYOUTS` or a `Layout`.
        fps: frames a second. The networks look at one frame at a time and do not use it; it stands in the result, and `smooth`
        needs it: averages poses over near frames, the window's sigma in seconds.
        camera, or field_of_view: the calibrated camera, or its horizontal angle in degrees; with one of them the result has
        the root, where the person stands.
        longest_gap: frames over which an unseen joint's place is interpolated in time; 0 for images that are no video.
        seed, name: of what hypotheses draw, which depends on the seed, the recording's name and the frame.
        options: those of `SamplingOptions` by name, such as flips=False.

        Raises InputError, in one line, for shapes, sizes and values that make no sense, a number of joints that is not the
        layout's, and where no joint is seen at all.
        """
        # Imported here because it loads the sources of detections (scipy, h5py), which lifting mixtures does not need.
        from pose_diffusion.inference import keypoints

        width = keypoints.smoothing_width(smooth, fps)
        sequences = keypoints.read_keypoints(pixels, image_size, layout, min_confidence, longest_gap, name)
        cameras = keypoints.sequence_cameras(sequences, camera, field_of_view)
        estimates = keypoints.lift_sequences(self, sequences, SamplingOptions(**options), cameras, seed)
        if width:
            estimates = keypoints.smooth_sequences(sequences, estimates, width)
        return keypoints.join_sequences(sequences, estimates, len(pixels), fps)  # type: ignore[arg-type]


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
        "model": model.described(),
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
    sections = {key: upgrade(key, description[key]) for key in ("model", "diffusion")}
    config: Config = loading.from_dict(sections, where=path)
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
