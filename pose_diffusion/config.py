"""Every setting of every job: one frozen section a subject, one sentence a key.

`config_file.load` fills it from YAML and the command line; the text under a key is what `--help` prints.
Values are checked here (type, range, choice), so the code that uses them does not check again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pose_diffusion import storage

Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
# A file or folder, local or s3://. Local ones are made absolute, since Ray's workers have working directories of their own.
Location = Annotated[str, AfterValidator(storage.absolute)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)


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
    source: Literal[
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
    ] = "synthetic"
    """Where the poses come from; the section of the same name has its settings."""
    input: Location = ""
    """Folder or file that the source reads, local or s3://; unused by synthetic."""
    output: Location = ""
    """Shard folder to write, local or s3://."""
    ensemble: list[Location] = []
    """Further inputs of the same source: other detectors' files, of the same names and frames, whose points become kernels."""
    test_subjects: list[str] = ["S9", "S11"]
    """Subjects of the test split; all others train. Poses without 3D are all in the test split, as they can only be lifted."""
    rows_per_file: Count = 20_000
    """Rows a Parquet file holds at the most; a file is the unit of work and of retry."""
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


class SyntheticConfig(Section):
    subjects: list[str] = ["S1", "S5", "S6", "S7", "S8", "S9", "S11"]
    """Bodies to make; each has Human3.6M's camera rig of that subject."""
    actions: list[str] | None = None
    """Actions to make; null makes all that the source knows."""
    clips: Count = 1
    """Clips for each subject and action."""
    frames: Count = 200
    """Frames in a clip, at 50 a second."""
    kernels: Count = 5
    """Mixture kernels a joint (K)."""


class Human36MConfig(Section):
    poses: str = "data_3d_h36m.npz"
    """The mocap file in prepare.input, VideoPose3D's layout."""
    detections: str = "data_2d_h36m_cpn_ft_h36m_dbb_gmm.npz"
    """The 2D file in prepare.input: mixtures (T, 17, K, 5) in DiffPose's layout or points (T, 17, 2) in VideoPose3D's."""
    image_size: Literal["camera", "published"] = "camera"
    """Normalise by each camera's own image size, or by 1000 x 1000 for all as the published code does."""
    sigma_unit: Literal["pixels", "normalised"] = "pixels"
    """Unit of sigma in the mixture file; DiffPose's own code uses the numbers as if normalised."""
    point_sigma_px: Positive = 5.0
    """Sigma, in pixels, of the one kernel made from a plain 2D point."""
    drop: list[str] = ["S11/Directions"]
    """Sequences, as subject/action, left out of both files; the default is the recording known to be corrupted."""


class ArchiveConfig(Section):
    layout: Literal["auto", "coco17", "body25", "coco18", "halpe26", "mediapipe33", "h36m17"] = "auto"
    """Joint layout of the file; auto takes what the file says, else what its tool writes for that number of joints."""
    image_size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Image width and height in pixels, where neither the file nor the images say it."""
    images: str = ""
    """Folder with the images, of which the sizes are read."""
    sigma_px: Positive = 5.0
    """Sigma, in pixels, of a joint of confidence 1; a joint of confidence c has sigma_px / max(c, 0.1)."""
    min_confidence: Share = 0.0
    """Joints of this confidence or less are missing."""
    missing: Literal["interpolate", "drop"] = "interpolate"
    """Give missing joints a wide kernel at an interpolated place, or drop their frames."""
    missing_sigma_px: Positive = 50.0
    """Sigma, in pixels, of a missing joint's kernel."""
    longest_gap: Annotated[int, Field(ge=0)] = 25
    """Frames over which a missing joint's place is interpolated in time; beyond, it is taken from the joints around it."""


class CocoConfig(ArchiveConfig):
    longest_gap: Annotated[int, Field(ge=0)] = 0
    """As elsewhere, but 0, for images that are not a video; set it where image ids are the frames of one."""


class OpenPoseConfig(ArchiveConfig):
    coordinates: Literal["pixels", "unit", "symmetric"] = "pixels"
    """What --keypoint_scale wrote: pixels (0 to 2), shares of the image from 0 to 1 (3), or from -1 to 1 (4)."""


class HeatmapsConfig(Section):
    layout: str = ""
    """Joint order of the heatmaps, which no file states and must be set: h36m17, coco17, body25, coco18, halpe26, ..."""
    kernels: Count = 5
    """Kernels a joint (K) to fit."""
    image_size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Image width and height in pixels; null, without boxes in the file, takes the heatmap's size times stride."""
    stride: Positive | None = None
    """Image pixels of a heatmap pixel, where heatmaps show the whole image; null is image width over heatmap width."""
    offset: Share = 0.0
    """Where in a heatmap pixel its value stands: 0 as detectors that decode index * stride are trained, 0.5 in its middle."""
    threshold: Share = 0.01
    """Values below this share of a heatmap's largest count as 0, since networks leave noise there."""
    restarts: Count = 3
    """Starts of a fit, of which the best counts."""
    missing_sigma_px: Positive = 50.0
    """Sigma, in pixels, of a joint whose heatmap is empty or flat."""
    longest_gap: Annotated[int, Field(ge=0)] = 25
    """Frames over which such a joint's place is interpolated in time; beyond, it is taken from the joints around it."""
    gpus: NonNegative = 0.0
    """GPUs of a task that fits, such as 0.25 where four tasks share one; 0 fits on the CPU."""


class MocapConfig(Section):
    joints: str = "auto"
    """Which of the file's joints make up the 17: a shipped map (cmu, mixamo, generic), a YAML file, or the first that fits."""
    unit: Literal["auto", "metres", "centimetres", "millimetres", "inches", "cmu"] = "auto"
    """Unit of lengths in the files; auto is the one that makes the person 1.1 to 2.1 m tall, cmu is that database's own."""
    up: Literal["auto", "x", "y", "z", "-x", "-y", "-z"] = "auto"
    """Axis that points up; auto is the one from feet to head."""
    fps: Positive = 50.0
    """Frames a second to resample to."""
    subject: str = "mocap"
    """Subject of files that lie directly in prepare.input; below it, the folder is the subject."""
    cameras: Literal["human36m", "ring"] = "human36m"
    """Rig that sees the motion: Human3.6M's four cameras, or a ring."""
    rig_subject: Literal["S1", "S5", "S6", "S7", "S8", "S9", "S11"] = "S1"
    """Subject of Human3.6M whose calibration the rig has."""
    ring_cameras: Count = 4
    """Cameras of a ring, evenly spaced."""
    ring_radius: Annotated[float, Field(ge=2)] = 5.0
    """Radius of a ring in metres."""
    room: Annotated[float, Field(gt=0)] = 2.0
    """Metres from the middle of the rig beyond which paths are bent back, so that people stay in the picture."""
    kernels: Count = 5
    """Mixture kernels a joint (K) of the simulated detector."""


class AsfAmcConfig(MocapConfig):
    source_fps: Positive = 120.0
    """Frames a second of the AMC files, which do not say it; 120 in nearly all of CMU's database."""


class MpiInf3dhpConfig(Section):
    files: Literal["npz", "original"] = "npz"
    """What prepare.input holds: the .npz files of P-STMO, or the data set's own annot.mat and annot_data.mat in its folders."""
    train: str = "data_train_3dhp.npz"
    """The training file in prepare.input (npz); empty leaves the training set out."""
    test: str = "data_test_3dhp.npz"
    """The test file in prepare.input (npz); empty leaves the test set out."""
    annotation: Literal["univ_annot3", "annot3"] = "univ_annot3"
    """Which ground truth to read (original), or which the .npz holds: scaled to one body height, or as measured."""
    cameras: list[Annotated[int, Field(ge=0, le=13)]] = [0, 1, 2, 4, 5, 6, 7, 8]
    """Training cameras to take; those at chest height and below the ceiling by default, as published work does."""
    valid_only: bool = True
    """Take those test frames alone that the data set marks as valid (2,929 of them)."""
    point_sigma_px: Positive = 10.0
    """Sigma, in pixels of its 2048-pixel images, of the one kernel made from a 2D point."""


class Mmpose3dConfig(Section):
    annotations: str = ""
    """The *_body3d.npz in prepare.input; empty where prepare.input is the file itself."""
    detections: str = ""
    """A detector's .npy (rows as in the annotations; x, y, score) in prepare.input; empty takes the annotated 2D."""
    layout: Literal["h36m17", "mpi_inf_3dhp17"] = "h36m17"
    """Joint layout of the file."""
    image_size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Image width and height in pixels; null takes those of Human3.6M's cameras, by the image names."""
    point_sigma_px: Positive = 5.0
    """Sigma, in pixels, of a joint of score 1; a joint of score s has point_sigma_px / max(s, 0.1)."""


class ModelConfig(Section):
    width: Annotated[int, Field(ge=4)] = 96
    """Channels of a node in both networks (C); a multiple of heads, and even."""
    layers: Count = 5
    """Attention and graph layers of each network (L)."""
    heads: Count = 4
    """Attention heads."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Dropout in the blocks' sublayers; attention and graph convolutions keep 0.1 as published."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} is not an even multiple of heads {self.heads}")
        return self


class DiffusionConfig(Section):
    schedule: Literal["linear", "quad", "const", "jsd", "sigmoid", "cosine"] = "linear"
    """Shape of the noise schedule."""
    beta_start: Positive = 1e-4
    """First beta (linear, quad, sigmoid)."""
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """Last beta (linear, quad, sigmoid, const)."""
    steps: Annotated[int, Field(ge=2)] = 51
    """Number of diffusion steps (T)."""
    noise_scale: Literal["constant", "mixture"] = "constant"
    """Noise on u, v: the published constant 0.1, or the drawn kernel's own sigma; x, y, z always have 1."""
    sampling: Literal["uniform", "quad", "list"] = "uniform"
    """How the DDIM steps are chosen from the window: evenly, as squares, or as step_list gives them."""
    window: Count = 12
    """DDIM starts below this step (uniform, quad)."""
    count: Count = 2
    """Number of DDIM steps (uniform, quad)."""
    step_list: list[Annotated[int, Field(ge=0)]] = [0, 6]
    """The DDIM steps, ascending, for sampling: list."""
    eta: Share = 0.0
    """Fresh noise in a DDIM step: 0 is deterministic, 1 is as much as in DDPM."""

    @model_validator(mode="after")
    def _steps_exist(self) -> DiffusionConfig:
        if self.beta_start > self.beta_end:
            raise ValueError(f"beta_start {self.beta_start} is above beta_end {self.beta_end}")
        if self.sampling == "list":
            if not self.step_list or sorted(set(self.step_list)) != self.step_list:
                raise ValueError(f"step_list {self.step_list} is not ascending")
            if self.step_list[-1] >= self.steps:
                raise ValueError(f"step_list reaches {self.step_list[-1]}, steps is {self.steps}")
        else:
            if self.window > self.steps:
                raise ValueError(f"window {self.window} is larger than steps {self.steps}")
            if self.count > self.window:
                raise ValueError(f"count {self.count} is larger than window {self.window}")
        return self


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
    """Adam's learning rate at the start."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Factor on the learning rate, decay ** (epoch / decay_epochs), applied every decay_epochs."""
    decay_epochs: Count = 60
    """Epochs between two changes of the learning rate."""
    anneal: Literal["steps", "cosine"] = "steps"
    """How the learning rate falls: in steps as published (decay, decay_epochs), or as a half cosine to 0 over each stage."""
    lifter_loss: Literal["squared", "distance"] = "squared"
    """Loss of the lifter: squared error as published, or mean joint distance, which is what MPJPE measures."""
    clip: NonNegative = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the moving average of the weights; 0 turns it off. The bundle holds the average."""
    flip: bool = True
    """Mirror a random half of each batch."""
    draw: bool = True
    """Draw the 2D input from the mixture's kernels; false takes the heaviest kernel's mean."""
    precision: Literal["float32", "bf16"] = "float32"
    """Arithmetic of the networks; bf16 is autocast, the weights stay float32."""
    workers: Count = 1
    """Ray Train workers; on CPUs alone as many as there are cores are faster than one with as many threads."""
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
    """CPU threads of a worker; 0 shares a machine's cores among its workers."""
    evaluate_every: Count = 1
    """Epochs between two evaluations on held-out poses; the last epoch always is."""
    seed: Seed = 0
    """Seed of weights, order, draws and noise."""


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
    flips: bool = True
    """Average with the prediction of the mirrored pose."""
    hypotheses: Count = 1
    """Poses drawn for each input; above 1 each starts from its own draw of the mixture's kernels."""
    aggregate: Literal["mean", "weighted", "jointwise"] = "mean"
    """Which pose several hypotheses become: their mean, or weighted or chosen by their reprojection, joint by joint."""
    eta: Share | None = None
    """Fresh noise in a DDIM step, instead of the bundle's."""
    keep_hypotheses: bool = False
    """Write every hypothesis into the predictions, beside what they become."""
    precision: Literal["float32", "bf16"] = "float32"
    """Arithmetic of the networks."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Actors that lift, each with the model loaded once; 0 takes one for each GPU, or each CPU of a cluster without."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPUs of an actor; 0 shares those of the cluster among the actors."""
    shards_in_hand: Count = 3
    """Shards an actor has in memory: one is lifted while the next is read and the last one written."""
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


class Config(Section):
    """One section a subject; each job reads the sections it needs."""

    data: DataConfig = DataConfig()
    prepare: PrepareConfig = PrepareConfig()
    inspect: InspectConfig = InspectConfig()
    synthetic: SyntheticConfig = SyntheticConfig()
    human36m: Human36MConfig = Human36MConfig()
    coco: CocoConfig = CocoConfig()
    openpose: OpenPoseConfig = OpenPoseConfig()
    alphapose: ArchiveConfig = ArchiveConfig()
    mmpose: ArchiveConfig = ArchiveConfig()
    mediapipe: ArchiveConfig = ArchiveConfig()
    detectron2: ArchiveConfig = ArchiveConfig()
    videopose3d: ArchiveConfig = ArchiveConfig()
    table: ArchiveConfig = ArchiveConfig()
    bvh: MocapConfig = MocapConfig()
    asf_amc: AsfAmcConfig = AsfAmcConfig()
    mpi_inf_3dhp: MpiInf3dhpConfig = MpiInf3dhpConfig()
    mmpose3d: Mmpose3dConfig = Mmpose3dConfig()
    heatmaps: HeatmapsConfig = HeatmapsConfig()
    model: ModelConfig = ModelConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    train: TrainConfig = TrainConfig()
    infer: InferConfig = InferConfig()
    report: ReportConfig = ReportConfig()
    export: ExportConfig = ExportConfig()
    official: OfficialConfig = OfficialConfig()
    ray: RayConfig = RayConfig()
