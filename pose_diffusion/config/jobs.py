"""What each job is told: where it reads and writes, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pose_diffusion.config.section import Count, Location, NonNegative, Positive, Section, Seed, Share, Workers

Precision = Literal["float32", "tf32", "bf16"]
SourceName = Literal[
    "synthetic",
    "human36m",
    "coco",
    "openpose",
    "alphapose",
    "mmpose",
    "mediapipe",
    "detectron2",
    "videopose3d",
    "table",
    "bvh",
    "asf_amc",
    "mpi_inf_3dhp",
    "mmpose3d",
    "heatmaps",
]


class DataConfig(Section):
    shards: Location = ""
    """Shard folder to train on, local or s3://."""
    actions: list[str] | None = None
    """Keep these actions alone, by whole name without the trailing number ('Sitting' is not 'SittingDown')."""
    subjects: list[str] | None = None
    """Keep these subjects alone."""
    cache: Literal["auto", "always", "never"] = "auto"
    """Keep the decoded training split in each worker's memory after the first pass; auto: where it fits cache_gib."""
    cache_gib: Positive = 8.0
    """The largest training split, decoded and in GiB a worker, that cache: auto keeps in memory."""
    shuffle_rows: Count = 65536
    """Rows in the shuffle buffer of a streamed epoch (a cached epoch is shuffled as a whole)."""


class PrepareConfig(Section):
    source: SourceName = "synthetic"
    """Where the poses come from; the section of the same name has its settings."""
    input: Location = ""
    """Folder or file that the source reads, local or s3://; unused by synthetic."""
    output: Location = ""
    """Shard folder to write, local or s3://."""
    ensemble: list[Location] = []
    """Further inputs of the same source: other detectors' files, of the same names and frames, whose points become kernels."""
    test_subjects: list[str] = ["S9", "S11"]
    """Subjects of the test split; all others train. Poses without 3D are all in the test split, as they can only be lifted."""
    rows_per_file: Count = 8192
    """Rows a Parquet file holds at the most; a file is the unit of work and of retry, and what workers share out at the end."""
    mib_per_file: Positive = 64.0
    """Size of a Parquet file at the most, in MiB; it ends where this or rows_per_file is reached."""
    seed: Seed = 0
    """Seed of everything random in a source (synthetic motion, simulated detections)."""
    on_error: Literal["fail", "skip"] = "fail"
    """What a broken file or sequence does: end the job, or be left out and listed in the manifest; the job then ends with 1."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Further tries of a read or a write that remote storage refuses, after 1, 2, 4, ... seconds."""


class InspectConfig(Section):
    input: Location = ""
    """Shard folder to look at, local or s3://."""
    output: Location = ""
    """Folder for card.json and PNG pages of poses, local or s3://; empty prints the card alone."""
    split: str | None = None
    """Split to look at; null takes all."""
    samples: Count = 16
    """Poses to draw, of sequences evenly spaced over the data set."""


class TrainConfig(Section):
    output: Location = ""
    """The run: checkpoints, logs and, at model/, the bundle; local or s3://. The same command again resumes it."""
    lifter_epochs: Annotated[int, Field(ge=0)] = 50
    """Epochs of stage 1, the lifter; 0 with train.lifter."""
    denoiser_epochs: Annotated[int, Field(ge=0)] = 50
    """Epochs of stage 2, the denoiser; 0 stops after the lifter."""
    lifter: Location = ""
    """Bundle whose lifter is used instead of training one (its width and layers must be the config's)."""
    batch: Count = 1024
    """Poses in a step, over all workers together."""
    pass_rows: Annotated[int, Field(ge=0)] = 0
    """Poses of one pass, whose gradients add up to the batch's; 0: what a CPU's cache holds, or on a GPU the whole batch."""
    learning_rate: Positive = 1e-3
    """The optimiser's learning rate at the start."""
    optimiser: Literal["adam", "muon"] = "adam"
    """Adam, as published, or Muon for the matrices of attention and learnable graphs and Adam for the rest."""
    weight_decay: NonNegative = 0.0
    """Share of a weight, times the learning rate, that a step takes off it."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Factor on the learning rate, decay ** (epoch / decay_epochs), applied every decay_epochs."""
    decay_epochs: Count = 60
    """Epochs between two changes of the learning rate."""
    anneal: Literal["steps", "cosine"] = "steps"
    """How the learning rate falls: in steps as published (decay, decay_epochs), or as a half cosine to 0 over each stage."""
    loss: Literal["squared", "distance"] = "squared"
    """Loss of both stages: squared error as published, or distance joint by joint, which is what MPJPE measures."""
    denoiser_errors: Literal["noise", "lifter"] = "noise"
    """What the denoiser learns to take off a pose: Gaussian noise as published, or the errors of the lifter it refines."""
    clip: NonNegative = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the moving average of the weights; 0 turns it off. The bundle holds the average."""
    flip: bool = True
    """Mirror a random half of each batch."""
    turn: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of poses turned about the vertical by a random angle, their 2D with them; needs cameras and the pelvis' place."""
    draw: bool = True
    """Draw the 2D input from the mixture's kernels; false takes the heaviest kernel's mean."""
    precision: Precision = "float32"
    """Arithmetic of the networks: bf16 by autocast, with weights in float32; tf32 is a GPU's, on a CPU it is float32."""
    compiled: bool = False
    """Compile the networks and record their passes as CUDA graphs, in half a minute at a stage's start: for GPUs alone."""
    workers: Workers = 1
    """Ray Train workers (on CPUs best one a core), or a range [least, most]: the GPUs there are, or CPUs there at the start."""
    placement: Literal["PACK", "SPREAD"] = "PACK"
    """Where the workers are: on few machines, which exchange gradients faster, or over many (which need CPUs to spare)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU a worker if the cluster has one."""
    max_failures: Annotated[int, Field(ge=-1)] = 3
    """Lost workers to replace before the run fails; -1 is no limit."""
    holdout_subjects: list[str] = ["S8"]
    """Training subjects kept out, on which the best epoch is chosen; with [] all train and the last epoch is kept."""
    holdout_poses: Count = 8192
    """Held-out poses evaluated each epoch, evenly spaced over the held-out rows."""
    checkpoint_steps: Annotated[int, Field(ge=0)] = 0
    """Steps between checkpoints within an epoch, for epochs of hours; 0 keeps them at the ends of epochs."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads of a worker, no more than the machine has cores; 0 shares those among its workers."""
    evaluate_every: Count = 1
    """Epochs between two evaluations on held-out poses; the last epoch always is."""
    seed: Seed = 0
    """Seed of weights, order, draws and noise."""

    @property
    def worker_range(self) -> tuple[int, int]:
        """The least and the most workers; the same twice where the run is not elastic."""
        return (self.workers, self.workers) if isinstance(self.workers, int) else self.workers


class InferConfig(Section):
    bundle: Location = ""
    """Model bundle, local or s3://."""
    input: Location = ""
    """Shard folder to lift, local or s3://."""
    output: Location = ""
    """Folder for predictions and report, local or s3://. The same command again does what is missing."""
    split: str | None = "test"
    """Split to lift; null lifts every split."""
    batch: Annotated[int, Field(ge=0)] = 0
    """Poses in every pass of the networks, mirror images and hypotheses counted; 0 takes what suits the device."""
    diffusion: bool = True
    """Refine the lifter's poses by diffusion; false publishes them as they are, in an eighth of the time."""
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
    keep_size: bool | None = None
    """Whether refined poses take the size of the lifter's, instead of as the bundle says."""
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
    shards_in_hand: Annotated[int, Field(ge=0)] = 0
    """Shards an actor has in memory: one is lifted while others are read, scored and written; 0 takes 3, 8 beside a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to lift; auto takes a GPU an actor if the cluster has one."""
    on_bad_shard: Literal["fail", "skip"] = "fail"
    """What to do with a shard that cannot be read: end the job, or leave it out, count it and list it."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Further tries of a read or a write that remote storage refuses, after 1, 2, 4, ... seconds."""
    seed: Seed = 0
    """Seed of the hypotheses."""


class ReportConfig(Section):
    input: Location = ""
    """Folder of predictions, such as infer.output, local or s3://; all .parquet files below it are read."""
    output: Location = ""
    """Folder for report.json, report.html and poses.png; empty is report.input."""


class ExportConfig(Section):
    input: Location = ""
    """Folder of predictions: an infer.output or its predictions/, local or s3://."""
    output: Location = ""
    """Folder for the new files, local or s3://."""
    format: Literal["bvh", "videopose3d"] = "bvh"
    """bvh: a motion file a sequence, for Blender; videopose3d: one .npz with the joints of all sequences."""
    subjects: list[str] | None = None
    """Export these subjects alone."""
    actions: list[str] | None = None
    """Export these actions alone."""
    root: bool = True
    """Place bodies where they stand before the camera, where infer knew the camera; false keeps the pelvis at 0."""
    fps: Positive = 50.0
    """Frames a second of the video (bvh)."""
    units_per_metre: Positive = 100.0
    """Units of length (bvh); 100 writes centimetres."""


class OfficialConfig(Section):
    lifter: Location = ""
    """Published lifter checkpoint (.pth)."""
    denoiser: Location = ""
    """Published diffusion checkpoint (.pth)."""
    output: Location = ""
    """Bundle folder to write."""
    ema: bool = False
    """Take the averaged weights instead of the raw ones that the published evaluation uses."""


class RayConfig(Section):
    address: str | None = None
    """Cluster to join; null joins the one that RAY_ADDRESS or `ray job submit` gives, else starts Ray here."""
    num_cpus: Count | None = None
    """CPUs of a Ray started here; null takes all."""
    cpu_label: Annotated[str, Field(pattern=r"^$|^[^=\s]+=[^=\s]+$")] = ""
    """Label of the nodes that prepare, read training shards and sum up, as name=value (role=cpu); without one, every node."""

    @property
    def cpu_selector(self) -> dict[str, str]:
        """ray.cpu_label as Ray's label selector."""
        return dict([self.cpu_label.split("=")]) if self.cpu_label else {}
