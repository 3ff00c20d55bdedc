"""`python -m benchmarks.tracking`: how well people are followed on generated scenes, and what a frame costs.

`--compare FILE.py` sets another tracker beside it: a file with a function `track(points, seen, frame)` or
`track(points, seen, frame, confidence)`, such as an earlier version of `pose_diffusion.data.tracking`.
"""

from __future__ import annotations

import argparse
import runpy
import time
from collections.abc import Callable

import numpy as np

from benchmarks.crowd_scenes import Scene, scene
from benchmarks.identity import Identity, identity
from pose_diffusion.data.tracking import track

Tracker = Callable[[Scene], np.ndarray]
_RATES = {"25 fps": (25, 1), "60 fps": (60, 1), "every 5th of 25 fps": (25, 5)}
_FIRST_SEED = 100  # the tracker's constants were chosen on seeds below it
_COLUMNS = ("switches", "fragments", "false finds taken", "IDF1", "ms a frame")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking", description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=[2, 5, 10, 20])
    parser.add_argument("--scenes", type=int, default=4, help="scenes of 12 s for each row, half of them of either detector")
    parser.add_argument("--compare", help="a Python file with another `track`")
    options = parser.parse_args()
    trackers = {"": _tracker(track)}
    if options.compare:
        trackers = {"theirs": _tracker(runpy.run_path(options.compare)["track"]), "ours": trackers[""]}
    print(f"{'people':>6}  {'frames':<20}{'tracker':<8}" + "".join(f"{name:>19}" for name in _COLUMNS))
    for people in options.people:
        for rate, (fps, stride) in _RATES.items():
            scenes = [_scene(people, fps, number).every(stride) for number in range(options.scenes)]
            for name, tracker in trackers.items():
                found, seconds = _measure(tracker, scenes)
                frames = sum(len(np.unique(one.frame)) for one in scenes)
                values = (found.switches, found.fragments, found.taken, f"{found.idf1:.1%}", f"{1000 * seconds / frames:.2f}")
                print(f"{people:>6}  {rate:<20}{name:<8}" + "".join(f"{value:>19}" for value in values), flush=True)


def _scene(people: int, fps: int, number: int) -> Scene:
    return scene(people, fps, _FIRST_SEED + number // 2, hidden_joints=("missing", "guessed")[number % 2])


def _tracker(function: Callable[..., np.ndarray]) -> Tracker:
    def call(given: Scene) -> np.ndarray:
        values = (given.points, given.seen, given.frame, given.confidence)
        return function(*values[: function.__code__.co_argcount])

    return call


def _measure(tracker: Tracker, scenes: list[Scene]) -> tuple[Identity, float]:
    """Counts over all scenes, and seconds of the process in the tracker."""
    total, seconds = Identity(), 0.0
    for one in scenes:
        start = time.process_time()
        tracks = tracker(one)
        seconds += time.process_time() - start
        total += identity(one.person, one.frame, tracks)
    return total, seconds


if __name__ == "__main__":
    main()
