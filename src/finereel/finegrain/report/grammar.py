"""Check the grammar of an edit with Link Grammar (Sleator and Temperley 1993), if `link-parser` is
installed.

Relative to the caption, because captions themselves seldom parse: a negative passes with no more
unlinked words than its caption and a cost at most 1 above. Weak on meaning: "is sink in the pond"
passes.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from finereel.finegrain.blind.others import part_of
from finereel.finegrain.types import Negative

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
