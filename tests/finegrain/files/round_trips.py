"""Read the published files and write them again, and print what came of it as JSON: {file: facts}.

python tests/negatives/files/round_trips.py SHARED OUT [quick]

quick: only those that need no captions of MSR-VTT, whose 200,000 take seconds to read. A process of
its own, because with every call checked a hundred thousand rows take minutes.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from finereel.data.sources import captions_by_id, captions_of
from finereel.finegrain.files import read_negatives, recognise, write_negatives
from finereel.finegrain.files.base import Known

QUICK = ("annotations/SugarCrepe/*.json", "negatives/uvo_*.json")
SLOW = (
    "annotations/VITATECS/*.jsonl",
    "annotations/MSRVTT-contrast/*.tsv",
    "negatives/msr1ka_*.json",
)
UVO, MSRVTT = ("vln_uvo", "VLN-UVO"), ("msrvtt", "MSRVTT")


def facts(path: Path, out: Path, known: Known) -> dict[str, Any]:
    """What a file holds, whether it comes back the same, and what its rows say of what was
    changed.
    """
    form = recognise(path)
    rows = read_negatives(path, form, known)
    write_negatives(rows, out / "native.jsonl")
    write_negatives(read_negatives(out / "native.jsonl"), out / path.name, form)
    same_json = path.suffix == ".json" and json.loads(path.read_bytes()) == json.loads(
        (out / path.name).read_bytes()
    )
    edited = (
        (row.caption[: row.start] + row.replacement + row.caption[row.end :], row.negative)
        for row in rows
    )
    return {
        "form": form,
        "same": path.read_bytes() == (out / path.name).read_bytes(),
        "same_json": same_json,
        "negatives": len(rows),
        "ids": len({row.id for row in rows}),
        "captions": len({row.caption_id for row in rows}),
        "videos": len({row.video_id for row in rows}),
        "known": len({row.caption_id for row in rows} & known.captions.keys()),
        "pos": sorted({row.pos for row in rows}),
        "per_caption": sorted(set(Counter(row.caption_id for row in rows).values())),
        "spans": all(row.caption[row.start : row.end] == row.source for row in rows),
        "words": sum(len(row.source.split()) == len(row.replacement.split()) == 1 for row in rows),
        "elsewhere": sum(first != second for first, second in edited),
    }


def main(shared: Path, out: Path, quick: bool) -> dict[str, Any]:
    """The facts of every file."""
    found: dict[str, Any] = {}
    for (data, folder), patterns in ((UVO, QUICK), (MSRVTT, () if quick else SLOW)):
        if not patterns:
            continue
        known = Known(captions_by_id(captions_of(shared / "annotations" / folder, data)))
        found[data] = len(known.captions)
        found |= {
            path.stem: facts(path, out, known)
            for pattern in patterns
            for path in sorted(shared.glob(pattern))
        }
    return found


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), "quick" in sys.argv[3:]))
    )
