"""The video under the keypoints, in a real browser.

fixtures/numbered_frames.webm: 40 frames at 10 a second, made for these tests. A frame's number stands in it as eight bars, each
an eighth of the width: the first for 1, the next for 2, then 4; light is set.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from acting import press, until
from browser import Page
from recordings import person, recording

from pose_diffusion.viewer import write

SOUGHT = "!document.querySelector('#video').seeking && document.querySelector('#video').readyState >= 2"

FILM_FRAME = """(() => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [64, 36];
  const context = canvas.getContext('2d');
  context.drawImage(document.querySelector('#video'), 0, 0, 64, 36);
  const light = (bar) => context.getImageData(8 * bar + 4, 18, 1, 1).data[0] > 120;
  return [...Array(8).keys()].reduce((sum, bar) => sum + (light(bar) ? 1 << bar : 0), 0);
})()"""


@pytest.fixture(scope="module")
def filmed(folder: Path, repository: Path) -> Path:
    write(
        recording(person(frames=40)), folder / "filmed.html", video=repository / "tests" / "fixtures" / "numbered_frames.webm"
    )
    return folder / "filmed.html"


def test_the_video_shows_the_very_frame(filmed: Path, shown: Callable[..., Page]) -> None:
    page = shown(filmed)
    until(page, SOUGHT)
    for frame in (0, 1, 17, 39, 38):
        page.evaluate(f"viewer.playback.go({frame})")
        until(page, SOUGHT)
        assert page.evaluate(FILM_FRAME) == frame
    assert page.errors == []


def test_the_playing_video_leads_the_poses(filmed: Path, shown: Callable[..., Page]) -> None:
    page = shown(filmed)
    until(page, SOUGHT)
    press(page, " ")
    until(page, "viewer.playback.frame > 2")
    press(page, " ")
    until(page, SOUGHT)
    assert page.evaluate(FILM_FRAME) == page.evaluate("viewer.frame")


def test_a_video_too_short_for_the_poses_is_told(folder: Path, repository: Path, shown: Callable[..., Page]) -> None:
    write(recording(person(frames=90)), folder / "short.html", video=repository / "tests" / "fixtures" / "numbered_frames.webm")
    page = shown(folder / "short.html")
    until(page, SOUGHT)
    note = page.evaluate("document.querySelector('#video-note').textContent")
    assert "The video has 64 x 36 pixels, the keypoints' image 640 x 480. The video lasts 4.0 s, the keypoints 9.0 s" in note  # type: ignore[operator]


def test_a_large_video_that_has_gone_is_told(folder: Path, shown: Callable[..., Page], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pose_diffusion.viewer.video.MOST_EMBEDDED", 1)
    (folder / "gone.mp4").write_bytes(b"film")
    write(recording(), folder / "gone.html", video=folder / "gone.mp4")
    (folder / "gone.mp4").unlink()
    page = shown(folder / "gone.html")
    until(page, "!document.querySelector('#video-note').hidden")
    assert "gone.mp4 is not there" in page.evaluate("document.querySelector('#video-note').textContent")  # type: ignore[operator]
