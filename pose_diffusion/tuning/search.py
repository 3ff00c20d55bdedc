"""A search, apart from who runs its trials: what to try next, what came of it, and what is published.

<tune.output>/trials/         the journal and the trials' runs (see `trials`); TensorBoard reads it as one log folder
<tune.output>/lifters/        lifters that trials share
<tune.output>/trials.parquet  one row a trial
<tune.output>/best.yaml       the config of the best trial, for jobs/train.py
<tune.output>/page.html       curves, what mattered, cost against error
<tune.output>/model/          with mode: sampling, the bundle with the best trial's sampling, for jobs/infer.py
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable

import pyarrow as pa

from pose_diffusion import storage
from pose_diffusion.config import Config, TuneConfig, loading
from pose_diffusion.inference.bundle import load_published, save_bundle
from pose_diffusion.tuning import page, trials
from pose_diffusion.tuning.space import Space, apply
from pose_diffusion.tuning.suggestion import draw
from pose_diffusion.tuning.trials import Journal, Point, Trial

log = logging.getLogger(__name__)

BEST, PAGE, MODEL = "best.yaml", "page.html", "model"


class Search:
    """The search of a config in its folder, from where the journal there leaves it.

    config: as the user gave it. base: the same with what trials have in common filled in (lifter, threads).
    """

    def __init__(self, config: Config, space: Space, base: Config, device: str, say: Callable[[str], object] = log.info):
        self.config, self.space, self.base, self.device, self.say = config, space, base, device, say
        self.journal = Journal(config.tune.output)
        self.budget = int(min(config.tune.trials * len(space.grids), space.size))
        self._interrupted = [trial.id for trial in self.journal if trial.status == "running"]

    @property
    def epochs(self) -> int:
        """Epochs of a trial that is not pruned."""
        if self.base.model.family == "video":
            return self.base.train.epochs
        return self.base.train.denoiser_epochs or self.base.train.lifter_epochs

    def next(self) -> Trial | None:
        """The trial to start now: one that was running when the search was killed, else a new one; None at the end."""
        if self._interrupted:
            return self.journal[self._interrupted.pop(0)]
        if len(self.journal) >= self.budget:
            return None
        startup = max(2, min(10, self.budget // 3))
        settings = draw(self.space, self.config.tune.algorithm, self.config.tune.seed, startup, list(self.journal))
        return None if settings is None else self.journal.begin(settings, self.device)

    def config_of(self, trial: Trial) -> Config:
        """What a trial runs. Raises InputError for settings that the config refuses together."""
        config = apply(self.base, trial.settings)
        train = config.train.model_copy(update={"output": self.journal.run(trial.id)})
        return config.model_copy(update={"train": train, "tune": TuneConfig()})

    def hear(self, id: str) -> list[Point]:
        """Takes in what a trial's run has written down, and returns its new epochs."""
        before = self.journal[id].epochs
        trial = self.journal.read_curve(id)
        if trial.epochs > before:
            self.journal.record(trial)
        return [point for point in trial.curve if point.epoch > before]

    def measured(self, id: str, mpjpe: float, seconds: float) -> None:
        """Takes in the result of a trial that trains nothing."""
        self.journal.record(dataclasses.replace(self.journal[id], mpjpe=mpjpe, seconds=seconds))

    def prune(self, id: str) -> None:
        self._end(dataclasses.replace(self.journal[id], status="pruned"))

    def finish(self, id: str) -> None:
        """Ends a trial whose run is over. One that stopped early, because time was up, stays as it is and may go on."""
        if self.journal[id].status != "running":
            return
        self.hear(id)
        trial = self.journal[id]
        if self.config.tune.mode == "training" and trial.epochs < self.epochs:
            return
        if trial.mpjpe is None or not math.isfinite(trial.mpjpe):
            self.fail(id, "the held-out error is not finite")
        else:
            self._end(dataclasses.replace(trial, status="finished"))

    def fail(self, id: str, reason: str) -> None:
        self.hear(id)
        self._end(dataclasses.replace(self.journal[id], status="failed", reason=reason))

    def _end(self, trial: Trial) -> None:
        self.journal.record(trial)
        self.journal.tidy(trial.id)
        self.say(line(trial))
        self.publish()

    def table(self) -> pa.Table:
        best = self.journal.best
        return trials.table(self.journal, self.space.plain(), self.config.tune.mode, best.id if best else None)

    def publish(self) -> None:
        """Writes the table of trials and, once there is one, the best trial's config."""
        trials.publish_table(self.config.tune.output, self.table())
        if best := self.journal.best:
            content = loading.dump(self.best_config(best))
            storage.publish_bytes(storage.join(self.config.tune.output, BEST), content.encode())

    def publish_page(self) -> None:
        rows = self.table()
        content = page.build(rows, trials.about(rows))
        storage.publish_bytes(storage.join(self.config.tune.output, PAGE), content.encode())

    def best_config(self, best: Trial) -> Config:
        """The config to use a trial's settings with: for training with final epochs, and, searched on a bundle, for lifting."""
        tune = self.config.tune
        config = apply(self.base, best.settings)
        epochs = {
            "lifter_epochs": tune.final_lifter_epochs,
            "denoiser_epochs": tune.final_denoiser_epochs,
            "epochs": tune.final_epochs,
        }
        given = {"lifter": self.config.train.lifter, "threads": self.config.train.threads}
        wanted = {name: count for name, count in epochs.items() if count is not None}
        train = config.train.model_copy(update={**given, **wanted, "output": storage.join(tune.output, "best")})
        infer = config.infer
        if tune.mode == "sampling":
            infer = infer.model_copy(update={"bundle": storage.join(tune.output, MODEL)})
        return config.model_copy(update={"train": train, "infer": infer, "tune": TuneConfig()})

    def publish_bundle(self, best: Trial) -> None:
        """Writes the searched bundle (mode: sampling) with the best trial's sampling in place of its own."""
        bundle = load_published(self.config.tune.bundle)
        save_bundle(
            storage.join(self.config.tune.output, MODEL),
            bundle.model,
            self.best_config(best).diffusion,
            bundle.lifter.state_dict(),
            None if bundle.denoiser is None else bundle.denoiser.state_dict(),
            {**bundle.provenance, "sampling_searched_by": "jobs/tune.py", "held_out_mpjpe": best.mpjpe},
        )


def line(trial: Trial) -> str:
    """A trial that has ended as one line of a table."""
    error = "-" if trial.mpjpe is None else f"{trial.mpjpe:.2f}"
    settings = ", ".join(f"{key} {trials.text(value)}" for key, value in trial.settings.items())
    figures = f"{trial.epochs:>4} epochs {error:>8} mm {trial.seconds:>7.0f} s"
    return f"trial {trial.id}  {trial.status:<8} {figures}  {settings}" + (f": {trial.reason}" if trial.reason else "")
