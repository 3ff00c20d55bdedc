"""A bundle of the video family: one network, video.safetensors, and its sizes in model.yaml. See `bundle_folder`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pose_diffusion import storage
from pose_diffusion.config import Config, ModelConfig, loading
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.layouts import Layout
from pose_diffusion.inference import bundle_folder
from pose_diffusion.inference.bundle_card import describe_video
from pose_diffusion.inference.bundle_folder import DESCRIPTION, VIDEO, VIDEO_CONVENTION
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.models.video.network import VideoNetwork
from pose_diffusion.models.weights import build

if TYPE_CHECKING:
    from pose_diffusion.inference.keypoints import LiftedPoses


@dataclasses.dataclass(frozen=True, eq=False)
class VideoBundle:
    """The video network, in evaluation mode on one device, with a digest of what it computes and where it came from."""

    model: ModelConfig
    network: VideoNetwork
    content_hash: str = ""
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return self.network.out.bias.device

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
        """Keypoints of one person to 3D, as `prepare` and `infer` do it with a file of them. See `Bundle.lift_keypoints`.

        fps: frames a second; 30 are assumed where it is None.
        camera, or field_of_view: where neither is given the focal length is assumed, as long as the image's diagonal, and
        the result has no root.
        options: those of `SamplingOptions` that do not ask for diffusion, by name, such as flips=False. seed: changes nothing.
        """
        # Imported here because it loads the sources of detections (scipy, h5py), which lifting mixtures does not need.
        from pose_diffusion.inference import keypoints

        chosen = SamplingOptions(**options)
        chosen.check_video()
        width = keypoints.smoothing_width(smooth, fps)
        sequences = keypoints.read_keypoints(pixels, image_size, layout, min_confidence, longest_gap, name)
        cameras = keypoints.sequence_cameras(sequences, camera, field_of_view)
        estimates = keypoints.lift_videos(self.network, self.model.frames, sequences, chosen, cameras, fps)
        if width:
            estimates = keypoints.smooth_sequences(sequences, estimates, width)
        return keypoints.join_sequences(sequences, estimates, len(pixels), fps)  # type: ignore[arg-type]


def save_video_bundle(
    folder: str,
    model: ModelConfig,
    weights: Mapping[str, Tensor],
    provenance: Mapping[str, Any] | None = None,
    notes: str = "",
) -> None:
    """Writes a bundle from the network's state dict. `provenance` holds plain values; `notes` (Markdown) ends the card.

    Raises InputError where the weights do not fit the sizes in `model`, or it is of another family.
    """
    if model.family != "video":
        raise InputError(f"model.family is {model.family}: expected video")
    build(VideoNetwork, model, weights, "video")
    card = describe_video(model, sum(tensor.numel() for tensor in weights.values()), provenance or {}, notes)
    bundle_folder.publish(folder, {"model": model.described()}, VIDEO_CONVENTION, {VIDEO: weights}, provenance or {}, card)


def load_video_bundle(folder: str, device: str | torch.device = "cpu") -> VideoBundle:
    """A bundle of the video family, as `load_bundle` reads it. Raises InputError for one of the published family, too."""
    description = bundle_folder.read_description(folder)
    if bundle_folder.family(description) != "video":
        raise InputError(f"{folder}: a bundle of the published family, expected one of the video family")
    config: Config = loading.from_dict({"model": description["model"]}, where=storage.join(folder, DESCRIPTION))
    target = bundle_folder.checked_device(device)
    weights = bundle_folder.read_weights(folder, VIDEO, description)
    network = build(VideoNetwork, config.model, weights, storage.join(folder, VIDEO))
    return VideoBundle(
        model=config.model,
        network=network.to(target).eval().requires_grad_(False),
        content_hash=bundle_folder.hash_of(description),
        provenance=description["provenance"],
    )
