"""Train one head with fine-grained negatives on a test bed, and write what held.

python runs/finegrain.py ucofia --bed reelworld-tokens --out docs/results
python runs/finegrain.py ucofia --bed msrvtt-features --features DIR --annotations DIR \\
    --negatives "clean=clean.jsonl" "released adverbs=adv_RE20.json" --out docs/results
python runs/finegrain.py ucofia --debug      # a minute, meaningless numbers
"""

import argparse
from pathlib import Path

from finereel.cli.progress import bar
from finereel.experiments.beds import BEDS, BedOptions
from finereel.experiments.fine_run import FineRequest, run_fine
from finereel.experiments.fine_variants import HEADS, ROWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", choices=HEADS)
    parser.add_argument("--bed", choices=BEDS, default="reelworld-tokens")
    parser.add_argument("--features", type=Path, help="folder with tokens and split.json")
    parser.add_argument("--annotations", type=Path, help="folder with annotation files")
    parser.add_argument("--negatives", nargs="+", default=[], metavar="NAME=FILE", help="more test sets")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--work", type=Path, default=Path("runs/out/experiments"), help="models and records")
    parser.add_argument("--out", type=Path, help="folder for the page; printed where not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--debug", action="store_true")
    given = parser.parse_args()
    files = tuple((name, Path(path)) for name, _, path in (text.partition("=") for text in given.negatives))
    options = BedOptions(given.work, given.features, given.annotations, given.debug, files)
    request = FineRequest(
        given.head, given.bed, options, tuple(given.rows), tuple(given.seeds), given.processes, _command(given)
    )
    with bar() as progress:
        task = progress.add_task(given.head, total=None, note="")
        text = run_fine(request, lambda done, total: progress.update(task, completed=done, total=total))
    if given.out is None:
        print(text)
        return
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"fine-grained-{given.head}-{given.bed}.md"
    path.write_text(text, encoding="utf-8")
    print(path)


def _command(given: argparse.Namespace) -> str:
    """What a reader types; folders stand by the names of their options."""
    folders = [f"--{name} {name.upper()}" for name in ("features", "annotations") if getattr(given, name)]
    names = [f'"{name}={Path(path).name}"' for name, _, path in (text.partition("=") for text in given.negatives)]
    files = [f"--negatives {' '.join(names)}"] if names else []
    rows = ["--rows " + " ".join(f'"{row}"' for row in given.rows)] if list(given.rows) != list(ROWS) else []
    seeds = " ".join(map(str, given.seeds))
    parts = [given.head, f"--bed {given.bed}", *folders, *files, *rows, f"--seeds {seeds}", "--out docs/results"]
    return " ".join(["python runs/finegrain.py", *parts])


if __name__ == "__main__":
    main()
