"""Measure whether the verdicts that a model gives on words are true, and fit its record of words.

A scene of ReelWorld is known in full, so it is certain which words are false of it. Of a captioned
clip only the caption is known; the siblings of its words count as false.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from finereel.index.evidence import (
    MOST_SIBLINGS,
    QueryWords,
    Records,
    Verdict,
    WordEvidence,
    WordFinder,
    as_read,
    records_of,
)
from finereel.index.map_faithfulness import (
    asked_of_scene,
    frames_of,
    intervals,
    measure_maps,
    summary,
)
from finereel.index.places import refusal
from finereel.models.features import VideoFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.reelworld import Scene, captions, sample_scene
from finereel.reelworld import vocabulary as words
from finereel.reelworld.contrasts import contrasts
from finereel.statistics.binary import auroc
from finereel.statistics.intervals import SHARE, mean_interval
from finereel.types import OnProgress, no_progress

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


@dataclass(frozen=True)
class KnownClip:
    """A clip with what is known to be true of it.

    Attributes:
        captions: True captions.
        slots: Places in them with a true word and false ones.
        video: Its features (V = 1).
    """

    captions: tuple[str, ...]
    slots: tuple[WordSlot, ...]
    video: VideoFeatures = field(repr=False)


def clips_of_scenes(
    model: RetrievalModel, scenes: Sequence[Scene], on_progress: OnProgress = no_progress
) -> list[KnownClip]:
    """Render and encode scenes.

    Args:
        model: The model.
        scenes: The scenes.
        on_progress: Told how many scenes are done.

    Returns:
        The scenes with their first captions.
    """
    found = []
    for number, scene in enumerate(scenes):
        video = model.encode_video([frames_of(scene, model)])
        found.append(KnownClip((captions(scene)[0],), tuple(slots_of(scene)), video))
        on_progress("making videos", number + 1, len(scenes))
    return found


def slots_of_caption(model: RetrievalModel, finder: WordFinder, caption: str) -> list[WordSlot]:
    """The words of a caption that have siblings, which count as false although the clip may well
    show some of them too.

    Args:
        model: The model.
        finder: Finds the words and their siblings.
        caption: A true caption.

    Returns:
        A slot for each word.
    """
    words = (as_read(model, caption, word) for word in finder.words(caption))
    return [
        WordSlot(word.pos, (caption, *word.swapped), (word.text, *word.siblings))
        for word in words
        if word.siblings
    ]


@dataclass
class Swaps:
    """Swap margins of true and of false words of one part of speech.

    Attributes:
        true: Margins of true words over their siblings.
        false: Margins of one false word in the place of each, the true one among its siblings.
        right: For each place, the share of the false words that score less than the true one.
        clips: For each place, the number of its clip.
    """

    true: list[float] = field(default_factory=list)
    false: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    clips: list[int] = field(default_factory=list)

    @property
    def auroc(self) -> float:
        """How often a true word has the larger margin than a false one; a tie counts half."""
        return auroc(np.array(self.true), np.array(self.false))

    @property
    def pair_accuracy(self) -> float:
        """Percent of pairs of captions that the score orders rightly."""
        return 100 * float(np.mean(self.right))

    def margin(self) -> float | None:
        """The smallest margin beyond which nine of ten verdicts are right; None if none is."""
        values = np.array([*self.true, *self.false])
        right = np.array([*(v > 0 for v in self.true), *(v < 0 for v in self.false)])
        order = np.argsort(-np.abs(values), kind="stable")
        sizes, hits = np.abs(values)[order], np.cumsum(right[order])
        for margin in np.unique(np.r_[0.0, sizes]):
            beyond = int(np.searchsorted(-sizes, -margin, "left"))
            if beyond < FEWEST:
                return None
            if hits[beyond - 1] >= PRECISION * beyond:
                return float(margin)
        return None


def swaps_of(
    model: RetrievalModel, clips: Sequence[KnownClip], on_progress: OnProgress = no_progress
) -> dict[str, Swaps]:
    """Measure the swaps of a model. For a false word the true one is among the siblings.

    Args:
        model: The model.
        clips: The clips.
        on_progress: Told how many clips are done.

    Returns:
        The swaps of each part of speech.
    """
    swaps: dict[str, Swaps] = {}
    for number, clip in enumerate(clips):
        rows = {text: row for row, text in enumerate(_texts(clip))}
        scores = model.score(model.encode_text(list(rows)), clip.video).fused[:, 0].numpy()
        chance = random.Random(number)
        for slot in clip.slots:
            own = scores[[rows[text] for text in slot.texts]]
            wrong = chance.randrange(1, len(own))
            others = [0, *(k for k in range(1, len(own)) if k != wrong)][:MOST_SIBLINGS]
            found = swaps.setdefault(slot.pos, Swaps())
            found.true.append(float(own[0] - own[1 : 1 + MOST_SIBLINGS].max()))
            found.false.append(float(own[wrong] - own[others].max()))
            found.right.append(float((own[0] > own[1:]).mean()))
            found.clips.append(number)
        on_progress("checking words", number + 1, len(clips))
    return dict(sorted(swaps.items()))


def _texts(clip: KnownClip) -> list[str]:
    """Every text of the slots once; one of no words where there is no slot."""
    return list(dict.fromkeys(text for slot in clip.slots for text in slot.texts)) or [""]


def fit_record(
    swaps: Mapping[str, Swaps],
    searched: Mapping[str, Sequence[float]],
    rivals: Mapping[str, Any],
) -> dict[str, Any]:
    """Fit what a card keeps, see `finereel.index.evidence`, on clips that no result is about.

    The margin of a part of speech is the smallest beyond which nine of ten verdicts are right and
    that contradicts at most one true word in `ONE_WRONG_IN`, with the siblings a search would take.

    Args:
        swaps: What `swaps_of` measured.
        searched: Swap margins of true words by part of speech, found as in a search.
        rivals: Groups of words the model knows, by part of speech; may be empty.

    Returns:
        JSON values for the key `words` of a card.
    """
    rows: dict[str, Any] = {}
    for pos, found in swaps.items():
        margin = found.margin()
        if margin is not None and searched.get(pos):
            lowest = float(np.quantile(searched[pos], 1 / ONE_WRONG_IN, method="lower"))
            margin = max(margin, -lowest)
        rows[pos] = {
            "pair_accuracy": round(found.pair_accuracy, 1),
            "margin": None if margin is None else round(margin, 3),
            "pairs": len(found.false),
            **({"rivals": rivals[pos]} if pos in rivals else {}),
        }
    return rows


def true_words(
    model: RetrievalModel,
    clips: Sequence[KnownClip],
    records: Records,
    on_progress: OnProgress = no_progress,
) -> Iterator[tuple[WordEvidence, ...]]:
    """Judge the words of the captions, which are all true, as a search does.

    Args:
        model: The model.
        clips: The clips.
        records: The records of the model.
        on_progress: Told how many clips are done.

    Yields:
        The words of all captions of each clip.
    """
    finder = WordFinder(records)
    for number, clip in enumerate(clips):
        asked = (QueryWords.of(model, caption, finder, records) for caption in clip.captions)
        yield tuple(word for words in asked for word in words.judge(model, clip.video)[0])
        on_progress("judging true words", number + 1, len(clips))


def swap_margins(words: Iterable[WordEvidence]) -> dict[str, list[float]]:
    """The swap margins of words by part of speech, of those that have siblings."""
    found: dict[str, list[float]] = {}
    for word in words:
        if word.swap is not None:
            found.setdefault(word.pos, []).append(word.swap)
    return found


def verdict_counts(words: Iterable[WordEvidence]) -> dict[str, dict[Verdict, int]]:
    """Number of words by part of speech and verdict."""
    counts: dict[str, dict[Verdict, int]] = {}
    for word in words:
        counts.setdefault(word.pos, dict.fromkeys(get_args(Verdict), 0))[word.verdict] += 1
    return dict(sorted(counts.items()))


def contradicted(clips: Sequence[Sequence[WordEvidence]]) -> tuple[float, float, float]:
    """The share of words that is contradicted, and its 95 % interval over clips.

    Args:
        clips: The words of each clip, at least one in all.

    Returns:
        The share and the ends of its interval.

    Example:
        >>> word = WordEvidence("runs", 4, 8, "verb", "contradicted", "walks", -1.0, 0.2)
        >>> contradicted([[word], []])[0]
        1.0
    """
    said = [
        (word.verdict == "contradicted", clip) for clip, row in enumerate(clips) for word in row
    ]
    values, numbers = (np.array(column) for column in zip(*said, strict=True))
    interval = mean_interval(values.astype(np.float64), numbers, SHARE)
    return float(values.mean()), interval.low, interval.high


def check(
    model: RetrievalModel, count: int, on_progress: OnProgress = no_progress
) -> dict[str, Any]:
    """Measure everything on the first scenes of ReelWorld's test split.

    Args:
        model: The model.
        count: Number of scenes.
        on_progress: Told what is done.

    Returns:
        JSON values: `scenes`, `words` by part of speech, `true_words` by verdict, the share
        `contradicted` with its interval, and `places` with the intervals `places_95`, or
        `no_places` with the reason.
    """
    scenes = [sample_scene(seed, "test") for seed in range(count)]
    clips = clips_of_scenes(model, scenes, on_progress)
    judged = list(true_words(model, clips, records_of(model.card), on_progress))
    found: dict[str, Any] = {
        "model": model.name,
        "scenes": count,
        "words": {
            pos: {
                "auroc": found.auroc,
                "pair_accuracy": found.pair_accuracy,
                "margin": found.margin(),
                "true": len(found.true),
                "false": len(found.false),
            }
            for pos, found in swaps_of(model, clips, on_progress).items()
        },
        "true_words": verdict_counts(word for row in judged for word in row),
        "contradicted": contradicted(judged),
    }
    if why := refusal(model):
        return {**found, "no_places": why}
    asked = [asked_of_scene(model, scene) for scene in scenes]
    maps = measure_maps(model, asked, on_progress)
    return {**found, "places": summary(maps), "places_95": intervals(maps)}
