"""What becomes of a run by what became of its shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pose_diffusion.data.manifest import ShardFile
from pose_diffusion.distributed.infer.outcomes import Outcomes
from pose_diffusion.distributed.infer.shard_lifter import Outcome
from pose_diffusion.errors import InputError, RunError


def shard_files(count: int) -> list[ShardFile]:
    return [ShardFile(path=f"part-{i}.parquet", split="test", rows=1, bytes=1, sha256="", spans=[]) for i in range(count)]


def test_after_a_full_disk_nothing_more_is_tried_and_all_that_is_missing_is_listed(tmp_path: Path) -> None:
    outcomes = Outcomes(total=3)
    outcomes.record(Outcome("part-0.parquet", 1, lost="part-0.parquet: No space left on device", full=True), tolerant=False)
    assert "No space left" in outcomes.stop_reason
    with pytest.raises(RunError, match=r"3 of 3 shards were not lifted \(part-0.parquet: No space left on device\)"):
        outcomes.close(str(tmp_path), shard_files(3))
    lost = json.loads((tmp_path / "lost.json").read_text())
    assert [row["reason"] for row in lost] == ["part-0.parquet: No space left on device", "not tried", "not tried"]


def test_ten_lost_shards_in_a_row_end_the_run(tmp_path: Path) -> None:
    outcomes = Outcomes(total=20)
    for number in range(10):
        assert not outcomes.stop_reason
        outcomes.record(Outcome(f"part-{number}.parquet", 1, lost="ExpiredToken"), tolerant=True)
    assert outcomes.stop_reason == "10 shards in a row were lost, the last: ExpiredToken"


def test_a_bad_shard_ends_the_run_or_is_skipped_with_its_reason() -> None:
    bad = Outcome("part-0.parquet", 1, bad="part-0.parquet: row 3")
    with pytest.raises(InputError, match="row 3"):
        Outcomes(total=1).record(bad, tolerant=False)
    outcomes = Outcomes(total=1)
    outcomes.record(bad, tolerant=True)
    assert [(s.path, s.reason) for s in outcomes.skipped] == [("part-0.parquet", "part-0.parquet: row 3")]


def test_a_run_without_losses_removes_an_earlier_list(tmp_path: Path) -> None:
    (tmp_path / "lost.json").write_text("[]")
    Outcomes(total=0).close(str(tmp_path), [])
    assert not (tmp_path / "lost.json").exists()
