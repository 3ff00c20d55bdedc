"""The benchmark as a job: each part at its smallest, and bad settings refused before anything is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import SECTIONS, main
from benchmarks.config import BenchmarkConfig
from benchmarks.run import bench
from pose_diffusion.cli import Verb, exit_code
from pose_diffusion.config import loading
from pose_diffusion.errors import InputError

SMALL = [
    "model.width=8", "model.layers=1", "model.heads=2", "train.batch=16", "bench.seconds=0.01", "bench.rows=200",
    "bench.heatmaps=2", "bench.batches=[4]", "bench.workers=[1]", "bench.job_seconds=0.2",
]  # fmt: skip


def settings(*more: str) -> BenchmarkConfig:
    return loading.load(None, [*SMALL, *more], kind=BenchmarkConfig)


def named(report: dict) -> dict[str, dict]:
    return {entry["name"]: entry for entry in report["entries"]}


def test_networks_are_held_against_the_peak_of_their_precision(tmp_path):
    found = named(bench(settings("bench.parts=[network]", f"bench.output={tmp_path}/figures.json")))
    for precision in ("float32", "bf16"):
        entry = found[f"denoiser forward, {precision}, eager, 4 rows"]
        assert entry["share"] == pytest.approx(entry["gflops"] / found[f"matmul peak, {precision}"]["value"])
    assert named(json.loads(Path(tmp_path, "figures.json").read_text())) == found


@pytest.mark.slow
def test_shards_are_read_from_a_folder_and_from_s3(ray_session, s3_bucket):
    found = named(bench(settings("bench.parts=[reading]", f"bench.s3={s3_bucket}/bench")))
    ways = {f"{kind}: {way}" for kind in ("local", "S3") for way in
            ("pyarrow in one process", "Ray Data once, into the cache", "Ray Data shuffled, in batches")}  # fmt: skip
    assert found.keys() == ways
    assert all(entry["value"] > 0 for entry in found.values())


@pytest.mark.parametrize("counts", [[1], pytest.param([1, 2], marks=pytest.mark.slow)])
def test_bare_loops_run_in_as_many_processes_as_asked(ray_session, counts):
    found = named(bench(settings("bench.parts=[scaling]", f"bench.workers={counts}")))
    loops = ("bare training step, float32", "bare sampler, float32")
    assert found.keys() == {f"{loop}, {count} processes" for loop in loops for count in counts}
    assert all(entry["memory_mib"] > 10 for entry in found.values())


def test_both_families_are_held_against_the_peak_of_the_same_run(ray_session, tmp_path):
    (tmp_path / "tiny.yaml").write_text("model: {family: video, width: 8, layers: 1, heads: 2, frames: 9}")
    found = bench(settings("bench.parts=[families]", f"bench.families=[{tmp_path}/tiny.yaml]"))["entries"]
    assert [entry["name"] for entry in found] == [
        "published 8 x 1, float32, 1 processes", "tiny 8 x 1, 9 frames, float32, 1 processes"
    ]  # fmt: skip
    assert all(entry["value"] > 0 and 0 < entry["share"] < 1 for entry in found)


@pytest.mark.slow
def test_jobs_are_held_against_the_bare_loops(ray_session, tmp_path):
    found = named(bench(settings("bench.parts=[jobs]", f"bench.folder={tmp_path}/work")))
    assert {"training, float32, 1 workers", "lifting, float32, 1 workers"} <= found.keys()
    assert found["training, float32, 1 workers"]["of"] == "bare training step"
    assert not Path(tmp_path, "work").exists()


class TestBadInput:
    @pytest.mark.parametrize(
        ("argument", "message"),
        [
            ("bench.parts=[]", "key 'bench.parts'"),
            ("bench.parts=[speed]", "key 'bench.parts.0': Input should be 'network', 'reading'"),
            ("bench.batches=[0]", "key 'bench.batches.0'"),
            ("bench.seconds=0", "key 'bench.seconds'"),
            ("bench.precisions=[fp8]", "key 'bench.precisions.0'"),
            ("bench.compare=[a.json]", "compare takes two files, got 1"),
            ("bench.s3=bucket", "expected s3://bucket/folder"),
        ],
    )
    def test_a_bad_value_is_refused_with_its_key(self, argument, message):
        with pytest.raises(InputError) as error:
            settings(argument)
        assert message in str(error.value)

    def test_tf32_on_a_cpu_is_refused(self):
        with pytest.raises(InputError, match=r"key 'bench\.precisions': tf32"):
            bench(settings("bench.device=cpu", "bench.precisions=[tf32]"))

    def test_a_folder_with_files_is_not_emptied(self, tmp_path):
        (tmp_path / "mine").write_text("kept")
        with pytest.raises(InputError, match=r"key 'bench\.folder'"):
            bench(settings("bench.parts=[scaling]", f"bench.folder={tmp_path}"))
        assert (tmp_path / "mine").exists()

    def test_comparing_what_is_no_bench_ends_with_2(self, tmp_path, capsys):
        (tmp_path / "a.json").write_text("{}")
        argv = [f"bench.compare=[{tmp_path}/a.json, {tmp_path}/a.json]"]
        assert exit_code(Verb(main, SECTIONS, BenchmarkConfig), argv) == 2
        assert "not the figures of a bench" in capsys.readouterr().err
