"""What the video model is trained on: how clips are drawn, seen and disturbed, and what is minimised."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pose_diffusion.config.section import Count, NonNegative, Section, Share


class VideoConfig(Section):
    single_share: Share = 0.2
    """Share of steps whose clips are single frames."""
    full_share: Share = 0.2
    """Share of steps whose clips have model.frames frames; other lengths are drawn evenly by their logarithm."""
    grow_share: Share = 0.5
    """Share of the epochs over which clips grow from one frame to model.frames: short ones teach more at first."""
    strides: Annotated[list[Count], Field(min_length=1)] = [1, 1, 2, 3]
    """Every how many frames a clip takes one; one of these is drawn for each clip."""
    reverse: Share = 0.5
    """Share of clips that run backwards."""
    random_cameras: Share = 0.9
    """Share of clips seen by a random camera, on a body of another size; the rest keep the data set's own camera."""
    errors: NonNegative = 1.0
    """Factor on how often and how far simulated detector errors move joints; 0 leaves them out."""
    misjudged: Share = 0.3
    """Share of clips whose focal length the network is told wrongly, as where it is assumed."""
    scaled_loss: NonNegative = 0.5
    """Weight of the error after the best scale, beside the joints' distance."""
    velocity_loss: NonNegative = 1.0
    """Weight of the velocity's error, in metres a frame of 30 frames a second."""
    bone_loss: NonNegative = 0.2
    """Weight of the bones' errors in length."""

    @model_validator(mode="after")
    def _shares_leave_room(self) -> VideoConfig:
        if self.single_share + self.full_share > 1:
            raise ValueError(f"single_share {self.single_share} and full_share {self.full_share} are more than 1 together")
        return self
