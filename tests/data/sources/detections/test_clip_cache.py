"""Archives that are read by others, and whose arrays are let go and read again."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from cloudpickle import dumps

from pose_diffusion.data.sources.detections import archive, clip_cache
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17
from tests.data.elsewhere import Elsewhere
from tests.data.sources.detections.archive_files import FORMATS, HEIGHT, WIDTH, people, source_of

SIZE = {"image_size": [WIDTH, HEIGHT]}


@pytest.fixture
def no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ClipCache", partial(clip_cache.ClipCache, most_bytes=0))


def write(folder: Path, kind: str, *names: str) -> None:
    _, layout, to_file = FORMATS[kind]
    for name in names:
        (folder / name).mkdir()
        to_file(folder / name, people(layout))


@pytest.mark.parametrize("kind", FORMATS)
def test_clips_that_are_read_again_are_those_that_were_kept(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, kind, "a")
    kept = source_of(kind, tmp_path, **SIZE)
    monkeypatch.setattr(clip_cache.ClipCache, "__init__", lambda self: vars(self).update(bytes_left=-1, is_empty=False))
    again = source_of(kind, tmp_path, **SIZE)
    assert again.description == kept.description
    for ours, theirs in zip(again.sequences, kept.sequences, strict=True):
        assert isinstance(ours.load, clip_cache._Again) and ours.file and replace(ours, load=theirs.load, file="") == theirs
        for name, value in vars(theirs.load()).items():
            np.testing.assert_array_equal(getattr(ours.load(), name), value)


def test_what_does_not_fit_is_not_carried(tmp_path: Path, no_space: None) -> None:
    write(tmp_path, "coco results", "a", "b")
    first, *_, last = source_of("coco results", tmp_path, **SIZE).sequences
    assert isinstance(first.load, partial)  # of the first file, which may be the only one
    assert isinstance(last.load, clip_cache._Again)
    loaded = pickle.loads(dumps(last.load))()
    np.testing.assert_array_equal(loaded.mixture, last.load().mixture)


def test_a_file_that_changed_since_is_refused(tmp_path: Path, no_space: None) -> None:
    write(tmp_path, "coco results", "a", "b")
    clip = source_of("coco results", tmp_path, **SIZE).sequences[-1]
    FORMATS["coco results"][2](tmp_path / "b", people(COCO_17, frames=3))
    with pytest.raises(InputError, match="its file has changed since it was read first"):
        clip.load()


def test_a_file_is_read_once_for_all_its_clips(tmp_path: Path, no_space: None) -> None:
    write(tmp_path, "coco results", "a", "b")
    *_, one, other = source_of("coco results", tmp_path, **SIZE).sequences
    one.load()
    (tmp_path / "b" / "clip.json").unlink()
    assert len(other.load()) == other.rows


@pytest.mark.parametrize("kind", FORMATS)
def test_clips_that_are_read_elsewhere_are_the_same(tmp_path: Path, kind: str) -> None:
    write(tmp_path, kind, "a")
    here, there = (source_of(kind, tmp_path, executor=executor, **SIZE) for executor in (None, Elsewhere()))
    assert (there.description, there.skipped) == (here.description, here.skipped)
    for ours, theirs in zip(there.sequences, here.sequences, strict=True):
        assert replace(ours, load=theirs.load) == theirs
        for name, value in vars(theirs.load()).items():
            np.testing.assert_array_equal(getattr(ours.load(), name), value)
