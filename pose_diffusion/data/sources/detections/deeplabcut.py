"""DeepLabCut's CSV: what it found in a video (`save_as_csv=True`, filtered or not), or what people have labelled.

Header rows: scorer, (individuals, where there are several,) bodyparts, coords: x, y, likelihood; labels have no likelihood.
Rows: frames from 0, or paths of labelled images (labeled-data/<video>/img0012.png, in one column or three), where a folder is
a recording.
A missing body part is an empty cell. A video's file has its name, the scorer's, and more such as _el_filtered; where both a
file and its filtered one are there, the filtered one is read. The .h5 beside it is a pandas object and not read.
(DeepLabCut/DeepLabCut, docs; Mathis et al. 2018, Lauer et al. 2022.)
"""

from __future__ import annotations

import csv
import io
import logging
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pose_diffusion import storage
from pose_diffusion.config import DeepLabCutConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.detections.named_joints import check_names, match_layout
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import Layout
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
_HEADERS = (["scorer", "bodyparts", "coords"], ["scorer", "individuals", "bodyparts", "coords"])
_FILTERED = "_filtered.csv"
_BAD_CELL = re.compile(r"CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to \w+: invalid value '(.*)'")
_IMAGE = re.compile(r"/|\.[a-zA-Z]")

Columns = dict[str, dict[str, int]]  # body part -> coordinate -> column
FORMATS = (
    FileFormat(
        "DeepLabCut, one or several individuals", "CSV of `save_as_csv=True`, or labelled data", NO_SIZE,
        f"individuals, else {FOLLOWED}",
        ("every layout, by body parts' names",),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class _Table:
    """individuals: the columns of each. index: of each row, its frame or image. values: (rows, columns), NaN where empty."""

    path: str
    scorer: str
    individuals: dict[str, Columns]
    index: list[str]
    values: np.ndarray


def open_source(inputs: Inputs, settings: DeepLabCutConfig, executor: Executor) -> Source:
    """A sequence an individual and video. Raises InputError for bad files."""
    found = inputs.files(".csv", ".h5")
    paths = [path for path in found if path.lower().endswith(".csv")]
    if not paths:
        way = "deeplabcut.analyze_videos(..., save_as_csv=True) or deeplabcut.analyze_videos_converth5_to_csv(folder)"
        raise InputError(f"{found[0]}: DeepLabCut's .h5 is not read, its .csv is; write it by {way}")
    filtered = {path for path in paths if path.endswith(_FILTERED)}
    for path in [path for path in paths if path.removesuffix(".csv") + _FILTERED in filtered]:
        log.info("%s: left out for its filtered file beside it", path)
        paths.remove(path)
    return detections_source(
        "deeplabcut", inputs, settings, executor, paths, lambda path: read(path, inputs.stem(path), settings)
    )


def recognise(sample: Sample) -> Seen | None:
    """A CSV whose first column begins scorer, bodyparts, coords; or its .h5."""
    if (
        sample.suffix == ".h5"
        and ("df_with_missing" in sample.datasets or "DLC" in sample.name)
        and "tracks" not in sample.datasets
    ):
        wrong = "pandas' HDF5 is not read; save a CSV: save_as_csv=True, or deeplabcut.analyze_videos_converth5_to_csv"
        return Seen("DeepLabCut's .h5", "an HDF5 file with 'df_with_missing'", wrong)
    first = [row[0].lower() for row in sample.rows[:4]]
    if first[:1] == ["scorer"] and "bodyparts" in first and "coords" in first:
        return Seen("DeepLabCut CSV", "a head of scorer, bodyparts and coords")
    return None


def read(path: str, stem: str, settings: DeepLabCutConfig) -> list[Detections]:
    """The recordings of a file. stem: the file's name without suffix."""
    table = _read_table(path)
    layout, people = _people(table, settings)
    points = {name: _points(table.values, parts) for name, parts in people.items()}
    is_there = {name: np.asarray(some[..., 2].any(1)) for name, some in points.items()}
    recordings: dict[str, list[int]] = {}
    frame, image = _frames(table)
    for row, name in enumerate(image or [""] * len(frame)):
        recordings.setdefault(name.rpartition("/")[0], []).append(row)
    found = []
    for folder, rows in recordings.items():
        there = {name: np.array(rows)[some[rows]].tolist() for name, some in is_there.items()}
        order = [row for some in there.values() for row in some]
        seen = set(order)
        found.append(
            Detections(
                where=f"{path}: {folder}" if len(recordings) > 1 else path,
                name=_name(stem, table.scorer, folder),
                layout=layout,
                points=np.concatenate([points[name][some] for name, some in there.items()]),
                frame=frame[order],
                person=[name for name, some in there.items() for _ in some],
                image=[image[row] for row in order] if image else None,
                empty=[int(frame[row]) for row in rows if row not in seen],
            )
        )
    return found


def _read_table(path: str) -> _Table:
    content = io.BytesIO(storage.read_bytes(path))
    try:
        lines = [content.readline().decode("utf-8-sig") for _ in range(3)]
        header = list(csv.reader(lines, strict=True))
        if [row[0] for row in header if row] == _HEADERS[1][:3]:
            header += csv.reader([content.readline().decode()], strict=True)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV ({error})") from None
    titles = [row[0] if row else "" for row in header]
    if titles not in _HEADERS:
        got = ", ".join(repr(title[:20]) for title in titles)
        raise InputError(
            f"{path}: expected DeepLabCut's header rows scorer, (individuals,) bodyparts, coords; they begin {got}"
        )
    index_columns = next((n for n, cell in enumerate(header[-1]) if n and cell), len(header[-1]))
    columns = [str(number) for number in range(len(header[-1]))]
    individuals = _individuals(path, header, index_columns)
    options = pyarrow.csv.ConvertOptions(
        column_types={name: pa.float64() if int(name) >= index_columns else pa.string() for name in columns}
    )
    try:
        rest = content.read()
        rest.decode()  # Arrow prints what the handler of a row that is no text raises
        names = pyarrow.csv.ReadOptions(column_names=columns, use_threads=False)
        parsing_options = pyarrow.csv.ParseOptions(invalid_row_handler=_skip_if_empty)
        rows = pyarrow.csv.read_csv(pa.BufferReader(rest), names, parsing_options, options)
    except (pa.ArrowException, ValueError) as error:
        cell = _BAD_CELL.search(str(error))
        if cell is None:
            raise InputError(f"{path}: not a CSV ({str(error).splitlines()[0][:120]})") from None
        part, coordinate = header[-2][int(cell[1])], header[-1][int(cell[1])]
        raise InputError(f"{path}: {part} {coordinate}: expected numbers, got {cell[3][:40]!r}") from None
    if not rows.num_rows:
        raise InputError(f"{path}: has no rows")
    values = np.full((rows.num_rows, len(columns)), np.nan)
    for number in range(index_columns, len(columns)):
        values[:, number] = rows[number].to_numpy()
    cells = [rows[number].to_pylist() for number in range(index_columns)]
    index = ["/".join(filter(None, row)).replace("\\", "/") for row in zip(*cells, strict=True)]
    scorer = header[0][-1]
    return _Table(path, scorer, individuals, index, values)


def _skip_if_empty(row: pyarrow.csv.InvalidRow) -> str:
    """A short row without a body part, as spreadsheets save it, is a frame without anybody; any other is an error."""
    cells = row.text.split(",")
    return "error" if row.actual_columns > row.expected_columns or any(cells[1:]) else "skip"


def _individuals(path: str, header: list[list[str]], index_columns: int) -> dict[str, Columns]:
    """The columns of each body part of each individual; without a row of individuals there is one, named 0."""
    *above, body_parts, coordinates = header
    of_whom = above[1] if len(above) > 1 else ["0"] * len(coordinates)
    if not len(of_whom) == len(body_parts) == len(coordinates):
        raise InputError(f"{path}: header rows of {len(body_parts)} and {len(coordinates)} columns")
    check_names(path, of_whom)
    check_names(path, body_parts)
    individuals: dict[str, Columns] = {}
    for column in range(index_columns, len(coordinates)):
        part, coordinate = body_parts[column], coordinates[column]
        if coordinate == "z":
            raise InputError(f"{path}: {part} has x, y and z: a result in 3D; expected x, y, likelihood")
        places = individuals.setdefault(of_whom[column], {}).setdefault(part, {})
        if coordinate in places:
            raise InputError(f"{path}: {part} {coordinate} is there twice")
        places[coordinate] = column
    for parts in individuals.values():
        for part, places in parts.items():
            if not {"x", "y"} <= set(places):
                raise InputError(f"{path}: {part}: expected columns x and y, got {', '.join(places)}")
    if not individuals:
        raise InputError(f"{path}: no body part")
    return individuals


def _people(table: _Table, settings: DeepLabCutConfig) -> tuple[Layout, dict[str, list[dict[str, int]]]]:
    """The layout, and the columns of its joints for each individual that has them all."""
    layout, people, errors = None, {}, []
    for name, parts in table.individuals.items():
        where = f"{table.path}, {name}" if len(table.individuals) > 1 else table.path
        chosen = settings if layout is None else settings.model_copy(update={"layout": layout.name})
        try:
            layout, places = match_layout("deeplabcut", chosen, list(parts), where)
        except InputError as error:
            errors.append(error)
            continue
        columns = list(parts.values())
        people[name] = [columns[place] for place in places]
    if layout is None:
        raise errors[0]
    for left_out in errors:
        log.warning("left out: %s", left_out)
    return layout, people


def _points(values: np.ndarray, parts: list[dict[str, int]]) -> np.ndarray:
    """(rows, joints, 3): x, y, likelihood, which is 1 where the file has none; all 0 for a body part with an empty cell."""
    points = np.ones((len(values), len(parts), 3))
    for number, columns in enumerate(parts):
        for place, coordinate in enumerate(("x", "y", "likelihood")):
            if coordinate in columns:
                points[:, number, place] = values[:, columns[coordinate]]
    points[np.isnan(points).any(-1)] = 0
    return points


def _frames(table: _Table) -> tuple[np.ndarray, list[str]]:
    """The frame of each row, (rows,), and the images that the rows are named by; none where they are numbers."""
    for row, name in enumerate(table.index):
        if not _is_number(name) and not _IMAGE.search(name):
            where = f"{table.path}: row {row} after the header"
            raise InputError(f"{where}: expected a frame number or an image's path, got {name[:40]!r}")
    if all(map(_is_number, table.index)):
        return np.array([int(name) for name in table.index], np.int64), []
    frame = [parsing.frame_number(name, f"{table.path}: row {row} after the header") for row, name in enumerate(table.index)]
    return np.array(frame, np.int64), table.index


def _is_number(name: str) -> bool:
    return name.isdecimal() and len(name) < 19


def _name(stem: str, scorer: str, folder: str) -> str:
    """Of a recording: the folder of labelled images, or the video, which stands before the scorer's name."""
    if folder:
        return folder.rpartition("labeled-data/")[2]
    video = stem.rpartition(scorer)[0] if scorer else ""
    return stem if not video or video.endswith("/") else video
