import numpy as np

from benchmarks.crowd_scenes import FALSE_FIND, scene
from benchmarks.identity import Identity, identity
from benchmarks.tracking import there_and_back

PERSON, FRAME = np.repeat([0, 1], 10), np.tile(np.arange(10), 2)


def test_the_truth_is_without_error() -> None:
    found = identity(PERSON, FRAME, 7 - PERSON)
    assert found == Identity(true_positives=20) and found.idf1 == 1


def test_two_people_swapped_half_way_are_half_right_and_switch_once_each() -> None:
    found = identity(PERSON, FRAME, np.where(FRAME < 5, PERSON, 1 - PERSON))
    assert (found.idf1, found.switches, found.fragments) == (0.5, 2, 2)


def test_a_person_in_two_tracks_is_a_fragment_and_a_switch() -> None:
    track = np.where((PERSON == 1) & (FRAME >= 6), 2, PERSON)
    found = identity(PERSON, FRAME, track)
    assert (found.true_positives, found.false_positives, found.false_negatives) == (16, 4, 4)
    assert (found.switches, found.fragments) == (1, 1)


def test_a_false_find_is_an_error_in_a_persons_track_alone() -> None:
    person, frame = np.append(PERSON, [FALSE_FIND, FALSE_FIND]), np.append(FRAME, [3, 12])
    apart = identity(person, frame, np.append(PERSON, [5, 6]))
    taken = identity(person, frame, np.append(PERSON, [5, 1]))
    assert (apart.taken, apart.idf1) == (0, 1)
    assert (taken.taken, taken.false_positives, taken.switches) == (1, 1, 0)


def test_scenes_add_up() -> None:
    one = identity(PERSON, FRAME, np.where(FRAME < 5, PERSON, 1 - PERSON))
    assert (one + one).switches == 4 and (one + one).idf1 == one.idf1


def test_a_scene_has_its_people_and_false_finds_once_a_frame_and_is_the_same_again() -> None:
    made, again = scene(3, 25, 0, seconds=2), scene(3, 25, 0, seconds=2)
    assert all((getattr(made, name) == getattr(again, name)).all() for name in ("points", "confidence", "frame", "person"))
    assert set(made.person.tolist()) <= {FALSE_FIND, 0, 1, 2} and made.frame.max() < 50
    pairs = np.stack([made.frame, made.person])[:, made.person >= 0]
    assert len(np.unique(pairs, axis=1).T) == pairs.shape[1]
    assert made.seen.any(1).all()


def test_a_scene_played_there_and_back_has_every_frame_and_mirrors_itself() -> None:
    made = scene(2, 25, 0, seconds=2)
    long = there_and_back(made, 120)
    length = int(made.frame.max()) + 1
    assert set(long.frame.tolist()) <= set(range(120)) and long.frame.max() > 110
    at_the_turn = [np.sort(long.points[long.frame == frame].ravel()) for frame in (length - 1, length)]
    assert np.array_equal(*at_the_turn)
