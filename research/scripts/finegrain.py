r"""Train one head with fine-grained negatives on a benchmark and write the results.

    python -m research.scripts.finegrain ucofia --benchmark reelworld-tokens --out docs/results
    python -m research.scripts.finegrain ucofia --benchmark msrvtt-features --features DIR \
        --annotations DIR --negatives "clean=clean.jsonl" "released adverbs=adv_RE20.json" \
        --out docs/results
    python -m research.scripts.finegrain clip4clip --rows baseline \
        --weights 0.02 0.05 0.1 0.2 0.5 --out docs/results
    python -m research.scripts.finegrain ucofia --benchmark everyday-tokens --features DIR \
        --annotations DIR --negatives "balanced=balanced.jsonl" --processes 1 \
        --rows baseline "+ word" "+ word, other clip uniform" --out docs/results
    python -m research.scripts.finegrain ucofia --debug

With `--weights` a picture is drawn as well. `--debug` takes a minute; its numbers are meaningless.
"""

import argparse
from pathlib import Path

from research.fine_run import FineRequest, fine_results, run_fine
from research.fine_variants import ALL_ROWS, HEADS, ROWS
from research.options import benchmark_options, benchmark_parser, carry_out, typed_command
from research.trade_off import draw_trade_off


def main() -> None:
    parser = benchmark_parser(__doc__, "head", tuple(HEADS))
    parser.add_argument(
        "--negatives", nargs="+", default=[], metavar="NAME=FILE", help="more test sets"
    )
    parser.add_argument("--rows", nargs="+", choices=ALL_ROWS, default=list(ROWS))
    parser.add_argument(
        "--weights", type=float, nargs="+", default=[], help="+ word with these weights of its loss"
    )
    given = parser.parse_args()
    files = tuple(
        (name, Path(path)) for name, _, path in (text.partition("=") for text in given.negatives)
    )
    request = FineRequest(
        given.head,
        given.benchmark,
        benchmark_options(given, files),
        tuple(given.rows),
        tuple(given.seeds),
        given.processes,
        typed_command("research.scripts.finegrain", given.head, given, _own(files, given)),
        tuple(given.weights),
    )
    name = f"fine-grained-{given.head}-{given.benchmark}" + ("-weights" if given.weights else "")
    carry_out(given.head, given.out, name, lambda on_done: run_fine(request, on_done))
    if given.weights and given.out is not None:
        draw_trade_off(fine_results(request), given.out / f"{name}.png")


def _own(files: tuple[tuple[str, Path], ...], given: argparse.Namespace) -> tuple[str, ...]:
    """The options of this script alone, as typed."""
    named = " ".join(f'"{name}={path.name}"' for name, path in files)
    chosen = " ".join(f'"{row}"' for row in given.rows) if given.rows != list(ROWS) else ""
    weights = " ".join(f"{weight:g}" for weight in given.weights)
    options = (("--negatives", named), ("--rows", chosen), ("--weights", weights))
    return tuple(f"{option} {values}" for option, values in options if values)


if __name__ == "__main__":
    main()
