from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib.image
import numpy as np
import pytest
from fakes import Run, table

from pose_diffusion.report import plots
from pose_diffusion.report.gallery import Example
from pose_diffusion.report.report_stats import merge, summarise


@pytest.fixture
def example(run: Run) -> Example:
    return merge(map(summarise, run(table()))).gallery.worst[0]


def test_upright_turns_the_cameras_down_into_up() -> None:
    head_above_hip = np.array([[0.0, 0.0, 4.0], [0.1, -0.6, 4.2]])  # y points down
    assert plots.upright(head_above_hip)[1].tolist() == [0.1, 4.2, 0.6]


def test_left_right_and_middle_have_three_colours() -> None:
    assert len({plots.side_colour(joint) for joint in (13, 16, 10)}) == 3


def test_a_figure_has_a_row_for_each_pose(example: Example) -> None:
    one, two = (matplotlib.image.imread(io.BytesIO(plots.figure([("Worst", example)] * rows))) for rows in (1, 2))
    assert two.shape[0] == 2 * one.shape[0]
    assert two.shape[1] == one.shape[1]


@pytest.mark.parametrize("drawn", [lambda pose: plots.figure([("Worst", pose)]), plots.thumbnail], ids=["figure", "thumbnail"])
def test_both_sides_are_drawn_in_all_three_panels(drawn: Callable[[Example], bytes], example: Example) -> None:
    image = (matplotlib.image.imread(io.BytesIO(drawn(example)))[..., :3] * 255).round().astype(int)
    for panel in np.array_split(image, 3, axis=1):
        for colour in (plots.LEFT_COLOUR, plots.RIGHT_COLOUR):
            rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            assert (abs(panel - rgb).max(-1) <= 3).sum() > 50


def test_a_dollar_sign_in_a_name_is_no_formula(run: Run) -> None:
    worst = merge(map(summarise, run(table(names=lambda action: "$x_{" + action)))).gallery.worst[0]
    assert plots.figure([("Worst", worst)]).startswith(b"\x89PNG")
