"""Pages of sample poses as PNG: 2D in its image with joint names and sigmas, 3D beside it, and how it should look on top.

Where the joint order is wrong, bones cross all over the body, or the thick lines of legs hang from the shoulders; where left
and right are swapped, blue is on the right.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from mpl_toolkits.mplot3d import Axes3D

from pose_diffusion.geometry.skeleton import EDGES, JOINTS
from pose_diffusion.inspection.dataset_stats import Sample
from pose_diffusion.report.plots import draw_3d, side_colour, upright
from pose_diffusion.report.table import printable

POSES_A_PAGE = 8
_LARGEST_M = 10.0
_LEGS, _LEG_WIDTH = range(1, 7), 4.5  # joints, points
_COLUMNS = 4  # two poses, each in 2D and in 3D
# A person who stands and faces the camera, metres to the right and down.
_REFERENCE = np.array([
    [0, 0], [-0.13, 0], [-0.15, 0.42], [-0.16, 0.82], [0.13, 0], [0.15, 0.42], [0.16, 0.82], [0, -0.24], [0, -0.48],
    [0, -0.6], [0, -0.72], [0.17, -0.46], [0.36, -0.28], [0.46, -0.06], [-0.17, -0.46], [-0.36, -0.28], [-0.46, -0.06],
])  # fmt: skip
_LEGEND = (
    "As it should look: the person's left is blue, the right orange, and the legs are thick.\n\n"
    "Bones that cross all over the body, or arms that are thick: the joints are in another order.\n"
    "Faces the camera, and blue is on the left of the picture: left and right are swapped.\n"
    "Head below the feet: an axis points the other way.\n"
    "Numbers along the axes (pixels) beyond the image, or a person of metres that are none: a wrong unit.\n\n"
    "Grey frame: the image. Ellipses: sigma. Grid of the 3D poses: 0.25 m, unless the person is larger than 10 m."
)


def pages(samples: Sequence[Sample]) -> list[bytes]:
    """PNGs of POSES_A_PAGE poses each."""
    return [_page(samples[start : start + POSES_A_PAGE]) for start in range(0, len(samples), POSES_A_PAGE)]


def _page(samples: Sequence[Sample]) -> bytes:
    rows = -(-len(samples) // 2)
    drawing = Figure(figsize=(17, 4.2 * (rows + 1)))
    grid = drawing.add_gridspec(rows + 1, _COLUMNS, left=0.02, right=0.98, bottom=0.03, top=0.97, wspace=0.06, hspace=0.16)
    _reference(drawing.add_subplot(grid[0, 0]))
    text = drawing.add_subplot(grid[0, 1:])
    text.axis("off")
    text.text(0.02, 0.9, _LEGEND, fontsize=13, va="top", linespacing=1.5)
    for number, sample in enumerate(samples):
        row, column = 1 + number // 2, 2 * (number % 2)
        stats_2d = drawing.add_subplot(grid[row, column])
        _draw_2d(stats_2d, sample)
        stats_2d.set_title(printable(sample.name, 60), fontsize=10, loc="left", parse_math=False)
        if sample.pose_3d is not None and np.isfinite(sample.pose_3d).all():
            stats_3d: Axes3D = drawing.add_subplot(grid[row, column + 1], projection="3d")
            pose = upright(sample.pose_3d)
            size = float(np.ptp(pose, axis=0).max())
            shown = pose if size < _LARGEST_M else pose / size  # the grid of a person of a kilometre would never end
            draw_3d(stats_3d, shown, shown)
            stats_3d.set_title(f"3D, {np.ptp(pose[:, 2]):.2f} m from lowest to highest joint", fontsize=9, y=0.98)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()


def _reference(axes: Axes) -> None:
    _skeleton(axes, _REFERENCE)
    for joint, place in enumerate(_REFERENCE):
        axes.annotate(JOINTS[joint], place, fontsize=7, xytext=(3, 2), textcoords="offset points")
    axes.set(xlim=(-0.75, 0.75), ylim=(0.95, -0.85), aspect="equal")
    axes.axis("off")


def _draw_2d(axes: Axes, sample: Sample) -> None:
    pose = sample.pose_2d
    axes.add_patch(Rectangle((0, 0), sample.width, sample.height, fill=False, edgecolor="#aaaaaa"))
    for place, sigma in zip(pose, sample.sigma_px, strict=True):
        axes.add_patch(Ellipse(tuple(place), *(2 * sigma), facecolor="#00000010", edgecolor="#00000030", linewidth=0.5))
    _skeleton(axes, pose)
    for joint, place in zip(JOINTS, pose, strict=True):
        axes.annotate(_short(joint), place, fontsize=5.5, color="#333333", xytext=(2, 2), textcoords="offset points")
    middle, half = (pose.max(0) + pose.min(0)) / 2, max(np.ptp(pose, axis=0).max() / 2 * 1.2, 1.0)
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half), aspect="equal")
    axes.tick_params(labelsize=6, colors="#888888")
    for spine in axes.spines.values():
        spine.set_color("#dddddd")


def _skeleton(axes: Axes, pose: np.ndarray) -> None:
    for parent, joint in EDGES:
        width = _LEG_WIDTH if joint in _LEGS else _LEG_WIDTH / 3
        axes.plot(*pose[[parent, joint]].T, color=side_colour(joint), linewidth=width, marker="o", markersize=3)


def _short(joint: str) -> str:
    """'LShoulder' as 'LSho'."""
    return joint[:4] if joint[0] in "LR" else joint.split("/")[0]
