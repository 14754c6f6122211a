"""Libraries that keep tokens in fewer bytes: indexed so, converted, asked, refused and compared."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from finereel.codecs import CODECS
from finereel.errors import ConfigError
from finereel.index import token_migration
from finereel.index.checksums import CHECKSUM_COLUMNS
from finereel.index.events import AddSettings
from finereel.index.store import ClipStore
from finereel.library import Library
from finereel.models.heads import HEADS
from index.doubles import ToySource, write_video
from tiny_models import tiny_peer

QUERY = "a small blue fish"
SMALL = pytest.mark.parametrize("tokens", ["int8", "2bit"])


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    write_video(tmp_path / "videos" / "a.toy", "dog", "cat", "cow")
    write_video(tmp_path / "videos" / "b.toy", "car")
    return tmp_path / "videos"


def indexed(videos: Path, name: str, tokens: str | None, head: str = "ucofia") -> Library:
    library = Library.open(videos.parent / name, tiny_peer(head), ToySource())
    assert library.add([videos], settings=AddSettings(tokens=tokens)).clips == 4
    return library


def token_rows(library: Library) -> dict[tuple[str, float], tuple[object, ...]]:
    """All that a library keeps of the features of its clips, byte by byte."""
    snapshot = ClipStore.open(next(library.path.glob("index-*"))).snapshot()
    features = [
        name
        for name in snapshot.names
        if name.startswith(("vector", "frame", "patch", "contextual"))
    ]
    rows = snapshot.rows(["video_id", "start", *features])
    assert not set(features) & set(CHECKSUM_COLUMNS)
    return {
        (row["video_id"], row["start"]): tuple(str(row[name]) for name in features)
        for row in rows.to_pylist()
    }


def scores(library: Library) -> dict[tuple[str, float], float]:
    hits = library.search(QUERY, 4, per_video=None)
    return {(hit.video, hit.start): hit.score for hit in hits}


@pytest.mark.parametrize("head", HEADS)
def test_any_head_searches_what_is_kept_in_fewer_bytes(videos: Path, head: str) -> None:
    library = indexed(videos, "library", None, head)
    wanted = scores(library)
    spread = max(1.0, max(wanted.values()) - min(wanted.values()))
    for tokens, near in (("int8", 0.1), ("2bit", 1.5)):
        library.migrate(tokens=tokens)
        close = {key: pytest.approx(value, abs=near * spread) for key, value in wanted.items()}
        assert close == scores(library)


@SMALL
def test_converted_is_the_same_as_indexed_so(videos: Path, tokens: str) -> None:
    so, converted = indexed(videos, "so", tokens), indexed(videos, "converted", None)
    assert converted.status().tokens == "fp16"
    assert converted.migrate(tokens=tokens).clips == 4
    again = Library.open(converted.path, tiny_peer("ucofia"), ToySource())
    assert again.status().tokens == tokens
    assert token_rows(again) == token_rows(so)
    assert scores(again) == scores(so)
    assert not again.doctor(verify=True)
    assert again.migrate(tokens=tokens).clips == 0
    # What comes later is kept in the library's own format.
    write_video(videos / "c.toy", "kite")
    assert again.add([videos]).clips == 1
    assert len(token_rows(again)) == 5


def test_only_a_smaller_format_can_be_made(videos: Path) -> None:
    library = indexed(videos, "library", "int8")
    with pytest.raises(ConfigError, match=r"are int8, from which no fp16 can be made; index"):
        library.migrate(tokens="fp16")
    with pytest.raises(ConfigError, match=r"keeps tokens as int8, got 2bit: leave --tokens out"):
        library.add([videos], settings=AddSettings(tokens="2bit"))
    with pytest.raises(ConfigError, match="expected one of"):
        AddSettings(tokens="4bit")
    assert library.migrate(tokens="2bit").clips == 4


def test_a_rebuild_keeps_the_format(videos: Path) -> None:
    library = indexed(videos, "library", "int8")
    library.rebuild(tiny_peer("ucofia", seed=3))
    assert library.status().tokens == "int8"
    assert len(scores(library)) == 4


def test_a_conversion_that_is_stopped_leaves_the_former_table(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = indexed(videos, "library", None)
    before = token_rows(library)

    def killed(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(token_migration, "_in_form", killed)
        with pytest.raises(Exception, match="killed"):
            library.migrate(tokens="int8")
    again = Library.open(library.path, tiny_peer("ucofia"), ToySource())
    assert again.status().tokens == "fp16"
    assert token_rows(again) == before
    assert again.migrate(tokens="int8").clips == 4


def test_formats_are_compared(videos: Path) -> None:
    library = indexed(videos, "library", None)
    found = library.compare_formats([QUERY, "a red car"])
    assert [result.tokens for result in found] == list(CODECS)
    assert [result.stored for result in found] == [True, False, False]
    assert found[0].overlap == found[0].best == 1.0
    assert found[0].bytes_per_clip > found[1].bytes_per_clip > found[2].bytes_per_clip
    library.migrate(tokens="int8")
    smaller = library.compare_formats([QUERY])
    assert [(result.tokens, result.bytes_per_clip) for result in smaller] == [
        (result.tokens, result.bytes_per_clip) for result in found[1:]
    ]
    with pytest.raises(ConfigError, match="0 texts and 4 clips"):
        library.compare_formats([])


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path) -> None:
    from support.media import make_video

    (tmp_path / "videos").mkdir()
    make_video(tmp_path / "videos" / "a.mp4")
    library = ["--library", str(tmp_path / "library")]

    def finereel(*arguments: str) -> str:
        command = [sys.executable, "-m", "finereel", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    given = ["--model", "reelworld-tiny", "--tokens", "int8"]
    finereel("index", str(tmp_path / "videos"), *library, *given)
    assert json.loads(finereel("status", *library, "--json"))["tokens"] == "int8"
    assert "a.mp4" in finereel("search", "a car", *library)
    finereel("migrate", *library, "--tokens", "2bit")
    told = json.loads(finereel("compression", library[1], "--json"))
    assert [result["tokens"] for result in told["formats"]] == ["2bit"]
