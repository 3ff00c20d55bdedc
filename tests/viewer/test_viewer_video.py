from __future__ import annotations

import base64
from pathlib import Path

import pytest

from pose_diffusion.errors import InputError
from pose_diffusion.viewer import video


def test_a_small_video_is_in_the_page(tmp_path: Path) -> None:
    (tmp_path / "clip.MP4").write_bytes(b"film")
    found = video.describe(tmp_path / "clip.MP4", str(tmp_path / "page.html"))
    assert found == {"name": "clip.MP4", "type": "video/mp4", "data": base64.b64encode(b"film").decode(), "url": None}


def test_a_large_video_is_found_from_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MOST_EMBEDDED", 3)
    (tmp_path / "out").mkdir()
    (tmp_path / "a #1 50%.webm").write_bytes(b"film")
    found = video.describe(tmp_path / "a #1 50%.webm", str(tmp_path / "out" / "page.html"))
    assert (found["data"], found["url"]) == (None, "./../a%20%231%2050%25.webm")


def test_a_large_video_has_no_address_from_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MOST_EMBEDDED", 3)
    (tmp_path / "clip.webm").write_bytes(b"film")
    found = video.describe(tmp_path / "clip.webm", "s3://bucket/page.html")
    assert (found["name"], found["data"], found["url"]) == ("clip.webm", None, None)


def test_a_name_is_never_read_as_another_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MOST_EMBEDDED", 3)
    (tmp_path / "javascript:alert(1).mp4").write_bytes(b"film")
    found = video.describe(tmp_path / "javascript:alert(1).mp4", str(tmp_path / "page.html"))
    assert found["url"] == "./javascript%3Aalert%281%29.mp4"


@pytest.mark.parametrize("name", ["none.mp4", "s3://bucket/clip.mp4", "."])
def test_a_missing_video_is_refused_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no such video"):
        video.describe(name, "page.html")


@pytest.mark.parametrize("name", ["clip.avi", "clip.mkv", "clip"])
def test_what_browsers_do_not_play_is_refused_with_the_way_out(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"film")
    with pytest.raises(InputError, match=r"browsers do not play .*ffmpeg -i clip.* clip\.mp4"):
        video.describe(tmp_path / name, "page.html")
