"""What `lift` writes of a file: a folder with lift.json, the arrays, and other programs' files on request.

    view.html                          see `viewer`, which gives its writer
    lift.json      whose 3D the folder holds, by which model and settings, and which files those are
    poses.npz, poses.parquet           see `lifted_arrays`
    <person>/<recording>.bvh, ...      see the modules of this package

All files are written aside, then published one by one, each whole. So a failed run leaves an earlier one's files as they are.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pose_diffusion import storage
from pose_diffusion.config import Config, ExportConfig
from pose_diffusion.errors import InputError
from pose_diffusion.export import FORMATS, lifted_arrays
from pose_diffusion.export.sequences import PoseTrack
from pose_diffusion.inference.lifted import LiftedFile

NAME = "lift.json"
HTML = "html"
Pages = Callable[[LiftedFile, Path], Iterable[str]]  # writes pages into a local folder and gives their names
_SUFFIX = "_3d"  # of the folder beside the input
# What writes everything of a lifted file, by its name in lift.format: a file's name and its writer. The other formats are those
# of `export`, which know sequences of poses alone.
ARRAYS: dict[str, tuple[str, Callable[[LiftedFile, Path], None]]] = {
    "npz": (lifted_arrays.NPZ, lifted_arrays.write_npz),
    "parquet": (lifted_arrays.PARQUET, lifted_arrays.write_parquet),
}


def output_folder(config: Config) -> str:
    """lift.output, by default beside the input. Raises InputError for a folder that is another input's, or no folder."""
    path, folder = config.lift.input.rstrip("/"), config.lift.output
    if not folder:
        folder = beside(path, is_folder=bool(storage.list_files(path)))
    named = Path(folder).suffix.lstrip(".")
    if named in (*ARRAYS, HTML, *FORMATS):
        raise InputError(f"{folder}: -o takes a folder; choose what is written into it by --format {named}")
    if folder.rstrip("/") == path or folder.startswith(f"{path}/"):
        raise InputError(f"{folder}: is in the input's folder, where it would be read as input: choose another -o")
    _check(folder, path)
    return folder


def beside(path: str, is_folder: bool) -> str:
    """The folder beside an input: its name, of a file without the suffix, and _3d."""
    stem, dot, suffix = path.rpartition(".")
    return (stem if dot and "/" not in suffix and not is_folder else path) + _SUFFIX


def write(lifted: LiftedFile, config: Config, folder: str, pages: Pages) -> list[str]:
    """Publishes the files that lift.format and lift.view ask for, and returns their paths. pages: writes html.

    Raises InputError where files are in the way that `lift` has not written.
    """
    before = _record(folder).get("files", [])
    with _aside(folder) as aside:
        names = sorted(set(_write_all(lifted, config, aside, pages)))
        for name in names:
            if name not in before and storage.exists(storage.join(folder, name)):
                raise InputError(f"{storage.join(folder, name)}: is there, and not from lift: choose another -o, or move it")
        for name in names:
            with storage.publish(storage.join(folder, name)) as temporary:
                shutil.move(aside / name, temporary)
    settings = config.model_dump(mode="json", exclude_defaults=True)
    record = lifted_arrays.describe(lifted) | {"files": names, "settings": settings, "skipped": list(lifted.skipped)}
    storage.publish_bytes(storage.join(folder, NAME), json.dumps(record, indent=1).encode())
    for name in set(before) - set(names):
        storage.remove_file(storage.join(folder, name))
    return [storage.join(folder, name) for name in names]


def tracks(lifted: LiftedFile) -> Iterator[PoseTrack]:
    """Each person of each recording as a sequence: the person is its subject, the recording its action."""
    for recording in lifted.recordings:
        for person in recording.people:
            yield PoseTrack(person.name, recording.name, "", person.frame, person.pose_3d, person.root_3d)


def _write_all(lifted: LiftedFile, config: Config, folder: Path, pages: Pages) -> Iterable[str]:
    """Writes all files below a local folder and yields their names in it."""
    if config.lift.view or config.lift.video or HTML in config.lift.format:
        yield from pages(lifted, folder)
    for name in config.lift.format:
        if name == HTML:
            continue
        if name in ARRAYS:
            file, writer = ARRAYS[name]
            writer(lifted, folder / file)
            yield file
        else:
            settings = ExportConfig(output=str(folder), fps=lifted.recordings[0].fps)
            yield from (os.path.relpath(path, folder) for path in FORMATS[name](settings, tracks(lifted)))


class _aside:
    """A local folder on the output's own disk, gone afterwards."""

    def __init__(self, folder: str):
        parent = None
        if not storage.is_remote(folder):
            with storage.clear_errors(folder):
                Path(folder).mkdir(parents=True, exist_ok=True)
            parent = folder
        self.folder = tempfile.TemporaryDirectory(prefix=".lift-", dir=parent)

    def __enter__(self) -> Path:
        return Path(self.folder.__enter__())

    def __exit__(self, *error: object) -> None:
        self.folder.cleanup()


def _check(folder: str, path: str) -> None:
    """Raises InputError for a folder of another input's results, or one that cannot be written."""
    there = _record(folder).get("input", path)
    if there != path:
        raise InputError(f"{folder}: holds the 3D of {there}: choose another -o, or delete it")
    if storage.is_remote(folder):
        return
    above = Path(folder)
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise InputError(f"{folder}: {above} is a file, not a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: {above} cannot be written: choose another folder with -o")


def _record(folder: str) -> dict:
    """What lift.json says; nothing where there is none. Raises InputError for one that is broken."""
    path = storage.join(folder, NAME)
    if not storage.exists(path):
        return {}
    try:
        record = json.loads(storage.read_bytes(path))
        files = record.get("files")
    except (ValueError, AttributeError):
        record, files = {}, None
    if not isinstance(files, list) or not all(isinstance(name, str) and _inside(name) for name in files):
        raise InputError(f"{path}: not as lift writes it: delete it, or choose another -o")
    return record


def _inside(name: str) -> bool:
    """Whether a relative path leads nowhere else."""
    return bool(name) and not os.path.isabs(name) and ".." not in name.split("/")
