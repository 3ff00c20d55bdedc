import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pose_diffusion.config import DiffusionConfig, ModelConfig, OfficialConfig
from pose_diffusion.errors import InputError
from pose_diffusion.inference.bundle import Bundle, load_bundle
from pose_diffusion.inference.official_checkpoints import import_official, read_checkpoint

Import = Callable[..., ModelConfig]
Change = Callable[[dict], None]


@pytest.fixture
def run(published: tuple[Path, Path], tmp_path: Path) -> Import:
    """Imports the published pair to tmp_path/bundle, with paths and keys replaced as asked."""

    def run(model: ModelConfig | None = None, **replaced: object) -> ModelConfig:
        paths = {"lifter": str(published[0]), "denoiser": str(published[1]), "output": str(tmp_path / "bundle")}
        config = OfficialConfig(**{**paths, **replaced})
        return import_official(config, model or ModelConfig(), DiffusionConfig())

    return run


@pytest.fixture
def altered(published: tuple[Path, Path], tmp_path: Path) -> Callable[[Change], str]:
    """The denoiser's checkpoint with its weights changed by a function."""

    def altered(change: Change) -> str:
        content = torch.load(published[1], weights_only=True)
        change(content[0])
        torch.save(content, tmp_path / "altered.pth")
        return str(tmp_path / "altered.pth")

    return altered


def test_width_and_layers_are_the_checkpoints_own(run: Import) -> None:
    model = run(ModelConfig(width=96, layers=5, dropout=0.3))
    assert (model.width, model.layers, model.heads, model.dropout) == (32, 2, 4, 0.3)


def test_every_weight_but_the_named_ones_is_kept(bundle: Bundle, parity: dict) -> None:
    never_run = ("gconv_layers_t.1.", "gconv_output_t.")
    for network, weights in ((bundle.lifter, parity["lifter"]), (bundle.denoiser, parity["denoiser"])):
        used = sum(w.double().square().sum() for name, w in weights.items() if not name.startswith(never_run))
        kept = sum(p.double().square().sum() for p in network.parameters())
        torch.testing.assert_close(kept, used)


def test_ema_weights_are_taken_when_asked(run: Import, bundle: Bundle, tmp_path: Path) -> None:
    run(ema=True)
    averaged = load_bundle(str(tmp_path / "bundle"))
    torch.testing.assert_close(averaged.lifter.project.weight, 2 * bundle.lifter.project.weight)


def test_a_lifter_alone_makes_a_bundle(run: Import, tmp_path: Path) -> None:
    run(denoiser="")
    assert load_bundle(str(tmp_path / "bundle")).denoiser is None


@pytest.mark.parametrize("key", ["lifter", "output"])
def test_a_path_that_is_not_given_is_named(run: Import, key: str) -> None:
    with pytest.raises(InputError, match=f"official.{key}"):
        run(**{key: ""})


def test_a_missing_file_is_named(run: Import, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pth: no such file"):
        run(denoiser=str(tmp_path / "nowhere.pth"))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused_and_leaves_no_bundle(
    run: Import, published: tuple[Path, Path], tmp_path: Path, share: float
) -> None:
    content = published[1].read_bytes()
    broken = tmp_path / "broken.pth"
    broken.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"broken\.pth: "):
        run(denoiser=str(broken))
    assert not (tmp_path / "bundle").exists()


class _Payload:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple:
        return Path.touch, (self.victim,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_payload_is_refused_and_does_not_run(tmp_path: Path, save: Callable) -> None:
    victim, path = tmp_path / "victim", tmp_path / "evil.pth"
    save([{"weight": _Payload(victim)}, {}, 0, 0, {}], path)
    with pytest.raises(InputError, match=r"evil\.pth: holds objects other than weights"):
        read_checkpoint(str(path))
    assert not victim.exists()


@pytest.mark.parametrize("content", [{"a": torch.ones(2)}, [1, 2], [{"a": 1}, {}, 0, 0, {}], [{}, {}, 0, 0, {}], torch.ones(5)])
def test_another_layout_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: "):
        read_checkpoint(str(tmp_path / "other.pth"))


def test_an_unknown_weight_is_named(run: Import, altered: Callable) -> None:
    path = altered(lambda weights: weights.update({"gconv_layers.0.extra.weight": torch.ones(2)}))
    with pytest.raises(InputError, match=r"altered\.pth: unknown weight 'gconv_layers\.0\.extra\.weight'"):
        run(denoiser=path)


def test_a_missing_weight_is_named(run: Import, altered: Callable) -> None:
    path = altered(lambda weights: weights.pop("atten_layers_t.1.feed_forward.A_hat"))
    with pytest.raises(InputError, match=r"altered\.pth: weight 'atten_layers_t\.1\.feed_forward\.A_hat' is missing"):
        run(denoiser=path)


@pytest.mark.parametrize(
    "name", ["fc3.weight", "gconv_layers.1.gconv2.gconv.weight", "atten_layers.0.self_attn.linears.1.weight"]
)
def test_a_weight_of_another_shape_is_refused(run: Import, altered: Callable, name: str) -> None:
    def grow(weights: dict) -> None:
        weights[name] = torch.cat([weights[name], weights[name]], -1)

    with pytest.raises(InputError, match=r"altered\.pth: weight '.*' is .*, expected "):
        run(denoiser=altered(grow))


def test_a_denoiser_deeper_than_the_lifter_is_refused(run: Import, altered: Callable) -> None:
    def deepen(weights: dict) -> None:
        weights |= {name.replace(".1.", ".2.", 1): w for name, w in weights.items() if name.startswith("atten_layers.1.")}

    with pytest.raises(InputError, match=r"2 layers.*3 layers.*one size"):
        run(denoiser=altered(deepen))


def test_a_lifter_given_as_denoiser_is_refused(run: Import, published: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="is missing"):
        run(denoiser=str(published[0]))


def test_heads_that_do_not_divide_the_width_are_refused(run: Import) -> None:
    with pytest.raises(InputError, match="heads 5"):
        run(ModelConfig(width=40, heads=5))


def test_the_job_writes_a_bundle_and_leaves_with_0(published: tuple[Path, Path], tmp_path: Path) -> None:
    assert _job(f"official.lifter={published[0]}", f"official.denoiser={published[1]}", f"official.output={tmp_path}/b") == (
        0,
        "",
    )
    assert load_bundle(f"{tmp_path}/b").model.width == 32


def test_the_job_leaves_with_2_and_one_line_for_bad_input(tmp_path: Path) -> None:
    code, error = _job(f"official.lifter={tmp_path}/nowhere.pth", f"official.output={tmp_path}/b")
    assert code == 2
    assert error.strip() == f"error: {tmp_path}/nowhere.pth: no such file, folder or bucket"


def _job(*overrides: str) -> tuple[int, str]:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "jobs/import_official.py", *overrides],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr
