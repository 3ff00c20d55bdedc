"""What the video family is told of a shard folder beside its rows: the frame rate and the cameras, known or assumed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from pose_diffusion import pretrained
from pose_diffusion.config import Config, InferConfig, loading
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.inference.bundle_folder import DESCRIPTION
from pose_diffusion.inference.clip_lifting import ASSUMED_RATE
from pose_diffusion.inference.options import check_video_settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoInput:
    """frames: of the longest clip. rate: frames a second. rate_from: who says so."""

    frames: int
    rate: float
    rate_from: str

    @property
    def known_rate(self) -> float | None:
        """The rate, unless it is assumed."""
        return None if self.rate_from == "assumed" else self.rate

    def settings(self, infer: InferConfig, manifest: Manifest, selection: Selection) -> dict[str, Any]:
        """What was known and what was assumed, for the report."""
        return {"frame_rate": f"{self.rate:g} ({self.rate_from})", "camera": cameras_text(infer, manifest, selection)}


def video_input(infer: InferConfig, manifest: Manifest, description: dict) -> VideoInput:
    """Of a bundle of the video family. Raises InputError for settings that it does not have."""
    check_video_settings(infer)
    config: Config = loading.from_dict(
        {"model": description["model"]}, where=f"{pretrained.title(infer.bundle)}: {DESCRIPTION}"
    )
    known = manifests.frame_rate(manifest)
    if known is None and infer.fps is None:
        log.warning("infer: %g frames a second are assumed, as the shards do not say: set infer.fps", ASSUMED_RATE)
        return VideoInput(config.model.frames, ASSUMED_RATE, "assumed")
    if known is None:
        return VideoInput(config.model.frames, float(infer.fps or ASSUMED_RATE), "infer.fps")
    if infer.fps not in (None, known):
        log.warning("infer: the shards say %g frames a second, infer.fps is not used", known)
    return VideoInput(config.model.frames, known, "the shards'")


def cameras_text(infer: InferConfig, manifest: Manifest, selection: Selection) -> str:
    """How many of the selected cameras are known, and what is assumed of the others."""
    spans = (span for file in selection.files(manifest) for span in file.spans)
    named = {f"{span.subject}/{span.camera}" for span in spans if selection.holds(span.subject, span.action)}
    unknown = len(named - manifest.cameras.keys())
    if not unknown:
        return "known"
    lens = (
        "focal length = the image's diagonal"
        if infer.field_of_view is None
        else f"field of view {infer.field_of_view:g} degrees"
    )
    return f"{lens}, assumed for {unknown} of {len(named)}"
