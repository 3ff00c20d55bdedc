"""Pages of sample poses."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
from PIL import Image

from pose_diffusion.inspection.dataset_stats import Sample
from pose_diffusion.inspection.pages import POSES_A_PAGE, pages


def sample(number: int = 0, with_3d: bool = True) -> Sample:
    rng = np.random.default_rng(number)
    pose = rng.normal(0, 0.4, (17, 3)) if with_3d else None
    return Sample(f"Walking $1 · frame {number}", rng.uniform(100, 900, (17, 2)), np.full((17, 2), 5.0), pose, 1000, 1000)


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_every_pose_has_its_place_on_a_page():
    assert len(pages([sample(n) for n in range(POSES_A_PAGE + 1)])) == 2
    assert pages([]) == []


def test_left_and_right_are_drawn_in_their_colours():
    (page,) = pages([sample()])
    colours = {tuple(colour) for colour in decoded(page).reshape(-1, 3)}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours


def test_poses_without_3d_and_in_one_point_are_drawn():
    point = Sample("point", np.zeros((17, 2)), np.zeros((17, 2)), np.zeros((17, 3)), 100, 100)
    (page,) = pages([sample(with_3d=False), point])
    assert decoded(page).shape[1] > 1000


def test_a_person_in_millimetres_is_drawn_as_quickly_as_any():
    huge = sample()
    (page,) = pages([dataclasses.replace(huge, pose_3d=huge.pose_3d * 1e9)])
    assert decoded(page).shape == decoded(pages([huge])[0]).shape


def test_another_pose_is_another_picture():
    assert pages([sample(0)]) != pages([sample(1)])
