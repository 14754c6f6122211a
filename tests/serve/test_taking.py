"""Clips that are taken along from a server: lists, timelines, clip files, and what is refused."""

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from finereel.client import Client
from finereel.errors import FinereelError
from finereel.export import FORMATS
from support.serving import server_process

QUERY = 'a "red" ball/../x'


@pytest.fixture(scope="module")
def own(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(library, tmp_path_factory.mktemp("taking") / "library")


@pytest.fixture(scope="module")
def client(own: Path) -> Iterator[Client]:
    with server_process(own) as server, Client(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def items(client: Client) -> list[tuple[str, float, float]]:
    return [(hit.clip_id, 0.2, 1.4) for hit in client.search("a red ball").hits]


@pytest.mark.parametrize("form", FORMATS)
def test_a_list_names_every_clip(
    client: Client, items: list[tuple[str, float, float]], form: str
) -> None:
    text = client.export(items, form, QUERY).decode()
    for name in ("red.mp4", "caf", "onerror"):
        assert name in text
    assert form in client.get("/api/status")["exports"]


def test_times_are_those_that_were_asked_for(
    client: Client, items: list[tuple[str, float, float]]
) -> None:
    hits = json.loads(client.export(items, "json", QUERY))["hits"]
    assert [(hit["clip_id"], hit["start"], hit["end"]) for hit in hits] == items


def test_scores_and_best_frames_are_those_of_the_hits(
    client: Client, items: list[tuple[str, float, float]]
) -> None:
    clip_id, start, end = items[0]
    item = {"clip_id": clip_id, "start": start + 1e-9, "end": end, "score": 7.5, "best_frame": 1.2}
    with client._http.stream(
        "POST", "/api/export", json={"format": "csv", "items": [item]}
    ) as answer:
        (row,) = csv.DictReader(io.StringIO(answer.read().decode()))
    assert (row["start"], row["score"], row["best_frame"]) == ("0.2", "7.5", "1.2")


def test_clip_files_come_as_an_archive(
    client: Client, items: list[tuple[str, float, float]], tmp_path: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(client.export(items, "clips", QUERY))) as archive:
        names = archive.namelist()
        assert len(names) == len(items)
        assert not [name for name in names if "/" in name or name.startswith(".")]
        archive.extractall(tmp_path)
    for name in names:
        with av.open(str(tmp_path / name)) as container:
            assert float(container.duration or 0) / av.time_base == pytest.approx(1.4, abs=0.2)


def test_what_cannot_be_made_is_named_in_the_archive(
    client: Client, items: list[tuple[str, float, float]]
) -> None:
    past = [items[0], (items[1][0], 500.0, 501.0)]
    with zipfile.ZipFile(io.BytesIO(client.export(past, "clips"))) as archive:
        assert len(archive.namelist()) == 2
        assert archive.read("missing.txt").decode().startswith("2 ")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"format": "exe"}, "format"),
        ({"items": []}, "items"),
        ({"items": [{"clip_id": "../../etc/passwd", "start": 0, "end": 1}]}, "no clip"),
        ({"start": 2.0, "end": 1.0}, "start < end"),
        ({"start": 0.0, "end": "Infinity"}, "end"),
        ({"format": "clips", "start": 0.0, "end": 4000.0}, "at most 3600 seconds"),
        ({"video": "/etc/passwd"}, "video"),
    ],
)
def test_what_is_refused(
    client: Client,
    items: list[tuple[str, float, float]],
    body: dict[str, Any],
    message: str,
) -> None:
    item = {"clip_id": items[0][0], "start": body.pop("start", 0.0), "end": body.pop("end", 1.0)}
    with pytest.raises(FinereelError, match=message):
        client.post("/api/export", **({"format": "csv", "items": [item]} | body))


def test_the_audit_says_how_many_and_as_what(
    client: Client, items: list[tuple[str, float, float]], own: Path
) -> None:
    client.export(items, "edl", QUERY)
    last = json.loads((own / "audit.jsonl").read_text().splitlines()[-1])
    assert (last["what"], last["format"], last["count"]) == ("export", "edl", len(items))


def test_a_read_only_server_offers_none(library: Path) -> None:
    with server_process(library, "--read-only") as server, Client(server.url) as client:
        assert client.get("/api/status")["exports"] == []
        with pytest.raises(FinereelError):
            client.export([("0000000000000000-0", 0.0, 1.0)], "csv")
