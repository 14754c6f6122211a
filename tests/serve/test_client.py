"""The client against a real server: the same hits, the same errors, the same bytes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from finereel.client import Client
from finereel.errors import ConfigError, FinereelError, QueryError
from finereel.index.query import Query
from finereel.library import Library
from support.serving import ServerProcess, server_process


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.url) as opened:
        yield opened


def test_hits_are_those_of_the_library(client: Client, library: Path) -> None:
    found = client.search("a red ball", top=2)
    direct = Library.open(library).answer(Query("a red ball", top=2, moments=True))
    assert [(hit.clip_id, hit.video, hit.start, hit.end, hit.score) for hit in found.hits] == [
        (hit.clip_id, hit.video, hit.start, hit.end, pytest.approx(hit.score, abs=1e-5))
        for hit in direct.hits
    ]
    assert (found.query, found.commit) == ("a red ball", direct.commit)
    assert direct.confidence is not None
    assert found.confidence is not None
    assert found.confidence["level"] == direct.confidence.level


def test_names_that_are_words_of_python(client: Client) -> None:
    found = client.search("a red ball", not_=["a green ball"], or_=["a car"], and_=["a fish"])
    assert set(found.hits[0].parts) == {"a red ball or a car", "and a fish", "not a green ball"}


def test_errors_are_those_of_the_library(client: Client) -> None:
    with pytest.raises(QueryError, match="the query is empty"):
        client.search(" ")
    with pytest.raises(ConfigError, match="top: "):
        client.search("a", top=0)
    with pytest.raises(FinereelError, match="no such video"):
        client.read("/media/0123456789abcdef")
    with pytest.raises(ConfigError, match="the address that `finereel serve` printed"):
        Client("http://127.0.0.1:80/")


def test_videos_come_whole_and_in_parts(client: Client) -> None:
    hit = client.search("a red ball", top=1).hits[0]
    whole, address = Path(hit.video).read_bytes(), f"/media/{hit.clip_id[:16]}"
    assert client.read(address) == whole
    assert client.read(address, 10, 19) == whole[10:20]
    assert client.read(f"/thumb/{hit.clip_id}") == client.read(f"/thumb/{hit.clip_id}")


def test_feedback_and_tags_are_kept_and_noted(tmp_path: Path, library: Path) -> None:
    own = shutil.copytree(library, tmp_path / "library")
    with server_process(own) as server, Client(server.url) as client:
        hit = client.search("a red ball", top=1).hits[0]
        assert client.feedback("a red ball", hit.clip_id, True) == {"judged": 1, "used": False}
        assert client.tag([hit.clip_id[:16]], ["Toys"]) == 1
        assert client.get("/api/tags") == {"tags": [{"tag": "Toys", "videos": 1}]}
        assert [found.video for found in client.search("a ball", tag="toys").hits] == [hit.video]
        assert client.tag([hit.clip_id[:16]], ["Toys"], remove=True) == 1
        with pytest.raises(FinereelError, match="no such clip"):
            client.feedback("a red ball", "../../etc/passwd", True)
    lines = (own / "audit.jsonl").read_text()
    assert lines.count('"what": "feedback"') == 1
    assert lines.count('"what": "tags"') == 2
    assert server.token not in lines
    assert "a red ball" not in lines
