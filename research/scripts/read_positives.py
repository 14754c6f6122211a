r"""Sample hard positives to be judged one by one, and count the verdicts.

    finereel negatives positives MSRVTT ms.jsonl --format msrvtt
    python -m research.scripts.read_positives draw OUT.jsonl --from ms.jsonl=100 \
        --from uvo.jsonl=50 --seed 1
    python -m research.scripts.read_positives count OUT.jsonl

Captions are sampled with equal probability, whatever the number of their positives, and one
positive of each caption. A line of OUT is the row with `source_file`, `note` and an empty
`verdict`, which the reader fills with one of VERDICTS. `count` prints shares and Wilson intervals
as Markdown.
"""

import argparse
import json
import random
from pathlib import Path

from finereel.errors import DataError
from finereel.io.atomic import write_file
from finereel.statistics.intervals import wilson_interval

VERDICTS = ("right", "changed meaning", "ungrammatical", "unsure")


def draw(out: Path, files: dict[Path, int], seed: int) -> None:
    """Write a sample of every file; the rows of one file stay together."""
    chance = random.Random(seed)
    lines = []
    for file, sample in files.items():
        by_caption: dict[str, list[dict[str, object]]] = {}
        for line in file.read_text(encoding="utf-8").split("\n")[:-1]:
            row = json.loads(line)
            by_caption.setdefault(row["caption_id"], []).append(row)
        captions = chance.sample(sorted(by_caption), min(sample, len(by_caption)))
        rows = [chance.choice(by_caption[caption]) for caption in captions]
        lines += [
            json.dumps({**row, "source_file": file.stem, "verdict": "", "note": ""}) for row in rows
        ]
        print(f"{len(rows)} of {len(by_caption)} captions with positives in {file}")
    write_file(out, "".join(f"{line}\n" for line in lines))


def count(out: Path) -> None:
    """Print how often each verdict was given, with the 95 % Wilson interval of its share in per
    cent.
    """
    given: dict[str, list[str]] = {}
    for number, line in enumerate(out.read_text(encoding="utf-8").split("\n")[:-1], 1):
        row = json.loads(line)
        verdict = row["verdict"]
        if verdict not in VERDICTS:
            raise DataError(
                f"{out}, line {number}: expected a verdict of {', '.join(VERDICTS)}, got "
                f"{verdict!r}"
            )
        for group in (row["source_file"], "all"):
            given.setdefault(group, []).append(verdict)
    print("| captions of | read | " + " | ".join(VERDICTS) + " |")
    print("|---|---:|" + "---:|" * len(VERDICTS))
    for group in sorted(given, key=lambda name: name == "all"):
        cells = [_cell(given[group].count(verdict), len(given[group])) for verdict in VERDICTS]
        print(f"| {group} | {len(given[group])} | " + " | ".join(cells) + " |")


def _cell(found: int, total: int) -> str:
    interval = wilson_interval(found, total)
    return f"{found} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _file(told: str) -> tuple[Path, int]:
    name, _, sample = told.rpartition("=")
    return Path(name), int(sample)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["draw", "count"])
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--from", dest="files", type=_file, action="append", default=[], metavar="FILE=N"
    )
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.action == "draw":
        draw(asked.out, dict(asked.files), asked.seed)
    else:
        count(asked.out)


if __name__ == "__main__":
    main()
