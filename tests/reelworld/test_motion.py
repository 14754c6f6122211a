"""Motion: every verb, adverb and preposition is true in numbers, whatever the layout."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.reelworld import Scene, frame_times, sample_scene
from finereel.reelworld import vocabulary as words
from finereel.reelworld.motion import REFERENCE_SIZE, main_size, pose, scene_layout

TIMES = frame_times(12)
DENSE = frame_times(90)
# Few examples, each looked at over a whole clip.
few = settings(max_examples=15)
layouts = st.integers(0, 2**31 - 1)
travelling = st.sampled_from([verb for verb, facts in words.VERBS.items() if facts.travels])
staying = st.sampled_from([verb for verb, facts in words.VERBS.items() if not facts.travels])


def scene(**factors: object) -> Scene:
    base = replace(sample_scene(0, "train"), noun="car", look=None, adverb=None, distractors=())
    return replace(base, **factors)  # type: ignore[arg-type]


def distances(of: Scene, times: list[float]) -> list[float]:
    at = scene_layout(of)
    return [math.hypot(now.x - at.x, now.y - at.y) for now in (pose(of, t) for t in times)]


@few
@given(layouts, st.sampled_from(["slides", "rolls"]), st.sampled_from([None, "slowly", "quickly"]))
def test_toward_and_into_come_nearer_from_and_out_of_go_away(
    seed: int, verb: str, adverb: str | None
) -> None:
    for preposition, sign in (("toward", -1), ("into", -1), ("from", 1), ("out of", 1)):
        way = distances(
            scene(verb=verb, adverb=adverb, preposition=preposition, layout_seed=seed), DENSE
        )
        steps = sign * np.diff(way)
        assert (steps >= -1e-9).all()
        assert steps.sum() > 0.2


@few
@given(layouts, travelling)
def test_only_into_ends_inside_and_only_out_of_begins_there(seed: int, verb: str) -> None:
    for preposition in ("toward", "from", "past", "around", "into", "out of"):
        each = scene(verb=verb, preposition=preposition, layout_seed=seed)
        way = distances(each, [0.0, 3.0])
        inside = [distance < REFERENCE_SIZE / 2 for distance in way]
        assert inside == [preposition == "out of", preposition == "into"]
        assert pose(each, 1.0).in_front != (preposition in ("into", "out of"))


@few
@given(layouts)
def test_into_ends_hidden_by_the_reference(seed: int) -> None:
    each = scene(verb="slides", preposition="into", layout_seed=seed, look="big")
    assert pose(each, 3.0).size < 0.6 * REFERENCE_SIZE
    assert pose(each, 0.0).size == main_size(each)


@few
@given(layouts)
def test_around_goes_once_around_at_one_distance(seed: int) -> None:
    each = scene(verb="slides", preposition="around", layout_seed=seed)
    at = scene_layout(each)
    way = distances(each, DENSE)
    assert max(way) - min(way) < 1e-9
    turns = np.unwrap(
        [math.atan2(now.y - at.y, now.x - at.x) for now in (pose(each, t) for t in DENSE)]
    )
    assert abs(abs(turns[-1] - turns[0]) - 2 * math.pi) < 1e-6


@few
@given(layouts, st.sampled_from(["slides", "rolls"]))
def test_past_crosses_from_one_side_to_the_other(seed: int, verb: str) -> None:
    each = scene(verb=verb, preposition="past", layout_seed=seed)
    at, first, last = scene_layout(each), pose(each, 0.0), pose(each, 3.0)
    assert (first.x - at.x) * (last.x - at.x) < 0
    assert min(distances(each, DENSE)) > (REFERENCE_SIZE + main_size(each)) / 2


@few
@given(layouts, staying, st.sampled_from([None, *words.SIZES]))
def test_places_are_where_they_say(seed: int, verb: str, look: str | None) -> None:
    rest = "shakes" if verb in words.RESIZING else verb
    for preposition, axis, sign in (
        ("above", 1, -1),
        ("below", 1, 1),
        ("left of", 0, -1),
        ("right of", 0, 1),
    ):
        each = scene(verb=rest, preposition=preposition, layout_seed=seed, look=look)
        at = scene_layout(each)
        offsets = [(now.x - at.x, now.y - at.y) for now in (pose(each, t) for t in TIMES)]
        mean = np.mean(offsets, axis=0)
        assert sign * mean[axis] > 2 * abs(mean[1 - axis]), (preposition, mean)
        assert sign * mean[axis] > REFERENCE_SIZE / 2


@few
@given(layouts)
def test_behind_and_in_front_overlap_the_reference(seed: int) -> None:
    for preposition in ("behind", "in front of"):
        each = scene(verb="fades", preposition=preposition, layout_seed=seed)
        at, now = scene_layout(each), pose(each, 0.0)
        reach = (REFERENCE_SIZE + now.size) / 2
        assert max(abs(now.x - at.x), abs(now.y - at.y)) < 0.75 * reach
        assert now.in_front == (preposition == "in front of")


def speed(of: Scene) -> float:
    """The largest change of anything about the object within a fiftieth of a second."""
    poses = [pose(of, t) for t in np.arange(0, 3.01, 0.02).tolist()]
    changes = [
        (
            math.hypot(b.x - a.x, b.y - a.y),
            abs(b.angle - a.angle) / 360,
            abs(b.size - a.size),
            abs(b.alpha - a.alpha),
        )
        for a, b in pairwise(poses)
    ]
    return max(map(max, changes))


@pytest.mark.parametrize("verb", [verb for verb in words.VERBS if verb != "blinks"])
def test_quickly_is_at_least_two_and_a_half_times_as_fast(verb: str) -> None:
    preposition = "past" if words.VERBS[verb].travels else "above"
    slow, fast = (
        speed(scene(verb=verb, adverb=adverb, preposition=preposition)) for adverb in words.PACE
    )
    assert fast >= 2.5 * slow


def count_events(of: Scene) -> int:
    """How often the object leaves its state of rest."""
    rest = pose(of, 0.0)
    busy = [
        now.alpha < 1 or abs(now.y - rest.y) + abs(now.angle - rest.angle) % 360 > 1e-3
        for now in (pose(of, t) for t in DENSE)
    ]
    return sum(not a and b for a, b in zip([False, *busy], busy, strict=False))


@pytest.mark.parametrize(
    "verb", [verb for verb, facts in words.VERBS.items() if "once" in facts.adverbs]
)
def test_once_and_repeatedly_count(verb: str) -> None:
    once, repeatedly = (
        scene(verb=verb, adverb=adverb, preposition="above") for adverb in words.COUNT
    )
    turns = [
        abs(pose(each, 3.0).angle - pose(each, 0.0).angle) / 360 for each in (once, repeatedly)
    ]
    if verb == "spins":
        assert turns == pytest.approx([1, 3])
    elif verb == "blinks":
        assert (count_events(once), count_events(repeatedly)) == (1, 3)
    else:
        from finereel.reelworld.motion import phase

        assert (phase("once", 3.0), phase("repeatedly", 3.0)) == (1.0, 3.0)
        assert pose(once, 0.5) == pose(once, 0.0)
        assert pose(once, 2.5).y == pytest.approx(pose(once, 0.0).y)


@pytest.mark.parametrize(
    "verb", [verb for verb, facts in words.VERBS.items() if "jerkily" in facts.adverbs]
)
def test_jerkily_stops_in_between_and_smoothly_does_not(verb: str) -> None:
    preposition = "past" if words.VERBS[verb].travels else "above"

    def stops(adverb: str) -> int:
        poses = [pose(scene(verb=verb, adverb=adverb, preposition=preposition), t) for t in TIMES]
        still = [
            math.dist((a.x, a.size, a.angle / 360), (b.x, b.size, b.angle / 360)) < 1e-3
            for a, b in pairwise(poses)
        ]
        return sum(still)

    assert stops("jerkily") >= 5
    assert stops("smoothly") == 0


@few
@given(
    layouts,
    st.sampled_from(["slides", "hops", "zigzags"]),
    st.sampled_from(["toward", "from", "past", "into"]),
)
def test_backwards_faces_against_the_motion(seed: int, verb: str, preposition: str) -> None:
    for adverb, sign in (("forwards", 1), ("backwards", -1), (None, 1)):
        each = scene(verb=verb, adverb=adverb, preposition=preposition, layout_seed=seed)
        went = pose(each, 3.0).x - pose(each, 0.0).x
        faces = -1 if pose(each, 1.2).mirrored else 1
        assert faces * went * sign > 0


@pytest.mark.parametrize(("verb", "least"), [("fades", 0.3), ("shrinks", 0.08)])
def test_slightly_leaves_something_and_completely_nothing(verb: str, least: float) -> None:
    ends = [
        pose(scene(verb=verb, adverb=adverb, preposition="above"), 3.0) for adverb in words.EXTENT
    ]
    left = [min(end.alpha, end.size) for end in ends]
    assert left[0] > least
    assert left[1] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    "verb", [verb for verb, facts in words.VERBS.items() if "gently" in facts.adverbs]
)
def test_wildly_moves_at_least_twice_as_far_as_gently(verb: str) -> None:
    preposition = "past" if words.VERBS[verb].travels else "above"
    still = (
        replace(scene(preposition=preposition), verb="slides")
        if words.VERBS[verb].travels
        else None
    )

    def reach(adverb: str) -> float:
        each = scene(verb=verb, adverb=adverb, preposition=preposition)
        rest = [pose(still, t) if still else pose(each, 0.0) for t in DENSE]
        return max(
            abs(a.y - b.y) + abs(a.x - b.x)
            for a, b in zip((pose(each, t) for t in DENSE), rest, strict=True)
        )

    assert reach("wildly") >= 2 * reach("gently") > 0.04


@few
@given(st.integers(0, 10**9))
def test_the_main_object_stays_in_the_picture(seed: int) -> None:
    each = sample_scene(seed, "train")
    for t in TIMES:
        now = pose(each, t)
        assert -0.1 < now.x < 1.1
        assert -0.1 < now.y < 1.1


@pytest.mark.parametrize("verb", [verb for verb, facts in words.VERBS.items() if not facts.travels])
def test_verbs_on_the_spot_change_only_their_own_quantity(verb: str) -> None:
    poses = [pose(scene(verb=verb, preposition="left of"), t) for t in DENSE]
    spans = {
        "place": max(np.ptp([now.x for now in poses]), np.ptp([now.y for now in poses])),
        "angle": np.ptp([now.angle for now in poses]),
        "size": np.ptp([now.size for now in poses]),
        "alpha": np.ptp([now.alpha for now in poses]),
    }
    own = {
        "jumps": {"place"},
        "shakes": {"place"},
        "swings": {"place", "angle"},
        "spins": {"angle"},
        "grows": {"size"},
        "shrinks": {"size"},
        "blinks": {"alpha"},
        "fades": {"alpha"},
    }
    assert {name for name, span in spans.items() if span > 1e-9} == own[verb]
