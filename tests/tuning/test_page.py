from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import Page
from searches import best_of, info, search, table, trial

from pose_diffusion.tuning.page import MOST_POINTS, MOST_TRIALS, build

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'> $x$ %{y} {{data}} \u2028 &amp;"


def written(path: Path, rows: list[dict[str, Any]], **about: Any) -> Path:
    path.write_text(build(table(rows, about.get("space", info()["space"])), info(best=best_of(rows), **about)))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """The page of an ordinary search."""
    return written(folder / "plain.html", search())


@pytest.fixture(scope="module")
def hostile(folder: Path) -> Path:
    """The page of a search with markup wherever a text can stand."""
    space = {f"model.{HOSTILE}": {"choice": [HOSTILE, "b"]}}
    texts = {"reason": HOSTILE, "device": HOSTILE, f"model.{HOSTILE}": HOSTILE}
    rows = [
        trial(HOSTILE + str(i), status=status, **texts) for i, status in enumerate(("finished", "failed", "pruned", HOSTILE))
    ]
    about = info(best=HOSTILE + "0", space=space) | {"metric": HOSTILE}
    (folder / "hostile.html").write_text(build(table(rows, space), about))
    return folder / "hostile.html"


def data(page: Path | str) -> dict:
    text = page if isinstance(page, str) else page.read_text()
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_counts_trials_by_what_became_of_them(plain: Path) -> None:
    assert data(plain)["counts"] == {"all": 24, "finished": 6, "pruned": 16, "failed": 2, "running": 0}


def test_the_excerpt_of_the_best_trial_is_its_settings(plain: Path) -> None:
    held = data(plain)
    row = next(row for row in search() if row["trial"] == held["best"])
    excerpt = yaml.safe_load(held["best_yaml"])
    assert {f"{section}.{key}": value for section, keys in excerpt.items() for key, value in keys.items()} == {
        key: row[key] for key in held["keys"]
    }


def test_the_excerpt_of_the_best_trial_has_lists_as_lists() -> None:
    space = {"diffusion.step_list": {"choice": [[0, 6], [0, 4, 8]]}, "diffusion.schedule": {"choice": ["[x]", "linear"]}}
    row = trial("t0", **{"diffusion.step_list": "[0, 6]", "diffusion.schedule": "[x]"})
    held = data(build(table([row], space), info(best="t0", space=space)))
    assert yaml.safe_load(held["best_yaml"]) == {"diffusion": {"step_list": [0, 6], "schedule": "[x]"}}


def test_seconds_add_up_over_all_trials(plain: Path) -> None:
    assert data(plain)["seconds"] == pytest.approx(sum(row["seconds"] for row in search()))


def test_finished_trials_come_first_and_the_best_of_them_on_top(plain: Path) -> None:
    held = data(plain)
    assert held["trials"][0]["trial"] == held["best"]
    assert [row["status"] for row in held["trials"]] == 6 * ["finished"] + 16 * ["pruned"] + 2 * ["failed"]


def test_what_is_not_a_number_is_shown_as_missing() -> None:
    curve = [{"epoch": 1, "mpjpe": float("nan"), "loss": float("inf"), "seconds": 1.0}]
    row = trial("t0", status="failed", mpjpe=float("nan"), seconds=float("nan"), curve=curve)
    held = data(build(table([row]), info()))
    assert held["trials"][0]["mpjpe"] is None
    assert held["trials"][0]["curve"] == []
    assert held["seconds"] == 0


def test_many_long_trials_stay_under_ten_megabytes() -> None:
    curve = [{"epoch": e, "mpjpe": 60 + 1 / (e + 3), "loss": 1.0, "seconds": 1.0 * e} for e in range(1, 402)]
    rows = [trial(f"t{i:04}", curve=curve, mpjpe=60 + i / 7) for i in range(MOST_TRIALS + 30)]
    made = build(table(rows), info(best="t0000"))
    held = data(made)
    assert len(made.encode()) < 10e6
    assert held["left_out"] == 30
    assert held["counts"]["all"] == MOST_TRIALS + 30
    assert all(len(row["curve"]) <= MOST_POINTS and row["curve"][-1][0] == 401 for row in held["trials"])


def test_no_markup_from_the_data_is_in_the_source(hostile: Path) -> None:
    text = hostile.read_text()
    assert "<script>window.hacked" not in text
    assert "<img" not in text


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (420, "dark")])
def test_opens_without_errors_or_requests_and_fits_the_window(
    width: int, scheme: str, plain: Path, opened: Callable[..., Page]
) -> None:
    page = opened(plain, width, scheme)
    assert page.errors == []
    assert page.asked_of_the_network() == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_every_chart_is_drawn(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    drawn = "[...document.querySelectorAll('.chart')].filter(c => c.querySelector('path.js-line, .point path')).map(c => c.id)"
    assert page.evaluate(drawn) == ["curves-chart", "parallel-chart", "importance-chart", "cost-chart"]


def test_each_trial_has_a_line_through_the_settings(plain: Path, opened: Callable[..., Page]) -> None:
    assert opened(plain).evaluate("document.querySelectorAll('#parallel-chart path.js-line').length") == 24


def test_a_log_range_is_cut_at_powers_of_ten_and_choices_stand_in_steps(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    assert page.evaluate("axisOf({loguniform: [1e-4, 1e-2]}, [2e-3]).place(1e-3)") == pytest.approx(0.5)
    assert page.evaluate("axisOf({choice: ['b', 'a', 'c']}, ['b', 'a', 'c']).ticks") == [[0, "b"], [0.5, "a"], [1, "c"]]
    assert page.evaluate("axisOf({grid: [32, 96]}, [96, 32]).ticks") == [[0, "32"], [1, "96"]]


def test_the_pareto_front_falls_with_the_cost(plain: Path, opened: Callable[..., Page]) -> None:
    trials = [{"seconds": s, "mpjpe": e} for s, e in [(3, 50), (1, 60), (2, 70), (4, 50), (5, 45)]]
    found = opened(plain).evaluate(f"front({json.dumps(trials)}).map(t => t.seconds)")
    assert found == [1, 3, 5]


def test_a_pressed_head_sorts_the_table_and_turns_the_order(plain: Path, opened: Callable[..., Page]) -> None:
    page = opened(plain)
    column = "[...document.querySelectorAll('#trials-table tbody tr')].map(row => +row.children[4].textContent)"
    press = "document.querySelectorAll('#trials-table thead button')[4].click()"
    page.evaluate(press)
    up = page.evaluate(column)
    page.evaluate(press)
    assert up == sorted(up)  # type: ignore[type-var]
    assert page.evaluate(column) == up[::-1] != up  # type: ignore[index]


def test_failed_trials_are_shown_with_their_reasons(plain: Path, opened: Callable[..., Page]) -> None:
    text = opened(plain).evaluate("document.querySelector('#failed').textContent")
    assert "t003epoch 3: the loss is not finite" in text  # type: ignore[operator]


def test_texts_from_the_data_run_no_script_and_make_no_markup(hostile: Path, opened: Callable[..., Page]) -> None:
    page = opened(hostile)
    assert page.evaluate("window.hacked === undefined")
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert page.errors == []


@pytest.mark.parametrize(
    ("rows", "hidden"),
    [
        ([], ["curves-title", "parallel-title", "importance-title", "cost-title", "trials-title"]),
        ([trial("t0")], []),
        (
            [trial("t0", status="failed", mpjpe=None, curve=[], seconds=0.0, reason="out of memory")],
            ["curves-title", "cost-title"],
        ),
        (
            [trial(f"t{i}", status="running", mpjpe=None, curve=None, seconds=None) for i in range(2)],
            ["curves-title", "cost-title"],
        ),
        ([trial(f"t{i}", **{"diffusion.eta": None, "model.width": None}) for i in range(2)], []),
    ],
    ids=["none", "one", "failed", "running", "unset keys"],
)
def test_a_search_with_little_to_show_hides_what_it_lacks(
    rows: list[dict[str, Any]], hidden: list[str], folder: Path, opened: Callable[..., Page]
) -> None:
    page = opened(written(folder / "little.html", rows))
    found = "[...document.querySelectorAll('section[hidden]')].map(part => part.getAttribute('aria-labelledby'))"
    assert page.evaluate(found) == hidden
    assert page.errors == []


def test_a_search_of_names_alone_is_drawn(folder: Path, opened: Callable[..., Page]) -> None:
    space = {"diffusion.schedule": {"choice": ["linear", "cosine"]}}
    page = opened(written(folder / "names.html", [trial("t0"), trial("t1", **{"diffusion.schedule": "cosine"})], space=space))
    assert page.evaluate("document.querySelectorAll('#parallel-chart path.js-line').length") == 2
    assert page.errors == []


def test_a_search_of_the_sampling_alone_has_no_learning_curves(folder: Path, opened: Callable[..., Page]) -> None:
    page = opened(written(folder / "sampling.html", search(mode="sampling"), mode="sampling"))
    assert page.evaluate("document.querySelector('[data-needs=curves]').hidden")
    assert page.evaluate("document.querySelectorAll('#cost-chart .point').length") == 22
    assert page.errors == []
