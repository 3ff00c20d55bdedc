"""Joint layouts: each file describes one, and gives the 17 joints as means of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.geometry.layouts import LAYOUTS, Layout, by_names, largest_by_names, of_size, read, simplified
from pose_diffusion.geometry.skeleton import JOINTS, LEFT, RIGHT

SIDES = {**dict.fromkeys(LEFT, "left"), **dict.fromkeys(RIGHT, "right")}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_each_of_the_17_is_a_mean_of_joints_of_its_own_side(layout: Layout) -> None:
    np.testing.assert_allclose(layout.weights.sum(1), 1, rtol=1e-6)
    for joint, parts in enumerate(layout.parts):
        if joint in SIDES and layout.name != "h36m17":
            assert all(part.startswith(SIDES[joint]) for part in parts), JOINTS[joint]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_a_layout_says_what_writes_it_and_its_name_how_many_joints_it_has(layout: Layout) -> None:
    assert layout.written_by and layout.source
    assert layout.name.endswith(str(len(layout.joints))) or layout.name in ("body25b", "posetrack18")
    assert layout in of_size(len(layout.joints))


def test_body_25b_has_cocos_joints_first_and_body_25_does_not() -> None:
    coco = LAYOUTS["coco17"].joints
    assert LAYOUTS["body25b"].joints[:17] == coco != LAYOUTS["body25"].joints[:17]


@pytest.mark.parametrize("name", ["halpe26", "halpe136", "coco_wholebody133", "humanart21", "body25b"])
def test_larger_layouts_place_the_limbs_where_cocos_17_do(name: str) -> None:
    points = np.random.default_rng(0).normal(size=(5, len(LAYOUTS[name].joints), 2))
    limbs = sorted(SIDES)
    theirs, ours = LAYOUTS[name].positions(points), LAYOUTS["coco17"].positions(points[:, :17])
    np.testing.assert_array_equal(theirs[:, limbs], ours[:, limbs])


def test_neck_and_head_of_aic_are_weighted_between_neck_and_head_top() -> None:
    points = np.zeros((14, 1))
    points[LAYOUTS["aic14"].joints.index("head top")] = 12.0
    placed = LAYOUTS["aic14"].positions(points)[:, 0]
    np.testing.assert_allclose(placed[[JOINTS.index("Neck/Nose"), JOINTS.index("Head")]], [3.0, 7.0])


def test_a_joint_is_as_sure_as_the_least_sure_of_its_parts() -> None:
    confidence = np.full(17, 0.9)
    confidence[LAYOUTS["coco17"].joints.index("left hip")] = 0.2
    sure = LAYOUTS["coco17"].confidence(confidence)
    assert sure[JOINTS.index("Hip")] == sure[JOINTS.index("LHip")] == 0.2
    assert sure[JOINTS.index("RHip")] == 0.9


@pytest.mark.parametrize("name", ["Left Shoulder", "left_shoulder", "LShoulder", "shoulder.L", "leftShoulder"])
def test_a_joints_name_is_told_in_whatever_way_it_is_written(name: str) -> None:
    assert simplified(name) == "lshoulder"


def test_a_layout_is_found_by_the_names_of_its_joints_in_any_order() -> None:
    names = [f"extra {number}" for number in range(3)] + [
        joint.replace(" ", "_") for joint in LAYOUTS["crowdpose14"].joints[::-1]
    ]
    layout, places = by_names(names, [LAYOUTS["coco17"], LAYOUTS["crowdpose14"]]) or (None, [])
    assert layout is LAYOUTS["crowdpose14"]
    assert places == [16 - number for number in range(14)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Hip: [left hip, right hip]", "Hip: [middle hip]"),  # no joint of the layout
        ("  Head: [left eye, right eye]\n", ""),  # a joint without parts
        ("right ear,", "left ear,"),  # a joint twice
        ("name: coco17", "name: coco18"),  # another name than the file's
    ],
)
def test_a_file_that_describes_no_layout_is_refused(old: str, new: str, tmp_path: Path) -> None:
    import pose_diffusion.geometry.layouts as package

    text = (Path(package.__file__).parent / "coco17.yaml").read_text()
    assert old in text
    (tmp_path / "coco17.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"coco17\.yaml: not a layout"):
        read(tmp_path / "coco17.yaml")


def test_of_several_layouts_whose_joints_are_all_named_the_largest_is_taken() -> None:
    for name in ("coco_wholebody133", "halpe136", "humanart21", "coco17"):
        assert largest_by_names(LAYOUTS[name].joints) == (LAYOUTS[name], list(range(len(LAYOUTS[name].joints))))


def test_of_layouts_with_the_same_joints_the_one_with_the_order_of_the_names_is_taken() -> None:
    for name in ("aic14", "crowdpose14"):
        match = largest_by_names(LAYOUTS[name].joints)
        assert match is not None and match[0] is LAYOUTS[name]


def test_another_name_of_a_joint_counts_where_there_are_no_more_joints() -> None:
    names = ["head" if joint == "head top" else joint for joint in LAYOUTS["crowdpose14"].joints]
    assert largest_by_names(names) == (LAYOUTS["crowdpose14"], list(range(14)))
    assert largest_by_names([*names, "belly"]) is None


def test_a_file_with_another_name_for_a_joint_that_it_does_not_have_is_refused(tmp_path: Path) -> None:
    import pose_diffusion.geometry.layouts as package

    text = (Path(package.__file__).parent / "crowdpose14.yaml").read_text()
    (tmp_path / "crowdpose14.yaml").write_text(text.replace("  head top: [head,", "  skull: [head,"))
    with pytest.raises(ValueError, match=r"crowdpose14\.yaml: not a layout: 'also'"):
        read(tmp_path / "crowdpose14.yaml")
