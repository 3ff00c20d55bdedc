"""The search space: what it takes, and how it tells what is wrong, each in one line that names the key."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pose_diffusion.config import Config, loading
from pose_diffusion.errors import InputError
from pose_diffusion.tuning import space as spaces
from pose_diffusion.tuning.space import Space, apply


def parse(space: dict, **sections: dict) -> Space:
    values = dict(sections)
    values["tune"] = {**values.get("tune", {}), "space": space}
    return spaces.parse(loading.from_dict(values))


def test_values_become_what_the_config_makes_of_them():
    # YAML takes 1e-3 for a text.
    space = parse({"train.learning_rate": {"choice": ["1e-3", 2]}, "diffusion.beta_end": {"loguniform": ["1e-3", "1e-2"]}})
    assert space.domains["train.learning_rate"].values == (1e-3, 2.0)
    assert space.domains["diffusion.beta_end"].values == (1e-3, 1e-2)


def test_grids_multiply():
    space = parse(
        {"model.width": {"grid": [32, 64]}, "model.layers": {"grid": [1, 2, 3]}, "model.dropout": {"uniform": [0, 0.3]}}
    )
    assert len(space.grids) == 6
    assert {"model.width": 64, "model.layers": 3} in space.grids


def test_a_space_without_grids_has_one_empty_combination():
    assert parse({"model.layers": {"randint": [1, 3]}}).grids == [{}]


def test_the_size_counts_different_settings():
    assert parse({"model.layers": {"randint": [1, 3]}, "train.flip": {"choice": [True, False]}}).size == 6
    assert parse({"model.layers": {"randint": [1, 3]}, "model.dropout": {"uniform": [0, 0.3]}}).size == math.inf


def test_equal_ends_are_one_value():
    assert parse({"model.dropout": {"uniform": [0.1, 0.1]}}).size == 1


def test_settings_are_applied_to_the_config_and_to_nothing_else():
    config = Config()
    changed = apply(config, {"model.width": 32, "diffusion.step_list": [6], "diffusion.sampling": "list"})
    assert (changed.model.width, changed.diffusion.step_list, changed.diffusion.sampling) == (32, [6], "list")
    assert changed.train == config.train and changed.model.layers == config.model.layers


def test_a_space_may_vary_keys_that_bound_each_other_if_all_of_it_is_valid():
    assert parse({"model.width": {"choice": [32, 64]}, "model.heads": {"choice": [2, 4]}}).size == 4


def test_sampling_alone_can_be_searched_by_its_keys():
    space = {"diffusion.window": {"choice": [6, 12]}, "infer.flips": {"choice": [True, False]}}
    assert parse(space, tune={"mode": "sampling"}).size == 4


@pytest.mark.parametrize("name", ["tune", "tune_size", "tune_sampling", "tune_video"])
def test_the_shipped_spaces_hold_nothing_that_the_config_refuses(name):
    configs = Path(__file__).resolve().parents[2] / "configs"
    assert spaces.parse(loading.load(str(configs / f"{name}.yaml"))).size > 100


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "expected at least one key"),
        ({"diffusion.beta_ned": {"uniform": [0, 1]}}, "unknown key 'diffusion.beta_ned'; did you mean 'diffusion.beta_end'"),
        ({"difusion.beta_end": {"uniform": [0, 1]}}, "unknown section 'difusion'; did you mean 'diffusion'"),
        ({"width": {"choice": [32]}}, "unknown section 'width'"),
        ({"model.width": {"choice": []}}, "'model.width': choice needs a list of values, got []"),
        ({"model.width": {"choice": 32}}, "'model.width': choice needs a list of values, got 32"),
        ({"model.width": {"choice": [32, 32]}}, "'model.width': choice [32, 32] holds a value twice"),
        ({"model.width": {}}, "'model.width': expected one of choice"),
        ({"model.width": {"pick": [32]}}, "'model.width': expected one of choice, grid, uniform, loguniform, randint"),
        ({"model.width": {"choice": [32], "grid": [64]}}, "'model.width': expected one of choice"),
        ({"model.dropout": {"uniform": [0.3, 0.1]}}, "'model.dropout': uniform has its low 0.3 above its high 0.1"),
        ({"model.layers": {"randint": [5, 2]}}, "'model.layers': randint has its low 5 above its high 2"),
        ({"model.layers": {"randint": [1.5, 2]}}, "'model.layers': randint"),
        ({"model.dropout": {"uniform": [0.1]}}, "'model.dropout': uniform needs [low, high]"),
        ({"model.dropout": {"uniform": ["a", "b"]}}, "'model.dropout': uniform"),
        ({"model.dropout": {"uniform": [0, math.inf]}}, "'model.dropout': uniform needs finite numbers"),
        ({"train.learning_rate": {"loguniform": [0, 1]}}, "'train.learning_rate': loguniform needs numbers above 0"),
        ({"model.dropout": {"uniform": [0, 1]}}, "'model.dropout': Input should be less than 1"),
        ({"model.width": {"choice": [32, 2]}}, "'model.width': Input should be greater than or equal to 4 (given: 2)"),
        ({"diffusion.schedule": {"choice": ["linear", "square"]}}, "'diffusion.schedule': Input should be 'linear', "),
        ({"model.layers": {"uniform": [1, 4]}}, "'model.layers': Input should be a valid integer"),
        ({"model.layers": {"loguniform": [1, 4]}}, "'model.layers': Input should be a valid integer"),
        ({"infer.flips": {"choice": [True]}}, "'infer.flips' does not change training"),
        ({"train.holdout_poses": {"choice": [8]}}, "'train.holdout_poses' must be the same for all trials"),
        ({"train.output": {"choice": ["a"]}}, "'train.output' must be the same for all trials"),
    ],
)
def test_a_bad_space_is_told_in_one_line(space, message):
    with pytest.raises(InputError) as error:
        parse(space)
    assert message in str(error.value)
    assert str(error.value).startswith("key 'tune.space': ") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            {"model.width": {"choice": [32, 30]}, "model.heads": {"choice": [2, 4]}},
            "width 30 is not an even multiple of heads 4",
        ),
        ({"diffusion.window": {"randint": [2, 60]}}, "window 60 is larger than steps 51"),
        (
            {"diffusion.window": {"randint": [2, 60]}, "diffusion.steps": {"choice": [60, 40]}},
            "window 60 is larger than steps 40",
        ),
        ({"diffusion.beta_end": {"loguniform": [1e-5, 1e-3]}}, "beta_start 0.0001 is above beta_end 1e-05"),
    ],
)
def test_values_that_the_config_refuses_together_are_found_before_any_trial(space, message):
    with pytest.raises(InputError, match=r"key 'tune\.space'") as error:
        parse(space)
    assert message in str(error.value)


def test_a_key_of_training_is_refused_where_nothing_is_trained():
    with pytest.raises(InputError, match=r"'model\.width' cannot be tried without training"):
        parse({"model.width": {"choice": [32]}}, tune={"mode": "sampling"})


def test_the_size_of_a_given_lifter_cannot_be_searched():
    with pytest.raises(InputError, match=r"keys of 'model' cannot be searched with train\.lifter"):
        parse({"model.layers": {"choice": [1, 2]}}, train={"lifter": "runs/a/model"})


def test_a_space_of_the_wrong_shape_is_refused_by_the_config():
    with pytest.raises(InputError, match=r"key 'tune\.space\.model\.width'"):
        loading.from_dict({"tune": {"space": {"model.width": [32, 64]}}})


VIDEO = {"model": {"family": "video"}}


def test_the_video_models_own_keys_can_be_searched_with_it():
    space = {
        "video.bone_loss": {"choice": [0, 1]},
        "model.width": {"choice": [32, 64]},
        "train.optimiser": {"choice": ["adam"]},
    }
    assert parse(space, **VIDEO).size == 4


@pytest.mark.parametrize(
    ("space", "sections", "message"),
    [
        (
            {"video.bone_loss": {"choice": [0, 1]}},
            {},
            "'video.bone_loss' does not change training, expected a key of data, model",
        ),
        ({"diffusion.steps": {"choice": [20]}}, VIDEO, "'diffusion.steps' does not change training, expected a key of data"),
        ({"train.loss": {"choice": ["distance"]}}, VIDEO, "'train.loss' is of the published family, and model.family is video"),
        ({"train.epochs": {"choice": [2, 3]}}, VIDEO, "'train.epochs' must be the same for all trials"),
        ({"model.frames": {"choice": [9, 27]}}, VIDEO, "'model.frames' must be the same for all trials"),
        ({"model.family": {"choice": ["published", "video"]}}, VIDEO, "'model.family' must be the same for all trials"),
        (
            {"video.single_share": {"uniform": [0, 0.6]}, "video.full_share": {"uniform": [0, 0.6]}},
            VIDEO,
            "single_share 0.6 and full_share 0.6 are more than 1 together",
        ),
        ({"model.width": {"choice": [12, 16]}}, VIDEO, "width 12 is not a multiple of twice the heads 4"),
    ],
)
def test_a_space_of_the_other_family_or_of_no_network_is_refused(space, sections, message):
    with pytest.raises(InputError, match=r"key 'tune\.space'") as error:
        parse(space, **sections)
    assert message in str(error.value)
