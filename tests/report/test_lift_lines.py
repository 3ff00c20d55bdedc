"""What `lift` prints: what was assumed and how to say it, whom it found, and the model's own figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inference.lifted import LiftedFile, LiftedPerson, LiftedRecording
from pose_diffusion.report.lift_lines import lines


def person(name: str, frames: int = 4) -> LiftedPerson:
    zeros = np.zeros((frames, 17, 3), np.float32)
    seen = np.ones((frames, 17), bool)
    return LiftedPerson(name, np.arange(frames) + 10, zeros[..., :2], seen, zeros, zeros[..., 0], zeros[:, 0])


@pytest.fixture
def lifted() -> LiftedFile:
    camera = Camera.from_field_of_view(44, 1280, 720)
    recording = LiftedRecording(
        "clip", (person("person 0"),), 1280, 720, 30.0, True, camera, True, "AlphaPose", "0123456789abcdef"
    )
    return LiftedFile("clip.json", (recording,), "AlphaPose results, 17 joints", (), "the shipped model", {}, 2.0)


def told(lifted: LiftedFile, subject: str) -> list[str]:
    return [line.removeprefix(subject).strip() for line in lines(lifted) if line.startswith(subject)]


def test_what_is_assumed_comes_with_the_flag_that_says_it(lifted: LiftedFile) -> None:
    assert "assumed" in told(lifted, "camera")[0] and "44 degrees" in told(lifted, "camera")[0]
    assert "add --field-of-view" in told(lifted, "camera")[0]
    assert told(lifted, "rate") == ["30 frames a second, assumed: add --fps if it is another"]


def test_what_is_known_is_said_as_known(lifted: LiftedFile) -> None:
    known = replace(lifted, recordings=(replace(lifted.recordings[0], camera_assumed=False, fps_assumed=False, fps=25.0),))
    assert "assumed" not in " ".join(told(known, "camera") + told(known, "rate"))
    assert told(known, "rate") == ["25 frames a second"]


def test_cameras_of_which_some_are_assumed_are_counted(lifted: LiftedFile) -> None:
    one = lifted.recordings[0]
    both = replace(lifted, recordings=(one, replace(one, camera_assumed=False)))
    assert told(both, "camera")[0].startswith("assumed for 1 of 2 recordings")


def test_joints_that_were_never_seen_are_named(lifted: LiftedFile) -> None:
    one = person("person 0")
    one.seen[:, [3, 6]] = False
    one.seen[0, 16] = False
    part = replace(lifted, recordings=(replace(lifted.recordings[0], people=(one,)),))
    assert told(part, "person") == [
        "person 0: 4 frames, 10 to 13; 13.2% of the joints not seen; never RFoot, LFoot: those are guesses"
    ]


def test_of_many_people_some_are_listed_and_the_rest_counted(lifted: LiftedFile) -> None:
    crowd = tuple(person(f"person {number}") for number in range(20))
    many = replace(lifted, recordings=(replace(lifted.recordings[0], people=crowd),))
    assert len(told(many, "person")) == 8
    assert any("and 12 more, in 48 poses" in line for line in lines(many))


@pytest.mark.parametrize(
    ("provenance", "quality"),
    [
        ({}, "the model's card has no figures of a test"),
        ({"tested": "61 mm on unseen people"}, "61 mm on unseen people"),
        ({"tested": {"MPJPE mm": 61.5, "P-MPJPE mm": 44.0}}, "MPJPE mm 61.5, P-MPJPE mm 44"),
    ],
)
def test_the_models_own_figures_are_quoted(lifted: LiftedFile, provenance: dict, quality: str) -> None:
    assert told(replace(lifted, provenance=provenance), "quality") == [quality]


def test_what_was_left_out_is_counted(lifted: LiftedFile) -> None:
    assert told(replace(lifted, skipped=("a.json: bad", "b.json: bad")), "left out") == [
        "2 files or sequences, the first: a.json: bad"
    ]
    assert told(lifted, "left out") == []
