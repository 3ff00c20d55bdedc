"""What `train` is told: stages, optimiser, augmentation, workers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pose_diffusion.config.section import Count, Location, NonNegative, Positive, Precision, Section, Seed, Workers


class TrainConfig(Section):
    output: Location = ""
    """The run: checkpoints, logs and, at model/, the bundle; local or s3://. The same command again resumes it."""
    lifter_epochs: Annotated[int, Field(ge=0)] = 50
    """Epochs of stage 1, the lifter; 0 with train.lifter."""
    denoiser_epochs: Annotated[int, Field(ge=0)] = 50
    """Epochs of stage 2, the denoiser; 0 stops after the lifter."""
    epochs: Annotated[int, Field(ge=0)] = 50
    """Epochs of the video model; as many clips as make the poses of the data are an epoch."""
    lifter: Location = ""
    """Bundle whose lifter is used instead of training one (its width and layers must be the config's)."""
    batch: Count = 1024
    """Poses in a step, over all workers together."""
    micro_batch: Annotated[int, Field(ge=0)] = 0
    """Poses of one pass, whose gradients add up to the batch's; 0: what a CPU's cache holds, or on a GPU the whole batch."""
    learning_rate: Positive = 1e-3
    """The optimiser's learning rate at the start."""
    optimiser: Literal["adam", "muon"] = "adam"
    """Adam, as published, or Muon for the matrices inside the layers and Adam for the rest."""
    weight_decay: NonNegative = 0.0
    """Share of a weight, times the learning rate, that a step takes off it."""
    lr_decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Factor on the learning rate, lr_decay ** (epoch / lr_decay_epochs), applied every lr_decay_epochs."""
    lr_decay_epochs: Count = 60
    """Epochs between two changes of the learning rate."""
    lr_schedule: Literal["steps", "cosine"] = "steps"
    """How the learning rate falls: in steps as published (lr_decay, lr_decay_epochs), or as a half cosine to 0 a stage."""
    loss: Literal["squared", "distance"] = "squared"
    """Loss of both stages: squared error as published, or distance joint by joint, which is what MPJPE measures."""
    denoiser_errors: Literal["noise", "lifter"] = "noise"
    """What the denoiser learns to take off a pose: Gaussian noise as published, or the errors of the lifter it refines."""
    grad_clip: NonNegative = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the moving average of the weights; 0 turns it off. The bundle holds the average."""
    flip: bool = True
    """Mirror a random half of each batch."""
    yaw_augment: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of poses turned about the vertical by a random angle, their 2D with them; needs cameras and the pelvis' place."""
    sample_kernels: bool = True
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
