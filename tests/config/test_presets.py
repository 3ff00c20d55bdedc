"""Configs by name, as they come with the package."""

from __future__ import annotations

import pytest

from pose_diffusion.config import loading, presets
from pose_diffusion.errors import InputError


def test_every_preset_is_a_config_by_its_name():
    assert {"quickstart", "official/h36m_cpn", "official/h36m_gt"} <= set(presets.names())
    for name in presets.names():
        assert loading.load(name) == loading.load(presets.find(name))


def test_a_file_of_ones_own_wins_over_a_preset_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").write_text("train: {batch: 3}")
    assert loading.load("quickstart").train.batch == 3


def test_a_name_that_is_neither_a_file_nor_a_preset_is_refused():
    assert presets.find("quickstrat") is None
    with pytest.raises(InputError, match="quickstrat: no such file"):
        loading.load("quickstrat")
