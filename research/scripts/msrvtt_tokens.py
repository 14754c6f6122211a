"""The tokens of the public key frames of 4,827 MSR-VTT videos by the vision backbone of `everyday`,
from the pictures, and the hash of what comes out.

    git clone https://github.com/BennoKrojer/imagecode-msrvtt-pairs PICTURES
    git -C PICTURES checkout 4ecb35fced1f5f902a24d67543b48dc1a78b3f4d
    OMP_NUM_THREADS=1 python -m research.scripts.msrvtt_tokens TOKENS --annotations DIR --videos PICTURES
    OMP_NUM_THREADS=1 python -m research.scripts.msrvtt_tokens TOKENS --annotations DIR --videos PICTURES --check 20

DIR has the files of `msrvtt_frames`. The last line computes 20 clips again and compares them with
those in TOKENS. Another number of threads, or another kind of processor, rounds the last bit of
some numbers differently: the hash is then another one, and `--check` tells how far they are apart.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from finereel.cli.data import tokens
from finereel.data.features import FeatureStore
from finereel.data.sources import SourceOptions, open_source
from finereel.data.token_cache import cache_tokens
from finereel.models.choice import EVERYDAY
from finereel.models.saving import load

DATA = "msrvtt_frames"
EXPECTED = "497208ad9d11"
"""The hash of the tokens that the tables in docs/results/ were made of, on one thread, with AVX-512."""


def compared(kept: FeatureStore, again: FeatureStore) -> tuple[int, float]:
    """Clips of `again` that are equal in `kept` to the last bit, and the largest difference."""
    differences = [
        float(np.abs(kept.read([name]).frames - again.read([name]).frames).max())
        for name in again.ids
    ]
    return differences.count(0.0), max(differences)


def check(given: argparse.Namespace) -> str:
    """A sentence on `given.check` clips, evenly spread over those in `given.out`."""
    kept, model = FeatureStore(given.out), load(given.model)
    chosen = [kept.ids[i] for i in np.linspace(0, len(kept.ids) - 1, given.check).astype(int)]
    where = SourceOptions(
        given.annotations,
        given.videos,
        num_frames=kept.num_frames,
        image_size=model.encoder.image_size,
        preprocessing=model.encoder.preprocessing,
    )
    with tempfile.TemporaryDirectory() as folder:
        again = cache_tokens(model, chosen, open_source(DATA, where), Path(folder))
        equal, largest = compared(kept, again)
    return (
        f"{equal} of {len(chosen)} clips are equal to the last bit; largest difference {largest:g}"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="TOKENS")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--model", default=EVERYDAY)
    parser.add_argument("--check", type=int, default=0, metavar="CLIPS")
    given = parser.parse_args(arguments)
    if given.check:
        print(check(given))
        return
    tokens(DATA, given.out, given.model, given.annotations, given.videos)
    found = FeatureStore(given.out).description["hash"]
    same = "as" if found == EXPECTED else "not as"
    print(f"hash {found}, {same} in docs/results ({EXPECTED})")


if __name__ == "__main__":
    main()
