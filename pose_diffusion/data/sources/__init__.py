"""Where poses come from: each source is a module (`SourceModule`) with

    open_source(inputs, settings, executor) -> Source    reads what `prepare` was given, with the source's own section
    recognise(sample) -> Seen | None                     says whether a file is of its tools, for prepare.source=auto
    FORMATS                                              its rows in the documentation's table of formats

SOURCES has the modules by the name that `prepare.source` takes; a source more is a module, a line here, and a section in
`config.sources`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pose_diffusion.config import Config, SourceName
from pose_diffusion.data import ensemble
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import recognise
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
    tfjs,
    videopose3d,
    yolo,
)
from pose_diffusion.data.sources.detections.tables import table
from pose_diffusion.data.sources.file_format import FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.motion import asf_amc, bvh, joint_arrays, synthetic
from pose_diffusion.data.sources.recognise import Recognition
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.runtime.executor import Executor, LocalExecutor


class SourceModule(Protocol):
    """What a source's module has; see above."""

    @property
    def FORMATS(self) -> Sequence[FileFormat]: ...

    @property
    def open_source(self) -> Any: ...

    def recognise(self, sample: Sample, /) -> Seen | None: ...


SOURCES: dict[SourceName, SourceModule] = {
    "synthetic": synthetic,
    "human36m": human36m,
    "coco": coco,
    "openpose": openpose,
    "alphapose": alphapose,
    "mmpose": mmpose,
    "mediapipe": mediapipe,
    "tfjs": tfjs,
    "detectron2": detectron2,
    "videopose3d": videopose3d,
    "deeplabcut": deeplabcut,
    "sleap": sleap,
    "yolo": yolo,
    "table": table,
    "bvh": bvh,
    "asf_amc": asf_amc,
    "joints": joint_arrays,
    "mpi_inf_3dhp": mpi_inf_3dhp,
    "mmpose3d": mmpose3d,
    "heatmaps": heatmaps,
}


def open_source(config: Config, executor: Executor | None = None) -> Source:
    """The source that prepare.source names, with the section of its name. Raises InputError for bad input.

    executor: who reads an archive's files, by default this process.
    """
    config, _ = resolve(config)
    prepare = config.prepare
    assert prepare.source != "auto"  # resolved
    inputs = Inputs(prepare.input, prepare.seed, prepare.on_error, tuple(prepare.test_subjects))
    source: Source = SOURCES[prepare.source].open_source(inputs, getattr(config, prepare.source), executor or LocalExecutor())
    return source


def open_sources(config: Config, executor: Executor | None = None) -> Source:
    """As `open_source`, with prepare.ensemble's further inputs merged into its mixtures."""
    settings = config.prepare
    if not settings.ensemble:
        return open_source(config, executor)
    inputs = [settings.input, *settings.ensemble]
    configs = [
        config.model_copy(update={"prepare": settings.model_copy(update={"input": path, "ensemble": []})}) for path in inputs
    ]
    return ensemble.merge([open_source(one, executor) for one in configs], inputs, skip=settings.on_error == "skip")


def resolve(config: Config) -> tuple[Config, Recognition | None]:
    """The config with the source that prepare.source=auto finds, and how it was found; as it is where a source is named.

    Without an input it is synthetic. What the files state becomes settings of the source's section, where those have their
    defaults. Raises InputError where no source reads the input.
    """
    prepare = config.prepare
    if prepare.source != "auto":
        return config, None
    if not prepare.input:
        return config.model_copy(update={"prepare": prepare.model_copy(update={"source": "synthetic"})}), None
    found = recognise.recognise(prepare.input, all_recognisers(), SOURCES)
    section = getattr(config, found.source)
    changes = {
        key: value for key, value in found.settings.items() if getattr(section, key) == type(section)().model_dump()[key]
    }
    update = {
        "prepare": prepare.model_copy(update={"source": found.source}),
        found.source: section.model_copy(update=changes),
    }
    return config.model_copy(update=update), found


def all_recognisers() -> dict[str, recognise.Recogniser]:
    """What tells each source's files, by its name."""
    return {name: module.recognise for name, module in SOURCES.items()}
