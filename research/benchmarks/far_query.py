"""Measure how long a search takes in a library in an object store, and what it asks of the store.

    python -m research.benchmarks.far_query --clips 5000 --tokens fp16 int8 2bit
    python -m research.benchmarks.far_query --delay 0.02

The features are synthetic (`query_latency.py`), the server is SeaweedFS on this machine, or moto
where it is not installed. Per format of tokens: milliseconds of whole searches of one open library
(median and 95th percentile over `--queries`) and of reading the candidates alone, straight from the
server; then through a proxy that counts the requests and bytes of a search and can delay every answer,
as a store that is far away does, without and with copies of the table on this machine
(`finereel.index.mirror`).
"""

import argparse
import json
import os
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from research.attacks.stores import SERVERS, StoreProxy, installed, proxied
from research.benchmarks.query_latency import Stopwatch, SyntheticModel, build

from finereel.codecs import CODECS
from finereel.index.mirror import BUDGET, RemoteSnapshot
from finereel.index.query import Query
from finereel.index.remote_store import RemoteClipStore
from finereel.index.search import Searcher
from finereel.index.snapshot import Snapshot
from finereel.io.storage.places import StorePath
from support.object_store import BUCKET, known

WARM = 8
"""Searches before the measurement."""


def measured(place: StorePath, proxy: StoreProxy, queries: int) -> dict[str, object]:
    """What `queries` searches for different texts take, once copies are there if any are made."""
    model, query = SyntheticModel(), Query("query", per_video=None)
    clock, store = Stopwatch(), RemoteClipStore.open(place)
    searcher = Searcher.of(store.snapshot(), None)
    opened = clock.lap()
    laps: dict[str, list[float]] = {"search": [], "read": []}
    asked = []
    for number in range(WARM + queries):
        before = len(proxy.requests)
        clock = Stopwatch()
        searcher.search(model, replace(query, text=f"query {number}"))
        laps["search"].append(clock.lap())
        asked.append(proxy.requests[before:])
        again = model.encode_text([f"another {number}"])
        row_ids = searcher.coarse.candidates(model.coarse_query(again)[0], query.candidates or 0)
        clock = Stopwatch()
        searcher.snapshot.take(row_ids)
        laps["read"].append(clock.lap())
        if number + 1 == WARM:
            _copied(searcher.snapshot)
    line: dict[str, object] = {"open_ms": round(opened)}
    for name, taken in laps.items():
        kept = taken[WARM:]
        p95 = statistics.quantiles(kept, n=20)[-1]
        line[f"{name}_ms"] = {"p50": round(statistics.median(kept), 1), "p95": round(p95, 1)}
    requests = [len(one) for one in asked[WARM:]]
    received = [sum(request.received for request in one) / 1024 for one in asked[WARM:]]
    line["requests"], line["KiB"] = statistics.median(requests), round(statistics.median(received))
    return line


def _copied(snapshot: Snapshot) -> None:
    """Wait for copies that are under way."""
    if isinstance(snapshot, RemoteSnapshot) and snapshot.filling is not None:
        snapshot.filling.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--tokens", nargs="+", choices=CODECS, default=["fp16"])
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that every answer waits")
    given = parser.parse_args()
    torch.set_num_threads(1)
    name = next(name for name in SERVERS if installed(name))
    for tokens in given.tokens:
        with (
            tempfile.TemporaryDirectory(prefix="far-query-") as folder,
            SERVERS[name](Path(folder)) as url,
        ):
            os.environ["XDG_CACHE_HOME"] = folder
            line: dict[str, object] = {"server": name, "tokens": tokens, "clips": given.clips}
            line["delay_s"] = given.delay
            place = StorePath(f"s3://{BUCKET}/{tokens}/index")
            with known(url):
                build(place, given.clips, tokens)[0].tidy(force=True)
                os.environ[BUDGET] = "0"
                line["straight"] = measured(place, StoreProxy(url), given.queries)
            with proxied(url, given.delay) as (address, proxy), known(address):
                line["counted"] = measured(place, proxy, given.queries)
                os.environ[BUDGET] = "100"
                line["with copies"] = measured(place, proxy, given.queries)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
