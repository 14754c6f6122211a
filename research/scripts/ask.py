r"""Measure questions about a video, and paragraphs as queries.

    python -m research.scripts.ask --model reelworld-tiny --reelworld 300 --split test
    python -m research.scripts.ask --model everyday --annotations DIR --features TOKENS
    python -m research.scripts.ask --model reelworld-tiny --chains 40
    python -m research.scripts.ask --model everyday --annotations DIR --features TOKENS --chains 47
    python -m research.scripts.ask --model everyday --annotations DIR --features TOKENS --same-clip 3

Questions about drawn scenes have certain answers. With `--annotations` the question is what happens,
and the answers are the caption of an MSR-VTT test video and those of four others of its category.
`--chains` measures paragraphs of neighbouring captions in the long videos of
`research.scripts.moments`, and `--same-clip` paragraphs of captions that all describe one short clip.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64

from finereel import data as datasets
from finereel.data.features import FeatureStore
from finereel.evaluation.gallery import encode_texts, score_pairs
from finereel.index import compose
from finereel.index.compose import Spread, best_gathering, best_path
from finereel.io.tables import json_object, read_json
from finereel.models.features import VideoFeatures, concatenate
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.ranking import fuse
from finereel.reelworld import Scene, sample_scene, vocabulary
from finereel.statistics.intervals import mean_interval
from finereel.text.statements import options_of, statements
from finereel.types import POSSIBLE, STRONG
from research.scripts.compose import encode_scenes, shortened
from research.scripts.moments import Chain, drawn, real, unit

OTHERS = 3
"""Wrong answers to a question about a drawn scene, where there are so many."""
CATEGORY_OTHERS, DRAWS = 4, 5
SHARES = (0.0, 0.5, 0.7, 0.9, 1.0)
LENGTHS = (2, 3, 5)
"""Sentences of a paragraph."""


@dataclass(frozen=True)
class VideoQuestion:
    """A question about one of V videos. right: the number of the right answer."""

    kind: str
    text: str
    options: tuple[str, ...]
    right: int
    video: int


def scene_questions(scene: Scene, video: int, rng: random.Random) -> Iterator[VideoQuestion]:
    """Questions whose answers a drawn scene makes certain, one for each part of speech that it
    has.
    """
    things = (scene.reference, *scene.distractors)
    verb, preposition = vocabulary.VERBS[scene.verb], vocabulary.PREPOSITIONS[scene.preposition]
    nouns = {scene.noun, *(thing.noun for thing in things)}
    colours = {scene.colour, *(thing.colour for thing in things)}
    same = [name for name, facts in vocabulary.VERBS.items() if facts.travels == verb.travels]
    own = f"the {scene.colour} {scene.noun}"

    def made(kind: str, text: str, right: str, wrong: Sequence[str]) -> VideoQuestion:
        options = [right, *rng.sample(list(wrong), min(OTHERS, len(wrong)))]
        rng.shuffle(options)
        return VideoQuestion(kind, text, tuple(options), options.index(right), video)

    yield made(
        "noun",
        f"what {scene.verb}?",
        f"a {scene.noun}",
        [f"a {noun}" for noun in vocabulary.NOUNS if noun not in nouns],
    )
    yield made(
        "adjective",
        f"what colour is the {scene.noun}?",
        scene.colour,
        [colour for colour in vocabulary.COLOURS if colour not in colours],
    )
    yield made("verb", f"what does {own} do?", scene.verb, [v for v in same if v != scene.verb])
    if scene.adverb is not None:
        other = vocabulary.OPPOSITE[scene.adverb]
        yield made("adverb", f"how does {own} {verb.base}?", scene.adverb, [other])
    if preposition.contrasts:
        other = vocabulary.PREPOSITIONS[rng.choice(preposition.contrasts)].surface
        first, second = rng.sample([preposition.surface, other], 2)
        end = f"a {scene.reference.noun}"
        listed = f"{first} {end} or {second} {end}"
        question = f"does {own} {verb.base} {listed}?"
        right = options_of(question).index(f"{preposition.surface} {end}")
        yield VideoQuestion("preposition", question, options_of(question), right, video)


@dataclass(frozen=True)
class AskedVideos:
    """V videos and the questions about them."""

    videos: VideoFeatures
    questions: Sequence[VideoQuestion]


def drawn_videos(model: RetrievalModel, scenes: int, split: str) -> AskedVideos:
    """Drawn scenes and questions about them."""
    every = [sample_scene(number, split) for number in range(scenes)]
    rng = random.Random(0)
    questions = [q for n, scene in enumerate(every) for q in scene_questions(scene, n, rng)]
    return AskedVideos(encode_scenes(model, every), questions)


def captioned_videos(
    model: RetrievalModel, annotations: Path, store: FeatureStore, split: str
) -> AskedVideos:
    """MSR-VTT videos and their captions among those of others of the same category."""
    captioned = datasets.load("msrvtt_frames", annotations).split(split).first_captions(1)
    path = annotations / "MSRVTT_data.json"
    listed: Any = json_object(path, read_json(path))["videos"]
    categories = {video["video_id"]: video["category"] for video in listed}
    rows = list(captioned.captions)
    parts = []
    for first in range(0, len(rows), 64):
        clips = store.read([row.video_id for row in rows[first : first + 64]])
        with torch.no_grad():
            tokens = model.encoder.to_input(torch.from_numpy(clips.frames))
            parts.append(model.video_features(tokens, torch.from_numpy(clips.frame_mask)))
    rng = random.Random(0)
    questions = []
    for number, row in enumerate(rows):
        same = [
            other.text
            for other in rows
            if categories[other.video_id] == categories[row.video_id] and other.text != row.text
        ]
        for _ in range(DRAWS if len(same) >= CATEGORY_OTHERS else 0):
            options = [row.text, *rng.sample(same, CATEGORY_OTHERS)]
            rng.shuffle(options)
            right = options.index(row.text)
            questions.append(
                VideoQuestion("caption", "what happens?", tuple(options), right, number)
            )
    return AskedVideos(concatenate(parts), questions)


@dataclass(frozen=True)
class Judged:
    """What is known of the answer to a question: whether it is right by the video, by the video
    less the mean of the other videos, and by these alone; and how sure it seems, by several
    measures.
    """

    question: VideoQuestion
    right: bool
    centred: bool
    blind: bool
    share: float
    margin: float
    standard: float
    p: float


MEASURES: dict[str, Callable[[Judged], float]] = {
    "share of the first answer": lambda one: one.share,
    "lead in score": lambda one: one.margin,
    "lead in standard deviations of that on other clips": lambda one: one.standard,
    "other clips with a smaller lead (confidence)": lambda one: -one.p,
}


def judged(model: RetrievalModel, asked: AskedVideos, at_once: int = 400) -> list[Judged]:
    """Every question answered."""
    texts: dict[str, int] = {}
    rows = []
    for question in asked.questions:
        made = statements(question.text, question.options)
        rows.append([texts.setdefault(s.text, len(texts)) for s in made])
    names = list(texts)
    blocks = []
    for first in range(0, len(names), at_once):
        text = encode_texts(model, names[first : first + at_once])
        parts, weights = score_pairs(model, text, asked.videos)
        blocks.append(fuse(parts, weights))
    scores = np.concatenate(blocks).astype(np.float64)
    return [
        _judged(question, scores[row]) for question, row in zip(asked.questions, rows, strict=True)
    ]


def _judged(question: VideoQuestion, scores: Float64[np.ndarray, "O V"]) -> Judged:
    own = scores[:, question.video]
    others = np.delete(scores, question.video, axis=1)
    first, second = np.argsort(-own, kind="stable")[:2]
    margin, elsewhere = own[first] - own[second], others[first] - others[second]
    return Judged(
        question,
        bool(first == question.right),
        bool((own - others.mean(1)).argmax() == question.right),
        bool(others.mean(1).argmax() == question.right),
        float(1 / np.exp(own - own[first]).sum()),
        float(margin),
        float(margin / max(elsewhere.std(), 1e-9)),
        float((1 + (elsewhere >= margin).sum()) / (1 + len(elsewhere))),
    )


def area(scores: Float64[np.ndarray, " N"], right: Bool[np.ndarray, " N"]) -> float:
    """The area under the ROC curve: how often a right answer scores above a wrong one.

    >>> area(np.array([1.0, 2.0, 2.0]), np.array([False, True, False]))
    0.75
    """
    above = scores[right][:, None] - scores[~right][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean()) if above.size else float("nan")


def _share(values: Sequence[bool], clusters: Sequence[int]) -> str:
    found = 100.0 * np.array(values, dtype=float)
    interval = mean_interval(found, np.array(clusters))
    return f"{found.mean():.1f} ({interval.low:.1f} to {interval.high:.1f})"


def measure_questions(model: RetrievalModel, asked: AskedVideos) -> None:
    """Print accuracy by kind, and how well each measure of confidence tells right from wrong."""
    every = judged(model, asked)
    kinds: dict[str, list[Judged]] = defaultdict(list)
    for one in every:
        kinds[one.question.kind].append(one)
    if len(kinds) > 1:
        kinds["all"] = every
    print("\n| questions | chance, % | without the video, % | right, % | less the mean, % |")
    print("|---|---|---|---|---|")
    for kind, found in kinds.items():
        clusters = [one.question.video for one in found]
        chance = 100 * np.mean([1 / len(one.question.options) for one in found])
        columns = [
            _share([getattr(one, name) for one in found], clusters)
            for name in ("blind", "right", "centred")
        ]
        print(f"| {kind}, {len(found)} | {chance:.1f} | {' | '.join(columns)} |")
    right = np.array([one.right for one in every])
    print("\n| measure | right above wrong, % |\n|---|---|")
    for name, measure in MEASURES.items():
        values = np.array([measure(one) for one in every])
        print(f"| {name} | {100 * area(values, right):.1f} |")
    print("\n| level | questions, % | right, % |\n|---|---|---|")
    edges = {"strong": (0.0, STRONG), "possible": (STRONG, POSSIBLE), "none": (POSSIBLE, 1.0)}
    for name, (low, high) in edges.items():
        own = [one for one in every if low < one.p <= high]
        cell = _share([o.right for o in own], [o.question.video for o in own]) if own else "-"
        print(f"| {name} | {100 * len(own) / len(every):.1f} | {cell} |")
    print("\n| share of the first answer, % | questions, % | right, % |\n|---|---|---|")
    for low, high in pairwise(SHARES):
        own = [one for one in every if low < one.share <= high]
        cell = _share([o.right for o in own], [o.question.video for o in own]) if own else "-"
        part = 100 * len(own) / len(every)
        print(f"| {100 * low:.0f} to {100 * high:.0f} | {part:.1f} | {cell} |")


# Paragraphs.
def paragraphs(chains: Sequence[Chain], length: int) -> list[tuple[int, tuple[str, ...]]]:
    """The number of a long video and `length` captions of clips that follow one another in it."""
    return [
        (number, chain.texts[first : first + length])
        for number, chain in enumerate(chains)
        for first in range(len(chain.texts) - length + 1)
    ]


def short_clips(
    model: RetrievalModel, annotations: Path, store: FeatureStore, split: str, captions: int
) -> Iterator[Chain]:
    """MSR-VTT test videos by themselves, each with so many of its captions."""
    loaded = datasets.load("msrvtt_frames", annotations).split(split)
    path = annotations / "MSRVTT_data.json"
    listed: Any = json_object(path, read_json(path))["sentences"]
    every = defaultdict(list)
    for row in listed:
        every[row["video_id"]].append(row["caption"])
    for video in dict.fromkeys(caption.video_id for caption in loaded.captions):
        clips = store.read([video])
        mask = torch.from_numpy(clips.frame_mask)
        with torch.no_grad():
            tokens = model.encoder.to_input(torch.from_numpy(clips.frames))
            frames = unit(model.video_features(tokens, mask).frames[mask])
        texts = tuple(dict.fromkeys(every[video]))[:captions]
        queries = unit(model.encode_text(texts).sentence)
        seconds = np.arange(len(frames), dtype=np.float64)
        yield Chain(frames, seconds, float(len(frames)), texts, queries, ())


def _paths(
    find: Callable[..., compose.Path | None],
    z: Sequence[Float64[np.ndarray, "T N"]],
    chains: Sequence[Chain],
) -> list[float]:
    found = [find(own, chain.seconds) for own, chain in zip(z, chains, strict=True)]
    return [-np.inf if path is None else path.score for path in found]


def measure_paragraphs(model: RetrievalModel, chains: Sequence[Chain], length: int) -> None:
    """Print how often the right video comes first, and in the first three, for every way."""
    every = np.concatenate([chain.frames.double().numpy() for chain in chains])
    places: dict[str, list[int]] = defaultdict(list)
    asked = paragraphs(chains, length)
    for number, texts in asked:
        encoded = unit(model.encode_text([*texts, " ".join(f"{t}." for t in texts)]).sentence)
        vectors = encoded.double().numpy()
        spread = Spread.of(vectors @ every.T)
        z = [spread.standard(vectors @ chain.frames.double().numpy().T) for chain in chains]
        mean = vectors[:-1].mean(0)
        ways = {
            "one long text": [own[-1].max() for own in z],
            "mean of the sentences' vectors": [
                (chain.frames.double().numpy() @ mean).max() for chain in chains
            ],
            "best frame for each sentence": [own[:-1].max(1).sum() for own in z],
            "any order, close together": _paths(best_gathering, [o[:-1] for o in z], chains),
            "one after the other": _paths(best_path, [o[:-1] for o in z], chains),
        }
        for name, scores in ways.items():
            places[name].append(int((np.array(scores) >= scores[number]).sum()))
    clusters = [number for number, _ in asked]
    print(
        f"\n| {len(asked)} paragraphs of {length} in {len(chains)} videos | first, % | first three, % |"
    )
    print("|---|---|---|")
    for name, ranks in places.items():
        cells = [_share([rank <= most for rank in ranks], clusters) for most in (1, 3)]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="reelworld-tiny")
    parser.add_argument("--reelworld", type=int, metavar="N", help="number of drawn scenes")
    parser.add_argument("--chains", type=int, help="long videos, for paragraphs")
    parser.add_argument("--same-clip", type=int, metavar="N", help="captions of a paragraph")
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--split", default="test", choices=("val", "test"))
    given = parser.parse_args()
    model = load(given.model)
    print(f"model {model.fingerprint}, split {given.split}")
    if given.chains:
        if given.annotations is None:
            chains = shortened(list(drawn(model, given.chains, given.split)), given.split)
        else:
            store = FeatureStore(given.features)
            chains = list(real(model, given.annotations, store, given.split))[: given.chains]
        for length in LENGTHS:
            measure_paragraphs(model, chains, length)
        return
    if given.same_clip:
        store = FeatureStore(given.features)
        clips = short_clips(model, given.annotations, store, given.split, given.same_clip)
        measure_paragraphs(model, list(clips), given.same_clip)
        return
    if given.reelworld:
        measure_questions(model, drawn_videos(model, given.reelworld, given.split))
        return
    store = FeatureStore(given.features)
    measure_questions(model, captioned_videos(model, given.annotations, store, given.split))


if __name__ == "__main__":
    main()
