"""What each route answers, from a server in a process of its own."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from finereel.client import Client
from finereel.library import Library
from support.processes import anew
from support.serving import BYTES, HOSTILE, ServerProcess, server_process


@pytest.fixture(scope="module")
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.base, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def hits(http: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get("/api/search", params={"q": "a red ball"}).json()["hits"]
    return found


@pytest.fixture(scope="module")
def red(hits: list[dict[str, Any]]) -> dict[str, Any]:
    return next(hit for hit in hits if hit["video"].endswith("red.mp4"))


def test_search_answers_as_the_command_does(http: httpx.Client, library: Path) -> None:
    arguments = ("search", "a red ball", "--top", "2", "--json-version", "2")
    printed = anew(library.parent, *arguments, "--library", str(library))
    answer = http.get("/api/search", params={"q": "a red ball", "top": 2}).json()
    more = {"count", "commit", "took_ms", "notes"}
    assert set(answer) == set(printed) | more
    assert [set(hit) - {"file_id"} for hit in answer["hits"]] == [
        set(hit) for hit in printed["hits"]
    ]
    for ours, theirs in zip(answer["hits"], printed["hits"], strict=True):
        assert {name: ours[name] for name in theirs if name not in ("score", "parts")} == {
            name: theirs[name] for name in theirs if name not in ("score", "parts")
        }
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-5)
        assert ours["file_id"] == ours["clip_id"][:16]
    assert answer["count"] == 2
    assert answer["commit"] == Library.open(library).commit()


@pytest.mark.parametrize(
    ("asked", "kind", "message"),
    [
        ({"q": ""}, "QueryError", "the query is empty"),
        ({}, "ConfigError", "q: field required"),
        ({"q": "a", "top": "many"}, "ConfigError", "top: "),
        ({"q": "a", "top": 100_000}, "ConfigError", "top: "),
        ({"q": "a", "per_video": 0}, "ConfigError", "per_video: "),
        ({"q": "a", "since": "soon"}, "ConfigError", "expected a date"),
        ({"q": "a", "folder": "videos"}, "ConfigError", "absolute path"),
        ({"q": "a", "tag": "nowhere"}, "QueryError", "no video passes the filters"),
        ({"q": "a", "min_s": 9, "max_s": 3}, "ConfigError", "no video is both"),
        ({"q": "a", "min_s": "nan"}, "ConfigError", "expected a length"),
        ({"q": "a", "not": "a"}, "ConfigError", "differ from each other"),
        ({"q": "a", "then": "b", "not": "c"}, "ConfigError", "query of its own"),
        ({"q": "a", "path": "/etc"}, "ConfigError", "path: extra"),
    ],
)
def test_wrong_questions(
    http: httpx.Client, asked: dict[str, Any], kind: str, message: str
) -> None:
    answer = http.get("/api/search", params=asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == kind
    assert message in answer.json()["error"]["message"]


def test_filters_and_several_texts(http: httpx.Client, hits: list[dict[str, Any]]) -> None:
    folder = str(Path(hits[0]["video"]).parent)
    one = {"q": "a ball", "folder": hits[0]["video"]}
    assert http.get("/api/search", params=one).json()["count"] == 1
    several = {
        "q": "a ball",
        "folder": [folder],
        "min_s": 1,
        "max_s": 60,
        "not": ["a car", "a fish"],
    }
    answer = http.get("/api/search", params=several).json()
    assert set(answer["hits"][0]["parts"]) == {"a ball", "not a car", "not a fish"}
    assert http.get("/api/search", params={"q": "a ball not on grass"}).json()["notes"] != []


def test_file_names_survive_whatever_is_in_them(
    http: httpx.Client, hits: list[dict[str, Any]]
) -> None:
    names = sorted(Path(hit["video"]).name for hit in hits)
    assert names == sorted([HOSTILE, BYTES, "red.mp4"])
    for hit in hits:
        file = http.get(f"/api/files/{hit['file_id']}").json()
        assert file["name"] == Path(hit["video"]).name
        assert http.head(f"/media/{hit['file_id']}").status_code == 200


def test_a_clip_and_its_file(http: httpx.Client, red: dict[str, Any]) -> None:
    clip = http.get(f"/api/clips/{red['clip_id']}").json()
    assert (clip["video"], clip["start"], clip["end"]) == (red["video"], 0.0, 2.0)
    assert len(clip["strip_seconds"]) == 6
    assert set(clip["strip_seconds"]) <= set(clip["seconds"])
    file = http.get(f"/api/files/{red['file_id']}").json()
    assert (file["width"], file["height"], file["video_codec"]) == (96, 64, "h264")
    assert (file["here"], file["subtitles"], file["audio_codec"]) == (True, True, "none")
    assert file["clips"] == [clip]


def test_pictures(http: httpx.Client, red: dict[str, Any]) -> None:
    for address, kind, size in (("thumb", "WEBP", (96, 64)), ("strip", "WEBP", (6 * 96, 64))):
        answer = http.get(f"/{address}/{red['clip_id']}")
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.format, picture.size) == (kind, size)
        assert http.get(f"/{address}/0123456789abcdef-00000").status_code == 404


def test_evidence_timeline_and_similar(http: httpx.Client, red: dict[str, Any]) -> None:
    told = http.get(f"/api/clips/{red['clip_id']}/evidence", params={"q": "a red ball"}).json()
    assert [word["word"] for word in told["words"]] == ["red", "ball"]
    assert sum(told["hit"]["parts"].values()) == pytest.approx(told["hit"]["score"], abs=1e-4)
    asked = {"q": "a red ball", "places": "1"}
    placed = http.get(f"/api/clips/{red['clip_id']}/evidence", params=asked).json()
    assert placed["picture"]["jpeg"]
    line = http.get(f"/api/files/{red['file_id']}/timeline", params={"q": "a ball"}).json()
    assert len(line["seconds"]) == len(line["scores"]) > 1
    assert line["moments"]
    alike = http.get(f"/api/clips/{red['clip_id']}/similar", params={"top": 5}).json()
    assert red["clip_id"] not in [hit["clip_id"] for hit in alike["hits"]]
    assert alike["count"] == len(alike["hits"]) == 2
    for path in (
        "/api/clips/x/evidence?q=a",
        "/api/clips/x/similar",
        "/api/files/x/timeline?q=a",
        "/api/files/x",
        "/api/clips/x",
        "/api/clips/x'%20or%201=1",
    ):
        assert http.get(path).status_code == 404


def test_subtitles_hold_no_markup(http: httpx.Client, red: dict[str, Any]) -> None:
    answer = http.get(f"/subtitles/{red['file_id']}.vtt")
    assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
    assert answer.text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n")
    assert "fish &amp; chips" in answer.text
    assert "<" not in answer.text
    assert http.get(f"/subtitles/{red['file_id']}.srt").status_code == 404


def test_status_problems_and_health(http: httpx.Client, server: ServerProcess) -> None:
    status = http.get("/api/status").json()
    assert (status["videos"], status["clips"], status["read_only"]) == (3, 3, False)
    assert status["may_index"] is False
    assert http.get("/api/problems").json() == {"problems": []}
    assert httpx.get(f"{server.base}/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready"}
    assert http.get("/metrics").status_code == 404
    paths = http.get("/api/openapi.json").json()["paths"]
    assert "/api/search" in paths
    assert "not" in json.dumps(paths["/api/search"])


def test_metrics_when_asked_hold_no_query(library: Path) -> None:
    with server_process(library, "--metrics") as server, Client(server.url) as client:
        client.search("a very secret thing")
        told = client.read("/metrics").decode()
        answers = 'finereel_answers_total{method="GET",route="/api/search",status="200"} 1.0'
        assert answers in told
        assert "finereel_clips 3.0" in told
        assert "secret" not in told
        assert httpx.get(f"{server.base}/metrics").status_code == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(http: httpx.Client, method: str) -> None:
    assert http.request(method, "/api/search").status_code in (403, 405)
    allowed = {"X-Finereel": "1"}
    assert http.request(method, "/api/tags", headers=allowed).status_code == 405


def test_a_read_only_server_refuses_every_change(library: Path) -> None:
    before = sorted(path.name for path in library.iterdir())
    with server_process(library, "--read-only", "--root", "/") as server:
        headers = {"Authorization": f"Bearer {server.token}", "X-Finereel": "1"}
        with httpx.Client(base_url=server.base, headers=headers) as client:
            for path in ("feedback", "tags", "index", "index/stop", "export"):
                answer = client.post(f"/api/{path}", json={})
                assert answer.status_code == 403
                assert "--read-only" in answer.json()["error"]["message"]
            assert client.get("/api/search", params={"q": "a ball"}).status_code == 200
    assert sorted(path.name for path in library.iterdir()) == before
