"""Measure on ReelWorld whether the evidence that a model gives is true, and fit its record of
words.

Every scene is known in full, so it is certain which words are false of it and where its main
object stands.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from finereel.index.evidence import QueryWords, Records, WordEvidence, WordFinder, records_of
from finereel.index.places import ClipView, place_of, refusal
from finereel.models.features import TextFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.reelworld import Scene, captions, frame_times, render, sample_scene
from finereel.reelworld import vocabulary as words
from finereel.reelworld.contrasts import contrasts
from finereel.reelworld.motion import pose
from finereel.types import Frames, OnProgress, no_progress

STEPS = 8
"""Shares of every frame's patches that are hidden, from none to all, in so many steps."""
PRECISION = 0.90
ONE_WRONG_IN = 25
FEWEST = 10
"""Verdicts beyond a margin that it takes to believe a precision."""


@dataclass(frozen=True)
class WordSlot:
    """One place of a caption with a true word and words that are certainly false there.

    Attributes:
        pos: Part of speech.
        texts: The caption with each word, the true one first.
        words: These words.
    """

    pos: str
    texts: tuple[str, ...]
    words: tuple[str, ...]


def slots_of(scene: Scene) -> list[WordSlot]:
    """The slots of the first caption of a scene.

    Args:
        scene: The scene.

    Returns:
        A slot for every word that has a certain contrast.

    Example:
        >>> {slot.pos for slot in slots_of(sample_scene(3, "val"))} <= {"noun", "adjective",
        ...     "verb", "adverb", "preposition"}
        True
    """
    truth = captions(scene)[0]
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for other in contrasts(scene, levels=("word",)):
        old, new = (" ".join(pair) for pair in zip(*other.changed, strict=True))
        groups.setdefault((other.pos, old), []).append((new, other.caption))
    return [
        WordSlot(pos, (truth, *(text for _, text in found)), (old, *(word for word, _ in found)))
        for (pos, old), found in groups.items()
    ]


def rivals_of_reelworld() -> dict[str, list[list[str]]]:
    """Groups of the words of ReelWorld of which one excludes the others."""
    travels = [verb for verb, facts in words.VERBS.items() if facts.travels]
    stays = [verb for verb in words.VERBS if verb not in travels]
    pairs = sorted({tuple(sorted(pair)) for pair in words.OPPOSITE.items()})
    return {
        "noun": [list(words.NOUNS)],
        "adjective": [list(words.COLOURS), list(words.SIZES), list(words.PATTERNS)],
        "verb": [travels, stays],
        "adverb": [list(pair) for pair in pairs],
        "preposition": [["above", "below"], ["to the left of", "to the right of"]],
    }


@dataclass
class Swaps:
    """Swap margins of true and of false words of one part of speech."""

    true: list[float] = field(default_factory=list)
    false: list[float] = field(default_factory=list)

    @property
    def auroc(self) -> float:
        """How often a true word has the larger margin than a false one; a tie counts half."""
        true, false = np.array(self.true)[:, None], np.array(self.false)[None]
        return float(((true > false) + 0.5 * (true == false)).mean())

    def margin(self) -> float | None:
        """The smallest margin beyond which nine of ten verdicts are right; None if none is."""
        values = np.array([*self.true, *self.false])
        right = np.array([*(v > 0 for v in self.true), *(v < 0 for v in self.false)])
        for margin in np.unique(np.r_[0.0, np.abs(values)]):
            beyond = np.abs(values) > margin
            if beyond.sum() < FEWEST:
                return None
            if right[beyond].mean() >= PRECISION:
                return float(margin)
        return None


@dataclass(frozen=True)
class WordMeasure:
    """How well swaps tell true words of one part of speech from false ones.

    Attributes:
        auroc: Share of pairs of a true and a false word with the larger margin for the true one.
        pair_accuracy: Percent of pairs of captions that the score orders rightly.
        margin: See `Swaps.margin`.
        true: Number of true words.
        false: Number of false words.
    """

    auroc: float
    pair_accuracy: float
    margin: float | None
    true: int
    false: int


def measure_words(
    model: RetrievalModel, scenes: Sequence[Scene], on_progress: OnProgress = no_progress
) -> dict[str, WordMeasure]:
    """Measure the swaps of a model. For a false word the true one is among the siblings.

    Args:
        model: The model.
        scenes: The scenes.
        on_progress: Told how many scenes are done.

    Returns:
        A measure for each part of speech.
    """
    swaps: dict[str, Swaps] = {}
    pairs: dict[str, list[float]] = {}
    for number, scene in enumerate(scenes):
        slots = slots_of(scene)
        texts = [text for slot in slots for text in slot.texts]
        video = model.encode_video([frames_of(scene, model)])
        scores = model.score(model.encode_text(texts), video).fused[:, 0].numpy()
        at, chance = 0, random.Random(number)
        for slot in slots:
            own = scores[at : at + len(slot.texts)]
            at += len(own)
            found = swaps.setdefault(slot.pos, Swaps())
            found.true.append(float(own[0] - own[1:7].max()))
            wrong = chance.randrange(1, len(own))
            others = [0, *(k for k in range(1, len(own)) if k != wrong)][:6]
            found.false.append(float(own[wrong] - own[others].max()))
            pairs.setdefault(slot.pos, []).append(float((own[0] > own[1:]).mean()))
        on_progress("checking words", number + 1, len(scenes))
    return {
        pos: WordMeasure(
            found.auroc,
            100 * float(np.mean(pairs[pos])),
            found.margin(),
            len(found.true),
            len(found.false),
        )
        for pos, found in sorted(swaps.items())
    }


def fit_record(
    model: RetrievalModel,
    scenes: Sequence[Scene],
    rivals: Mapping[str, Any],
    on_progress: OnProgress = no_progress,
) -> dict[str, Any]:
    """Fit what a card keeps, see `finereel.index.evidence`, on scenes that no result is about.

    The margin of a part of speech is the smallest beyond which nine of ten verdicts are right and
    that contradicts at most one true word in `ONE_WRONG_IN`, with the siblings a search would take.

    Args:
        model: The model.
        scenes: The scenes.
        rivals: Groups of words the model knows, by part of speech; may be empty.
        on_progress: Told how many scenes are done.

    Returns:
        JSON values for the key `words` of a card.
    """
    rows: dict[str, Any] = {
        pos: {
            "pair_accuracy": round(found.pair_accuracy, 1),
            "margin": found.margin,
            "pairs": found.false,
            **({"rivals": rivals[pos]} if pos in rivals else {}),
        }
        for pos, found in measure_words(model, scenes, on_progress).items()
    }
    swaps: dict[str, list[float]] = {}
    for word in true_words(model, scenes, records_of({"words": rows})):
        if word.swap is not None:
            swaps.setdefault(word.pos, []).append(word.swap)
    for pos, row in rows.items():
        if row["margin"] is not None and pos in swaps:
            lowest = float(np.quantile(swaps[pos], 1 / ONE_WRONG_IN, method="lower"))
            row["margin"] = max(row["margin"], -lowest)
        row["margin"] = None if row["margin"] is None else round(row["margin"], 3)
    return rows


def true_words(
    model: RetrievalModel, scenes: Sequence[Scene], records: Records
) -> Iterator[WordEvidence]:
    """Judge the words of the first caption of every scene, which are all true, as a search does.

    Args:
        model: The model.
        scenes: The scenes.
        records: The records of the model.

    Yields:
        The words of all scenes.
    """
    finder = WordFinder(records)
    for scene in scenes:
        asked = QueryWords.of(model, captions(scene)[0], finder, records)
        yield from asked.judge(model, model.encode_video([frames_of(scene, model)]))[0]


def verdicts_on_true_words(
    model: RetrievalModel, scenes: Sequence[Scene]
) -> dict[str, dict[str, int]]:
    """Count the verdicts on true words.

    Args:
        model: The model with its card.
        scenes: The scenes, each asked for by its first caption.

    Returns:
        Number of words by part of speech and verdict.
    """
    counts: dict[str, dict[str, int]] = {}
    for word in true_words(model, scenes, records_of(model.card)):
        row = counts.setdefault(
            word.pos, dict.fromkeys(("supported", "undecided", "contradicted", "not checked"), 0)
        )
        row[word.verdict] += 1
    return dict(sorted(counts.items()))


@dataclass(frozen=True)
class MapMeasure:
    """How faithful the maps of words are; one value per scene in the first five.

    Attributes:
        deletion: Mean share of the score that is left while the best patches are hidden first.
        deletion_random: The same in random order.
        insertion: Mean share of the score while the best patches are shown first.
        insertion_random: The same in random order.
        pointed: Whether the map of the main noun peaks on the main object in its best frame.
        on_object: The share of that frame's patches on the main object, which is chance.
        shown: Whether a box was given for the main noun.
        noise_refused: Whether a box was refused for a random map.
    """

    deletion: tuple[float, ...]
    deletion_random: tuple[float, ...]
    insertion: tuple[float, ...]
    insertion_random: tuple[float, ...]
    pointed: tuple[bool, ...]
    on_object: tuple[float, ...]
    shown: tuple[bool, ...]
    noise_refused: tuple[bool, ...]

    @property
    def better(self) -> float:
        """Share of the scenes in which hiding the best patches costs more than hiding random
        ones.
        """
        pairs = zip(self.deletion, self.deletion_random, strict=True)
        return float(np.mean([own < chance for own, chance in pairs]))


def measure_maps(
    model: RetrievalModel, scenes: Sequence[Scene], on_progress: OnProgress = no_progress
) -> MapMeasure:
    """Measure the maps of a model's words.

    Args:
        model: A model with a trained patch-word score.
        scenes: The scenes.
        on_progress: Told how many scenes are done.

    Returns:
        The measure.

    Raises:
        ModelError: If the model cannot name places.
    """
    rows = []
    for number, scene in enumerate(scenes):
        rows.append(_measured(model, scene, number))
        on_progress("checking places", number + 1, len(scenes))
    return MapMeasure(*(tuple(column) for column in zip(*rows, strict=True)))


def _measured(model: RetrievalModel, scene: Scene, number: int) -> tuple[Any, ...]:
    query = captions(scene)[0]
    view, text = ClipView(model, frames_of(scene, model)), model.encode_text([query])
    noun = query.index(scene.noun)
    spans = [(noun, noun + len(scene.noun)), *_spans(query, scene)]
    maps = view.maps(query, spans)
    chance = torch.Generator().manual_seed(number)
    noise = torch.rand(maps.shape[1:], generator=chance)
    own, rival = maps.mean(0), noise
    frame = int(maps[0].amax(1).argmax())
    inside = _inside(scene, frame_times(view.count)[frame], view.side)
    far = place_of(view, text, int(noise.amax(1).argmax()), noise[int(noise.amax(1).argmax())], "")
    return (
        _area(view, text, own, delete=True),
        _area(view, text, rival, delete=True),
        _area(view, text, own, delete=False),
        _area(view, text, rival, delete=False),
        bool(inside[int(maps[0, frame].argmax())]),
        float(inside.float().mean()),
        place_of(view, text, frame, maps[0, frame], scene.noun) is not None,
        far is None,
    )


def _spans(query: str, scene: Scene) -> Iterator[tuple[int, int]]:
    """The other content words of the first caption."""
    reference = query.rindex(scene.reference.noun)
    yield reference, reference + len(scene.reference.noun)
    for word in (scene.colour, scene.look, scene.verb):
        if word is not None:
            yield query.index(word), query.index(word) + len(word)
    colour = query.rindex(scene.reference.colour)
    yield colour, colour + len(scene.reference.colour)


def _area(view: ClipView, text: TextFeatures, values: Tensor, delete: bool) -> float:
    """Mean share of the score above that of an empty clip, over the steps, patches of every frame
    in the order of its map.
    """
    order = values.argsort(dim=1, descending=True).argsort(dim=1)
    count = values.shape[1]
    scores = []
    for step in range(STEPS + 1):
        cut = round(step / STEPS * count)
        scores.append(float(view.score(text, order < cut if delete else order >= cut)))
    empty, full = (scores[-1], scores[0]) if delete else (scores[0], scores[-1])
    if full <= empty:
        return float("nan")
    shares: Float[np.ndarray, " S"] = (np.array(scores) - empty) / (full - empty)
    return float(shares.mean())


def _inside(scene: Scene, seconds: float, side: int) -> Tensor:
    """Which patches have their middle on the main object."""
    now = pose(scene, seconds)
    middle = (torch.arange(side) + 0.5) / side
    half = now.size / 2
    across, down = (middle - now.x).abs() <= half, (middle - now.y).abs() <= half
    return (down[:, None] & across[None]).flatten()


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


def check(
    model: RetrievalModel, count: int, on_progress: OnProgress = no_progress
) -> dict[str, Any]:
    """Measure everything on the first scenes of ReelWorld's test split.

    Args:
        model: The model.
        count: Number of scenes.
        on_progress: Told what is done.

    Returns:
        JSON values: `scenes`, `words` by part of speech, `true_words` by verdict, and `places`,
        or `no_places` with the reason.
    """
    scenes = [sample_scene(seed, "test") for seed in range(count)]
    found: dict[str, Any] = {
        "model": model.name,
        "scenes": count,
        "words": {pos: vars(row) for pos, row in measure_words(model, scenes, on_progress).items()},
        "true_words": verdicts_on_true_words(model, scenes),
    }
    if why := refusal(model):
        return {**found, "no_places": why}
    return {**found, "places": summary(measure_maps(model, scenes, on_progress))}


def summary(maps: MapMeasure) -> dict[str, float]:
    """The means over the scenes.

    Args:
        maps: The measure.

    Returns:
        Numbers by name. Scenes that score no better than an empty clip are left out of the areas.
    """
    areas = {
        name: float(np.nanmean(getattr(maps, name)))
        for name in ("deletion", "deletion_random", "insertion", "insertion_random")
    }
    return {
        **areas,
        "better_than_random": maps.better,
        "pointing": float(np.mean(maps.pointed)),
        "pointing_by_chance": float(np.mean(maps.on_object)),
        "boxes_shown": float(np.mean(maps.shown)),
        "random_maps_refused": float(np.mean(maps.noise_refused)),
    }
