"""What is probably wrong with a data set, and why: a line each, with the figure that gives it away.

Bounds lie well outside of what Human3.6M, CMU's motion capture and 2D archives show, so that a line means something.
Left and right of 2D poses alone cannot be checked: seen from the other side, a mirrored person looks the same.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pose_diffusion.geometry import proportions, tempo
from pose_diffusion.geometry.proportions import BONES, LIMBS, part_of
from pose_diffusion.geometry.skeleton import JOINTS
from pose_diffusion.inspection.dataset_stats import FAR, ORDERS, DatasetStats, Stats3D, quantile

# Lengths of bones on the image in sides of the square around the person, as people mostly have them.
_SIDES = {"Hip": 0.055, "Knee": 0.275, "Foot": 0.265, "Spine": 0.16, "Thorax": 0.15, "Shoulder": 0.09, "Elbow": 0.195,
          "Wrist": 0.14}  # fmt: skip
# Bones together, in lengths of the shortest lines that join the joints: 1.1 to 1.8 whether people stand, sit, bend or crawl,
# and 2.2 or more in another order.
_WRONG_LENGTHS = 2.0
_OUT_OF_LINE = 0.1  # sides of the square; a knee and a foot, exchanged, are off by 0.27 where people stand
_FEET, _HEAD = [JOINTS.index("RFoot"), JOINTS.index("LFoot")], JOINTS.index("Head")
_UNITS = {1000.0: "millimetres", 100.0: "centimetres", 0.001: "kilometres"}
_REPROJECTION_PX = 30.0


def findings(total: DatasetStats) -> list[str]:
    """The lines, most telling first; none for a data set that looks right."""
    stats_2d, stats_3d = total.stats_2d, total.all_stats_3d
    if not stats_2d.rows:
        return ["no rows"]
    order = _bones(total) or _joint_order(total)
    found = [*_scale_2d(total), *(_scale_3d(stats_3d, known_units_alone=bool(order)) if stats_3d.rows else []), *order]
    if not order:
        found += [*_upside_down(total), *_left_and_right(total), *(_agreement(total) if stats_3d.rows else [])]
    return found + _speed(total) + _repetitions(total)


def asymmetry(bones: np.ndarray) -> dict[str, float]:
    """Difference of a left and a right bone over their mean, for each pair; bones: (16,) lengths or their sums."""
    pairs = {}
    for part in ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist"):
        left, right = (float(bones[BONES.index(side + part)]) for side in "LR")
        pairs[part] = 2 * (left - right) / max(left + right, 1e-12)
    return pairs


def _scale_2d(total: DatasetStats) -> list[str]:
    stats_2d = total.stats_2d
    joints, sigma = stats_2d.rows * len(JOINTS), stats_2d.sigma / stats_2d.rows
    far = f"of the joints lie more than {FAR / 2:g} image widths from the middle"
    found = []
    if stats_2d.far > 0.5 * joints:
        found.append(f"2D: {stats_2d.far / joints:.0%} {far}: pixels that were not normalised?")
    elif stats_2d.far > 0.001 * joints:
        found.append(f"2D: {stats_2d.far / joints:.1%} {far}: a wrong image size, or bad detections?")
    elif stats_2d.shares > 0.999 * joints:
        found.append("2D: every coordinate is between 0 and 1: shares of the image, where -1 to 1 is expected?")
    if sigma > 0.5:
        found.append(f"2D: sigma is {sigma / 2:.3g} image widths on average: pixels that were not normalised?")
    return found


def _scale_3d(stats_3d: Stats3D, known_units_alone: bool) -> list[str]:
    known = [bone for bone in BONES if part_of(bone) in proportions.USUAL and bone != "Head"]
    usual = sum(proportions.USUAL[part_of(bone)] for bone in known)
    ratio = sum(float(stats_3d.bones[BONES.index(bone)]) for bone in known) / stats_3d.rows / usual
    found = []
    if not 0.4 < ratio < 2.5:
        unit = next((name for factor, name in _UNITS.items() if 0.4 < ratio / factor < 2.5), None)
        if unit or not known_units_alone:
            found.append(f"3D: people are {ratio:.3g} times their usual size: {unit or 'another unit'} for metres?")
    if stats_3d.roots and not 0.1 < (depth := stats_3d.depth / stats_3d.roots) < 100:
        found.append(f"3D: people stand {depth:.3g} m from the camera on average: root_3d in another unit than metres?")
    return found


def _bones(total: DatasetStats) -> list[str]:
    """A line for each person with bones of no length, or whose lengths tell which ends of bones were taken."""
    found = []
    for subject, one in sorted(total.stats_3d.items()):
        who, rows = f"3D: {subject or 'the person'}", max(one.rows, 1)
        bones = {bone: float(length) / rows for bone, length in zip(BONES, one.bones, strict=True)}
        size = float(np.median([bones[bone] / proportions.USUAL[part_of(bone)] for bone in BONES if part_of(bone) in LIMBS]))
        bones = {bone: length / max(size, 1e-9) for bone, length in bones.items()}  # as metres, whatever the unit
        what, none = proportions.mixed_ends(bones), proportions.of_no_length(bones)
        if what:
            found.append(
                f"{who}: near and far ends of bones are mixed ({what}?): shins have {bones['LFoot'] / bones['LKnee']:.2g} times"
                " the length of thighs"
            )
        elif none == ["Head"]:
            length = f"{1000 * size * bones['Head']:.0f} mm"
            found.append(f"{who} has a head of no length ({length}): a file that does not say where the head ends?")
        elif none:
            found.append(f"{who} has bones of no length, to {', '.join(none[:3])}: one joint under two names?")
    return found


def _joint_order(total: DatasetStats) -> list[str]:
    stats_2d, stats_3d = total.stats_2d, total.all_stats_3d
    as_is = next(number for number, order in enumerate(ORDERS) if order.name == "h36m17")
    lengths = stats_2d.lengths / stats_2d.rows
    best = int(lengths.argmin())
    shorter = lengths[best] / lengths[as_is]
    found = []
    if lengths[as_is] > _WRONG_LENGTHS:
        found.append(
            f"2D: wrong joint order? Bones together have {lengths[as_is]:.1f} times the length they could have; 1.5 is usual"
        )
    found += _odd_bones(stats_2d.bones / stats_2d.rows, _SIDES, "2D", loose=3.5, tight=2.2)
    found += _out_of_line(stats_2d.below / stats_2d.rows)
    if stats_3d.rows:
        found += _odd_bones(stats_3d.bones / stats_3d.rows, proportions.USUAL, "3D", loose=2.8, tight=1.6)
    if shorter < (0.95 if found else 0.8):
        return [f"2D: wrong joint order, of {ORDERS[best].name}? Read so, bones together have {shorter:.0%} of their length"]
    return found[:1]


def _out_of_line(below: np.ndarray) -> list[str]:
    """A line where a joint is on the wrong side of its neighbour on average. below: (17,), sides of the square."""
    if below[_FEET].mean() < below[_HEAD]:
        return []  # upside down, which is another finding
    for side in "LR":
        for upper, lower in pairwise(JOINTS.index(name) for name in ("Head", "Thorax", "Hip", f"{side}Knee", f"{side}Foot")):
            if below[lower] < below[upper] - _OUT_OF_LINE:
                return [f"2D: wrong joint order? {JOINTS[lower]} is above {JOINTS[upper]} on average"]
    return []


def _odd_bones(bones: np.ndarray, usual: dict[str, float], what: str, loose: float, tight: float) -> list[str]:
    """A line on the bone that is out of proportion most. loose, tight: factors that bones of the trunk and of limbs may
    differ by; what tools call spine, thorax or hip is not always the same place.
    """
    ratios = {bone: float(bones[i]) / usual[part_of(bone)] for i, bone in enumerate(BONES) if part_of(bone) in usual}
    scale = max(float(np.median(list(ratios.values()))), 1e-12)
    off = {bone: max(ratio / scale, 1e-6) for bone, ratio in ratios.items()}
    odd = [bone for bone in off if abs(np.log(off[bone])) > np.log(tight if part_of(bone) in LIMBS else loose)]
    if not odd:
        return []
    bone = max(odd, key=lambda name: abs(np.log(off[name])))
    return [
        f"{what}: wrong joint order? The bone to {bone} has {off[bone]:.1f} times its usual length ({len(odd)} bones are odd)"
    ]


def _upside_down(total: DatasetStats) -> list[str]:
    found = []
    for what, below, rows in (
        ("2D", total.stats_2d.below, total.stats_2d.rows),
        ("3D", total.all_stats_3d.below, total.all_stats_3d.rows),
    ):
        if rows and below[_FEET].mean() < below[_HEAD]:
            found.append(f"{what}: heads are below feet on average: upside down, an axis that points up instead of down?")
    return found


def _left_and_right(total: DatasetStats) -> list[str]:
    stats_2d, stats_3d = total.stats_2d, total.all_stats_3d
    found = []
    for what, across, rows in (("2D", stats_2d.across, stats_2d.rows), ("3D", stats_3d.across, stats_3d.rows)):
        if rows and across / rows < -0.2:
            found.append(f"{what}: shoulders and hips point opposite ways: left and right of arms or legs are swapped?")
    if found or not stats_3d.rows:
        return found
    backward = stats_3d.knees / stats_3d.rows < -0.02 and stats_3d.forward < 0.4 * stats_3d.rows
    as_is, mirrored = stats_3d.residual / stats_3d.rows
    disagree = mirrored < 0.7 * as_is
    share = f"knees bend backward in {1 - stats_3d.forward / stats_3d.rows:.0%} of the poses"
    if backward and disagree:
        found.append(f"3D: left and right are swapped: {share}, and the 2D has the other side")
    elif disagree:
        nearer = as_is / max(mirrored, 1e-9)
        found.append(f"2D: left and right are swapped: exchanged, the joints are {nearer:.1f} times as near to the 3D")
    elif backward:
        found.append(f"2D and 3D: left and right are swapped, or the poses mirrored: {share}")
    return found


def _agreement(total: DatasetStats) -> list[str]:
    """Whether the bones of each person stay and are even, and whether 2D and 3D show the same."""
    stats_3d = total.all_stats_3d
    limbs = [i for i, bone in enumerate(BONES) if part_of(bone) in LIMBS]
    found = []
    for subject, one in sorted(total.stats_3d.items()):
        who = f"3D: {subject or 'the person'}"
        part, uneven = max(asymmetry(one.bones).items(), key=lambda item: abs(item[1]))
        if abs(uneven) > 0.15:
            found.append(f"{who} is uneven: the bones to L{part} and R{part} differ by {abs(uneven):.0%}: a bad calibration?")
        mean = one.bones / one.rows
        spread = (np.sqrt((one.squares / one.rows - mean**2).clip(0)) / mean.clip(1e-9))[limbs].mean()
        if spread > 0.2:
            found.append(f"{who} has limbs whose length varies by {spread:.0%}: several people, or bad 3D?")
    errors, residual = total.all_reprojection.errors_px, stats_3d.residual[0] / stats_3d.rows
    if errors.any() and (median := quantile(errors, 0.5)) > _REPROJECTION_PX:
        found.append(f"3D: projects {median:.0f} px away from the 2D (median): cameras or frames that do not belong together?")
    elif not errors.any() and residual > 0.2:
        found.append(f"3D: {residual:.0%} of a person's size away from the 2D: frames that do not belong together?")
    return found


def _speed(total: DatasetStats) -> list[str]:
    """A line for each person who moves faster than people can."""
    found = []
    for subject, one in sorted(total.stats_3d.items()):
        who, why = f"3D: {subject or 'the person'}", "double speed, from files that say twice their frame rate?"
        if one.steps >= tempo.FEWEST_STEPS and one.quick_steps > one.steps / 2:
            found.append(
                f"{who} takes {one.quick_steps} of {one.steps} walking steps in less than {tempo.QUICKEST_STEP} s: {why}"
            )
        elif one.frozen <= 0.02 * one.rows and (hertz := tempo.too_quick(one.speed, one.acceleration, one.swings)):
            found.append(f"{who} swings arms and legs {hertz:.1f} times a second: noise, or {why}")
    return found


def _repetitions(total: DatasetStats) -> list[str]:
    stats_2d, stats_3d = total.stats_2d, total.all_stats_3d
    found = []
    if stats_2d.unordered:
        found.append(f"frames: {stats_2d.unordered:,} rows do not follow the frame before: frames twice, or out of order")
    last: dict[tuple[str, str, str], int] = {}
    for frame_range in sorted(total.frame_ranges, key=lambda s: (s.subject, s.action, s.camera, s.first, s.last)):
        key = (frame_range.subject, frame_range.action, frame_range.camera)
        if frame_range.first <= last.get(key, -1):
            found.append(f"frames: {' / '.join(part or '?' for part in key)} has frame {frame_range.first} twice")
            break
        last[key] = max(frame_range.last, last.get(key, -1))
    if stats_2d.frozen > 0.02 * stats_2d.rows:
        found.append(
            f"2D: {stats_2d.frozen / stats_2d.rows:.0%} of the frames equal the one before: a frozen detector or video?"
        )
    if stats_3d.frozen > 0.02 * max(stats_3d.rows, 1):
        found.append(f"3D: {stats_3d.frozen / stats_3d.rows:.0%} of the frames equal the one before: frozen motion capture?")
    if total.sketch.repeated > 0.01:
        found.append(f"2D: {total.sketch.repeated:.0%} of the poses are there more than once: the same files twice?")
    return found
