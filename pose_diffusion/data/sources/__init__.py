"""Where poses come from: each source is a function `clips(config)`, named by `prepare.source`."""

from __future__ import annotations

from collections.abc import Callable

from pose_diffusion.config import Config, SourceName
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.benchmarks import human36m, mmpose3d, mpi_inf_3dhp
from pose_diffusion.data.sources.detections import (
    alphapose,
    coco,
    detectron2,
    heatmaps,
    mediapipe,
    mmpose,
    openpose,
    videopose3d,
)
from pose_diffusion.data.sources.detections.archive import Archive
from pose_diffusion.data.sources.detections.tables import table
from pose_diffusion.data.sources.motion import asf_amc, bvh, synthetic
from pose_diffusion.data.sources.motion.mocap import Motions
from pose_diffusion.data.sources.parsing import Run, in_turn

SOURCES: dict[SourceName, Callable[[Config], Source | Archive | Motions]] = {
    "synthetic": synthetic.clips,
    "human36m": human36m.clips,
    "coco": coco.clips,
    "openpose": openpose.clips,
    "alphapose": alphapose.clips,
    "mmpose": mmpose.clips,
    "mediapipe": mediapipe.clips,
    "detectron2": detectron2.clips,
    "videopose3d": videopose3d.clips,
    "table": table.clips,
    "bvh": bvh.clips,
    "asf_amc": asf_amc.clips,
    "mpi_inf_3dhp": mpi_inf_3dhp.clips,
    "mmpose3d": mmpose3d.clips,
    "heatmaps": heatmaps.clips,
}


def find(config: Config, run: Run = in_turn) -> Source:
    """The source that prepare.source names. run: who reads an archive's files. Raises InputError for bad input."""
    found = SOURCES[config.prepare.source](config)
    return found if isinstance(found, Source) else found.source(run)
