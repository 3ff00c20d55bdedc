"""How long steps take and how often limbs swing."""

from __future__ import annotations

import numpy as np
import pytest

from pose_diffusion.data.sources.motion import synthetic
from pose_diffusion.geometry import tempo
from pose_diffusion.geometry.skeleton import JOINTS


def swinging(hertz: float, metres: float, fps: float = 50.0) -> np.ndarray:
    """(400, 17, 3): wrists and ankles to and fro, everything else at rest."""
    pose = np.zeros((400, 17, 3))
    ends = [JOINTS.index(joint) for joint in ("RFoot", "LFoot", "RWrist", "LWrist")]
    pose[:, ends, 0] = metres * np.sin(2 * np.pi * hertz * np.arange(400) / fps)[:, None]
    return pose


@pytest.mark.parametrize("hertz", [2.5, 4.0])
def test_swings_a_second_are_measured(hertz: float) -> None:
    assert tempo.too_quick(*tempo.limb_motion(swinging(hertz, 0.3), 50)) == pytest.approx(hertz, rel=0.03)


@pytest.mark.parametrize(("hertz", "metres"), [(1.5, 0.5), (4.0, 0.01)], ids=["slow", "small"])
def test_slow_or_small_movement_is_not_too_quick(hertz: float, metres: float) -> None:
    assert tempo.too_quick(*tempo.limb_motion(swinging(hertz, metres), 50)) is None


def test_a_sequence_of_few_frames_is_not_measured() -> None:
    assert tempo.limb_motion(swinging(4, 0.3)[:4], 50) == (0.0, 0.0, 0)
    assert tempo.steps(np.zeros((1, 17, 3)), np.zeros((1, 3))).size == 0


def test_a_step_takes_as_many_frames_at_any_scale_of_the_person() -> None:
    points = synthetic.motion("S1", "Walking", 0, 600, 0)
    pose, root = points - points[:, :1], points[:, 0]
    found = tempo.steps(pose, root)
    assert len(found) >= tempo.FEWEST_STEPS
    np.testing.assert_array_equal(tempo.steps(0.5 * pose, 0.5 * root), found)
