"""Words by swaps, places by hiding, and the parts of a score."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from finereel.errors import ModelError, QueryError
from finereel.index import explain, places
from finereel.index.evidence import (
    QueryWord,
    WordEvidence,
    WordFinder,
    WordRecord,
    judged_word,
    records_of,
    words_of,
)
from finereel.index.explain import HitAddress
from finereel.index.places import Box, ClipView, box_of, find_places, place_of
from finereel.library import Library
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.reelworld import captions, frame_times, render, sample_scene
from finereel.types import Frames
from index.doubles import ToyModel, ToySource, word_frames, write_video

RECORD = {"pair_accuracy": 95.0, "margin": 0.5}


class JudgingModel(ToyModel):
    """A toy model with a record for every part of speech: a text is what its words' pixels are."""

    card: ClassVar[dict[str, object]] = {
        "words": dict.fromkeys(("noun", "verb", "adjective"), RECORD)
    }


@pytest.fixture(scope="module")
def finder() -> WordFinder:
    return WordFinder({})


@pytest.fixture(scope="module")
def tiny() -> RetrievalModel:
    return load("reelworld-tiny")


def scene_frames(number: int, count: int = 12) -> Frames:
    times = frame_times(count)
    return Frames(render(sample_scene(number, "test"), times, 80), np.array(times))


def toy(tmp_path: Path, model: ToyModel, *words: str) -> Library:
    write_video(tmp_path / "videos" / "a.toy", *words)
    library = Library.open(tmp_path / "library", model, ToySource())
    library.add([tmp_path / "videos"])
    return library


def test_content_words_have_siblings_in_their_own_form(finder: WordFinder) -> None:
    found = {word.text: word for word in finder.words("a red dog is sleeping in the house")}
    assert "is" not in found
    assert "cat" in found["dog"].siblings
    assert "blue" in found["red"].siblings
    assert "a red cat is sleeping in the house" in found["dog"].swapped
    assert found["dog"].dropped == "a red is sleeping in the house"
    assert len(found["red"].siblings) <= 6


def test_siblings_that_the_query_names_are_hidden(finder: WordFinder) -> None:
    words = finder.words("a dog chases a cat")
    assert all("cat" not in word.siblings for word in words if word.text == "dog")


def test_known_rivals_come_before_the_curated_sets() -> None:
    records = {"noun": WordRecord(90.0, 0.1, (("car", "kite"),))}
    (car,) = [word for word in WordFinder(records).words("a red car") if word.text == "car"]  # type: ignore[arg-type]
    assert car.siblings == ("kite",)


def test_a_query_without_content_words_has_none(finder: WordFinder) -> None:
    assert finder.words("the of and") == ()


def test_a_model_whose_answer_is_certain_is_right(tmp_path: Path) -> None:
    library = toy(tmp_path, JudgingModel(), "cat")
    video = tmp_path / "videos" / "a.toy"
    (true,) = library.explain("cat", video).words
    (false,) = library.explain("dog", video).words
    assert (true.verdict, true.rather, true.said) == ("supported", None, "supported")
    assert (false.verdict, false.rather) == ("contradicted", "cat")
    assert true.drop is None  # nothing would be left of the query


def test_without_a_record_nothing_is_more_than_undecided(tmp_path: Path) -> None:
    library = toy(tmp_path, ToyModel(), "cat")
    for query in ("cat", "dog"):
        (word,) = library.explain(query, tmp_path / "videos" / "a.toy").words
        assert word.verdict == "undecided"


WORD = QueryWord("runs", 4, 8, "verb", ("walks", "sits"), ("he walks", "he sits"), "he")


@pytest.mark.parametrize(
    ("record", "swaps", "verdict", "rather"),
    [
        (WordRecord(90.0, 0.5), [0.0, 0.2], "supported", None),
        (WordRecord(90.0, 0.5), [0.0, 0.6], "undecided", None),
        (WordRecord(90.0, 0.5), [0.0, 1.4], "undecided", None),
        (WordRecord(90.0, 0.5), [0.0, 1.6], "contradicted", "sits"),
        (WordRecord(59.0, 0.5), [0.0, 1.6], "undecided", None),
        (WordRecord(90.0, None), [0.0, 1.6], "undecided", None),
        (None, [0.0, 1.6], "undecided", None),
        (WordRecord(90.0, 0.5), [], "not checked", None),
    ],
)
def test_verdicts(
    record: WordRecord | None, swaps: list[float], verdict: str, rather: str | None
) -> None:
    found = judged_word(WORD, 1.0, swaps, 0.1, record)
    assert (found.verdict, found.rather) == (verdict, rather)


@pytest.mark.parametrize(
    "card", [{}, {"words": None}, {"words": {"noun": 3}}, {"words": {"noun": {"margin": "x"}}}]
)
def test_a_card_without_a_sound_record_has_none(card: dict[str, object]) -> None:
    assert records_of(card) == {}


def test_clips_judged_together_are_judged_alike(tiny: RetrievalModel) -> None:
    query = captions(sample_scene(0, "test"))[0]
    both = tiny.encode_video([scene_frames(0), scene_frames(1)])
    together = words_of(tiny, query, both)
    for number in range(2):
        alone = words_of(tiny, query, both.rows(slice(number, number + 1)))[0]
        for one, other in zip(together[number], alone, strict=True):
            assert one.verdict == other.verdict
            assert one.swap == pytest.approx(other.swap, abs=1e-4)


def test_padding_changes_no_word(tiny: RetrievalModel) -> None:
    query, video = captions(sample_scene(0, "test"))[0], tiny.encode_video([scene_frames(0, 7)])
    poisoned = replace(
        video,
        frames=video.frames.masked_fill(~video.frame_mask[..., None], 1e4),
        patches=video.patches.masked_fill(~video.patch_mask[..., None], 1e4),
    )
    assert not video.frame_mask.all()
    assert words_of(tiny, query, poisoned) == words_of(tiny, query, video)


def test_a_view_scores_as_the_model_does(tiny: RetrievalModel) -> None:
    clip, query = scene_frames(0, 7), captions(sample_scene(0, "test"))[0]
    text, view = tiny.encode_text([query]), ClipView(tiny, clip)
    whole = tiny.score(text, tiny.encode_video([clip])).fused[:, 0]
    assert torch.allclose(view.score(text), whole, atol=1e-4)
    nothing = torch.zeros(7, 25, dtype=torch.bool)
    assert torch.equal(view.score(text, nothing), view.score(text))
    assert view.maps(query, [(0, 1)]).shape == (1, 7, 25)
    assert float(view.maps(query, [(2, 8)]).abs().max()) <= 1.0 + 1e-5


def test_hiding_everything_costs_score(tiny: RetrievalModel) -> None:
    text = tiny.encode_text([captions(sample_scene(0, "test"))[0]])
    view = ClipView(tiny, scene_frames(0))
    assert view.score(text, torch.ones(12, 25, dtype=torch.bool)) < view.score(text)


def test_a_place_is_given_only_where_hiding_it_costs_most(
    tiny: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = ClipView(tiny, scene_frames(0))
    text = tiny.encode_text(["a car"])
    needed = torch.tensor([6, 7, 8])

    def scores(self: ClipView, text: object, hidden: torch.Tensor) -> torch.Tensor:
        return 3.0 - hidden[:, 0, needed].sum(1, keepdim=True).float()

    monkeypatch.setattr(ClipView, "scores", scores)
    right, wrong = torch.zeros(25), torch.zeros(25)
    right[needed], wrong[[1, 2, 3]] = 1.0, 1.0
    place = place_of(view, text, 0, right, "car")
    assert place is not None
    assert place.cost == 3.0 > place.random_cost
    assert place.box == Box(0.2, 0.2, 0.8, 0.4)
    assert place_of(view, text, 0, wrong, "car") is None
    assert place_of(view, text, 0, torch.zeros(25), "car") is None


def test_random_maps_are_refused(tiny: RetrievalModel) -> None:
    chance, refused = torch.Generator().manual_seed(0), 0
    for number in range(5):
        view = ClipView(tiny, scene_frames(number))
        text = tiny.encode_text([captions(sample_scene(number, "test"))[0]])
        refused += place_of(view, text, 3, torch.rand(25, generator=chance), "car") is None
    assert refused >= 4


def test_a_word_that_lowers_the_score_has_no_place(
    tiny: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(places, "place_of", lambda *given: asked.append(given[-1]))
    words = [
        WordEvidence("red", 2, 5, "adjective", "undecided", None, 0.1, -1.0),
        WordEvidence("car", 6, 9, "noun", "undecided", None, 0.1, 1.0),
    ]
    assert find_places(tiny, "a red car", scene_frames(0), words) == ((), places.NO_PLACE)
    assert asked == ["car"]


def test_a_box_holds_what_is_joined_to_the_maximum() -> None:
    values = torch.zeros(16)
    values[[5, 6, 15]] = torch.tensor([1.0, 0.7, 0.0])
    assert box_of(values, 4) == Box(0.25, 0.25, 0.75, 0.5)
    values[3] = 0.9  # joined to 6 by a corner
    assert box_of(values, 4) == Box(0.25, 0.0, 1.0, 0.5)


def test_models_without_trained_patches_name_no_place(tiny: RetrievalModel) -> None:
    assert find_places(ToyModel(), "cat", word_frames("cat"), ()) == ((), places.NO_PATCHES)
    untrained = RetrievalModel(
        tiny.encoder, tiny.config, tiny.tokenizer, "plain", {"trained": False}
    )
    assert places.refusal(untrained) == places.NO_PATCHES
    with pytest.raises(ModelError, match="patch_word"):
        ClipView(untrained, scene_frames(0))


def test_parts_sum_to_the_score_of_the_search(tmp_path: Path) -> None:
    library = toy(tmp_path, JudgingModel(), "cat", "tree")
    library.fit_normalization(["cat", "dog", "bird"])
    (hit,) = library.search("cat")
    found = library.explain("cat", 1)
    assert found.hit.score == pytest.approx(hit.score, abs=1e-4)
    assert sum(found.hit.parts.values()) == pytest.approx(found.hit.score, abs=1e-4)
    assert found.picture is not None
    assert found.notes == (f"where: {places.NO_PATCHES}",)


def test_a_time_chooses_the_clip(tmp_path: Path) -> None:
    library = toy(tmp_path, JudgingModel(), "cat", "tree")
    video = tmp_path / "videos" / "a.toy"
    assert library.explain("tree", video).hit.start == 2.0
    assert library.explain("tree", video, 1.0).hit.start == 0.0
    with pytest.raises(QueryError, match="0 to 4 seconds"):
        library.explain("tree", video, 9.0)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    library = toy(tmp_path, JudgingModel(), "cat")
    with pytest.raises(QueryError, match="expected a video of the library"):
        library.explain("cat", tmp_path / "elsewhere.toy")
    with pytest.raises(QueryError, match="rank from 1 to 1"):
        library.explain("cat", 2)
    assert explain.NO_WORDS in library.explain("the of", 1).notes


def test_a_file_that_moved_keeps_its_words(tmp_path: Path) -> None:
    library = toy(tmp_path, JudgingModel(), "cat")
    video = tmp_path / "videos" / "a.toy"
    video.rename(tmp_path / "b.toy")
    found = library.explain("cat", video)
    assert found.picture is None
    assert found.words[0].verdict == "supported"
    assert "the file is not there now" in found.notes[0]


def test_words_of_hits_encode_the_query_once(tmp_path: Path) -> None:
    library = toy(tmp_path, JudgingModel(), "cat", "dog")
    hits = library.search("cat", per_video=None)
    judged = library.words("cat", hits)
    assert [row[0].verdict for row in judged] == ["supported", "contradicted"]
    gone = replace(hits[0], clip_id="gone")
    assert library.words("cat", [gone, hits[1]])[0] == ()
    assert HitAddress("a").seconds is None
