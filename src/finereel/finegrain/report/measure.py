"""Compute a report from rows of negatives, per part of speech."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.blind import (
    CLASSIFIERS,
    TEXT_SCORERS,
    BlindResult,
    TextOnlyScores,
    Train,
    blind_scores,
    measure,
    remembering,
)
from finereel.finegrain.blind.others import blocks, captions_of_rows, part_of
from finereel.finegrain.make.rejection import Encode, clip_ids
from finereel.finegrain.types import CHANGES, PARTS_OF_SPEECH, Negative, PartOfSpeech, label_of
from finereel.types import OnProgress, no_progress

# Did an edit break the grammar? Link Grammar (Sleator and Temperley 1993), where `link-parser` is
# installed.
PROGRAM = "link-parser"
_COST = re.compile(r"UNUSED=(\d+) DIS=\s*([0-9.]+)")
_BETWEEN, _SAID = "!limit=100", "limit set to 100"
_LONGEST = 40  # words; parsing time grows with the cube
_SPARE_COST = 1.0
_SECONDS_EACH = 5


@dataclass(frozen=True)
class GrammarCheck:
    """program: path of link-parser. dictionary: its language or dictionary folder. sample: at most
    so many rows of a part of speech are parsed, drawn by a hash of their ids.
    """

    program: str = PROGRAM
    dictionary: str = "en"
    sample: int = 200

    @property
    def note(self) -> str:
        """How to read the share."""
        return (
            f"Grammar: share of at most {self.sample} rows a part of speech whose negative has "
            "more unlinked words "
            "than its caption, or costs more than 1 above it, by Link Grammar."
        )

    def share(self, rows: Sequence[Negative]) -> float | None:
        """Share of negatives that parse worse than their captions; None where no pair could be
        parsed.
        """
        drawn = sorted(rows, key=lambda row: part_of(f"grammar {row.id}", 1 << 60))[: self.sample]
        costs = self.costs([text for row in drawn for text in (row.caption, row.negative)])
        pairs = [
            (caption, negative) for caption, negative in zip(costs[::2], costs[1::2], strict=True)
        ]
        known = [is_worse(caption, negative) for caption, negative in pairs if caption and negative]
        return sum(known) / len(known) if known else None

    def costs(self, texts: Sequence[str]) -> list[tuple[int, float] | None]:
        """Unlinked words and cost of the best parse of each text; None for one that is empty, long
        or has no parse.
        """
        plain = [_one_sentence(text) for text in texts]
        lines = ["!verbosity=1", "!graphics=0", "!timeout=2"]
        for text in plain:
            lines += [text, _BETWEEN] if text else [_BETWEEN]
        done = subprocess.run(
            [self.program, self.dictionary, "-batch=0"],
            input="\n".join(lines).encode("utf-8", "replace"),
            capture_output=True,
            timeout=60 + _SECONDS_EACH * len(texts),
            check=False,
        )
        blocks = done.stdout.decode("utf-8", "replace").split(_SAID)[: len(texts)]
        found = [_COST.search(block) for block in [*blocks, *[""] * (len(texts) - len(blocks))]]
        return [
            (int(match[1]), float(match[2])) if match and text else None
            for match, text in zip(found, plain, strict=True)
        ]


def find_grammar(sample: int = 200) -> GrammarCheck | None:
    """The parser of this machine, None where there is none (Debian: link-grammar)."""
    program = shutil.which(PROGRAM)
    return None if program is None else GrammarCheck(program, sample=sample)


def is_worse(caption: tuple[int, float], negative: tuple[int, float]) -> bool:
    """Whether the negative parses worse: (unlinked words, cost) of both.

    >>> is_worse((0, 0.6), (2, 0.2)), is_worse((0, 0.6), (0, 1.1)), is_worse((0, 0.6), (0, 2.6))
    (True, False, True)
    """
    return negative[0] > caption[0] or negative[1] > caption[1] + _SPARE_COST


def _one_sentence(text: str) -> str:
    """Words and commas only, so that nothing is a command to the parser; empty for what is too
    long.
    """
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*|,", text)
    return " ".join(words) if 0 < len(words) <= _LONGEST else ""


# Shares of rows in which something is wrong with the words, without any model.
_EDGES = ".,!?;:\"'()[]"


@runtime_checkable
class Words(Protocol):
    """What a dictionary must answer; `finereel.finegrain.words.lexicon.Lexicon` does."""

    def is_word(self, form: str) -> bool:
        """Whether it is English."""
        ...

    def has_pos(self, form: str, pos: PartOfSpeech) -> bool:
        """Whether it can be of that part of speech, in any form."""
        ...


def wrong_pos(rows: Sequence[Negative], words: Words) -> float | None:
    """Share of replacements that cannot be of the part of speech they stand for; None where a row
    has none.

    A replacement of several words is right when the whole or one of its words is.
    """
    known: dict[tuple[str, str], bool] = {}

    def is_wrong(row: Negative) -> bool:
        if row.pos not in PARTS_OF_SPEECH:
            return False
        key = (bare(row.replacement), row.pos)
        if key not in known:
            known[key] = not any(words.has_pos(word, row.pos) for word in (key[0], *key[0].split()))
        return known[key]

    return None if any(row.pos not in PARTS_OF_SPEECH for row in rows) else share(rows, is_wrong)


def nonword(rows: Sequence[Negative], words: Words) -> float:
    """Share of replacements with something in them that is no word, such as "andthen" or
    "crack_up".
    """
    known: dict[str, bool] = {}

    def is_no_word(row: Negative) -> bool:
        text = bare(row.replacement)
        if text not in known:
            known[text] = not text or any(
                "_" in word or not words.is_word(word) for word in text.split()
            )
        return known[text]

    return share(rows, is_no_word)


def truncated(rows: Sequence[Negative], max_words: int, encode: Encode | None = None) -> float:
    """Share of negatives that are the caption again once a text encoder has cut both to rows of
    `max_words` tokens, start and end token among them.

    encode: text -> its token ids, uncut and without start and end; None: CLIP's.
    """
    ids, room = encode or clip_ids, max_words - 2
    captions: dict[str, list[int]] = {}

    def is_lost(row: Negative) -> bool:
        if row.caption not in captions:
            captions.clear()
            captions[row.caption] = list(ids(row.caption))
        return captions[row.caption][:room] == list(ids(row.negative))[:room]

    return share(rows, is_lost)


def share(rows: Sequence[Negative], holds: Callable[[Negative], bool]) -> float:
    """The share of rows for which something holds; 0 without rows."""
    return sum(map(holds, rows)) / len(rows) if rows else 0.0


def bare(text: str) -> str:
    """A word without the punctuation around it, in lower case.

    >>> bare("Outside,")
    'outside'
    """
    return text.strip(_EDGES).lower()


GAP_EDGES = tuple(float(edge) for edge in range(-12, 13))
_TOP = 12
_LEARNED_ROWS = 100_000


@dataclass(frozen=True)
class ReportSettings:
    """max_words: row length of the text encoder, start and end token among them. encode: its
    tokens, uncut and without start and end (None: CLIP's). words: the dictionary; None leaves
    wrong_pos and nonword out. grammar: a parser, or None. examples: how many rows to show of each
    part of speech.
    """

    max_words: int = 32
    encode: Encode | None = None
    words: Words | None = None
    grammar: GrammarCheck | None = None
    examples: int = 12

    def __post_init__(self) -> None:
        if self.max_words < 3:
            raise ConfigError(f"max_words: expected 3 tokens or more, got {self.max_words}")


@dataclass(frozen=True)
class PartReport:
    """What can be said of the negatives of one part of speech. Shares from 0 to 1, None where
    nothing was measured.

    coverage: captions with a negative among all captions. blind: by scorer. gaps: rows by how much
    the trigram model prefers the caption, between GAP_EDGES, whose ends take in what lies beyond.
    swaps: the most frequent.
    """

    pos: str
    count: int
    captions: int
    videos: int
    coverage: float | None
    blind: dict[str, BlindResult]
    wrong_pos: float | None
    nonword: float | None
    truncated: float
    grammar: float | None
    methods: dict[str, int]
    swaps: tuple[tuple[str, str, int], ...]
    gaps: tuple[int, ...]
    examples: tuple[Negative, ...]

    def as_dict(self) -> dict[str, Any]:
        """The numbers under the names of the command line; `blind` has every scorer's."""
        trigram = self.blind["trigram"]
        return {
            **{
                "count": self.count,
                "captions": self.captions,
                "videos": self.videos,
                "coverage": self.coverage,
            },
            **{
                "per_caption": self.count / self.captions,
                "blind_mrr": trigram.mrr,
                "chance_mrr": trigram.chance_mrr,
            },
            **{"blind_r1": trigram.r1, "chance_r1": trigram.chance_r1, "blind_auc": trigram.auc},
            **{name: self.blind[name].auc for name in CLASSIFIERS},
            **{"wrong_pos": self.wrong_pos, "nonword": self.nonword},
            **{"truncated": self.truncated, "grammar": self.grammar},
            "blind": {name: result.as_dict() for name, result in self.blind.items()},
            "methods": self.methods,
        }


@dataclass(frozen=True)
class Report:
    """A report on a file of negatives. protocols: how the language models' captions were chosen
    (blind.others).
    """

    name: str
    parts: dict[str, PartReport]
    protocols: tuple[str, ...]
    collection: int
    settings: ReportSettings

    def as_dict(self) -> dict[str, Any]:
        """By part of speech, as `finereel negatives report --json` prints it."""
        return {name: part.as_dict() for name, part in self.parts.items()}


def report(
    rows: Sequence[Negative],
    captions: Sequence[Caption] = (),
    settings: ReportSettings | None = None,
    name: str = "",
    on_progress: OnProgress = no_progress,
) -> Report:
    """Measure the negatives.

    captions: of the whole collection, for the language models and for coverage; without them the
    captions of the rows are used and coverage is None. on_progress: (parts of speech done, in all).
    Raises DataError without rows.
    """
    if not rows:
        raise DataError("a report needs at least one negative, got none")
    chosen = settings or ReportSettings()
    collection = list(captions) or captions_of_rows(rows)
    by_pos: dict[str, list[Negative]] = {}
    for row in rows:
        by_pos.setdefault(label_of(row), []).append(row)
    order: list[str] = [pos for pos in CHANGES if pos in by_pos]
    order += sorted(set(by_pos) - set(order))  # what foreign sets call their kinds
    protocols = sorted(
        {block.protocol for pos in order for block in blocks(by_pos[pos], collection)}
    )
    parts: dict[str, PartReport] = {}
    inputs = _ReportInputs(collection, bool(captions), chosen, remembering())
    for pos in order:
        on_progress("parts of speech", len(parts), len(order))
        parts[pos] = _part(pos, by_pos[pos], inputs)
    on_progress("parts of speech", len(parts), len(order))
    return Report(name, parts, tuple(protocols), len(captions), chosen)


@dataclass(frozen=True)
class _ReportInputs:
    """What all parts of speech are measured with. whole: `captions` are those of the whole
    collection. train: the language models; parts of speech of one file mostly learn from the same
    captions.
    """

    captions: Sequence[Caption]
    whole: bool
    settings: ReportSettings
    train: Train


def _part(pos: str, rows: Sequence[Negative], given: _ReportInputs) -> PartReport:
    settings = given.settings
    scores = blind_scores(rows, given.captions, list(TEXT_SCORERS), given.train)
    blind = {name: measure(rows, scored) for name, scored in scores.items()}
    sample = _sample(rows)
    blind |= {
        name: measure(sample, scored)
        for name, scored in blind_scores(sample, names=list(CLASSIFIERS)).items()
    }
    captions = {(row.video_id, row.caption_id) for row in rows}
    return PartReport(
        pos=pos,
        count=len(rows),
        captions=len(captions),
        videos=len({row.video_id for row in rows}),
        coverage=len(captions) / len(given.captions) if given.whole else None,
        blind=blind,
        wrong_pos=None if settings.words is None else wrong_pos(rows, settings.words),
        nonword=None if settings.words is None else nonword(rows, settings.words),
        truncated=truncated(rows, settings.max_words, settings.encode),
        grammar=None if settings.grammar is None else settings.grammar.share(rows),
        methods=dict(Counter(row.method for row in rows).most_common()),
        swaps=_swaps(rows),
        gaps=_gaps(scores["trigram"]),
        examples=_examples(rows, settings.examples),
    )


def _sample(rows: Sequence[Negative]) -> Sequence[Negative]:
    """All rows, or those of as many videos as keep within what the classifiers are given."""
    parts = -(-len(rows) // _LEARNED_ROWS)
    return (
        rows
        if parts == 1
        else [row for row in rows if part_of(f"learned {row.video_id}", parts) == 0] or rows
    )


def _swaps(rows: Sequence[Negative]) -> tuple[tuple[str, str, int], ...]:
    counts = Counter((row.source.lower(), row.replacement.lower()) for row in rows)
    return tuple(
        (source, replacement, count) for (source, replacement), count in counts.most_common(_TOP)
    )


def _gaps(scores: TextOnlyScores) -> tuple[int, ...]:
    inside = np.clip(scores.gap, GAP_EDGES[0], GAP_EDGES[-1])
    counts, _ = np.histogram(inside, bins=np.array(GAP_EDGES))
    return tuple(int(count) for count in counts)


def _examples(rows: Sequence[Negative], wanted: int) -> tuple[Negative, ...]:
    """Rows drawn by a hash of their ids, of different captions as far as there are any; the same
    every time.
    """
    drawn = sorted(rows, key=lambda row: part_of(f"example {row.id}", 1 << 60))
    first = {(row.video_id, row.caption_id): row for row in reversed(drawn)}
    return tuple(
        sorted(first.values(), key=lambda row: part_of(f"example {row.id}", 1 << 60))[:wanted]
    )
