"""Bundles at a training run's ends: the one that it is given, for its lifter, and the one that it leaves."""

from __future__ import annotations

from pose_diffusion.config import Config, ModelConfig, TrainConfig
from pose_diffusion.errors import InputError
from pose_diffusion.inference.bundle import load_published, save_bundle
from pose_diffusion.inference.video_bundle import save_video_bundle
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.training.state import TrainState, cpu_weights


def given_lifter(folder: str, model: ModelConfig) -> Lifter:
    """The lifter of the bundle train.lifter. Raises InputError where its size is not the config's."""
    bundle = load_published(folder)
    if bundle.model != model:
        raise InputError(f"key 'train.lifter': {folder} holds {bundle.model}, the config's model is {model}")
    return bundle.lifter


def finished_lifter(train: TrainConfig, model: ModelConfig, state: TrainState) -> Lifter:
    """The finished lifter, frozen, on the CPU: stage 1's best, or the one that train.lifter names."""
    if train.lifter:
        lifter = given_lifter(train.lifter, model)
    else:
        lifter = Lifter(model)
        lifter.load_state_dict(state.lifter)
    return lifter.eval().requires_grad_(False)


def save_trained(folder: str, config: Config, state: TrainState, trained_by: str) -> None:
    """The bundle of a finished run: each stage's averaged weights of its best epoch."""
    is_video = config.model.family == "video"
    evaluated = [entry for entry in state.history if ("mpjpe" if is_video else "lifter_mpjpe") in entry]
    provenance = {
        "trained_by": trained_by,
        "shards": config.data.shards,
        "steps": state.steps_done,
        "holdout_subjects": config.train.holdout_subjects,
        "best_epoch" if is_video else "best_denoiser_epoch": state.best.get("epoch"),
        "held_out": evaluated[-1] if evaluated else {},
        "train": config.train.model_dump(mode="json", exclude=other_family(config.model)),
    }
    if is_video:
        provenance["video"] = config.video.model_dump(mode="json")
        save_video_bundle(folder, config.model, state.best["weights"], provenance)
        return
    save_bundle(
        folder,
        config.model,
        config.diffusion,
        cpu_weights(finished_lifter(config.train, config.model, state)),
        state.best.get("weights"),
        provenance,
    )


def other_family(model: ModelConfig) -> set[str]:
    """Keys of `train` that only the other family has."""
    return {"epochs"} if model.family == "published" else {"lifter", "lifter_epochs", "denoiser_epochs"}
