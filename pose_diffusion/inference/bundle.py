"""A model bundle: the folder (local or s3://) that training writes and everything else reads. See `bundle_folder`.

The published family's has

    lifter.safetensors      weights of the lifter
    denoiser.safetensors    weights of the denoiser; absent where only a lifter was trained

and diffusion settings in model.yaml. Of the video family's see `video_bundle`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pose_diffusion import pretrained, storage
from pose_diffusion.config import Config, DiffusionConfig, ModelConfig, loading
from pose_diffusion.config.renamed import upgrade
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.layouts import Layout
from pose_diffusion.inference import bundle_folder
from pose_diffusion.inference.bundle_card import describe
from pose_diffusion.inference.bundle_folder import CONVENTION, DENOISER, DESCRIPTION, LIFTER
from pose_diffusion.inference.lifting import Lifted, lift
from pose_diffusion.inference.options import DEFAULTS, SamplingOptions
from pose_diffusion.inference.video_bundle import VideoBundle, load_video_bundle
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.models.weights import Network, build

if TYPE_CHECKING:
    from pose_diffusion.inference.keypoints import LiftedPoses


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
    states = {LIFTER: lifter}
    if denoiser is not None:
        build(Denoiser, model, denoiser, "denoiser")
        states[DENOISER] = denoiser
    settings = {"model": model.described(), "diffusion": diffusion.model_dump(mode="json")}
    counts = {name: sum(tensor.numel() for tensor in state.values()) for name, state in states.items()}
    card = describe(model, diffusion, counts, provenance or {}, notes)
    bundle_folder.publish(folder, settings, CONVENTION, states, provenance or {}, card)


def load_bundle(folder: str = "", device: str | torch.device = "cpu") -> Bundle | VideoBundle:
    """Reads a bundle of either family, strictly: the model that comes with the package, or one in a folder, local or s3://.

    device: "cpu", "cuda", ...
    Raises InputError for a missing file, an unknown format version, bad settings, weights that are truncated, are not those
    that model.yaml names, or do not fit the sizes, and for a device that is not there.
    """
    folder = pretrained.locate(folder)
    if bundle_folder.family(bundle_folder.read_description(folder)) == "video":
        return load_video_bundle(folder, device)
    return load_published(folder, device)


def load_published(folder: str, device: str | torch.device = "cpu") -> Bundle:
    """A bundle of the published family, as `load_bundle` reads it. Raises InputError for one of the video family, too."""
    description = bundle_folder.read_description(folder)
    path = storage.join(folder, DESCRIPTION)
    if bundle_folder.family(description) != "published":
        raise InputError(f"{folder}: a bundle of the video family, expected one of the published family")
    sections = {key: upgrade(key, description[key]) for key in ("model", "diffusion")}
    config: Config = loading.from_dict(sections, where=path)
    target = bundle_folder.checked_device(device)

    def network(kind: type[Network], name: str) -> Network:
        weights = bundle_folder.read_weights(folder, name, description)
        return build(kind, config.model, weights, storage.join(folder, name)).to(target).eval().requires_grad_(False)

    return Bundle(
        model=config.model,
        diffusion=config.diffusion,
        lifter=network(Lifter, LIFTER),
        denoiser=network(Denoiser, DENOISER) if DENOISER in description["files"] else None,
        content_hash=bundle_folder.hash_of(description),
        provenance=description["provenance"],
    )
