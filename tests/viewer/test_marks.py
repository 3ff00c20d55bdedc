from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from recordings import person

from pose_diffusion.geometry.skeleton import FLIP
from pose_diffusion.viewer import marks


def test_a_moving_person_has_no_marks() -> None:
    someone = person()
    assert marks.find(someone, marks.spread_limit([someone]), 30) == {"unsure": [], "jump": []}


def test_wide_spread_is_unsure_from_its_first_to_its_last_frame() -> None:
    someone = person(first=100)
    someone.spread[20:26] = 0.07
    found = marks.find(someone, marks.spread_limit([someone]), 30)
    assert found["unsure"] == [[120, 125]]


def test_the_limit_is_one_and_a_half_medians_of_all_people() -> None:
    one, other = person(frames=10), person(frames=21)
    other.spread[:] = 0.1
    assert marks.spread_limit([one, other]) == pytest.approx(0.15)


def test_poses_without_spread_have_no_limit() -> None:
    someone = person()
    someone.spread[:] = 0
    assert marks.spread_limit([someone]) is None


def test_sides_swapped_in_one_frame_are_a_jump_there_and_back() -> None:
    someone = person()
    someone.pose_3d[30] = someone.pose_3d[30][list(FLIP)]
    assert marks.find(someone, None, 30)["jump"] == [[30, 31]]


def test_another_place_is_a_jump() -> None:
    someone = person()
    someone.root_3d[40:] += np.float32([0, 0, 2])
    assert marks.find(someone, None, 30)["jump"] == [[40, 40]]


def test_what_is_reached_in_the_frames_between_is_no_jump() -> None:
    someone = person()
    someone.root_3d[40:] += np.float32([0, 0, 2])
    frame = someone.frame.copy()
    frame[40:] += 30  # a second without the person
    assert marks.find(dataclasses.replace(someone, frame=frame), None, 30)["jump"] == []


def test_noise_at_a_high_rate_is_no_jump() -> None:
    someone = person()
    someone.pose_3d[:, 1:] += np.random.default_rng(0).normal(0, 0.015, (60, 16, 3)).astype(np.float32)
    assert marks.find(someone, None, 240)["jump"] == []


def test_a_missing_root_is_no_jump() -> None:
    someone = person()
    someone.root_3d[10] = np.nan
    assert marks.find(someone, None, 30)["jump"] == []
