r"""Test balanced negatives with text-only models of another kind, trained on other videos.

    python research/scripts/judge_negatives.py draw MSRVTT --captions 30000 --out mine.csv \
        --others others.csv
    finereel negatives make mine.csv mine.jsonl --balance
    python research/scripts/judge_negatives.py judge mine.jsonl others.csv

`draw` samples videos until there are enough captions, and 100,000 captions of other videos to train
the models on. `judge` computes, per part of speech, the share of pairs in which a model prefers the
true caption, with its 95 % interval over videos. The models share no code with balancing: they are
interpolated Kneser-Ney models of four words forward and three backward, and naive Bayes over all
words of the caption, with and without the frequency of the word itself.
"""

import argparse
import csv
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from finereel.data.sources import captions_of
from finereel.finegrain.blind.ngrams import words
from finereel.finegrain.files import read_negatives
from finereel.finegrain.types import PARTS_OF_SPEECH
from finereel.statistics.intervals import mean_interval

DISCOUNT = 0.75
Gap = Callable[[list[str], list[str]], float]


class KneserNey:
    """Log probability of a sentence under an interpolated Kneser-Ney model (Kneser and Ney 1995) of
    `order` words.
    """

    def __init__(self, sentences: Sequence[list[str]], order: int) -> None:
        self.order = order
        counts: Counter[tuple[str, ...]] = Counter()
        for sentence in sentences:
            padded = self._padded(sentence)
            counts.update(tuple(padded[end - order : end]) for end in range(order, len(padded) + 1))
        self.levels = []
        for _ in range(order):
            contexts: Counter[tuple[str, ...]] = Counter()
            followers: Counter[tuple[str, ...]] = Counter()
            lower: Counter[tuple[str, ...]] = Counter()
            for gram, count in counts.items():
                contexts[gram[:-1]] += count
                followers[gram[:-1]] += 1
                lower[gram[1:]] += 1
            self.levels.append((counts, contexts, followers))
            counts = lower
        self.levels.reverse()

    def score(self, sentence: list[str]) -> float:
        padded = self._padded(sentence)
        grams = (
            tuple(padded[end - self.order : end]) for end in range(self.order, len(padded) + 1)
        )
        return sum(math.log(self._probability(gram)) for gram in grams)

    def _probability(self, gram: tuple[str, ...]) -> float:
        probability = 1 / (len(self.levels[0][0]) + 1)
        for length, (counts, contexts, followers) in enumerate(self.levels, start=1):
            part = gram[-length:]
            total = contexts.get(part[:-1], 0)
            if total:
                rest = DISCOUNT * followers[part[:-1]] * probability
                probability = (max(counts.get(part, 0) - DISCOUNT, 0.0) + rest) / total
        return probability

    def _padded(self, sentence: list[str]) -> list[str]:
        return ["<s>"] * (self.order - 1) + sentence + ["</s>"]


class Bayes:
    """How likely the changed words are given the bag of all others; `frequency`: whether their own
    frequency counts.
    """

    def __init__(self, sentences: Sequence[list[str]]) -> None:
        self.seen: Counter[str] = Counter()
        self.together: dict[str, Counter[str]] = defaultdict(Counter)
        self.size = len(sentences)
        for sentence in sentences:
            bag = set(sentence)
            self.seen.update(bag)
            for word in bag:
                self.together[word].update(bag)

    def gap(self, caption: list[str], negative: list[str], frequency: bool) -> float:
        mine, its = set(caption), set(negative)
        own = sum(self._value(word, mine & its, frequency) for word in mine - its)
        return own - sum(self._value(word, mine & its, frequency) for word in its - mine)

    def _value(self, word: str, others: set[str], frequency: bool) -> float:
        count = self.seen[word] + 0.5
        together = self.together.get(word, Counter())
        found = sum(
            math.log((together[other] + 1) / (count * self.seen[other] / self.size + 1))
            for other in others
            if self.seen[other]
        )
        return found + (math.log(count / (self.size + 1)) if frequency else 0.0)


def judges(sentences: Sequence[list[str]]) -> dict[str, Gap]:
    """Judges that have read these sentences, by name."""
    forward, backward = (
        KneserNey(sentences, 4),
        KneserNey([sentence[::-1] for sentence in sentences], 3),
    )
    bayes = Bayes(sentences)
    return {
        "four words": lambda one, other: forward.score(one) - forward.score(other),
        "backward": lambda one, other: backward.score(one[::-1]) - backward.score(other[::-1]),
        "Bayes": lambda one, other: bayes.gap(one, other, True),
        "Bayes, no frequency": lambda one, other: bayes.gap(one, other, False),
    }


def draw(args: argparse.Namespace) -> None:
    captions: dict[str, list[tuple[str, str, str]]] = {}
    for row in captions_of(args.annotations, args.format):
        captions.setdefault(row.video_id, []).append((row.id, row.video_id, row.caption))
    videos = sorted(captions)
    random.Random(args.seed).shuffle(videos)
    for path, wanted in ((args.out, args.captions), (args.others, args.judge_captions)):
        rows: list[tuple[str, str, str]] = []
        while videos and len(rows) < wanted:
            rows += captions[videos.pop()]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("id", "video_id", "caption"), *rows])


def judge(args: argparse.Namespace) -> None:
    with args.others.open(newline="", encoding="utf-8") as file:
        found = judges([words(row["caption"]) for row in csv.DictReader(file)])
    rows = list(read_negatives(args.negatives))
    print("| part of speech | pairs | " + " | ".join(found) + " |")
    print("| --- | ---: |" + " ---: |" * len(found))
    for pos in PARTS_OF_SPEECH:
        here = [row for row in rows if row.pos == pos]
        if not here:
            continue
        videos = np.array([row.video_id for row in here])
        cells = []
        for gap in found.values():
            gaps = np.array([gap(words(row.caption), words(row.negative)) for row in here])
            right = 100.0 * ((gaps > 0) + (gaps == 0) / 2)
            interval = mean_interval(right, videos)
            cells.append(f"{right.mean():.1f} ({interval.low:.1f} to {interval.high:.1f})")
        print(f"| {pos} | {len(here)} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    drawing = commands.add_parser("draw")
    drawing.add_argument("annotations", type=Path)
    drawing.add_argument("--format", default="msrvtt")
    drawing.add_argument("--captions", type=int, required=True)
    drawing.add_argument("--judge-captions", type=int, default=100_000)
    drawing.add_argument("--out", type=Path, required=True)
    drawing.add_argument("--others", type=Path, required=True)
    drawing.add_argument("--seed", type=int, default=0)
    drawing.set_defaults(run=draw)
    judging = commands.add_parser("judge")
    judging.add_argument("negatives", type=Path)
    judging.add_argument("others", type=Path)
    judging.set_defaults(run=judge)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
