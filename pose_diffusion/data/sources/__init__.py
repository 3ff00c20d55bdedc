"""Where poses come from: each source is a module with a function

    open_source(inputs, settings, executor) -> Source

that takes what `prepare` gives every source, its own section of the config, and who reads its files. SOURCES has them by the
name that `prepare.source` takes; a source more is a module, a line here, and a section in `config.sources`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pose_diffusion.config import Config, SourceName
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.benchmarks import human36m, mmpose3d, mpi_inf_3dhp
from pose_diffusion.data.sources.detections import (
    alphapose,
    coco,
    deeplabcut,
    detectron2,
    heatmaps,
    mediapipe,
    mmpose,
    openpose,
    sleap,
    videopose3d,
)
from pose_diffusion.data.sources.detections.tables import table
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.motion import asf_amc, bvh, synthetic
from pose_diffusion.runtime.executor import Executor, LocalExecutor

SOURCES: dict[SourceName, Callable[[Inputs, Any, Executor], Source]] = {
    "synthetic": synthetic.open_source,
    "human36m": human36m.open_source,
    "coco": coco.open_source,
    "openpose": openpose.open_source,
    "alphapose": alphapose.open_source,
    "mmpose": mmpose.open_source,
    "mediapipe": mediapipe.open_source,
    "detectron2": detectron2.open_source,
    "videopose3d": videopose3d.open_source,
    "deeplabcut": deeplabcut.open_source,
    "sleap": sleap.open_source,
    "table": table.open_source,
    "bvh": bvh.open_source,
    "asf_amc": asf_amc.open_source,
    "mpi_inf_3dhp": mpi_inf_3dhp.open_source,
    "mmpose3d": mmpose3d.open_source,
    "heatmaps": heatmaps.open_source,
}


def open_source(config: Config, executor: Executor | None = None) -> Source:
    """The source that prepare.source names, with the section of its name. Raises InputError for bad input.

    executor: who reads an archive's files, by default this process.
    """
    prepare = config.prepare
    inputs = Inputs(prepare.input, prepare.seed, prepare.on_error, tuple(prepare.test_subjects))
    return SOURCES[prepare.source](inputs, getattr(config, prepare.source), executor or LocalExecutor())
