"""The proxy before an object store: it passes all on, counts, and kills at the point that it is
told.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from research.attacks.stores import StoreProxy, proxied

from finereel.io.storage.places import StorePath
from support.object_store import BUCKET, known, moto


@pytest.fixture(scope="module")
def proxy() -> Iterator[StoreProxy]:
    with moto() as url, proxied(url) as (address, found), known(address):
        yield found


def test_requests_pass_and_are_counted(proxy: StoreProxy) -> None:
    place = StorePath(f"s3://{BUCKET}/object")
    proxy.arm(-1, 0)
    proxy.requests.clear()
    assert place.create(b"content") is not None
    assert place.create(b"other") is None
    assert place.read_bytes() == b"content"
    told = [(one.method, one.sent, one.received) for one in proxy.requests]
    assert told[0] == ("PUT", 7, 0)
    assert told[-1] == ("GET", 0, 7)
    assert proxy.points == 4  # both that would have changed something


@pytest.mark.parametrize("point", [0, 1])
def test_a_process_dies_at_its_point(proxy: StoreProxy, point: int) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as victim:
        proxy.arm(point, victim.pid)
        assert victim.poll() is None
        (StorePath(f"s3://{BUCKET}") / f"written-{point}").write_bytes(b"")
        assert victim.wait(30) == -signal.SIGKILL
