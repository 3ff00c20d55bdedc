"""The frame rate that a manifest states."""

from __future__ import annotations

import pytest

from pose_diffusion.data.manifest import Manifest, frame_rate
from pose_diffusion.geometry.skeleton import JOINTS


def manifest(**source: object) -> Manifest:
    return Manifest(version=1, kernels=1, joints=list(JOINTS), cameras={}, source=source, settings={}, files=[])


@pytest.mark.parametrize("source", [{"fps": 25}, {"frames_per_second": 25.0}])
def test_the_converters_rate_is_taken(source: dict) -> None:
    assert frame_rate(manifest(**source)) == 25.0


def test_human36m_has_50_frames_a_second() -> None:
    assert frame_rate(manifest(converter="human36m")) == 50.0


@pytest.mark.parametrize("fps", [None, 0, -1, float("nan"), float("inf"), "25", True])
def test_what_is_no_rate_is_unknown(fps: object) -> None:
    assert frame_rate(manifest(fps=fps)) is None
    assert frame_rate(manifest()) is None
