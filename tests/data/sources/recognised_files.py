"""Writes files of tools that are recognised: those of the archive formats, of motion capture and of benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.data.sources.benchmarks import human36m_files, mmpose3d_files, mpi_inf_3dhp_files
from tests.data.sources.detections import archive_files
from tests.data.sources.motion import mocap_files

Writer = Callable[[Path], object]


def _archive(kind: str) -> Writer:
    _, layout, write = archive_files.FORMATS[kind]
    return lambda folder: write(folder, archive_files.people(layout, frames=4))


def _asf_amc(folder: Path) -> None:
    (folder / "07.asf").write_text(mocap_files.asf_text())
    (folder / "07_01.amc").write_text(mocap_files.amc_text([{}, {}]))


def _heatmaps(folder: Path) -> None:
    np.savez(folder / "clip.npz", heatmaps=np.random.default_rng(0).uniform(size=(2, 17, 16, 12)).astype(np.float32))


# kind -> the source that reads it, its writer
KINDS: dict[str, tuple[str, Writer]] = {
    **{kind: (archive_files.FORMATS[kind][0], _archive(kind)) for kind in archive_files.FORMATS},
    "bvh": ("bvh", lambda folder: mocap_files.write_bvh(folder / "a.bvh", mocap_files.motion(4))),
    "asf_amc": ("asf_amc", _asf_amc),
    "joints": ("joints", mocap_files.write_arrays),
    "human36m": ("human36m", human36m_files.write),
    "mpi_inf_3dhp npz": ("mpi_inf_3dhp", mpi_inf_3dhp_files.write_npz),
    "mpi_inf_3dhp original": ("mpi_inf_3dhp", mpi_inf_3dhp_files.write_original),
    "mmpose3d": ("mmpose3d", mmpose3d_files.write),
    "heatmaps": ("heatmaps", _heatmaps),
}
# Each source's keys that no file states.
NEEDED = {
    "human36m": {"poses": "3d.npz", "detections": "2d.npz"},
    "heatmaps": {"layout": "coco17", "kernels": 1, "stride": 4},
    "bvh": {"joints": "mixamo"},
}
