"""What the benchmark measures, how large and how long."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pose_diffusion.config import Config
from pose_diffusion.config.section import Count, Location, Positive, Precision, Section

Part = Literal["network", "reading", "scaling", "jobs", "mixtures", "families"]


class BenchConfig(Section):
    parts: Annotated[list[Part], Field(min_length=1)] = ["network", "reading", "scaling", "jobs", "mixtures"]
    """What to measure: networks alone, shards read, more workers, whole jobs, mixtures of heatmaps, or both model families."""
    output: Location = ""
    """JSON file of the figures, local or s3://; empty prints the table alone."""
    compare: list[Location] = []
    """Two JSON files of benches to set side by side; nothing is measured then."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the networks run; auto takes a GPU if there is one."""
    precisions: Annotated[list[Precision], Field(min_length=1)] = ["float32", "bf16"]
    """Arithmetic of the networks; tf32 needs a GPU."""
    passes: Annotated[list[Literal["forward", "training", "sampler"]], Field(min_length=1)] = ["forward", "training", "sampler"]
    """What of the networks to time: passes of lifter and denoiser, forward and back, or the whole sampler."""
    batches: Annotated[list[Count], Field(min_length=1)] = [64, 1024]
    """Poses in a network pass and in a training step."""
    compiled: bool = False
    """Measure torch.compile too, its start-up counted."""
    threads: Count = 1
    """CPU threads of a process; the matmul peak is that of as many."""
    workers: list[Count] = []
    """Numbers of workers to compare; empty takes 1, 2, 4, ... up to the CPUs or GPUs of this machine."""
    seconds: Positive = 3.0
    """Seconds of each measurement."""
    job_seconds: Positive = 60.0
    """Seconds that the data of an epoch and of an archive last in the jobs part, as the bare loops foretell it."""
    rows: Count = 100_000
    """Rows of the shards that the reading part writes and reads; data.shards, where given, is read instead."""
    s3: Location = ""
    """s3://bucket/folder for the reading part's shards; empty starts moto's S3 server here, if it is installed."""
    families: list[Location] = ["configs/video_small.yaml", "configs/video_base.yaml"]
    """Configs whose video models the families part sets beside the published model of the sizes under model."""
    heatmaps: Count = 100
    """Random heatmaps that the mixtures part fits."""
    folder: Location = ""
    """Folder for what the bench writes on the way, emptied at its end; empty takes a temporary one."""

    @model_validator(mode="after")
    def _two_to_compare(self) -> BenchConfig:
        if len(self.compare) not in (0, 2):
            raise ValueError(f"compare takes two files, got {len(self.compare)}")
        if self.s3 and not self.s3.startswith("s3://"):
            raise ValueError(f"s3 is {self.s3}, expected s3://bucket/folder")
        return self


class BenchmarkConfig(Config):
    """The product's config with the benchmarks' own section."""

    bench: BenchConfig = BenchConfig()
