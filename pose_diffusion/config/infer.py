"""What `infer` is told: what it lifts with which model, and how hypotheses become one pose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pose_diffusion.config.section import Count, Location, Positive, Precision, Section, Seed, Share


class InferConfig(Section):
    bundle: Location = ""
    """Model bundle, local or s3://; empty takes the one that comes with the package, on each machine its own copy."""
    input: Location = ""
    """Shard folder to lift, local or s3://."""
    output: Location = ""
    """Folder for predictions and report, local or s3://. The same command again does what is missing."""
    split: str | None = "test"
    """Split to lift; null lifts every split."""
    batch: Annotated[int, Field(ge=0)] = 0
    """Poses in every pass of the networks, mirror images and hypotheses counted; 0 takes what suits the device."""
    diffusion: bool = True
    """Published model: refine the lifter's poses by diffusion; false publishes them as they are, in an eighth of the time."""
    flips: bool = True
    """Average with the prediction of the mirrored pose."""
    pose_2d: Literal["heaviest", "mean"] = "heaviest"
    """What of a mixture is lifted: each joint's heaviest kernel, as published, or its mixture's mean."""
    hypotheses: Count = 1
    """Poses drawn for each input; above 1 each starts from its own draw of the mixture's kernels."""
    aggregate: Literal["mean", "weighted", "jointwise"] = "mean"
    """Which pose several hypotheses become: their mean, or weighted or chosen by their reprojection, joint by joint."""
    eta: Share | None = None
    """Fresh noise in a DDIM step, instead of the bundle's."""
    preserve_scale: bool | None = None
    """Whether refined poses take the size of the lifter's, instead of as the bundle says."""
    fps: Positive | None = None
    """Video model: frames a second where the shards do not say; null assumes 30."""
    field_of_view: Annotated[float, Field(gt=0, lt=180)] | None = None
    """Video model: horizontal angle of unknown cameras, degrees; null assumes a focal length of the image's diagonal."""
    smooth: Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)] = 0.0
    """For video: average poses over near frames, as one more method; sigma of the window in frames, 0 leaves it out."""
    spread_scale: Positive = 1.0
    """Factor on the spread of hypotheses, which knows the doubt about 2D alone; a report on known truth has the fitting one."""
    keep_hypotheses: bool = False
    """Write every hypothesis into the predictions, beside what they become."""
    precision: Precision = "float32"
    """Arithmetic of the networks; tf32 is a GPU's, on a CPU it is float32."""
    compiled: bool = False
    """Compile the networks, which takes a worker a minute or more (beside a GPU, with CUDA graphs, 15 s): for long archives."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Actors that lift, each with the model loaded once; 0 takes one for each GPU, or each CPU of a cluster without."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPUs of an actor; 0 shares those of the cluster among the actors."""
    shards_in_flight: Annotated[int, Field(ge=0)] = 0
    """Shards an actor has in memory: one is lifted while others are read, scored and written; 0 takes 3, 8 beside a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to lift; auto takes a GPU an actor if the cluster has one."""
    on_bad_shard: Literal["fail", "skip"] = "fail"
    """What to do with a shard that cannot be read: end the job, or leave it out, count it and list it."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Further tries of a read or a write that remote storage refuses, after 1, 2, 4, ... seconds."""
    seed: Seed = 0
    """Seed of the hypotheses."""
