import dataclasses

import pytest

from pose_diffusion.config import DiffusionConfig, InferConfig
from pose_diffusion.errors import InputError
from pose_diffusion.inference.options import SamplingOptions

INFER = {
    "flips": False,
    "hypotheses": 3,
    "pose_2d": "mean",
    "eta": 0.5,
    "preserve_scale": True,
    "aggregate": "weighted",
    "batch": 16,
}


def test_every_option_of_the_infer_section_arrives() -> None:
    options = dataclasses.asdict(SamplingOptions.from_config(InferConfig(**INFER)))
    assert {name: options[name] for name in INFER} == INFER


def test_the_infer_sections_defaults_are_the_options_defaults() -> None:
    assert SamplingOptions.from_config(InferConfig()) == SamplingOptions()


def test_changes_stand_above_the_config() -> None:
    options = SamplingOptions.from_config(InferConfig(**INFER), batch=8, reproject=True)
    assert (options.batch, options.reproject, options.hypotheses) == (8, True, 3)


def test_what_is_left_open_is_the_bundles() -> None:
    resolved = SamplingOptions().resolve(DiffusionConfig(window=12, count=3, eta=0.25, preserve_scale=True))
    assert (list(resolved.steps), resolved.eta, resolved.preserve_scale) == ([0, 4, 8], 0.25, True)


def test_what_is_given_stands_above_the_bundles() -> None:
    options = SamplingOptions(steps=(1, 2), eta=0.0, preserve_scale=False, hypotheses=4)
    resolved = options.resolve(DiffusionConfig(eta=0.25, preserve_scale=True))
    assert (resolved.steps, resolved.eta, resolved.preserve_scale, resolved.hypotheses) == ((1, 2), 0.0, False, 4)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"hypotheses": 0}, "hypotheses is 0, expected at least 1"),
        ({"batch": 0}, "batch is 0, expected at least 1, or None"),
        ({"pose_2d": "median"}, "pose_2d is 'median', expected heaviest or mean"),
        ({"aggregate": "best"}, "aggregate is 'best', expected mean or weighted or jointwise"),
    ],
)
def test_values_that_no_sampling_can_have_are_refused(option: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SamplingOptions(**option)
