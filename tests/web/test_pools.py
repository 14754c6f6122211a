"""Bounded pools: what waits, what is refused, what becomes of work that nobody waits for."""

import asyncio
import threading

import pytest

from finereel.web.errors import RefusedError
from finereel.web.pools import BoundedPool


def test_what_does_not_fit_is_refused_at_once() -> None:
    gate = threading.Event()
    pool = BoundedPool("searches", workers=1, waiting=2)

    async def main() -> list[object]:
        asked = [asyncio.ensure_future(pool.run(lambda: gate.wait(20))) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(RefusedError, match="3 searches are under way or waiting") as refused:
            await pool.run(lambda: None)
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        gate.set()
        return [*await asyncio.gather(*asked), await pool.run(lambda: "later")]

    assert asyncio.run(main()) == [True, True, True, "later"]
    assert pool.pending == 0
    pool.close()


def test_a_client_that_goes_frees_no_place_before_its_work_ends() -> None:
    gate = threading.Event()
    pool = BoundedPool("searches", workers=1, waiting=0)

    async def main() -> None:
        asked = asyncio.ensure_future(pool.run(lambda: gate.wait(20)))
        await asyncio.sleep(0.05)
        asked.cancel()
        await asyncio.sleep(0.05)
        with pytest.raises(RefusedError):
            await pool.run(lambda: None)
        gate.set()
        while pool.pending:
            await asyncio.sleep(0.01)

    asyncio.run(main())
    pool.close()


def test_errors_of_the_work_reach_who_asked() -> None:
    pool = BoundedPool("searches", workers=1, waiting=0)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(pool.run(lambda: 1 // 0))
    assert pool.pending == 0
    pool.close()
