from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose_diffusion.data import schema
from pose_diffusion.errors import InputError
from tests.data.sources.detections.archive_files import (
    EMPTY_IS_NOBODY,
    FOLDER_OF_FILES,
    FORMATS,
    HEIGHT,
    NO_CONFIDENCE,
    NOT_JSON,
    ONE_PERSON,
    SHORTER_IS_READ,
    SIZE_IN_FILE,
    WIDTH,
    people,
    sequences,
    source_of,
)


@pytest.fixture(params=FORMATS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_known_people_come_back_on_the_normalised_screen(tmp_path: Path, kind: str) -> None:
    _, layout, write = FORMATS[kind]
    points = people(layout)
    write(tmp_path, points)
    found = sequences(kind, tmp_path)
    assert len(found) == (1 if kind in ONE_PERSON else points.shape[1])
    for person, sequence in enumerate(found):
        middle = layout.positions(points[:, person, :, :2])
        expected = middle * 2 / WIDTH - [1, HEIGHT / WIDTH]
        np.testing.assert_allclose(sequence.mixture[:, :, 0, 1:3], expected, atol=2e-6)
        assert sequence.frame.tolist() == list(range(len(points)))
        assert (sequence.width, sequence.height) == (WIDTH, HEIGHT)


def test_confidence_becomes_sigma(tmp_path: Path, kind: str) -> None:
    _, layout, write = FORMATS[kind]
    points = people(layout)
    write(tmp_path, points)
    confidence = np.ones_like(points[..., 2]) if kind in NO_CONFIDENCE else points[..., 2]
    for person, sequence in enumerate(sequences(kind, tmp_path, sigma_px=8)):
        expected = 8 / layout.confidence(confidence[:, person]) * 2 / WIDTH
        np.testing.assert_allclose(sequence.mixture[:, :, 0, 3], expected, rtol=1e-5)


def test_sequences_are_valid_shards(tmp_path: Path, kind: str) -> None:
    _, layout, write = FORMATS[kind]
    write(tmp_path, people(layout))
    for sequence in sequences(kind, tmp_path):
        schema.check_rows(schema.to_table(sequence), "clip")


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - FOLDER_OF_FILES))
def test_a_file_is_read_as_its_folder_is(tmp_path: Path, kind: str) -> None:
    _, layout, write = FORMATS[kind]
    write(tmp_path, people(layout))
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    in_folder, alone = sequences(kind, tmp_path)[0], sequences(kind, path)[0]
    np.testing.assert_array_equal(in_folder.mixture, alone.mixture)
    assert in_folder.action == alone.action


def test_without_an_image_size_the_keys_that_give_it_are_named(tmp_path: Path, kind: str) -> None:
    name, layout, write = FORMATS[kind]
    write(tmp_path, people(layout))
    if kind in SIZE_IN_FILE:
        assert source_of(kind, tmp_path).sequences
        with pytest.raises(InputError, match=f"images are {WIDTH} x {HEIGHT}, but '{name}.image_size' says otherwise"):
            source_of(kind, tmp_path, image_size=[640, 480])
    else:
        with pytest.raises(InputError, match=f"clip.*set '{name}.image_size' or '{name}.images'"):
            source_of(kind, tmp_path)


def test_the_converter_and_the_counts_are_recorded(tmp_path: Path, kind: str) -> None:
    name, layout, write = FORMATS[kind]
    write(tmp_path, people(layout))
    description = source_of(kind, tmp_path, image_size=[WIDTH, HEIGHT]).description
    assert description["converter"] == name and description["layouts"] == [layout.name]
    assert description["counts"]["joints_missing"] == 0
    json.dumps(description)


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - EMPTY_IS_NOBODY))
def test_an_empty_file_is_refused(tmp_path: Path, kind: str) -> None:
    _, layout, write = FORMATS[kind]
    write(tmp_path, people(layout))
    path = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file())
    path.write_bytes(b"")
    with pytest.raises(InputError, match=path.name):
        source_of(kind, tmp_path, image_size=[WIDTH, HEIGHT])


def test_a_truncated_file_is_refused(tmp_path: Path, kind: str) -> None:
    _, layout, write = FORMATS[kind]
    write(tmp_path, people(layout))
    path = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file())
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content)) // 10 * 10])
    with pytest.raises(InputError, match=path.name):
        found = source_of(kind, tmp_path, image_size=[WIDTH, HEIGHT])
        assert kind in SHORTER_IS_READ and found.sequences
        raise InputError(path.name)


def test_a_folder_without_such_files_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(InputError, match="a folder without"):
        source_of(kind, tmp_path)


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - NOT_JSON))
@pytest.mark.parametrize("content", ["7", "{}", "[1, 2]", '{"a": [[[]]]}', '[{"x": 1}]', "null", '"text"'])
def test_json_of_another_tool_is_refused(tmp_path: Path, kind: str, content: str) -> None:
    _, layout, write = FORMATS[kind]
    write(tmp_path, people(layout))
    path = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file())
    path.write_text(content)
    with pytest.raises(InputError, match=path.name):
        source_of(kind, tmp_path, image_size=[WIDTH, HEIGHT])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**7), st.sampled_from(b'0[]{},:"e-.n\x00\xff ')), min_size=1, max_size=6),
    cut=st.integers(0, 3),
)
def test_a_mutated_file_gives_poses_or_a_clean_error(tmp_path: Path, kind: str, changes: list, cut: int) -> None:
    _, layout, write = FORMATS[kind]
    write(tmp_path, people(layout, frames=3, count=1))
    path = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file())
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[: len(content) - cut])
    try:
        for sequence in sequences(kind, tmp_path):
            schema.check_rows(schema.to_table(sequence), "clip")
    except InputError as error:
        assert "\n" not in str(error)
