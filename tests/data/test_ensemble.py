"""Several detectors' points as the kernels of one mixture."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest

from pose_diffusion.data import ensemble, schema
from pose_diffusion.data import mixture as gmm
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.errors import InputError

NAMES = ["hrnet", "cpn", "vitpose"]


def points(place: float, confidence: float | None = None, rows: int = 4, frame: int = 0, size: int = 1000) -> PoseSequence:
    """A detector that finds every joint at (place, place)."""
    return PoseSequence(
        "person 0", "clip", "", np.arange(frame, frame + rows, dtype=np.int32),
        gmm.from_points(np.full((rows, 17, 2), place), 0.01), size, size,
        confidence=None if confidence is None else np.full((rows, 17), confidence, np.float32),
    )  # fmt: skip


def source(*sequences: PoseSequence, rows: int | None = None) -> Source:
    clips = [LazySequence(s.subject, s.action, s.camera, rows or len(s), partial(lambda s: s, s)) for s in sequences]
    return Source(clips, 1, {}, {"converter": "test"}, with_3d=False)


def merged(*sequences: PoseSequence) -> PoseSequence:
    return ensemble.merge([source(one) for one in sequences], NAMES[: len(sequences)]).sequences[0].load()


def test_each_detector_becomes_a_kernel_weighted_by_its_confidence():
    mixture = merged(points(0.1, 0.2), points(0.3, 0.6)).mixture
    assert mixture.shape == (4, 17, 2, 5)
    np.testing.assert_allclose(mixture[..., 0], np.broadcast_to([0.75, 0.25], (4, 17, 2)), rtol=1e-6)
    np.testing.assert_allclose(mixture[0, 0, :, 1], [0.3, 0.1], rtol=1e-6)


@pytest.mark.parametrize("confidence", [None, 0.0])
def test_weights_are_equal_where_no_detector_knows(confidence):
    mixture = merged(points(0.1, confidence), points(0.3, confidence), points(0.2, confidence)).mixture
    np.testing.assert_allclose(mixture[..., 0], 1 / 3, rtol=1e-6)


def test_weights_are_equal_where_one_detector_does_not_say():
    assert (merged(points(0.1, 0.9), points(0.3)).mixture[..., 0] == 0.5).all()


def test_a_joint_that_one_detector_misses_is_the_others():
    mixture = merged(points(0.1, 0.0), points(0.3, 0.1)).mixture
    assert (mixture[..., 0, 0] == 1).all() and (mixture[..., 0, 1] == np.float32(0.3)).all()


def test_mixtures_keep_their_own_weights_within_a_detector():
    own = gmm.normalise(np.random.default_rng(0).random((4, 17, 3, 5), np.float32))
    mixture = ensemble.combine([own, points(0.3).mixture], [None, None])
    np.testing.assert_allclose(np.sort(mixture[..., 0], -1)[..., :3].sum(-1), 0.5, rtol=1e-5)


def test_the_result_is_a_valid_shard():
    schema.checked_table(merged(points(0.1, 0.2), points(0.3, 0.6)))


def test_keys_that_only_one_input_has_are_named_with_both():
    other = dataclasses.replace(points(0.1), action="another")
    with pytest.raises(InputError, match=r"cpn: no sequence person 0 / clip / \?, which hrnet has"):
        ensemble.merge([source(points(0.1)), source(other)], NAMES[:2])


def test_numbers_of_frames_that_differ_are_named():
    with pytest.raises(InputError, match=r"cpn: person 0 / clip / . has 5 frames, but 4 in hrnet"):
        ensemble.merge([source(points(0.1)), source(points(0.1, rows=5))], NAMES[:2])


def test_frames_that_differ_are_named():
    with pytest.raises(InputError, match=r"cpn: .*row 0 is frame 3, but frame 0 in hrnet"):
        merged(points(0.1), points(0.1, frame=3))


def test_image_sizes_that_differ_are_named():
    with pytest.raises(InputError, match=r"cpn: .*images of 500 x 500, but 1000 x 1000 in hrnet"):
        merged(points(0.1), points(0.1, size=500))


def test_3d_poses_that_differ_are_named():
    pose = np.zeros((4, 17, 3), np.float32)
    with pytest.raises(InputError, match=r"cpn: .*other 3D poses than in hrnet"):
        merged(dataclasses.replace(points(0.1), pose_3d=pose), dataclasses.replace(points(0.1), pose_3d=pose + 0.01))


def test_what_does_not_match_is_left_out_where_that_is_asked_for():
    both, alone = points(0.1), dataclasses.replace(points(0.1), action="alone")
    found = ensemble.merge([source(both, alone), source(both)], NAMES[:2], skip=True)
    assert [clip.action for clip in found.sequences] == ["clip"]
    assert len(found.skipped) == 1 and "alone" in found.skipped[0]
