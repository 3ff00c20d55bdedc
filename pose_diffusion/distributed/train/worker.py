"""What each Ray Train worker runs: the training loop, from the last checkpoint to the bundle."""

from __future__ import annotations

import functools
import math
import os
import tempfile
import time
from typing import Any

import ray.train
import ray.train.torch
import torch
import torch.distributed

from pose_diffusion.config import Config
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import schema, shards
from pose_diffusion.distributed.cluster.causes import input_error_in
from pose_diffusion.distributed.cluster.prometheus import TrainingMetrics
from pose_diffusion.distributed.train.bundles import finished_lifter, save
from pose_diffusion.distributed.train.data import COLUMNS, COLUMNS_TO_TURN
from pose_diffusion.distributed.train.epochs import Epochs
from pose_diffusion.errors import RunError
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.runtime import keyed_random
from pose_diffusion.runtime.process import configure_runtime
from pose_diffusion.runtime.progress import Progress
from pose_diffusion.training import history, stages
from pose_diffusion.training.batch import make_batch
from pose_diffusion.training.ema import Ema
from pose_diffusion.training.optimiser import build_optimiser
from pose_diffusion.training.state import TrainState, cpu_weights
from pose_diffusion.training.step import micro_batch
from pose_diffusion.training.step import step as training_step
from pose_diffusion.training.update import Update


def train_worker(settings: dict[str, Any]) -> Any:
    """The loop, with the errors that no second try would mend handed back: Ray Train would start it again for others."""
    try:
        train_loop(settings)
    except RunError as error:
        return {"failed": str(error)}
    except Exception as error:
        if known := input_error_in(error):
            return {"input": str(known)}
        if _out_of_memory(error) and ray.train.get_context().get_world_size() == 1:  # of several, the others wait for this one
            return {
                "failed": f"out of memory ({str(error).splitlines()[0]}); lower train.batch, train.micro_batch or model.width"
            }
        raise
    return {}


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def train_loop(settings: dict[str, Any]) -> None:
    """What each worker does: restore, data, then stage by stage and epoch by epoch: step, EMA, evaluate, report."""
    config = Config.model_validate(settings["config"])
    train = config.train
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device()
    cpus = os.cpu_count() or 1
    threads = min(cpus, train.threads or max(1, cpus // context.get_local_world_size()))
    configure_runtime(threads, train.precision == "tf32")
    say = settings["lines"].say.remote if rank == 0 and settings["lines"] else (lambda line: None)
    metrics = TrainingMetrics(train.output)

    # Restore: the last checkpoint, or the start.
    state = TrainState()
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            state = TrainState.load(folder)
        say(f"going on from stage {state.stage + 1}, epoch {state.epoch + 1}, step {state.steps_done}")

    # Data: this worker's part of the training rows, and its share of the held-out poses.
    batch = max(1, train.batch // world)
    epochs = Epochs(
        ray.train.get_dataset_shard("train"),
        batch,
        math.ceil(settings["rows"] / world) if settings["keep"] else 0,
        config.data.shuffle_rows,
        device,
        keyed_random.name_key(train.seed, rank),
        COLUMNS_TO_TURN if train.yaw_augment else COLUMNS,
    )
    # Timed from the first rows on, not from Ray Data's start.
    loading = functools.cache(lambda: Progress("reading training rows", settings["rows"] // world, "rows", say=say))
    epochs.load(lambda done: loading().reached(done))
    held_out = _holdout(config, settings["holdout"], rank, world, device) if settings["holdout"] else None

    todo = stages.stages(config)
    for index in range(state.stage, len(todo)):
        stage = todo[index]
        torch.manual_seed(keyed_random.name_key(train.seed, index))
        network = stage.build(config.model).to(device)
        lifter = network if isinstance(network, Lifter) else finished_lifter(config, state, device)
        denoiser = network if isinstance(network, Denoiser) else None

        # Model, optimiser and average, as the checkpoint left them.
        if state.model:
            network.load_state_dict(state.model)
        rows = micro_batch(train, device, batch)
        computes: Any = stages.compiled(stage, network, rows, config) if train.compiled else network
        if world > 1:
            # The networks' buffers are constants, which DistributedDataParallel would send around before each pass.
            options = {"broadcast_buffers": False}
            computes = ray.train.torch.prepare_model(computes, move_to_device=False, parallel_strategy_kwargs=options)
        optimiser = build_optimiser(network, train)
        ema = Ema(network, train.ema_decay)
        update = Update(network, optimiser, ema, train)
        frozen = stages.frozen_lifter(lifter, rows, config) if denoiser else None
        if state.optimiser:
            optimiser.load_state_dict(state.optimiser)
            ema.load_state_dict(state.ema)
        if state.epoch >= stage.epochs:
            state = state.next_stage(stage.name)
            continue

        for epoch in range(state.epoch, stage.epochs):
            network.train()
            start, waited, seen, total = time.monotonic(), 0.0, 0, torch.zeros((), device=device)
            skipped = state.step  # batches of this epoch that ran before the checkpoint
            steps = math.ceil(settings["rows"] / world / batch)
            progress = None
            step, before = skipped, time.monotonic()
            for rows_2d, rows_3d, *view in epochs.batches(epoch + index * 1_000_003, skip=skipped):
                wait = time.monotonic() - before
                waited += wait
                # Timed from the first batch on: until then a streamed epoch only fills its shuffle buffer.
                progress = progress or Progress(f"{stage.name} epoch {epoch + 1}", steps * batch * world, "samples", 15.0, say)

                # Step: its draws are a function of where it stands in the run.
                seed = keyed_random.name_key(train.seed, index, epoch, step, rank)
                torch.manual_seed(seed)
                generator = torch.Generator(device).manual_seed(seed)
                for group in optimiser.param_groups:
                    group["lr"] = stages.learning_rate(config, epoch + step / max(steps, 1), stage.epochs)
                poses = make_batch(
                    rows_2d, rows_3d, train.sample_kernels, train.flip, generator, view[0] if view else None, train.yaw_augment
                )
                if frozen:
                    poses = poses.lift(frozen, rows, train.precision == "bf16")
                total += training_step(stage, computes, update, poses, config, generator)

                seen += len(rows_3d)
                step += 1
                state.steps_done += 1
                progress.advance(len(rows_3d) * world)
                metrics.step(stage.name, len(rows_3d), wait)
                if train.checkpoint_steps and step % train.checkpoint_steps == 0 and step < steps:
                    state.remember(index, epoch, step, network, optimiser, ema)
                    _report(state, {"stage": stage.name, "epoch": epoch}, rank)
                before = time.monotonic()

            # Evaluate: sums over all workers, on the averaged weights.
            took = time.monotonic() - start
            sums = _all_sum(torch.stack([total.double(), torch.tensor(float(seen), dtype=torch.float64, device=device)]), world)
            entry = {
                "stage": stage.name,
                "epoch": epoch,
                "epochs": stage.epochs,
                "steps_done": state.steps_done,
                "loss": float(sums[0] / sums[1].clamp_min(1)),
                "samples": int(sums[1]),
                "samples_per_second": float(sums[1]) / took,
                "data_wait": waited / took,
                "dropped": 0 if skipped else settings["rows"] - int(sums[1]),
                "learning_rate": optimiser.param_groups[0]["lr"],
                "time": time.time(),
            }
            if not math.isfinite(entry["loss"]):
                raise RunError(
                    f"{stage.name} epoch {epoch + 1}: the loss is not finite; lower train.learning_rate or set train.grad_clip"
                )
            last = epoch + 1 == stage.epochs
            if last or (held_out and (epoch + 1) % train.evaluate_every == 0):
                ema.swap()
                network.eval()
                judged = 0.0  # with nobody held out, the last epoch is kept
                if held_out:
                    errors = _all_sum(stages.evaluate(lifter, denoiser, *held_out, config), world)
                    names = ("lifter_mpjpe", "lifter_p_mpjpe", "diffusion_mpjpe", "diffusion_p_mpjpe")
                    entry |= dict(zip(names, (errors[1:] / errors[0]).tolist(), strict=True))
                    judged = entry["diffusion_mpjpe"]
                if not state.best or judged < state.best["mpjpe"]:
                    state.best = {"epoch": epoch, "mpjpe": judged, "weights": cpu_weights(network)}
                ema.swap()
            state.history.append(entry)
            state.remember(index, epoch + 1, 0, network, optimiser, ema)
            if rank == 0:
                history.publish(train.output, state.history)
                metrics.epoch(entry)
            say(history.line(entry))

            # Report: once an epoch, by every rank; what rank 0 saves is where a killed run goes on.
            _report(state, entry, rank)
        state = state.next_stage(stage.name)

    if rank == 0:
        save(config, state, device)
        if advice := history.advice(state.history):
            say(advice)


def _holdout(config: Config, selection: dict, rank: int, world: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """This worker's share (every world-th) of the held-out poses: mixture (N, 17, K, 5) and truth (N, 17, 3)."""
    manifest = manifests.read(config.data.shards)
    table = shards.read_evenly(
        config.data.shards,
        manifest,
        manifests.Selection.model_validate(selection),
        config.train.holdout_poses,
        ("mixture", "pose_3d"),
    )
    columns = (torch.from_numpy(schema.tensor_values(table[name])[rank::world].copy()) for name in ("mixture", "pose_3d"))
    mixture, truth = (column.to(device) for column in columns)
    return mixture, truth


def _report(state: TrainState, metrics: dict[str, Any], rank: int) -> None:
    if rank != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        state.save(folder)
        name = f"stage{state.stage}-epoch{state.epoch:04d}-step{state.step:07d}"
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder), checkpoint_dir_name=name)


def _all_sum(values: torch.Tensor, world: int) -> torch.Tensor:
    if world > 1:
        torch.distributed.all_reduce(values)
    return values.cpu()
