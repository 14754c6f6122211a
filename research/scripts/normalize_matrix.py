"""Apply every normalization to a similarity matrix and write a table per direction.

    python -m research.scripts.normalize_matrix MATRIX.npy --scale 100 --out docs/results

The matrix is an .npy file with texts in rows; text i belongs to video i.
"""

import argparse
from pathlib import Path

import numpy as np

from finereel.io.atomic import write_file
from research.matrix import matrix_rows
from research.report import About, page


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("matrix", type=Path)
    parser.add_argument(
        "--scale",
        type=float,
        default=100.0,
        help="what turns the numbers into logits (cosines: 100)",
    )
    parser.add_argument("--out", type=Path, help="folder for the page; printed where not given")
    given = parser.parse_args()
    scores = np.load(given.matrix, allow_pickle=False) * given.scale
    rows = {name: [found] for name, found in matrix_rows(scores).items()}
    about = About(
        title=f"Normalisation: the matrix {given.matrix.stem}",
        question="What does each normalisation give a published model's scores, when settings and "
        "banks come from the "
        "other half of the queries?",
        command=f"python -m research.scripts.normalize_matrix {given.matrix.name} --scale "
        f"{given.scale:g} --out docs/results",
        reference="none",
    )
    card = (
        "## Run card\n\n"
        f"{len(scores)} x {len(scores)} scores, times {given.scale:g}. `bank` and `inverted` are "
        "cross-fitted over "
        "halves of the queries; `transductive` and `dsl` see all queries, at their published "
        "settings. Intervals are "
        "95 % intervals over queries, p a paired sign-flip test with Holm's correction.\n"
    )
    text = page(about, rows, card)
    if given.out is None:
        print(text)
        return
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"normalization-{given.matrix.stem}.md"
    write_file(path, text)
    print(path)


if __name__ == "__main__":
    main()
