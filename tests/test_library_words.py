"""Every line of the subtitles of real files can be found, word for word, in any container."""

import random
from pathlib import Path

import pytest

from finereel.index.query import Query
from finereel.library import Library
from index.doubles import ToyModel
from support.subtitled import TRACKS, Spoken, as_ass, as_srt, as_vtt, make_subtitled

FILES = 20
COMMON = (
    "apple river window yellow garden silver morning letter winter corner button candle ladder "
    "the of a to and is it was not in"
)
WORDS = COMMON.split()
OTHER = (
    "東京に住んでいます",
    "今天天气很好我们去公园",
    "안녕하세요 여러분",
    "Größe & Maß, 3.14 km",
    "Привет, мир!",
)
SIDECARS = (("", ".srt", as_srt), (".en", ".vtt", as_vtt), (".pt-BR", ".ass", as_ass))


def lines_of(number: int) -> list[Spoken]:
    """Five lines of a video of eight seconds, which no other video has."""
    chance = random.Random(number)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(1, 9))) for _ in range(3)]
    texts = [f"{text} file{number} line{place}" for place, text in enumerate(texts)]
    texts += [OTHER[number % len(OTHER)], f"I don't know, e.g. {number}/7 — (well)…"]
    starts = sorted(chance.uniform(0, 7) for _ in texts)
    spans = [(round(start, 2), round(start, 2) + 0.8) for start in starts]
    return [(*span, text) for span, text in zip(spans, texts, strict=True)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("talking")
    for number in range(FILES):
        suffix = list(TRACKS)[number % len(TRACKS)]
        embedded = number % 8 < 4
        cues = lines_of(number)
        path = folder / "videos" / f"film{number}{suffix}"
        path.parent.mkdir(exist_ok=True)
        make_subtitled(path, cues if embedded else (), seconds=8, grey=10 * number)
        if not embedded:
            language, ending, form = SIDECARS[number % len(SIDECARS)]
            escaped = [
                (a, b, t.replace("&", "&amp;") if ending == ".vtt" else t) for a, b, t in cues
            ]
            path.with_name(f"film{number}{language}{ending}").write_text(form(escaped))
    opened = Library.open(folder / "library", ToyPictures())
    report = opened.add([folder / "videos"])
    assert (report.indexed, report.failed) == (FILES, 0)
    opened.close()
    return opened


class ToyPictures(ToyModel):
    """Takes pictures of any size."""

    def _project(self, pixels):  # type: ignore[no-untyped-def]
        return super()._project(pixels[:, :8, :8])


def test_every_line_is_found_in_its_own_clip(library: Library) -> None:
    lost = []
    for number in range(FILES):
        for start, end, text in lines_of(number):
            hits = library.search(Query(f'"{text}"', top=FILES, per_video=None))
            found = [
                hit
                for hit in hits
                if hit.source != "seen"
                and Path(hit.video).stem == f"film{number}"
                and hit.start < end
                and start < hit.end
            ]
            if not found or text not in found[0].said.split(" / "):
                lost.append((number, text))
            if "file" in text:
                assert hits[0] == found[0]
    assert lost == []


def test_no_line_is_found_with_a_word_changed(library: Library) -> None:
    for number in range(FILES):
        text = lines_of(number)[0][2].replace("file", "nofile")
        hits = library.search(Query(f'"{text}"', top=FILES))
        assert {hit.source for hit in hits} == {"seen"}
