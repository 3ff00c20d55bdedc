import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml

from pose_diffusion import storage
from pose_diffusion.config import DiffusionConfig, ModelConfig
from pose_diffusion.errors import InputError
from pose_diffusion.inference.bundle import Bundle, load_bundle, save_bundle
from pose_diffusion.inference.bundle_folder import content_hash


def _save(bundle: Bundle, folder: Path, lifter_only: bool = False, **replaced: object) -> None:
    denoiser = None if lifter_only else bundle.denoiser.state_dict()
    arguments = {
        "model": bundle.model,
        "diffusion": bundle.diffusion,
        "lifter": bundle.lifter.state_dict(),
        "denoiser": denoiser,
    }
    save_bundle(str(folder), **{**arguments, **replaced})


@pytest.fixture
def saved(tiny: Bundle, tmp_path: Path) -> Path:
    _save(tiny, tmp_path / "bundle", provenance={"run": "a"}, notes="Best epoch: 3")
    return tmp_path / "bundle"


@pytest.fixture
def describe(saved: Path) -> Callable[[Callable[[dict], None]], None]:
    """Changes model.yaml by a function."""

    def describe(change: Callable[[dict], None]) -> None:
        description = yaml.safe_load((saved / "model.yaml").read_text())
        change(description)
        (saved / "model.yaml").write_text(yaml.safe_dump(description))

    return describe


def _replace_weights(folder: Path, name: str, content: bytes) -> None:
    """Other content under a bundle's name, with the SHA-256 that belongs to it."""
    (folder / name).write_bytes(content)
    description = yaml.safe_load((folder / "model.yaml").read_text())
    description["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "model.yaml").write_text(yaml.safe_dump(description))


def test_a_loaded_bundle_computes_what_was_saved(tiny: Bundle, saved: Path) -> None:
    loaded = load_bundle(str(saved))
    uv, x_t, t = torch.randn(3, 17, 2), torch.randn(3, 17, 5), torch.arange(3)
    assert torch.equal(loaded.lifter(uv), tiny.lifter.eval()(uv))
    assert torch.equal(loaded.denoiser(x_t, uv, t), tiny.denoiser.eval()(x_t, uv, t))


def test_settings_and_provenance_come_back(tiny: Bundle, tmp_path: Path) -> None:
    diffusion = DiffusionConfig(schedule="cosine", steps=20, eta=0.5)
    _save(tiny, tmp_path, diffusion=diffusion, provenance={"run": "a"})
    loaded = load_bundle(str(tmp_path))
    assert (loaded.model, loaded.diffusion, loaded.provenance) == (tiny.model, diffusion, {"run": "a"})
    assert len(loaded.schedule) == 20


def test_a_loaded_bundle_is_ready_to_use(saved: Path) -> None:
    loaded = load_bundle(str(saved))
    assert not loaded.lifter.training and not loaded.denoiser.training
    assert not any(p.requires_grad for p in loaded.denoiser.parameters())


def test_loading_leaves_the_random_state_alone(saved: Path) -> None:
    state = torch.get_rng_state()
    load_bundle(str(saved))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_card_tells_sizes_origin_and_notes(saved: Path) -> None:
    card = (saved / "card.md").read_text()
    assert "width 8, 2 layers" in card and "run: a" in card and "Best epoch: 3" in card


def test_a_lifter_alone_replaces_a_pair(tiny: Bundle, saved: Path) -> None:
    _save(tiny, saved, lifter_only=True)
    assert load_bundle(str(saved)).denoiser is None
    assert not (saved / "denoiser.safetensors").exists()
    with pytest.raises(InputError, match="no denoiser"):
        load_bundle(str(saved)).sample(torch.zeros(1, 17, 5), torch.zeros(1, 17, 2))


def test_hash_is_of_weights_and_settings_and_not_of_origin(tiny: Bundle, tmp_path: Path) -> None:
    for name, replaced in {"a": {}, "b": {"provenance": {"run": "x"}}, "c": {"diffusion": DiffusionConfig(eta=1.0)}}.items():
        _save(tiny, tmp_path / name, **replaced)
    torch.nn.init.ones_(tiny.lifter.project.bias)
    _save(tiny, tmp_path / "d")
    a, b, c, d = (content_hash(str(tmp_path / name)) for name in "abcd")
    assert a == b and len({a, c, d}) == 3
    assert load_bundle(str(tmp_path / "a")).content_hash == a


def test_model_yaml_is_published_last(tiny: Bundle, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_at_card(path: str, content: bytes) -> None:
        if path.endswith("card.md"):
            raise OSError("disk full")
        Path(path).write_bytes(content)

    monkeypatch.setattr(storage, "publish_bytes", fail_at_card)
    with pytest.raises(OSError, match="disk full"):
        _save(tiny, saved)
    with pytest.raises(InputError, match="no model bundle here"):
        load_bundle(str(saved))


def test_a_folder_without_a_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: no model bundle here"):
        load_bundle(str(tmp_path))


def test_a_missing_weights_file_is_named(saved: Path) -> None:
    (saved / "denoiser.safetensors").unlink()
    with pytest.raises(InputError, match=r"denoiser\.safetensors: no such file"):
        load_bundle(str(saved))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.9])
def test_truncated_weights_are_refused(saved: Path, share: float) -> None:
    path = saved / "denoiser.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=r"denoiser\.safetensors: not a whole safetensors file"):
        load_bundle(str(saved))


def test_weights_of_another_bundle_are_refused(tiny: Bundle, saved: Path, tmp_path: Path) -> None:
    torch.nn.init.ones_(tiny.denoiser.join.bias)
    _save(tiny, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "denoiser.safetensors", saved)
    with pytest.raises(InputError, match=r"denoiser\.safetensors: its SHA-256 is not the one in model\.yaml"):
        load_bundle(str(saved))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("embed.bias"), "weight 'embed.bias' is missing"),
        (lambda state: state.update(extra=torch.ones(1)), "weight 'extra' is unknown"),
        (lambda state: state.update({"embed.bias": torch.ones(9)}), r"weight 'embed.bias' is \(9,\), expected \(8,\)"),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_weights_that_do_not_fit_are_named(saved: Path, change: Callable, message: str) -> None:
    state = safetensors.torch.load_file(saved / "lifter.safetensors")
    change(state)
    _replace_weights(saved, "lifter.safetensors", safetensors.torch.save(state))
    with pytest.raises(InputError, match=rf"lifter\.safetensors: {message}"):
        load_bundle(str(saved))


@pytest.mark.parametrize("size", [{"width": 16}, {"layers": 3}, {"layers": 1}])
def test_settings_of_another_size_than_the_weights_are_refused(saved: Path, describe: Callable, size: dict) -> None:
    describe(lambda description: description["model"].update(size))
    with pytest.raises(InputError, match=r"lifter\.safetensors: weight '.*' (is|has) "):
        load_bundle(str(saved))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=2), "format version 2, expected 1"),
        (lambda d: d.update(format="other"), "expected the description of a pose-diffusion-bundle"),
        (lambda d: d.pop("diffusion"), "key 'diffusion': expected a mapping"),
        (lambda d: d["diffusion"].update(steps=1), "key 'diffusion.steps'"),
        (lambda d: d["model"].update(wdith=8), "unknown key 'model.wdith'"),
        (lambda d: d["convention"]["joints"].reverse(), "key 'convention'"),
        (lambda d: d["files"].pop("lifter.safetensors"), "lifter.safetensors is missing"),
    ],
    ids=["version", "format", "section", "range", "key", "joints", "files"],
)
def test_a_bad_description_is_named(saved: Path, describe: Callable, change: Callable, message: str) -> None:
    describe(change)
    with pytest.raises(InputError, match=message) as raised:
        load_bundle(str(saved))
    assert "model.yaml" in str(raised.value) and "\n" not in str(raised.value)


def test_a_description_that_is_not_yaml_is_refused(saved: Path) -> None:
    (saved / "model.yaml").write_bytes(b"\xff\xfe: [")
    with pytest.raises(InputError, match=r"model\.yaml: not YAML"):
        load_bundle(str(saved))


def test_weights_that_do_not_fit_are_not_saved(tiny: Bundle, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="width 16"):
        _save(tiny, tmp_path / "bundle", model=ModelConfig(width=16, layers=2, heads=2))
    assert not (tmp_path / "bundle").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_an_absent_device_is_refused(saved: Path) -> None:
    with pytest.raises(InputError, match="device 'cuda'"):
        load_bundle(str(saved), device="cuda")


def test_a_bundle_is_a_value_that_does_not_change(tiny: Bundle) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny.model = ModelConfig()


@pytest.mark.slow
def test_a_compiled_bundle_lifts_as_the_plain_one_and_twice_the_same(saved: Path) -> None:
    plain, compiled = load_bundle(str(saved)), load_bundle(str(saved))
    compiled.compile()
    uv = torch.randn(20, 17, 2)
    found = compiled.lift(uv, batch=16).pose_3d
    torch.testing.assert_close(found, plain.lift(uv, batch=16).pose_3d, rtol=0, atol=1e-5)
    assert torch.equal(found, compiled.lift(uv, batch=16).pose_3d)


def test_compiling_without_a_compiler_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"need a C\+\+ compiler"):
        load_bundle(str(saved)).compile()
