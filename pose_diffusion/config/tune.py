"""What `jobs/tune.py` is told: where to search, how, and how long."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pose_diffusion.config.section import Count, Location, NonNegative, Section, Seed


class TuneConfig(Section):
    output: Location = ""
    """Folder for the trials, trials.parquet, best.yaml and page.html, local or s3://. The same command again goes on."""
    mode: Literal["training", "sampling"] = "training"
    """training: a trial trains. sampling: a trial tries DDIM steps, eta, hypotheses or flips on tune.bundle, in seconds."""
    space: dict[str, dict[str, Any]] = {}
    """What to search, a way to draw values for each key: choice, grid, uniform, loguniform or randint."""
    bundle: Location = ""
    """Trained bundle to search on (mode: sampling)."""
    algorithm: Literal["tpe", "random"] = "tpe"
    """How settings are drawn: Optuna's TPE, which learns from the trials before, or at random."""
    trials: Count = 32
    """Trials to run; with grids, for each combination of their values. May be raised when a search goes on."""
    minutes: NonNegative = 0.0
    """Minutes after which the search stops, with what it has; 0 is no limit."""
    concurrent: Annotated[int, Field(ge=0)] = 0
    """Trials side by side; 0 takes as many as the cluster has GPUs, or CPUs where it has none, for train.workers each."""
    prune: bool = True
    """Stop trials early that do worse than others did at the same epoch (ASHA)."""
    grace: Count = 1
    """Epochs that every trial may train."""
    reduction: Annotated[float, Field(gt=1)] = 3.0
    """Of the trials at epoch grace, grace * reduction, ... one in this many goes on."""
    final_lifter_epochs: Annotated[int, Field(ge=0)] | None = None
    """Epochs of the lifter in best.yaml; null keeps train.lifter_epochs."""
    final_denoiser_epochs: Annotated[int, Field(ge=0)] | None = None
    """Epochs of the denoiser in best.yaml; null keeps train.denoiser_epochs."""
    final_epochs: Annotated[int, Field(ge=0)] | None = None
    """Epochs of the video model in best.yaml; null keeps train.epochs."""
    seed: Seed = 0
    """Seed of the draws."""
