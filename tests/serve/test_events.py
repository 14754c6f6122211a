"""What happens meanwhile: commits of other processes, indexing from here, a library that goes away."""

import asyncio
import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from finereel.client import Client, ServerEvent
from finereel.errors import ConfigError, FinereelError, LibraryBusyError, LibraryNotFoundError
from finereel.library import Library
from finereel.serve.hub import EventHub
from support.media import GREEN, Recipe, make_video
from support.serving import ServerProcess, server_process

SECONDS = 60


@pytest.fixture
def own(library: Path, tmp_path: Path) -> Path:
    """A library of its own, whose videos are those of the other."""
    return shutil.copytree(library, tmp_path / "library")


def until(events: Iterator[ServerEvent], kind: str) -> ServerEvent:
    """The next event of a kind."""
    began = time.monotonic()
    for event in events:
        if event.kind == kind:
            return event
        assert time.monotonic() - began < SECONDS, f"no {kind}"
    raise AssertionError(f"the events ended without {kind}")


def test_commits_of_another_process_are_told_and_searched(own: Path, tmp_path: Path) -> None:
    with server_process(own) as server, Client(server.url) as client:
        events = client.events()
        first = until(events, "commit")
        assert (first.data["videos"], first.data["clips"]) == (3, 3)
        make_video(tmp_path / "new.mp4", Recipe(colour=GREEN, frames=30))
        adding = Library.open(own)
        adding.add([tmp_path / "new.mp4"])
        adding.close()
        second = until(events, "commit")
        while second.data["videos"] < 4:  # the file is begun, then finished
            second = until(events, "commit")
        assert second.data["commit"] > first.data["commit"]
        found = client.search("a ball")
        assert (len(found.hits), found.commit) == (4, second.data["commit"])
        missed = client.events(first.id)
        assert until(missed, "commit").data["commit"] > first.data["commit"]


def test_a_library_that_goes_away_and_comes_back(own: Path, tmp_path: Path) -> None:
    with server_process(own) as server, Client(server.url) as client:
        client.search("a ball")
        events = client.events()
        until(events, "commit")
        own.rename(tmp_path / "elsewhere")
        assert until(events, "problem").data["type"] == "LibraryNotFoundError"
        with pytest.raises(LibraryNotFoundError, match="there is no library"):
            client.search("a ball")
        headers = {"Authorization": f"Bearer {server.token}"}
        gone = httpx.get(f"{server.base}/api/search?q=a", headers=headers)
        assert gone.status_code == 503
        (tmp_path / "elsewhere").rename(own)
        until(events, "commit")
        assert len(client.search("a ball").hits) == 3
        assert server.process.poll() is None


def test_indexing_from_here_tells_its_progress(own: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    make_video(more / "new.mp4", Recipe(colour=GREEN, frames=30))
    (more / "broken.mp4").write_bytes(b"no video")
    with server_process(own, "--root", str(more)) as server, Client(server.url) as client:
        assert client.get("/api/index")["roots"] == [{"id": "0", "path": str(more)}]
        events = client.events()
        until(events, "commit")
        with pytest.raises(ConfigError, match="expected ids"):
            client.post("/api/index", roots=["/etc"])
        assert client.post("/api/index", roots=["0"]) == {"started": [str(more)]}
        with pytest.raises(LibraryBusyError, match="indexing already"):
            client.post("/api/index")
        assert until(events, "progress").data["total"] >= 1
        assert until(events, "problem").data["path"] == str(more / "broken.mp4")
        report = until(events, "indexed").data
        assert (report["indexed"], report["failed"], report["interrupted"]) == (1, 1, False)
        assert client.get("/api/status")["videos"] == 4
        assert [found["path"] for found in client.get("/api/problems")["problems"]] == [
            str(more / "broken.mp4")
        ]
    assert json.loads((own / "audit.jsonl").read_text())["folders"] == [str(more)]


def soon_ready(client: Client) -> bool:
    """Whether the server says that it is ready, which it is once the model has answered."""
    for _ in range(600):
        with suppress(FinereelError):
            return bool(client.get("/readyz")["status"] == "ready")
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_the_page_may_make_the_library(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    make_video(tmp_path / "videos" / "green.mp4", Recipe(colour=GREEN))
    own = tmp_path / "library"
    with (
        server_process(own, "--root", str(tmp_path / "videos")) as server,
        Client(server.url) as client,
    ):
        with pytest.raises(LibraryNotFoundError):
            client.get("/readyz")
        events = client.events()
        client.post("/api/index")
        while not until(events, "commit").data["videos"]:
            pass
        assert len(client.search("grass").hits) == 1
        assert soon_ready(client)


def test_nothing_is_indexed_without_a_root(server: ServerProcess) -> None:
    with Client(server.url) as client, pytest.raises(FinereelError, match="--root DIR"):
        client.post("/api/index")


def test_the_end_lets_indexing_finish_its_commit(own: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for number in range(12):
        make_video(more / f"{number}.mp4", Recipe(frames=50 + number, width=320, height=240))
    with server_process(own, "--root", str(more)) as server, Client(server.url) as client:
        events = client.events()
        client.post("/api/index")
        until(events, "progress")
        assert server.stop(signal.SIGINT) == 0
    left = Library.open(own)
    before = left.status()
    assert 3 <= before.videos <= 15
    report = left.add([more])
    left.close()
    assert report.indexed + report.unchanged == 12
    assert report.unchanged >= before.videos - 3 - before.unfinished


def test_who_listens_again_misses_nothing() -> None:
    hub = EventHub()
    hub.publish("commit", {"commit": 1})
    hub.publish("progress", {"done": 1})
    hub.publish("progress", {"done": 2})
    assert [event.data for event in hub.current()] == [{"commit": 1}, {"done": 2}]
    assert [event.data for event in hub.after(1)] == [{"done": 1}, {"done": 2}]


def test_what_has_passed_is_not_told_to_new_listeners() -> None:
    hub = EventHub()
    hub.publish("problem", {"message": "away"})
    assert [event.kind for event in hub.current()] == ["problem"]
    hub.publish("commit", {"commit": 1})
    hub.publish("progress", {"done": 2})
    assert [event.kind for event in hub.current()] == ["commit", "progress"]
    hub.publish("indexed", {})
    assert [event.kind for event in hub.current()] == ["commit", "indexed"]


def test_a_hub_takes_events_from_any_thread() -> None:
    hub = EventHub()
    threads = [
        threading.Thread(target=lambda: [hub.publish("progress", {}) for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.number for event in hub.after(0)] == list(range(1, 401))


def test_a_listener_that_goes_is_no_longer_counted() -> None:
    hub = EventHub()
    hub.publish("commit", {"commit": 1})

    async def main() -> list[bytes]:
        stream = hub.listen("")
        told = [await anext(stream), await anext(stream)]
        assert hub.listeners == 1
        await stream.aclose()
        again = hub.listen(f"{hub.run}-1")
        await anext(again)
        hub.publish("commit", {"commit": 2})
        told.append(await anext(again))
        hub.close()
        told += [part async for part in again]
        return told

    told = asyncio.run(main())
    assert hub.listeners == 0
    assert told[1:] == [
        f'id: {hub.run}-{number}\nevent: commit\ndata: {{"commit": {number}}}\n\n'.encode()
        for number in (1, 2)
    ]
