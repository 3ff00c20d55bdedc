"""The page in a real browser."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from acting import pixels, press, until, wheel
from browser import Page
from recordings import on_the_ground, person, recording

from pose_diffusion.errors import InputError
from pose_diffusion.inference.lifted import LiftedFile, LiftedRecording
from pose_diffusion.inference.placing import placed
from pose_diffusion.viewer import write, write_pages
from pose_diffusion.viewer.page import assumptions

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'> {{data}} \u2028 &amp; 1"


def several() -> LiftedRecording:
    """Two who are there at one time, the second with an unsure stretch at frames 20 to 24, and one who comes later."""
    second = person("second", across=1.2)
    second.spread[20:25] = 0.1
    second.seen[5:9, 3] = False
    return recording(person("first", across=-0.8), second, person("late", frames=20, first=70))


@pytest.fixture(scope="module")
def usual(folder: Path) -> Path:
    """The page of several people on the ground."""
    lifted = several()
    write(lifted, folder / "usual.html", world=[on_the_ground(one) for one in lifted.people])
    return folder / "usual.html"


@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_fits_the_window_without_errors_or_requests(width: int, usual: Path, shown: Callable[..., Page]) -> None:
    page = shown(usual, width)
    assert page.errors == []
    assert page.asked_of_the_network() == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_browser_has_every_number_to_half_a_step(usual: Path, shown: Callable[..., Page]) -> None:
    page, lifted = shown(usual), several()
    for name, step in {"frame": 0.0, "pose_2d": 0.1, "seen": 0.0, "pose_3d": 5e-4, "spread": 5e-4, "root_3d": 5e-4}.items():
        found = page.evaluate(f"viewer.people.map((person) => [...person.{name}])")
        for values, one in zip(found, lifted.people, strict=True):  # type: ignore[arg-type]
            assert np.abs(np.array(values) - getattr(one, name).reshape(-1)).max() <= step / 2 + 1e-4 * step + 1e-6


def test_people_of_more_frames_come_first(folder: Path, shown: Callable[..., Page]) -> None:
    write(recording(person("short", frames=5), person("long", frames=9)), folder / "order.html")
    assert shown(folder / "order.html").evaluate("viewer.people.map((one) => [one.name, one.frame.length])") == [
        ["long", 9],
        ["short", 5],
    ]


def test_people_who_do_not_meet_share_a_lane(usual: Path, shown: Callable[..., Page]) -> None:
    assert shown(usual).evaluate("viewer.people.map((one) => one.slot)") == [0, 1, 0]


def test_frames_that_are_strides_apart_are_played_one_after_another(folder: Path, shown: Callable[..., Page]) -> None:
    write(recording(person(first=30, stride=5), fps=25), folder / "stride.html")
    page = shown(folder / "stride.html")
    press(page, "ArrowRight")
    assert page.evaluate("[viewer.frame, viewer.timeline.count, viewer.playback.rate]") == [35, 60, 5]


def test_it_plays_and_pauses(usual: Path, shown: Callable[..., Page]) -> None:
    page = shown(usual)
    before = page.evaluate(pixels("#view-3d"))
    press(page, " ")
    until(page, "viewer.playback.frame > 1")
    assert page.evaluate(pixels("#view-3d")) != before
    page.evaluate("document.querySelector('#play').click()")
    assert page.evaluate("[viewer.playback.playing, document.querySelector('#play').textContent]") == [False, "▶ Play"]


def test_keys_go_to_frames_seconds_and_marks(usual: Path, shown: Callable[..., Page]) -> None:
    page = shown(usual)
    expected = {"ArrowRight": 1, "PageDown": 10, "End": 89, "End Home": 0, "End ArrowLeft": 88, "n": 20, "End p": 20}
    found = {}
    for keys in expected:
        page.evaluate("viewer.playback.go(0)")
        for key in keys.split():
            press(page, key)
        found[keys] = page.evaluate("+document.querySelector('#frame').value")
    assert found == expected


def test_the_3d_view_changes_by_mouse_wheel_and_keys(usual: Path, shown: Callable[..., Page]) -> None:
    page = shown(usual)
    drawn = [page.evaluate(pixels("#view-3d"))]
    actions: list[Callable[[], None]] = [
        lambda: page.drag("#view-3d", 80, 30),
        lambda: wheel(page, -300),
        lambda: press(page, "ArrowLeft", shift=True),
        lambda: press(page, "+"),
        lambda: press(page, "s"),
        lambda: press(page, "1"),
        lambda: press(page, "2"),
        lambda: press(page, "f"),
    ]
    for act in actions:
        act()
        drawn.append(page.evaluate(pixels("#view-3d")))
    assert all(one != other for one, other in itertools.pairwise(drawn)), drawn


def test_two_fingers_zoom(usual: Path, shown: Callable[..., Page]) -> None:
    page = shown(usual)
    page.evaluate("""[['down', 1, 700], ['down', 2, 800], ['move', 2, 900]].forEach(([kind, pointerId, clientX]) => {
      const event = new PointerEvent('pointer' + kind, {pointerId, clientX, clientY: 300});
      document.querySelector('#view-3d').dispatchEvent(event);
    })""")
    assert page.evaluate("viewer.solid.orbit.zoom") == pytest.approx(2)


def test_zooming_keeps_what_lies_under_the_pointer(folder: Path, shown: Callable[..., Page]) -> None:
    write(recording(), folder / "zoom.html")
    page = shown(folder / "zoom.html")
    place = """(() => {
      const {orbit, scene, canvas, project} = viewer.solid;
      const box = canvas.getBoundingClientRect();
      const beside = [Math.cos(orbit.yaw) / 3, Math.sin(orbit.yaw) / 3, 0.2]; // across and up from the middle
      const [x, y] = project(scene.centre.map((value, axis) => value + beside[axis]));
      return [box.x + canvas.clientLeft + x, box.y + canvas.clientTop + y];
    })()"""
    page.evaluate("viewer.solid.orbit.pitch = 0; viewer.draw()")
    x, y = page.evaluate(place)  # type: ignore[misc]
    page.evaluate(f"viewer.solid.orbit.magnify(3, {x}, {y})")
    assert page.evaluate(place) == pytest.approx([x, y], abs=0.01)


def test_an_unticked_person_is_drawn_nowhere(usual: Path, shown: Callable[..., Page]) -> None:
    page = shown(usual)
    views = [pixels(canvas) for canvas in ("#view-2d", "#view-3d", "#lanes")]
    before = [page.evaluate(view) for view in views]
    page.evaluate("document.querySelectorAll('#people input')[1].click()")
    assert all(page.evaluate(view) != old for view, old in zip(views, before, strict=True))
    page.evaluate("document.querySelectorAll('#people input')[1].click()")
    assert [page.evaluate(view) for view in views] == before


def test_a_click_on_the_timeline_goes_there(usual: Path, shown: Callable[..., Page]) -> None:
    page = shown(usual)
    page.drag("#lanes", 0, 0)
    assert abs(page.evaluate("viewer.frame") - 45) <= 1  # type: ignore[operator]


def test_the_table_tells_the_frames_spread_and_unseen_joints(usual: Path, shown: Callable[..., Page]) -> None:
    page = shown(usual)
    page.evaluate("viewer.playback.go(6)")
    rows = page.evaluate("viewer.rows.map((row) => [...row.children].map((cell) => cell.textContent.trim()))")
    assert rows == [
        ["first", "40", "0", "5.00", "60", "0", "0"],
        ["second", "40", "1", "5.00", "60", "1", "0"],
        ["late", *["\N{EN DASH}"] * 3, "20", "0", "0"],
    ]


def test_without_spread_none_is_shown_and_it_says_why(folder: Path, shown: Callable[..., Page]) -> None:
    lifted = person()
    lifted.spread[:] = 0
    write(recording(lifted), folder / "certain.html")
    page = shown(folder / "certain.html")
    assert page.errors == []
    assert page.evaluate(
        "[document.querySelector('#spread-label').hidden, document.querySelectorAll('#people th').length]"
    ) == [True, 6]
    assert "one hypothesis" in page.evaluate("document.querySelector('#legend').textContent")  # type: ignore[operator]


def test_without_world_coordinates_the_ground_cannot_be_chosen(folder: Path, shown: Callable[..., Page]) -> None:
    write(recording(), folder / "plain.html")
    page = shown(folder / "plain.html")
    press(page, "3")
    assert page.evaluate("document.querySelector('#scene').value") == "person"


@pytest.mark.parametrize(
    ("assumed", "sentence"),
    [
        (True, "Assumed: focal length 554 pixels, a horizontal field of view of 60 degrees."),
        (False, "Known: focal length 554 pixels"),
    ],
)
def test_it_says_what_is_assumed_of_the_camera(assumed: bool, sentence: str, folder: Path, shown: Callable[..., Page]) -> None:
    write(recording(assumed=assumed), folder / f"assumed-{assumed}.html")
    text = shown(folder / f"assumed-{assumed}.html").evaluate("document.querySelector('#assumptions').textContent")
    assert sentence in text  # type: ignore[operator]
    assert f"{'Assumed' if assumed else 'Known'}: 10 frames a second" in text  # type: ignore[operator]


def test_it_says_how_up_is_known() -> None:
    said = dict(assumptions(recording(), world=True, ground="Up from a tilt of 10 degrees."))
    assert said["Ground"] == "Up from a tilt of 10 degrees."


def test_names_run_no_script_and_make_no_markup(folder: Path, shown: Callable[..., Page]) -> None:
    lifted = recording(person(HOSTILE), person(HOSTILE + "2"), name=HOSTILE)
    (folder / "<img src=x>.mp4").write_bytes(b"no film")
    write(dataclasses.replace(lifted, source=HOSTILE, model=HOSTILE), folder / "hostile.html", video=folder / "<img src=x>.mp4")
    text = (folder / "hostile.html").read_text()
    assert "<script>window.hacked" not in text and "<img" not in text
    page = shown(folder / "hostile.html")
    assert page.evaluate("[window.hacked === undefined, document.querySelectorAll('img').length]") == [True, 0]
    assert page.evaluate("document.querySelector('#people tbody label').textContent").strip() == HOSTILE  # type: ignore[union-attr]


def test_a_page_of_each_recording_is_written_in_the_world_where_that_is_known(tmp_path: Path) -> None:
    walk, turn = placed(recording(), tilt=5), recording(name="turn")
    lifted = LiftedFile("clip.json", (walk, turn), "AlphaPose results", (), "the model", {}, 1.0)
    assert write_pages(lifted, tmp_path, "out") == ["view 0.html", "view 1.html"]
    assert "looking down by 5 degrees" in (tmp_path / "view 0.html").read_text()
    assert "Unknown: 3D is in the camera" in (tmp_path / "view 1.html").read_text()


def test_a_video_of_several_recordings_is_refused(tmp_path: Path) -> None:
    lifted = LiftedFile("clip.json", (recording(), recording(name="turn")), "AlphaPose results", (), "the model", {}, 1.0)
    with pytest.raises(InputError, match="has 2 recordings"):
        write_pages(lifted, tmp_path, "out", "clip.mp4")


def test_a_world_of_another_shape_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"world: shapes \[\(3, 17, 3\)\], expected \[\(60, 17, 3\)\]"):
        write(recording(), folder / "none.html", world=[np.zeros((3, 17, 3))])


def test_an_hour_of_five_people_is_a_page_of_megabytes(folder: Path) -> None:
    """In the mean under 200 bytes a pose, of 120 numbers."""
    people = [person(f"person {i}", frames=2000, across=i) for i in range(5)]
    write(recording(*people), folder / "long.html")
    assert (folder / "long.html").stat().st_size < 10_000 * 200


def test_the_data_is_json_without_markup(usual: Path) -> None:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', usual.read_text(), re.DOTALL)
    assert found
    assert json.loads(found[1])["frames"] == {"first": 0, "last": 89, "stride": 1}
