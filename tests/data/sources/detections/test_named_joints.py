"""Body parts that people name, matched with the joints of a layout."""

from __future__ import annotations

import pytest

from pose_diffusion.config import DeepLabCutConfig, loading
from pose_diffusion.data.sources.detections.named_joints import match_layout
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, LAYOUTS

COCO = list(COCO_17.joints)


def match(names: list[str], **keys: object) -> tuple[str, list[int]]:
    layout, places = match_layout("deeplabcut", DeepLabCutConfig.model_validate(keys), names, "walk.csv")
    return layout.name, places


@pytest.mark.parametrize(
    "written",
    [
        lambda joint: joint.replace(" ", "_"),
        lambda joint: joint.title().replace(" ", ""),
        lambda joint: joint.title().replace("Left ", "L").replace("Right ", "R"),
        lambda joint: " ".join(reversed(joint.split())),
        lambda joint: joint.upper() + " ",
    ],
    ids=["left_hip", "LeftHip", "LHip", "hip left", "LEFT HIP "],
)
def test_names_are_those_of_coco_however_written(written: object) -> None:
    assert callable(written)
    names = [written(joint) for joint in reversed(COCO)]
    assert match(names) == ("coco17", list(reversed(range(17))))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_names_of_a_layout_match_one_that_has_as_many_joints(layout: object) -> None:
    joints = list(layout.joints)
    found, places = match(joints)
    assert len(LAYOUTS[found].joints) == len(joints) and sorted(places) == list(range(len(joints)))


def test_other_body_parts_are_left_alone() -> None:
    assert match(["ball", *COCO, "racket"]) == ("coco17", list(range(1, 18)))


def test_a_mapping_names_what_the_file_calls_otherwise() -> None:
    names = ["hip_A" if joint == "left hip" else joint for joint in COCO]
    assert match(names, joints={"Left_Hip": "hip_A"}) == ("coco17", list(range(17)))


def test_a_mapping_comes_before_the_files_own_name() -> None:
    assert match([*COCO, "better nose"], joints={"nose": "better nose"})[1][0] == 17


def test_several_joints_may_be_one_body_part() -> None:
    head = {joint: "head" for joint in COCO[:5]}
    assert match(["head", *COCO[5:]], joints=head)[1] == [0] * 5 + list(range(1, 13))


def test_fourteen_joints_of_deeplabcuts_human_model_are_mapped() -> None:
    limbs = {f"{side} {part}": f"{part}{n}" for part in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")
             for side, n in (("right", 1), ("left", 2))}  # fmt: skip
    names = [*limbs.values(), "chin", "forehead"]
    assert match(names, joints=limbs | {"neck": "chin", "head top": "forehead"})[0] in ("aic14", "crowdpose14")


def test_body_parts_of_no_layout_are_refused_with_what_is_missing_and_the_way_out() -> None:
    names = ["snout", *COCO[1:12]]
    message = (
        r"walk\.csv: body parts snout, left eye, .* and 4 more; of coco17's 17 joints are missing: nose, right hip, left knee, "
        r"right knee, left ankle, right ankle; set 'deeplabcut\.joints', as \{nose: snout\}"
    )
    with pytest.raises(InputError, match=message):
        match(names)


def test_a_layout_that_is_set_is_the_one_whose_joints_are_missing() -> None:
    with pytest.raises(InputError, match=r"of body25's 25 joints are missing: neck, mid hip"):
        match(COCO, layout="body25")


def test_a_mapping_to_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"'deeplabcut\.joints': no 'hip_L' for left hip; the file has nose, left eye"):
        match(COCO, joints={"left hip": "hip_L"})


def test_two_names_of_one_joint_are_refused_until_one_is_chosen() -> None:
    names = [*COCO, "LeftHip"]
    with pytest.raises(InputError, match=r"'left hip' and 'LeftHip' are both the left hip; say which by 'deeplabcut\.joints'"):
        match(names)
    assert match(names, joints={"left hip": "LeftHip"})[1][11] == 17


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{left hop: hip_L}", r"'left hop' is no layout's joint, the nearest is 'left hip'"),
        ("{left hip: a, LHip: b}", r"'left hip' and 'LHip' are the same joint"),
        ("{left hip: ''}", r"'left hip': expected a name in the file"),
        ("{left hip: [a, b]}", r"'deeplabcut\.joints\.left hip': .*valid string"),
        ("hip_L", r"'deeplabcut\.joints': .*valid dictionary"),
    ],
)
def test_a_mapping_of_the_command_line_is_checked(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loading.load(None, [f"deeplabcut.joints={text}"])


def test_a_mapping_of_the_command_line_is_taken() -> None:
    config = loading.load(None, ["sleap.joints={left hip: hip_L, nose: snout}"])
    assert config.sleap.joints == {"left hip": "hip_L", "nose": "snout"}
