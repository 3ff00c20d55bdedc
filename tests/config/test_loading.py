"""Settings: precedence, and one clear line for each kind of mistake."""

import re
from typing import get_args

import pytest

from pose_diffusion.config import Config, SourceName, loading, renamed
from pose_diffusion.data.sources import SOURCES
from pose_diffusion.errors import InputError


@pytest.fixture
def yaml_file(tmp_path):
    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_command_line_wins_over_yaml_and_yaml_over_default(yaml_file):
    config = loading.load(yaml_file("train: {batch: 64, grad_clip: 0.5}"), ["train.batch=32"])
    assert (config.train.batch, config.train.grad_clip, config.train.ema_decay) == (32, 0.5, Config().train.ema_decay)


def test_a_dumped_config_loads_as_itself(yaml_file):
    config = loading.load(None, ["model.width=32", "diffusion.step_list=[0, 4, 8]", "diffusion.sampling=list"])
    assert loading.load(yaml_file(loading.dump(config))) == config


def test_every_source_that_can_be_named_has_its_reader_and_its_section():
    assert set(SOURCES) == set(get_args(SourceName)) <= Config.model_fields.keys()


def test_scientific_notation_without_a_dot_is_a_number(yaml_file):
    assert loading.load(yaml_file("train: {learning_rate: 1e-4}")).train.learning_rate == 1e-4


def test_a_list_is_given_on_the_command_line(yaml_file):
    assert loading.load(None, ["data.actions=[Walking, Sitting]"]).data.actions == ["Walking", "Sitting"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trian: {batch: 1}", "unknown section 'trian'; did you mean 'train'?"),
        ("train: {bacth: 1}", "unknown key 'train.bacth'; did you mean 'train.batch'?"),
        ("train: {width: 32}", "unknown key 'train.width'; did you mean 'model.width'?"),
        ("train: {batch: many}", "key 'train.batch': Input should be a valid integer"),
        ("train: {batch: 0}", "key 'train.batch': Input should be greater than or equal to 1"),
        ("train: {batch: 1.5}", "key 'train.batch'"),
        ("train: {workers: 0}", "key 'train.workers': expected a number of at least 1, or a range [least, most]"),
        ("train: {workers: [4, 1]}", "key 'train.workers': expected a number of at least 1, or a range [least, most]"),
        ("train: {workers: [1, 2, 4]}", "key 'train.workers': expected a number"),
        ("train: {workers: []}", "key 'train.workers': expected a number"),
        ("train: {workers: many}", "key 'train.workers': expected a number"),
        ("ray: {cpu_label: cpu}", "key 'ray.cpu_label'"),
        ("train: {ema_decay: 1.0}", "key 'train.ema_decay'"),
        ("train: {learning_rate: .nan}", "key 'train.learning_rate'"),
        ("train: {learning_rate: .inf}", "key 'train.learning_rate'"),
        ("diffusion: {schedule: linaer}", "key 'diffusion.schedule': Input should be 'linear', 'quad'"),
        ("diffusion: {beta_start: 0.5, beta_end: 0.1}", "beta_start 0.5 is above beta_end 0.1"),
        ("diffusion: {window: 60}", "window 60 is larger than steps 51"),
        ("diffusion: {sampling: list, step_list: [6, 0]}", "step_list [6, 0] is not ascending"),
        ("diffusion: {sampling: list, step_list: [0, 51]}", "step_list reaches 51, steps is 51"),
        ("model: {width: 30, heads: 4}", "width 30 is not an even multiple of heads 4"),
        ("train: 3", "key 'train': expected a mapping"),
        ("- train", "expected a mapping of sections"),
        ("train: {batch: [", "not YAML, line"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(yaml_file, text, message):
    with pytest.raises(InputError) as error:
        loading.load(yaml_file(text))
    assert message in str(error.value)
    assert "config.yaml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("argument", ["train.batch", "batch=3", "a.b.c=1", "train.batch=[", "train.nothing=1"])
def test_a_bad_argument_is_refused(argument):
    with pytest.raises(InputError):
        loading.load(None, [argument])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml: no such file"):
        loading.load(str(tmp_path / "absent.yaml"))


def test_every_key_has_a_sentence():
    for section, field in Config.model_fields.items():
        for name, key in field.annotation.model_fields.items():
            assert key.description and key.description.endswith("."), f"{section}.{name}"


def test_help_lists_every_key_of_the_sections():
    text = loading.describe(["train"])
    assert "train.batch: int = 1024" in text
    assert "train.device: auto | cpu | cuda = auto" in text
    assert "model.width" not in text


def test_local_paths_are_made_absolute_and_remote_ones_are_kept(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = loading.load(None, ["data.shards=some/shards", "train.output=s3://bucket/run"])
    assert config.data.shards == str(tmp_path / "some" / "shards")
    assert config.train.output == "s3://bucket/run"
    assert config.infer.input == ""


def test_a_root_is_where_relative_paths_are_and_leaves_whole_ones(tmp_path):
    given = ["data.shards=a/./shards", "train.output=/mnt/run", "infer.bundle=s3://other/model"]
    remote, local = (loading.load(None, given, root) for root in ("s3://bucket/poses", str(tmp_path)))
    assert (remote.data.shards, local.data.shards) == ("s3://bucket/poses/a/shards", f"{tmp_path}/a/shards")
    assert (remote.train.output, remote.infer.bundle, remote.infer.input) == ("/mnt/run", "s3://other/model", "")


@pytest.mark.parametrize("workers", ["3", "[1, 4]"])
def test_workers_are_a_number_or_a_range_and_stay_so(yaml_file, workers):
    config = loading.load(None, [f"train.workers={workers}"])
    assert config.train.workers in (3, (1, 4))
    assert loading.load(yaml_file(loading.dump(config))) == config


def test_a_dumped_config_is_read_back_from_its_text():
    config = loading.load(None, ["model.width=32", "tune.space={model.layers: {choice: [1, 2]}}"])
    assert loading.from_yaml(loading.dump(config)) == config


def test_the_field_of_a_whole_key_is_found():
    assert loading.field("train.batch", "here").default == 1024


@pytest.mark.parametrize("key", ["train.bacth", "train", "train.batch.size", ""])
def test_no_field_is_found_for_an_unknown_key(key):
    with pytest.raises(InputError, match="here: unknown"):
        loading.field(key, "here")


@pytest.mark.parametrize(
    ("key", "name"),
    [("train.pass_rows", "train.micro_batch"), ("infer.keep_size", "infer.preserve_scale"), ("bvh.room", "bvh.walk_radius")],
)
def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(key, name):
    with pytest.raises(InputError, match=rf"key '{re.escape(key)}' is called '{re.escape(name)}'$"):
        loading.load(None, [f"{key}=1"])


def test_every_renamed_key_has_its_new_name_in_its_section():
    for old, new in renamed.RENAMED.items():
        section, _, key = old.partition("__")
        assert new in type(getattr(Config(), section)).model_fields and key not in type(getattr(Config(), section)).model_fields


def test_a_section_goes_under_its_first_names_and_back():
    values = Config().train.model_dump()
    recorded = renamed.first_names("train", values)
    assert "pass_rows" in recorded and "micro_batch" not in recorded
    assert renamed.upgrade("train", recorded) == values
