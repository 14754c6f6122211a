"""Measure whether the maps of words show what the score needs: patches are hidden and shown in the
order of the map and in random order, and random maps have to be refused.

On a scene of ReelWorld it is also known where the main object stands.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from finereel.index.evidence import PICTURED, WordFinder
from finereel.index.places import ClipView, place_of
from finereel.models.features import TextFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.reelworld import Scene, captions, frame_times, render
from finereel.reelworld.motion import pose
from finereel.types import Frames, OnProgress, no_progress

STEPS = 8
"""Shares of every frame's patches that are hidden, from none to all, in so many steps."""

RESAMPLES, ENDS = 500, (0.025, 0.975)

OnObject = Callable[[float, int], Bool[Tensor, " N"]]
"""Which patches of side x side have their middle on the main object at a time in seconds."""


@dataclass(frozen=True)
class AskedClip:
    """A clip, a true query and the words of it whose maps are measured.

    Attributes:
        query: The query.
        spans: First character and character after the last of each word, the main noun first.
        frames: Decodes the frames.
        on_object: Where the main object is; None where that is not known.
    """

    query: str
    spans: tuple[tuple[int, int], ...]
    frames: Callable[[], Frames]
    on_object: OnObject | None = None


@dataclass(frozen=True)
class MapMeasure:
    """How faithful the maps of words are; one value per clip.

    Attributes:
        deletion: Mean share of the score that is left while the best patches are hidden first; NaN
            for a clip that scores no better than an empty one, as in the next three.
        deletion_random: The same in random order.
        insertion: Mean share of the score while the best patches are shown first.
        insertion_random: The same in random order.
        shown: Whether a box was given for the main noun.
        noise_refused: Whether a box was refused for a random map.
        pointed: Whether the map of the main noun peaks on the main object in its best frame; None
            where the object's place is not known.
        on_object: The share of that frame's patches on the main object, which is chance.
    """

    deletion: tuple[float, ...]
    deletion_random: tuple[float, ...]
    insertion: tuple[float, ...]
    insertion_random: tuple[float, ...]
    shown: tuple[bool, ...]
    noise_refused: tuple[bool, ...]
    pointed: tuple[bool | None, ...]
    on_object: tuple[float | None, ...]

    @property
    def better(self) -> float:
        """Share of the clips in which hiding the best patches costs more than hiding random
        ones.
        """
        pairs = zip(self.deletion, self.deletion_random, strict=True)
        return float(np.mean([own < chance for own, chance in pairs]))

    def rows(self, numbers: Sequence[int]) -> "MapMeasure":
        """The measure of some clips, which may be named more than once."""
        columns = (tuple(column[at] for at in numbers) for column in vars(self).values())
        return MapMeasure(*columns)


def asked_of_scene(model: RetrievalModel, scene: Scene) -> AskedClip:
    """A scene with its first caption.

    Args:
        model: The model, which decides number and size of the frames.
        scene: The scene.

    Returns:
        The clip with its content words.
    """
    query = captions(scene)[0]
    noun = query.index(scene.noun)
    spans = ((noun, noun + len(scene.noun)), *_other_spans(query, scene))

    def on_object(seconds: float, side: int) -> Tensor:
        now = pose(scene, seconds)
        middle, half = (torch.arange(side) + 0.5) / side, now.size / 2
        across, down = (middle - now.x).abs() <= half, (middle - now.y).abs() <= half
        return (down[:, None] & across[None]).flatten()

    return AskedClip(query, spans, lambda: frames_of(scene, model), on_object)


def _other_spans(query: str, scene: Scene) -> Iterator[tuple[int, int]]:
    """The content words of the first caption without the main noun."""
    reference = query.rindex(scene.reference.noun)
    yield reference, reference + len(scene.reference.noun)
    for word in (scene.colour, scene.look, scene.verb):
        if word is not None:
            yield query.index(word), query.index(word) + len(word)
    colour = query.rindex(scene.reference.colour)
    yield colour, colour + len(scene.reference.colour)


def asked_of_caption(
    finder: WordFinder, caption: str, frames: Callable[[], Frames]
) -> AskedClip | None:
    """A captioned clip with the words of its caption; its first noun is the main one.

    Args:
        finder: Finds the words.
        caption: A true caption.
        frames: Decodes the frames.

    Returns:
        The clip; None where the caption has no noun.
    """
    words = [word for word in finder.words(caption) if word.pos in PICTURED]
    nouns = [word for word in words if word.pos == "noun"]
    if not nouns:
        return None
    ordered = [nouns[0], *(word for word in words if word is not nouns[0])]
    return AskedClip(caption, tuple((word.start, word.end) for word in ordered), frames)


def frames_of(scene: Scene, model: RetrievalModel) -> Frames:
    """The frames of a scene as a video of it would give them.

    Args:
        scene: The scene.
        model: The model, which decides number and size.

    Returns:
        The frames.
    """
    times = frame_times(model.num_frames)
    return Frames(render(scene, times, model.encoder.image_size), np.array(times))


def measure_maps(
    model: RetrievalModel, clips: Sequence[AskedClip], on_progress: OnProgress = no_progress
) -> MapMeasure:
    """Measure the maps of a model's words.

    Args:
        model: A model with a trained patch-word score.
        clips: The clips.
        on_progress: Told how many clips are done.

    Returns:
        The measure.

    Raises:
        ModelError: If the model cannot name places.
    """
    rows = []
    for number, clip in enumerate(clips):
        rows.append(_measured(model, clip, number))
        on_progress("checking places", number + 1, len(clips))
    return MapMeasure(*(tuple(column) for column in zip(*rows, strict=True)))


def _measured(model: RetrievalModel, clip: AskedClip, number: int) -> tuple[Any, ...]:
    view, text = ClipView(model, clip.frames()), model.encode_text([clip.query])
    maps = view.maps(clip.query, clip.spans)
    noise = torch.rand(maps.shape[1:], generator=torch.Generator().manual_seed(number))
    frame, noisy = int(maps[0].amax(1).argmax()), int(noise.amax(1).argmax())
    noun = clip.query[slice(*clip.spans[0])]
    pointed = on_object = None
    if clip.on_object is not None:
        inside = clip.on_object(float(view.shown.seconds[frame]), view.side)
        pointed = bool(inside[int(maps[0, frame].argmax())])
        on_object = float(inside.float().mean())
    return (
        *_areas(view, text, (maps.mean(0), noise)),
        place_of(view, text, frame, maps[0, frame], noun) is not None,
        place_of(view, text, noisy, noise[noisy], "") is None,
        pointed,
        on_object,
    )


def _areas(
    view: ClipView, text: TextFeatures, maps: Sequence[Float[Tensor, "F N"]]
) -> tuple[float, ...]:
    """Deletion of every map, then insertion of every map: the mean share of the score above that of
    an empty clip, over the steps, patches of every frame in the order of its map.
    """
    patches = maps[0].shape[1]
    cuts = [round(step / STEPS * patches) for step in range(1, STEPS)]
    orders = [values.argsort(dim=1, descending=True).argsort(dim=1) for values in maps]
    every = torch.ones_like(orders[0], dtype=torch.bool)
    masks = [order < cut for order in orders for cut in cuts]
    masks += [order >= cut for order in orders for cut in cuts]
    scores = view.scores(text, torch.stack([~every, every, *masks]))[:, 0].double()
    full, empty = float(scores[0]), float(scores[1])
    if full <= empty:
        return (float("nan"),) * (2 * len(maps))
    shares = ((scores[2:] - empty) / (full - empty)).view(-1, len(cuts))
    # The ends of every curve, the whole clip and the empty one, are one and nought.
    return tuple(((shares.sum(1) + 1) / (STEPS + 1)).tolist())


def summary(maps: MapMeasure) -> dict[str, float]:
    """The means over the clips.

    Args:
        maps: The measure.

    Returns:
        Numbers by name. Clips that score no better than an empty one are left out of the areas;
        pointing is left out where no object's place is known.
    """
    names = ("deletion", "deletion_random", "insertion", "insertion_random")
    found = {name: _mean(getattr(maps, name)) for name in names}
    found["better_than_random"] = maps.better
    known = [at for at, pointed in enumerate(maps.pointed) if pointed is not None]
    if known:
        pointed, chance = maps.rows(known).pointed, maps.rows(known).on_object
        found["pointing"] = float(np.mean(np.array(pointed, dtype=float)))
        found["pointing_by_chance"] = float(np.mean(np.array(chance, dtype=float)))
    found["boxes_shown"] = float(np.mean(maps.shown))
    found["random_maps_refused"] = float(np.mean(maps.noise_refused))
    return found


def _mean(values: Sequence[float]) -> float:
    """The mean of the values that are numbers; NaN where none is."""
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")


def intervals(maps: MapMeasure) -> dict[str, tuple[float, float]]:
    """The 95 % intervals of `summary`, over clips drawn with replacement.

    Args:
        maps: The measure.

    Returns:
        The ends of each interval by name.
    """
    count, chance = len(maps.shown), np.random.default_rng(0)
    drawn = [
        summary(maps.rows(row)) for row in chance.integers(0, count, (RESAMPLES, count)).tolist()
    ]
    columns = {name: [row[name] for row in drawn if row[name] == row[name]] for name in drawn[0]}
    ends = {name: np.quantile(column or [np.nan], ENDS) for name, column in columns.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}
