"""The command line of `lift`: words and flags in any order, and what is refused in one line."""

from __future__ import annotations

import os

import pytest

from pose_diffusion.config import lift_arguments
from pose_diffusion.errors import InputError


def parse(*arguments: str):
    return lift_arguments.parse("summary", ("lift", "infer"), list(arguments))


def test_input_flags_and_keys_may_stand_in_any_order():
    wanted = parse("clip.json", "-o", "out", "--fps", "25", "coco.tracking=true", "infer.flips=false")
    assert wanted == parse("coco.tracking=true", "--fps", "25", "clip.json", "infer.flips=false", "-o", "out")
    assert wanted.lift.input == os.path.abspath("clip.json") and wanted.lift.output == os.path.abspath("out")
    assert wanted.infer.fps == 25 and wanted.coco.tracking and not wanted.infer.flips


def test_each_flag_sets_its_key():
    config = parse(
        "clip.json", "--format", "npz,bvh", "--image-size", "1920x1080", "--field-of-view", "60.5", "--person", "0,person 3",
        "--bundle", "s3://bucket/model",
    )  # fmt: skip
    assert config.lift.format == ["npz", "bvh"] and config.lift.image_size == [1920, 1080]
    assert config.lift.person == ["0", "person 3"] and config.infer.field_of_view == 60.5
    assert config.infer.bundle == "s3://bucket/model"


def test_a_flag_wins_over_a_key_and_the_key_over_the_file(tmp_path):
    (tmp_path / "lift.yaml").write_text("infer: {fps: 10, field_of_view: 40}")
    config = parse(
        "clip.json", "--config", str(tmp_path / "lift.yaml"), "infer.fps=20", "infer.field_of_view=50", "--fps", "30"
    )
    assert (config.infer.fps, config.infer.field_of_view) == (30, 50)


def test_names_that_look_like_numbers_stay_names():
    config = parse("123", "-o", "456", "--person", "7")
    assert config.lift.input.endswith("/123") and config.lift.output.endswith("/456") and config.lift.person == ["7"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.json", "b.json"], r"2 inputs, a\.json, b\.json: expected one"),
        (["a.json", "--image-size", "1920"], "--image-size 1920: expected WIDTHxHEIGHT in pixels, as --image-size 1920x1080"),
        (["a.json", "--image-size", "0x720"], "lift.image_size.0"),
        (["a.json", "--fps", "fast"], "--fps fast: expected a number"),
        (["a.json", "--fps", "0"], "infer.fps"),
        (["a.json", "--fps", "nan"], "infer.fps"),
        (["a.json", "--field-of-view", "180"], "infer.field_of_view"),
        (["a.json", "--format", "fbx"], "no format 'fbx'; expected npz, parquet"),
        (["a.json", "--format", ","], "--format ',': expected something"),
        (["a.json", "--person", ""], "--person '': expected something"),
        (["a.json", "--speed", "3"], "unrecognized arguments: --speed"),
        (["a.json", "--fps"], "argument --fps: expected one argument; --help"),
        (["a.json", "coco.tracing=true"], "did you mean 'coco.tracking'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as refused:
        parse(*arguments)
    assert "\n" not in str(refused.value)
