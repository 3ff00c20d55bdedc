from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import Page
from fakes import table, write

from pose_diffusion.report.build import assemble, build_report
from pose_diffusion.report.page import page
from pose_diffusion.report.report_stats import merge, of_table
from pose_diffusion.report.summary import Skipped, report_dict

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'> $x_$ {{data}} \u2028 &amp; 1"

# The part of the page that its user sees moving: the pixels of the 3D view, as a number.
VIEW = """(canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((sum, value, i) => (sum * 31 + value) % 1000003, 7))(document.querySelector('#view-3d'))"""

SKIPPED = Skipped("split=test/part-00007.parquet", "row 3 is not finite")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """The page of an ordinary run with hypotheses."""
    report = build_report(
        write(folder / "plain", table(hypotheses=4, recorded=True)), [SKIPPED], throughput={"poses_a_second": 400.5}
    )
    (folder / "plain.html").write_bytes(report.page)
    return folder / "plain.html"


@pytest.fixture(scope="module")
def hostile(folder: Path) -> Path:
    """The page of a run with markup wherever a name can stand."""
    paths = write(folder / "hostile", table(names=lambda action: action + HOSTILE))
    report = build_report(paths, [Skipped(HOSTILE, HOSTILE)], {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE})
    (folder / "hostile.html").write_bytes(report.page)
    return folder / "hostile.html"


@pytest.fixture(scope="module")
def unknown(folder: Path) -> Path:
    """The page of a run without truth."""
    (folder / "unknown.html").write_bytes(build_report(write(folder / "unknown", table(truth=False))).page)
    return folder / "unknown.html"


@pytest.fixture(scope="module")
def empty(folder: Path) -> Path:
    """The page of a run without poses."""
    (folder / "empty.html").write_bytes(assemble(merge([of_table(table().slice(0, 0), "x")])).page)
    return folder / "empty.html"


def data(path: Path) -> dict:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_is_under_ten_megabytes(plain: Path) -> None:
    assert plain.stat().st_size < 10e6


def test_holds_the_figures_and_the_clips(plain: Path) -> None:
    held = data(plain)
    assert held["report"]["counts"]["poses"] == 121
    assert [len(clip["frames"]) for clip in held["clips"]] == [40, 31, 12, 1]
    assert all(len(clip["pose_3d"]) == len(clip["truth"]) == 51 * len(clip["frames"]) for clip in held["clips"])
    assert len(held["pictures"]) == 9


def test_thousands_of_actions_keep_it_small(folder: Path) -> None:
    figures = report_dict(merge([of_table(table(), "x")]))
    figures["actions"] = [{**figures["actions"][0], "name": f"video {i}"} for i in range(20_000)]
    made = page(figures, [], [])
    assert len(made) < 10e6
    (folder / "many.html").write_bytes(made)
    assert data(folder / "many.html")["left_out"]["actions"] == 19_800


def test_no_markup_from_the_data_is_in_the_source(hostile: Path) -> None:
    text = hostile.read_text()
    assert "<script>window.hacked" not in text
    assert "<img" not in text


def test_names_from_the_data_come_back_unchanged(hostile: Path) -> None:
    held = data(hostile)["report"]
    assert held["skipped"] == [{"path": HOSTILE, "reason": HOSTILE}]
    assert held["settings"] == {HOSTILE: HOSTILE}


@pytest.mark.parametrize("width", [1400, 390])
def test_opens_without_errors_or_requests(width: int, plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain, width)
    assert page.errors == []
    assert page.asked_of_the_network() == []


@pytest.mark.parametrize("width", [1400, 390])
def test_is_no_wider_than_the_window(width: int, plain: Path, opened: Callable[..., Page]) -> None:
    assert opened(plain, width).evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("smoothed", [True, False])
def test_what_knows_more_than_one_frame_is_told(folder: Path, smoothed: bool, opened: Callable[..., Page]) -> None:
    path = folder / f"smoothed-{smoothed}.html"
    path.write_bytes(build_report(write(folder / f"smoothed-{smoothed}", table(smoothed=smoothed))).page)
    note = opened(path).evaluate("document.querySelector('#headline-note').textContent")
    assert note.startswith(f"Method: {'smoothed' if smoothed else 'diffusion'}.")
    assert ("Smoothed poses know the frames around theirs" in note) == smoothed


def test_every_chart_is_drawn(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    charts = "[...document.querySelectorAll('.chart')]"
    assert page.evaluate(f"{charts}.length") == 9
    assert (
        page.evaluate(f"{charts}.filter(chart => !chart.querySelector('path.js-line, .point path')).map(chart => chart.id)")
        == []
    )


def test_the_3d_view_draws_both_sides_of_the_body(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    pixels = """(canvas => { const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let [left, right] = [0, 0];
        for (let i = 0; i < data.length; i += 4) {
          left += data[i] === 0 && data[i + 1] === 114 && data[i + 2] === 178;
          right += data[i] === 213 && data[i + 1] === 94 && data[i + 2] === 0;
        }
        return [left, right]; })(document.querySelector('#view-3d'))"""
    left, right = page.evaluate(pixels)  # type: ignore[misc]
    assert left > 200
    assert right > 200


def test_the_sequence_plays_and_pauses(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    before = page.evaluate(VIEW)
    page.evaluate("document.querySelector('#play').click()")
    page.wait(400)
    assert page.evaluate("+document.querySelector('#frame').value") != 0
    assert page.evaluate(VIEW) != before
    page.evaluate("document.querySelector('#play').click()")
    stopped = page.evaluate("+document.querySelector('#frame').value")
    page.wait(300)
    assert page.evaluate("+document.querySelector('#frame').value") == stopped


def test_the_mouse_turns_the_3d_view(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    before = page.evaluate(VIEW)
    page.drag("#view-3d", 80, 30)
    assert page.evaluate(VIEW) != before


def test_arrow_keys_turn_the_3d_view(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    before = page.evaluate(VIEW)
    page.evaluate("document.querySelector('#view-3d').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))")
    assert page.evaluate(VIEW) != before


def test_another_sequence_can_be_chosen(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    page.evaluate("(s => { s.value = 2; s.dispatchEvent(new Event('change')); })(document.querySelector('#clip'))")
    assert page.evaluate("document.querySelector('#frame').max") == "11"


def test_tables_show_the_reports_figures(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    mean = data(plain)["report"]["headline"]["diffusion"]["action_mean"]["mpjpe_mm"]
    assert page.evaluate("document.querySelector('#actions-table tfoot td.start').textContent") == f"{mean:.1f}"


def test_it_says_what_was_assumed_of_the_cameras(plain: Path, unknown: Path, opened: Callable[..., Page]) -> None:
    text = opened(plain).evaluate("document.querySelector('#cameras-line').textContent")
    assert text == "Cameras: known for 78 poses, focal length assumed as the image's diagonal for 43 poses"
    assert opened(unknown).evaluate("document.querySelector('#cameras-line').hidden")


def test_the_motion_by_seconds_is_told_where_the_frame_rate_is_known(plain: Path, opened: Callable[..., Page]) -> None:
    note = str(opened(plain).evaluate("document.querySelector('#headline-note').textContent"))
    seconds = data(plain)["report"]["jitter"]["methods"]["mean" if "Method: mean." in note else "diffusion"]
    assert f"At 50 frames a second the MPJVE is {seconds['mpjve_mm_s']:,.0f} mm/s" in note


def test_views_that_nobody_knows_are_left_out(folder: Path, opened: Callable[..., Page]) -> None:
    path = folder / "unseen.html"
    path.write_bytes(build_report(write(folder / "unseen", table().drop(["distance_m"]))).page)
    page = opened(path)
    assert page.errors == []
    shown = "[...document.querySelectorAll('.trio > div')].filter(part => !part.hidden).map(part => part.dataset.needs)"
    assert page.evaluate(shown) == ["person_px"]


def test_skipped_inputs_are_shown_with_their_reasons(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    assert "part-00007.parquetrow 3 is not finite" in page.evaluate("document.querySelector('#skipped').textContent")  # type: ignore[operator]


def test_names_from_the_data_run_no_script_and_make_no_markup(hostile: Path, opened: Callable[..., Page]) -> None:
    page = opened(hostile)
    assert page.evaluate("window.hacked === undefined")
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert page.errors == []


def test_without_truth_it_plays_and_shows_no_errors(unknown: Path, opened: Callable[..., Page]) -> None:
    page = opened(unknown)
    assert page.errors == []
    assert page.evaluate("[...document.querySelectorAll('[data-needs=truth]')].every(part => part.hidden)")
    assert page.evaluate("document.querySelector('#overlay-label').hidden")
    page.evaluate("document.querySelector('#play').click()")
    page.wait(300)
    assert page.evaluate("+document.querySelector('#frame').value") != 0


def test_an_empty_run_opens_without_errors(empty: Path, opened: Callable[..., Page]) -> None:
    assert opened(empty).errors == []
