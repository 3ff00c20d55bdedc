"""The section on training the video model."""

import pytest

from pose_diffusion.config.video import VideoConfig


def test_shares_of_clip_lengths_that_are_more_than_all_are_refused() -> None:
    with pytest.raises(ValueError, match=r"single_share 0.7 and full_share 0.4 are more than 1 together"):
        VideoConfig(single_share=0.7, full_share=0.4)


@pytest.mark.parametrize(("single", "full"), [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_clips_may_all_be_of_the_two_lengths_that_have_shares(single: float, full: float) -> None:
    assert VideoConfig(single_share=single, full_share=full).full_share == full
