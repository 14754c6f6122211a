"""The position of the main object over time: verbs, adverbs and prepositions as numbers.

Units: positions and sizes in frame widths (x right, y down), angles in degrees clockwise, times in
seconds. A scene's layout depends on what no word speaks of and on the reference, never on verb,
adverb, noun or colour, so that a counterfactual twin moves nothing but what its word moves.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from finereel.reelworld import vocabulary as words
from finereel.reelworld.factors import SECONDS, Scene, rng_of
from finereel.reelworld.periodic import turn

MAIN_SIZE = {"small": 0.21, "big": 0.42}
NORMAL_SIZE = 0.31
REFERENCE_SIZE = 0.22
GAP = 0.02
JERKS = 3
EDGE = 0.03
"""Least distance of a travelling object's centre from the edge of the picture."""
FADED = 0.18
FAST, USUAL, WHOLE = 1.1, 2.0, SECONDS
"""Seconds which a motion from start to end takes: quickly, without an adverb of pace, slowly."""


@dataclass(frozen=True)
class Pose:
    """The main object at one moment: centre, width, rotation, opacity, mirrored, and whether it
    hides the reference.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0
    alpha: float = 1.0
    mirrored: bool = False
    in_front: bool = True


@dataclass(frozen=True)
class Layout:
    """What the layout seed decides: the reference's centre, the side a path comes from, turning
    senses.
    """

    x: float
    y: float
    heading: float
    turn: int
    mirrored: bool
    corner: int


@lru_cache(maxsize=4096)
def layout(layout_seed: int, travels: bool) -> Layout:
    """The reference's place and all unnamed choices. `heading` is the direction of approach in
    radians.
    """
    rng = rng_of("layout", layout_seed)
    heading = (rng.random() - 0.5) * 0.9 + (math.pi if rng.random() < 0.5 else 0.0)
    jitter_x, jitter_y = (rng.random() - 0.5) * 0.08, (rng.random() - 0.5) * 0.08
    turn, corner = (1 if rng.random() < 0.5 else -1), (1 if rng.random() < 0.5 else -1)
    x, y = 0.5 + jitter_x, 0.5 + jitter_y
    if travels:
        x, y = (
            0.5 + 0.16 * math.cos(heading) + jitter_x / 2,
            0.5 + 0.16 * math.sin(heading) + jitter_y / 2,
        )
    return Layout(x, y, heading, turn, rng.random() < 0.5, corner)


def scene_layout(scene: Scene) -> Layout:
    """The layout of a scene; prepositions of path and of place have the reference stand
    differently.
    """
    return layout(scene.layout_seed, words.PREPOSITIONS[scene.preposition].path)


def main_size(scene: Scene) -> float:
    """Width of the main object before any growing or shrinking."""
    return MAIN_SIZE.get(scene.look or "", NORMAL_SIZE)


# Adverbs of pace and flow: time -> progress in [0, 1].


def ease(share: float) -> float:
    """Smooth start and stop."""
    return 0.5 - 0.5 * math.cos(math.pi * min(max(share, 0.0), 1.0))


def progress(adverb: str | None, t: float) -> float:
    """How much of a one-way motion is done at time t: quickly is over after FAST seconds, slowly
    fills the clip.
    """
    if adverb == "slowly":
        return min(max(t / WHOLE, 0.0), 1.0)
    if adverb == "quickly":
        return min(max((t - 0.3) / FAST, 0.0), 1.0)
    if adverb == "smoothly":
        return ease(t / WHOLE)
    if adverb == "jerkily":
        done = min(max(t, 0.0), SECONDS - 1e-9) / SECONDS * JERKS
        return (math.floor(done) + ease((turn(done) - 0.64) / 0.22)) / JERKS
    return min(max((t - 0.3) / USUAL, 0.0), 1.0)


def phase(adverb: str | None, t: float) -> float:
    """Cycles done at time t by a motion that comes back to where it began; whole numbers are the
    rest position.
    """
    if adverb == "slowly":
        return min(t / WHOLE, 1.0)
    if adverb == "quickly":
        return min(t / 0.6, 5.0)
    if adverb == "once":
        return min(max((t - 0.9) / 1.2, 0.0), 1.0)
    if adverb == "repeatedly":
        return min(t / (SECONDS / 3), 3.0)
    return min(t / (SECONDS / 2), 2.0)


def force(adverb: str | None, usual: float) -> float:
    """Size of a swing, hop or shake: gently and wildly differ four times."""
    return usual * {"gently": 0.5, "wildly": 2.0}.get(adverb or "", 1.0)


# Prepositions of place: where the object stays.


def place(scene: Scene, at: Layout) -> tuple[float, float]:
    """Centre of an object that stays put, for a preposition of place."""
    size = main_size(scene)
    clear, partly = (REFERENCE_SIZE + size) / 2 + GAP, (REFERENCE_SIZE + size) * 0.27
    offsets = {
        "above": (0.0, -clear),
        "below": (0.0, clear),
        "left of": (-clear, 0.0),
        "right of": (clear, 0.0),
        "behind": (at.corner * partly, -partly * 0.6),
        "in front of": (at.corner * partly, partly * 0.6),
    }
    dx, dy = offsets[scene.preposition]
    return at.x + dx, at.y + dy


# Prepositions of path: progress -> centre.


def path(scene: Scene, at: Layout, done: float) -> tuple[float, float]:
    """Centre of a travelling object when a share `done` of its path lies behind it."""
    size = main_size(scene)
    reach = (REFERENCE_SIZE + size) / 2 + GAP
    ahead = (math.cos(at.heading), math.sin(at.heading))
    far = 0.56 + 0.02
    distance = {
        "toward": far + (reach - far) * done,
        "from": reach + (far - reach) * done,
        "into": far * (1 - done),
        "out of": far * done,
    }
    if scene.preposition in distance:
        return at.x - ahead[0] * distance[scene.preposition], at.y - ahead[1] * distance[
            scene.preposition
        ]
    if scene.preposition == "around":
        angle = at.heading + math.pi + at.turn * 2 * math.pi * done
        return at.x + math.cos(angle) * reach, at.y + math.sin(angle) * reach
    side = -1.0 if at.y > 0.5 else 1.0
    along = 0.08 + 0.84 * done
    return (along if ahead[0] > 0 else 1 - along), at.y + side * reach


def direction(scene: Scene, at: Layout, done: float) -> tuple[float, float]:
    """Unit vector along the path."""
    (x0, y0), (x1, y1) = path(scene, at, done - 0.01), path(scene, at, done + 0.01)
    length = math.hypot(x1 - x0, y1 - y0)
    return (x1 - x0) / length, (y1 - y0) / length


# Verbs of travel.


def travel(scene: Scene, t: float) -> Pose:
    """A travelling main object at time t."""
    at, done = scene_layout(scene), progress(scene.adverb, t)
    x, y = path(scene, at, done)
    along = direction(scene, at, done)
    angle = 0.0
    if scene.verb == "hops":
        y -= force(scene.adverb, 0.085) * abs(math.sin(3 * math.pi * done))
    elif scene.verb == "zigzags":
        # Two periods of a triangle wave, starting and ending on the path.
        sideways = force(scene.adverb, 0.09) * 2 / math.pi * math.asin(math.sin(4 * math.pi * done))
        x, y = x - along[1] * sideways, y + along[0] * sideways
    elif scene.verb == "rolls":
        angle = (1 if along[0] >= 0 else -1) * 450 * done
    # A wild zigzag around a big detour would leave the picture and take the evidence with it.
    x, y = min(max(x, EDGE), 1 - EDGE), min(max(y, EDGE), 1 - EDGE)
    inside = scene.preposition in ("into", "out of")
    scale = (
        hiding_scale(scene, done if scene.preposition == "into" else 1 - done) if inside else 1.0
    )
    mirrored = scene.noun in words.FACING and (along[0] < 0) != (scene.adverb == "backwards")
    return Pose(x, y, main_size(scene) * scale, angle, mirrored=mirrored, in_front=not inside)


def hiding_scale(scene: Scene, entered: float) -> float:
    """An object that goes into the reference shrinks on the last third of its way until the
    reference hides it.
    """
    hidden = 0.5 * REFERENCE_SIZE / main_size(scene)
    return 1 - (1 - min(hidden, 1.0)) * ease((entered - 0.6) / 0.4)


# Verbs on the spot: each returns the changes to a pose at rest.


def jumps(scene: Scene, t: float, rest: Pose) -> Pose:
    height = 0.15 * abs(math.sin(math.pi * phase(scene.adverb, t)))
    return Pose(rest.x, rest.y - height, rest.size, 0.0, 1.0, rest.mirrored, rest.in_front)


def spins(scene: Scene, t: float, rest: Pose) -> Pose:
    if scene.adverb in words.FLOW:
        turns = progress(scene.adverb, t)
    else:
        turns = {"slowly": t / 6, "quickly": t * 0.75}.get(
            scene.adverb or "", phase(scene.adverb, t)
        )
    sense = scene_layout(scene).turn
    return Pose(rest.x, rest.y, rest.size, sense * 360 * turns, 1.0, rest.mirrored, rest.in_front)


def swings(scene: Scene, t: float, rest: Pose) -> Pose:
    """A pendulum hung from its upper edge."""
    angle = force(scene.adverb, 32.0) * math.sin(2 * math.pi * phase(scene.adverb, t))
    arm, turned = rest.size / 2, math.radians(angle)
    x, y = rest.x - arm * math.sin(turned), rest.y - arm + arm * math.cos(turned)
    return Pose(x, y, rest.size, angle, 1.0, rest.mirrored, rest.in_front)


def shakes(scene: Scene, t: float, rest: Pose) -> Pose:
    # Half a period is a whole number of frames at 4 per second, so that no sampling hides the
    # shaking.
    period = {"slowly": 1.5, "quickly": 0.5}.get(scene.adverb or "", 1.0)
    sideways = force(scene.adverb, 0.06) * math.sin(2 * math.pi * t / period)
    return Pose(rest.x + sideways, rest.y, rest.size, 0.0, 1.0, rest.mirrored, rest.in_front)


def blinks(scene: Scene, t: float, rest: Pose) -> Pose:
    if scene.adverb == "once":
        hidden = 1.25 <= t < 1.75
    else:
        period = {"slowly": 1.5, "quickly": 0.5}.get(scene.adverb or "", 1.0)
        hidden = turn(t / period) >= 0.5
    return Pose(
        rest.x, rest.y, rest.size, 0.0, 0.0 if hidden else 1.0, rest.mirrored, rest.in_front
    )


def grows(scene: Scene, t: float, rest: Pose) -> Pose:
    scale = 0.55 + 0.75 * progress(scene.adverb, t)
    return Pose(rest.x, rest.y, rest.size * scale, 0.0, 1.0, rest.mirrored, rest.in_front)


def shrinks(scene: Scene, t: float, rest: Pose) -> Pose:
    end = {"slightly": 0.9, "completely": 0.0}.get(scene.adverb or "", 0.55)
    scale = 1.3 + (end - 1.3) * progress(scene.adverb, t)
    return Pose(rest.x, rest.y, rest.size * scale, 0.0, 1.0, rest.mirrored, rest.in_front)


def fades(scene: Scene, t: float, rest: Pose) -> Pose:
    end = {"slightly": 0.5, "completely": 0.0}.get(scene.adverb or "", FADED)
    alpha = 1 + (end - 1) * progress(scene.adverb, t)
    return Pose(rest.x, rest.y, rest.size, 0.0, alpha, rest.mirrored, rest.in_front)


ON_THE_SPOT: dict[str, Callable[[Scene, float, Pose], Pose]] = {
    "jumps": jumps,
    "spins": spins,
    "swings": swings,
    "shakes": shakes,
    "blinks": blinks,
    "grows": grows,
    "shrinks": shrinks,
    "fades": fades,
}


def pose(scene: Scene, t: float) -> Pose:
    """The main object at `t` seconds into the clip."""
    if words.VERBS[scene.verb].travels:
        return travel(scene, t)
    at = scene_layout(scene)
    x, y = place(scene, at)
    mirrored = scene.noun in words.FACING and at.mirrored
    rest = Pose(x, y, main_size(scene), mirrored=mirrored, in_front=scene.preposition != "behind")
    return ON_THE_SPOT[scene.verb](scene, t, rest)
