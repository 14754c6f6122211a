"""The server over its wire: who may ask, what comes back, which bytes."""

import http.client
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from finereel.errors import ConfigError
from finereel.finegrain.review.page import media_key
from finereel.finegrain.review.server import ReviewServer, make_server
from finereel.finegrain.review.session import ReviewSession
from finereel.finegrain.review.verdicts import Item, read_events, review_items
from finereel.finegrain.types import Negative
from support.reviewing import running_review

BYTES = random.Random(0).randbytes(1024)


@dataclass
class Site:
    """A running review and how to ask it."""

    session: ReviewSession
    server: ReviewServer
    item: Item
    folder: Path

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = json.dumps(body).encode() if isinstance(body, dict) else body
        known = {"X-Finereel-Review": "1"} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        connection.request(method, path, sent, known)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    @property
    def port(self) -> int:
        return int(self.server.listening.getsockname()[1])

    def step(
        self, verdict: str | None = "valid", rater: str = "anna", event: str = "e", item: str = ""
    ) -> dict[str, Any]:
        return {"item": item or self.item.key, "rater": rater, "verdict": verdict, "event": event}


@pytest.fixture
def site(tmp_path: Path, negative: Callable[..., Negative]) -> Iterator[Site]:
    video = tmp_path / "secret place" / "v.mp4"
    video.parent.mkdir()
    video.write_bytes(BYTES)
    items = review_items([negative("a dog runs", "dog", "cat", video="v")])
    with (
        closing(ReviewSession(items, {"v": video}, tmp_path / "neg.jsonl")) as session,
        running_review(session) as server,
    ):
        yield Site(session, server, items[0], tmp_path)


def test_a_verdict_is_on_the_disk_before_the_answer(site: Site) -> None:
    status, _, _ = site.ask("POST", "/verdicts", site.step())
    [event] = read_events(site.folder / "neg.verdicts-anna.jsonl")
    assert status == 200
    assert (event.item, event.id, event.pos, event.verdict) == (site.item.key, "n", "noun", "valid")


def test_a_rater_is_sent_their_own_verdicts_alone(site: Site) -> None:
    site.ask("POST", "/verdicts", site.step("valid", "anna"))
    site.ask("POST", "/verdicts", site.step("unsure", "bob"))
    found = [
        json.loads(site.ask("GET", f"/verdicts?rater={who}")[2]) for who in ("anna", "bob", "carl")
    ]
    assert [[event["verdict"] for event in events] for events in found] == [
        ["valid"],
        ["unsure"],
        [],
    ]
    assert b"unsure" not in site.ask("GET", "/")[2].split(b'"items"')[1].split(b"</script>")[0]


def test_a_page_elsewhere_is_never_allowed_to_ask(site: Site) -> None:
    asked = {"Origin": "http://evil.example", "Access_Control_Request_Method": "POST"}
    status, headers, _ = site.ask("OPTIONS", "/verdicts", **asked)
    assert status >= 400
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "good"}, b"unknown verdict"),
        ({"item": "elsewhere"}, b"no such item"),
        ({"rater": "../../etc/x"}, b"a rater's name"),
        ({"rater": 3}, b"expected rater as a text"),
    ],
)
def test_what_is_no_verdict_is_refused(site: Site, change: dict[str, Any], message: bytes) -> None:
    status, _, body = site.ask("POST", "/verdicts", site.step() | change)
    assert status == 400
    assert message in body
    assert not list(site.folder.glob("*.jsonl"))


def test_a_broken_body_is_refused(site: Site) -> None:
    assert site.ask("POST", "/verdicts", b"{")[0] == 400
    assert site.ask("POST", "/verdicts", b"\xff\xfe")[0] == 400
    assert site.ask("POST", "/verdicts", b"x" * 70_000)[0] == 413
    assert site.ask("POST", "/elsewhere", site.step())[0] == 404


@pytest.mark.parametrize("path", ["/", "/verdicts?rater=anna", "/media/x"])
def test_another_name_for_this_machine_is_refused(site: Site, path: str) -> None:
    assert site.ask("GET", path, Host="evil.example")[0] == 403
    assert site.ask("POST", "/verdicts", site.step(), Host="evil.example")[0] == 403


@pytest.mark.parametrize("sent", ["", "0", "\xff"])
def test_only_the_page_itself_may_judge(site: Site, sent: str) -> None:
    assert site.ask("POST", "/verdicts", site.step(), X_Finereel_Review=sent)[0] == 403
    assert site.ask("GET", "/verdicts?rater=anna", X_Finereel_Review=sent)[0] == 403
    assert not list(site.folder.glob("*.jsonl"))


def test_the_page_tells_no_path_and_may_load_nothing_else(site: Site) -> None:
    status, headers, body = site.ask("GET", "/")
    assert status == 200
    assert b"secret place" not in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert site.ask("HEAD", "/")[1]["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    "path",
    ["/media/v.mp4", "/media/../neg.jsonl", "/media/", "/stills/x", "/etc/passwd", "/media/%2e"],
)
def test_only_opaque_names_are_served(site: Site, path: str) -> None:
    assert site.ask("GET", path)[0] == 404


@pytest.mark.parametrize(
    ("asked", "status", "expected", "told"),
    [
        ("", 200, BYTES, None),
        ("bytes=0-0", 206, BYTES[:1], "bytes 0-0/1024"),
        ("bytes=10-19", 206, BYTES[10:20], "bytes 10-19/1024"),
        ("bytes=1000-", 206, BYTES[1000:], "bytes 1000-1023/1024"),
        ("bytes=-5", 206, BYTES[-5:], "bytes 1019-1023/1024"),
        ("bytes=1000-9999", 206, BYTES[1000:], "bytes 1000-1023/1024"),
        ("bytes=9999-", 416, b"", "bytes */1024"),
        ("bytes=1-2,4-5", 200, BYTES, None),
        ("nonsense", 200, BYTES, None),
    ],
)
def test_a_video_comes_in_parts(
    site: Site, asked: str, status: int, expected: bytes, told: str | None
) -> None:
    found = site.ask("GET", f"/media/{media_key('v')}", Range=asked)
    assert (found[0], found[2], found[1].get("Content-Range")) == (status, expected, told)
    head = site.ask("HEAD", f"/media/{media_key('v')}", Range=asked)
    assert (head[0], head[2], head[1]["Content-Length"]) == (status, b"", str(len(expected)))


def test_a_video_that_went_away_is_missed(site: Site) -> None:
    (site.folder / "secret place" / "v.mp4").unlink()
    assert site.ask("GET", f"/media/{media_key('v')}")[0] == 404
    assert site.ask("GET", f"/stills/{media_key('v')}")[2] == b"[]"


def test_a_review_for_one_rater_takes_no_other(site: Site) -> None:
    with closing(ReviewSession([site.item], {}, site.folder / "neg.jsonl", "anna")) as session:
        assert session.log(" anna ").rater == "anna"
        with pytest.raises(ConfigError, match="this review is for anna, got bob"):
            session.log("bob")


def test_a_rater_judges_in_one_review_at_a_time(site: Site) -> None:
    site.ask("POST", "/verdicts", site.step(rater="anna"))
    with pytest.raises(ConfigError, match=f"anna on neg.jsonl are open in process {os.getpid()}"):
        ReviewSession([site.item], {}, site.folder / "neg.jsonl", "anna")
    with closing(ReviewSession([site.item], {}, site.folder / "neg.jsonl", "bob")):
        status, _, told = site.ask("GET", "/verdicts?rater=bob")
        assert (status, b"take another name" in told) == (400, True)
    assert site.ask("GET", "/verdicts?rater=bob")[0] == 200
    site.session.close()
    with closing(ReviewSession([site.item], {}, site.folder / "neg.jsonl", "anna")) as session:
        assert session.judged() == {"anna": 1}


def test_a_folder_that_takes_no_verdicts_is_told(site: Site) -> None:
    with pytest.raises(ConfigError, match="no verdicts can be kept beside"):
        ReviewSession([site.item], {}, site.folder / "nowhere" / "neg.jsonl", "anna")


def test_a_taken_port_is_told(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"is not available .*take another"):
        make_server(site.session, site.port)
    with pytest.raises(ConfigError, match="0 to 65535"):
        make_server(site.session, 70_000)
