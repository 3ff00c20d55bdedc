"""Pictures of single poses: the 2D input, the prediction and the truth, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from mpl_toolkits.mplot3d import Axes3D

from pose_diffusion.geometry.skeleton import EDGES, LEFT, RIGHT
from pose_diffusion.report.gallery import Example
from pose_diffusion.report.table import printable

# Told apart by people with any colour vision (Okabe and Ito's palette), on paper and on screen.
LEFT_COLOUR, RIGHT_COLOUR, MIDDLE_COLOUR = "#0072B2", "#D55E00", "#444444"

_GRID_M = 0.25


def side_colour(joint: int) -> str:
    """Colour of the bone that ends in a joint."""
    return LEFT_COLOUR if joint in LEFT else RIGHT_COLOUR if joint in RIGHT else MIDDLE_COLOUR


def name_of(example: Example) -> str:
    """Whose pose it is, in one line."""
    names = [printable(name, 24) for name in (example.action, example.subject, example.camera) if name]
    return " · ".join([*names, f"frame {example.frame}"])


def upright(pose_3d: np.ndarray) -> np.ndarray:
    """Camera axes (x right, y down, z away) to axes with z up: (x, z, -y). (..., 3) -> (..., 3)."""
    return np.stack([pose_3d[..., 0], pose_3d[..., 2], -pose_3d[..., 1]], -1)


def figure(rows: Sequence[tuple[str, Example]], dpi: int = 110) -> bytes:
    """A PNG with a row for each (label, pose): 2D input, prediction, truth. Left is blue, right is orange; the
    grid is 0.25 m wide.
    """
    drawing = Figure(figsize=(9.6, 3.6 * len(rows)))
    grid = drawing.add_gridspec(len(rows), 3, left=0.05, right=0.99, bottom=0.04, top=1 - 0.12 / len(rows), wspace=0.05)
    for number, (label, example) in enumerate(rows):
        flat, predicted, truth = _draw_row(drawing, grid, number, example)
        # Names come from the data: a dollar sign in one is no formula.
        flat.set_title(name_of(example), fontsize=9, loc="left", parse_math=False)
        flat.set_xlabel("2D input", fontsize=8, color="#666666")
        predicted.set_title(f"{label}: {example.error_mm:.1f} mm", fontsize=10, fontweight="bold", y=0.98)
        truth.set_title("Truth", fontsize=10, y=0.98)
    return _png(drawing, dpi)


def thumbnail(example: Example) -> bytes:
    """A PNG of one pose to be shown small, under a caption that says whose it is: its few words are large."""
    drawing = Figure(figsize=(5.2, 2))
    grid = drawing.add_gridspec(1, 3, left=0.01, right=0.99, bottom=0.03, top=0.87, wspace=0.05)
    for axes, title in zip(_draw_row(drawing, grid, 0, example), ("2D input", "prediction", "truth"), strict=True):
        axes.set_title(title, fontsize=9, color="#52606d")
    return _png(drawing, 150)


def _draw_row(drawing: Figure, grid: GridSpec, row: int, example: Example) -> tuple[Axes, Axes, Axes]:
    """Draws 2D input, prediction and truth; returns their axes."""
    flat = drawing.add_subplot(grid[row, 0])
    _draw_2d(flat, example.pose_2d)
    poses = [upright(example.pose_3d), upright(example.truth_3d - example.truth_3d[:1])]
    with rc_context({"grid.color": "#e2e2e2"}):  # 3D axes take their grid's colour from here alone
        solids: list[Axes3D] = [drawing.add_subplot(grid[row, place], projection="3d") for place in (1, 2)]
    for solid, pose in zip(solids, poses, strict=True):
        draw_3d(solid, pose, np.concatenate(poses))
    return flat, solids[0], solids[1]


def _png(drawing: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _draw_2d(axes: Axes, pose: np.ndarray) -> None:
    for parent, joint in EDGES:
        axes.plot(*pose[[parent, joint]].T, color=side_colour(joint), linewidth=2, marker="o", markersize=3)
    middle, half = (pose.max(0) + pose.min(0)) / 2, max(np.ptp(pose, axis=0).max() / 2 * 1.1, 1e-3)
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] + half, middle[1] - half)  # v points down
    axes.set_aspect("equal")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color("#dddddd")


def draw_3d(axes: Axes3D, pose: np.ndarray, extent: np.ndarray) -> None:
    for parent, joint in EDGES:
        axes.plot(*pose[[parent, joint]].T, color=side_colour(joint), linewidth=2.2, marker="o", markersize=2.5)
    middle, half = (extent.max(0) + extent.min(0)) / 2, max(np.ptp(extent, axis=0).max() / 2, 1e-3)
    sides = [(m - half, m + half) for m in middle]
    axes.set(xlim=sides[0], ylim=sides[1], zlim=sides[2])
    axes.set_box_aspect((1, 1, 1), zoom=1.2)
    axes.view_init(elev=12, azim=-70)
    for axis, (low, high) in zip((axes.xaxis, axes.yaxis, axes.zaxis), sides, strict=True):
        axis.set_pane_color((0.975, 0.975, 0.975, 1.0))
        axis.set_ticks(np.arange(np.ceil(low / _GRID_M), high / _GRID_M) * _GRID_M, labels=[])
        axis.line.set_color("#cccccc")
        axis.set_tick_params(color="#cccccc")
