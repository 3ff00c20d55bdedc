"""The checkpoint file: whole, plain and safe."""

import pickle

import pytest
import torch

from pose_diffusion.errors import InputError
from pose_diffusion.training import history
from pose_diffusion.training.state import NAME, TrainState


def test_a_state_is_read_back_as_it_was(tmp_path):
    state = TrainState(1, 2, 3, 40, {"w": torch.ones(2)}, history=[{"stage": "lifter", "epoch": 0, "loss": 0.5}])
    state.save(tmp_path)
    loaded = TrainState.load(tmp_path)
    assert (loaded.stage, loaded.epoch, loaded.step, loaded.steps_done) == (1, 2, 3, 40)
    assert loaded.history == state.history
    assert (loaded.model["w"] == 1).all()


def test_a_stages_best_weights_go_on_to_the_next_and_to_the_end():
    best = {"epoch": 3, "mpjpe": 50.0, "weights": {"w": torch.ones(2)}}
    lifter = TrainState(0, 5, 0, 40, {"w": torch.zeros(2)}, best=best).next_stage("lifter")
    assert (lifter.stage, lifter.epoch, lifter.steps_done, lifter.model, lifter.best) == (1, 0, 40, {}, {})
    assert lifter.lifter is best["weights"]
    lifter.best = {"epoch": 1, "mpjpe": 40.0, "weights": {"d": torch.ones(2)}}
    end = lifter.next_stage("denoiser")
    assert end.lifter is best["weights"] and end.best is lifter.best


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"stage": 1})])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(InputError, match=r"state\.pt: not a training checkpoint"):
        TrainState.load(tmp_path)


def test_unknown_fields_are_refused(tmp_path):
    torch.save({"stage": 0, "surprise": 1}, tmp_path / NAME)
    with pytest.raises(InputError, match="not a training checkpoint"):
        TrainState.load(tmp_path)


def test_a_payload_does_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"stage": Payload()}, tmp_path / NAME)
    with pytest.raises(InputError):
        TrainState.load(tmp_path)
    assert not (tmp_path / "ran").exists()


def entry(**more):
    numbers = {"loss": 0.1, "samples_per_second": 1000.0, "data_wait": 0.05, "dropped": 0, "samples": 64}
    return {"stage": "lifter", "epoch": 0, "epochs": 3, **numbers, **more}


def test_the_console_line_tells_loss_errors_speed_and_waiting():
    line = history.line(entry(lifter_mpjpe=51.234, lifter_p_mpjpe=40.0, dropped=3))
    for part in ("epoch   1/3", "loss 0.1", "51.23 / 40.00 mm", "1,000 samples/s", "data wait 5%", "3 rows dropped"):
        assert part in line


def judged(lifter: float, *diffusion: float):
    return [entry(stage="denoiser", epoch=n, lifter_mpjpe=lifter, diffusion_mpjpe=mm) for n, mm in enumerate(diffusion)]


def test_a_denoiser_that_makes_held_out_poses_worse_is_told():
    assert "45.96 against 46.54 mm: infer.diffusion=false" in history.advice([entry(), *judged(45.96, 46.83, 46.54)])


@pytest.mark.parametrize("entries", [[], [entry()], judged(50, 49.0), judged(50, 51, 50), [entry(stage="denoiser")]])
def test_otherwise_there_is_nothing_to_tell(entries):
    assert history.advice(entries) == ""


def test_publishing_twice_leaves_one_file_of_events(tmp_path):
    for length in (1, 2):
        history.publish(str(tmp_path), [entry(epoch=n) for n in range(length)])
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert len((tmp_path / history.JSON_LINES).read_text().splitlines()) == 2


def test_tensorboard_reads_the_curves(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history.publish(str(tmp_path), [entry(epoch=n, loss=1.0 / (n + 1)) for n in range(3)])
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, round(e.value, 4)) for e in events.Scalars("lifter/loss")] == [(0, 1.0), (1, 0.5), (2, 0.3333)]
