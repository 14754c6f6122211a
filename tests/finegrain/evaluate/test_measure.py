"""From a scorer and groups to a record: what is asked, in which order, what the rows say, and files
that come back.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finegrain_doubles import TableScorer, group, negative, toy_rows
from gallery_doubles import ToyModel, ToySource, make_split

from finereel.data.base import Caption, Split
from finereel.data.reelworld import WorldSource, virtual
from finereel.errors import DataError
from finereel.evaluation.reelworld import evaluate_world, make_world
from finereel.finegrain.evaluate.groups import Group, groups_of
from finereel.finegrain.evaluate.measure import (
    WRONG_VIDEO,
    Baseline,
    FineSettings,
    blind_baselines,
    measure,
    twin_groups,
    twin_pairs,
    twin_rows,
)
from finereel.finegrain.evaluate.record_files import (
    described_fine_record,
    load_fine_record,
    save_fine_record,
)
from finereel.finegrain.evaluate.results import FineRecord
from finereel.finegrain.evaluate.tables import COLUMNS, fine_facts, fine_markdown, fine_rows
from finereel.finegrain.evaluate.towers import TowerScorer
from tiny_models import FRAMES, IMAGE, tiny_model


def truth(groups: tuple[Group, ...]) -> dict[tuple[str, str], float]:
    """Every true caption scores 1 on its own video."""
    return {(found.video_id, found.caption): 1.0 for found in groups}


def settings(**changes: object) -> FineSettings:
    return replace(FineSettings(name="mine", negatives="toy"), **changes)  # type: ignore[arg-type]


def test_a_model_that_sees_is_right_and_another_video_tells_it_nothing() -> None:
    groups = groups_of(toy_rows())
    record = measure(TableScorer(truth(groups)), groups, settings())
    assert set(record.results) == {"noun", "adverb", "all"}
    row = record.results["noun"]
    assert (row["captions"], row["videos"], row["negatives"], row["candidates"]) == (6, 6, 24, 5.0)
    assert record.row("all")["MRR"] == 1.0
    assert row["baselines"][WRONG_VIDEO]["MRR"] == pytest.approx(row["chance"]["MRR"])  # all tied
    assert row["gain"][WRONG_VIDEO]["R@1"] == pytest.approx(80.0)
    low, high = row["gain"][WRONG_VIDEO]["intervals"]["R@1"]
    assert low <= 80.0 <= high + 1e-9


def test_a_caption_in_several_groups_counts_once_and_few_videos_are_said_to_be_few() -> None:
    groups = groups_of(toy_rows())
    record = measure(TableScorer(truth(groups)), groups, settings())
    row = record.results["all"]
    assert (row["captions"], row["groups"], len(groups)) == (
        record.negatives.captions_scored,
        12,
        12,
    )
    assert row["captions"] == 6
    facts = fine_facts(record)
    assert any(line.startswith("all: 6 captions in 12 groups") for line in facts)
    assert "adverb, noun, all: with fewer than 30 videos the intervals say little" in facts
    many = replace(record, results={"noun": {**record.results["noun"], "videos": 30}})
    assert not any("fewer than" in line for line in fine_facts(many))


def test_the_other_video_is_another_one_and_every_video_is_one() -> None:
    scorer, groups = TableScorer({}), groups_of(toy_rows(poses=("noun",)))
    measure(scorer, groups, settings())
    own, wrong = scorer.asked[::2], scorer.asked[1::2]
    assert all(
        one.texts == other.texts and one.video_id != other.video_id
        for one, other in zip(own, wrong, strict=True)
    )
    assert {asked.video_id for asked in wrong} == {asked.video_id for asked in own}


def test_one_video_has_no_other() -> None:
    record = measure(TableScorer({}), (group("v1#0", "a", "b"),), settings())
    assert record.results["noun"]["baselines"] == {} == record.baselines


def test_groups_keep_their_order_whatever_order_they_are_scored_in() -> None:
    groups = groups_of(toy_rows(videos=7))
    table = {
        (g.video_id, text): float(n) for n, g in enumerate(groups) for text in g.candidates.texts
    }
    record = measure(TableScorer(table), groups, settings(wrong_video=False))
    assert record.scores is not None
    assert record.scores.groups == groups
    expected = [table[g.video_id, text] for g in groups for text in g.candidates.texts]
    assert record.scores.granularities["fused"].tolist() == expected


def test_missing_videos_are_counted() -> None:
    groups = groups_of(toy_rows(videos=4))
    record = measure(TableScorer(truth(groups), missing=["v2"]), groups, settings())
    facts = record.negatives
    assert (facts.coverage, facts.captions, facts.captions_scored) == ("3/4", 4, 3)
    assert facts.groups == {"adverb": 3, "noun": 3}
    assert facts.hash != facts.scored_hash
    assert "NOT THE WHOLE SET: 1 videos" in fine_facts(record)[-1]


def test_hard_positives_give_brittleness() -> None:
    groups = (group("v1#0", "bad"), group("v2#0", "bad"), group("v3#0", "bad"))
    table = {("v1", "v1#0 true"): 3.0, ("v1", "bad"): 2.0, ("v1", "same"): 1.0}
    table |= {("v2", "v2#0 true"): 3.0, ("v2", "same"): 2.0, ("v2", "bad"): 1.0}
    record = measure(
        TableScorer(table), groups, settings(positives={"v1#0": ["same"], "v2#0": ["same", "same"]})
    )
    found = record.results["noun"]["brittleness"]
    assert (found["captions"], found["triples"], found["brittleness"], found["both_right"]) == (
        2,
        3,
        50.0,
        50.0,
    )
    assert measure(TableScorer(table), groups, settings()).results["noun"]["brittleness"] is None


def test_truncation_is_the_share_of_negatives_that_read_alike() -> None:
    record = measure(
        TableScorer({}), (group("v1#0", "v1#0 true", "b", "c", "d"), group("v2#0", "x")), settings()
    )
    assert record.results["noun"]["truncated"] == pytest.approx(1 / 5)


def test_coarse_retrieval_stands_beside() -> None:
    split = make_split("test", 4)
    groups = groups_of(
        [negative(f"{c.id}", f"{c.text} not", caption=c.text) for c in split.captions]
    )
    record = measure(TowerScorer(ToyModel(), ToySource()), groups, settings(coarse=split))
    assert record.coarse is not None
    assert record.coarse.results["text_to_video"]["fused"]["queries"] == 4
    assert record.model.weights == {"video_sentence": 0.75, "frame_sentence": 0.25}
    assert set(record.results["noun"]["granularities"]) == {
        "video_sentence",
        "frame_sentence",
        "fused",
    }


def test_a_blind_baseline_stands_beside_on_the_same_candidates() -> None:
    rows = [
        negative(f"v{n}#0", f"a man zzz slowly {n}", caption=f"a man walks slowly {n}")
        for n in range(8)
    ]
    captions = [Caption(f"w{n}#0", f"w{n}", "a man walks slowly") for n in range(20)]
    blind = blind_baselines(rows, captions, ("trigram", "length"))
    record = measure(TableScorer({}), groups_of(rows), settings(blind=blind))
    row = record.results["noun"]
    assert row["baselines"]["trigram"]["R@1"] == 100.0
    assert row["baselines"]["length"]["R@1"] == 0.0  # the negatives are shorter
    assert row["gain"]["trigram"]["MRR"] == pytest.approx(-0.25)
    assert "20" in record.baselines["trigram"]


def test_a_baseline_of_other_candidates_is_refused() -> None:
    with pytest.raises(DataError, match="2 scores for the noun group"):
        Baseline({("v1#0", "noun"): np.zeros(2)}, "made").of([group("v1#0", "a", "b")])
    with pytest.raises(DataError, match="0 scores"):
        Baseline({}, "made").of([group("v1#0", "a", "b")])


def test_the_order_of_rows_in_the_file_does_not_change_baselines() -> None:
    rows = toy_rows(videos=3, negatives=3)
    shuffled = [rows[number] for number in np.random.default_rng(0).permutation(len(rows))]
    captions = [Caption("w#0", "w", "v0 noun 1")]
    for given in (rows, shuffled):
        groups = groups_of(given)
        scores = blind_baselines(given, captions)["trigram"].of(groups)
        texts = [text for found in groups for text in found.candidates.texts]
        known = dict(zip(texts, scores.tolist(), strict=True))
        assert known["v0 noun 1"] > known["v0 noun 2"]


@pytest.fixture
def record() -> FineRecord:
    groups = (
        group("v1#0", "\x00<b>", "=1+1"),
        group("v2#0", "\ud800", "人"),
        group("v2#0", "w", pos="verb"),
    )
    return measure(TableScorer(truth(groups)), groups, settings(positives={"v1#0": ["same"]}))


def test_a_record_comes_back_from_its_files(record: FineRecord, tmp_path: Path) -> None:
    save_fine_record(record, tmp_path)
    again = load_fine_record(tmp_path)
    assert described_fine_record(again) == json.loads(json.dumps(described_fine_record(record)))
    assert again.scores is not None
    assert record.scores is not None
    assert again.scores.groups == record.scores.groups
    assert again.scores.triples is not None
    np.testing.assert_array_equal(
        again.scores.granularities["fused"], record.scores.granularities["fused"]
    )


@pytest.mark.parametrize("kind", ["granularities", "baselines"])
def test_a_changed_number_is_found(record: FineRecord, tmp_path: Path, kind: str) -> None:
    save_fine_record(record, tmp_path)
    described = json.loads((tmp_path / "record.json").read_text())
    next(iter(described["results"]["noun"][kind].values()))["MRR"] += 0.001
    (tmp_path / "record.json").write_text(json.dumps(described))
    with pytest.raises(DataError, match="changed after it was written"):
        load_fine_record(tmp_path)


def test_another_file_and_another_format_are_refused(record: FineRecord, tmp_path: Path) -> None:
    save_fine_record(record, tmp_path)
    (tmp_path / "scores.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"scores\.npz is not the file"):
        load_fine_record(tmp_path)
    (tmp_path / "record.json").write_text('{"format": "finereel-run", "version": 1}')
    with pytest.raises(DataError, match="finereel-fine-run of version 1"):
        load_fine_record(tmp_path)
    with pytest.raises(DataError, match="finegrain evaluate"):
        load_fine_record(tmp_path / "nowhere")


def test_the_table_has_chance_and_baselines_under_every_part_of_speech(record: FineRecord) -> None:
    rows = fine_rows(record)
    assert all(len(row.cells) == len(COLUMNS) for row in rows)
    assert [row.cells[1] for row in rows if row.cells[0] == "verb"] == [
        "fused",
        WRONG_VIDEO,
        "chance",
    ]
    assert f"over {WRONG_VIDEO}" in rows[0].cells[-2]
    text = fine_markdown(record)
    assert text.startswith("| part of speech | score | R@1 |")
    assert "brittleness" in text


def test_a_record_that_lacks_something_names_its_file(record: FineRecord, tmp_path: Path) -> None:
    save_fine_record(record, tmp_path)
    described = json.loads((tmp_path / "record.json").read_text())
    del described["coarse"]
    (tmp_path / "record.json").write_text(json.dumps(described))
    with pytest.raises(DataError, match=r"record\.json lacks something.*coarse"):
        load_fine_record(tmp_path)


# ReelWorld's twins by any scorer: names that the clip source knows, and the four scores in their
# places.
SPLIT = virtual({"test": 3}).split("test")


def test_pairs_are_the_twins_of_the_data_set() -> None:
    whole = {
        caption.video_id: caption.text
        for caption in virtual({"test": 3}, with_twins=True).split("test").captions
    }
    pairs = twin_pairs(SPLIT)
    assert {pair.twin_id: pair.twin_caption for pair in pairs} == {
        v: t for v, t in whole.items() if "~" in v
    }
    assert all(pair.caption == whole[pair.video_id] for pair in pairs)
    assert not WorldSource().problems([pair.twin_id for pair in pairs])


def test_a_split_of_files_has_no_twins() -> None:
    with pytest.raises(DataError, match="no drawn scenes"):
        twin_pairs(Split("test", ("a.mp4",), ()))


def test_groups_are_one_true_and_one_twin_caption() -> None:
    pairs = twin_pairs(SPLIT)
    groups = twin_groups(pairs)
    assert len({(group.caption_id, group.pos) for group in groups}) == len(pairs)
    assert groups[0].candidates.texts == (pairs[0].caption, pairs[0].twin_caption)


@pytest.mark.parametrize(("video", "expected"), [(True, 100.0), (False, 0.0)])
def test_each_score_is_in_its_place(video: bool, expected: float) -> None:
    """Text is always right; the video direction is right where a video prefers its own caption by
    more.
    """
    pairs = twin_pairs(SPLIT)
    table = {}
    for pair in pairs:
        table |= {(pair.video_id, pair.caption): 3.0, (pair.video_id, pair.twin_caption): 1.0}
        high = 0.0 if video else 4.0
        table |= {(pair.twin_id, pair.caption): high, (pair.twin_id, pair.twin_caption): 5.0}
    found = twin_rows(TableScorer(table), pairs)
    row = found["rows"]["all"]["fused"]
    assert (row["text"]["percent"], row["video"]["percent"], row["group"]["percent"]) == (
        100.0,
        expected,
        expected,
    )
    assert sum(found["pairs"].values()) == len(pairs)


def test_missing_twins_are_counted() -> None:
    pairs = twin_pairs(SPLIT)
    found = twin_rows(TableScorer({}, missing=[pairs[0].twin_id]), pairs)
    assert found["missing"] == 1
    with pytest.raises(DataError, match="none of the"):
        twin_rows(TableScorer({}, missing=[pair.twin_id for pair in pairs]), pairs)


def test_the_numbers_are_those_of_the_world_evaluation() -> None:
    model = tiny_model(max_words=20)
    found = twin_rows(TowerScorer(model, WorldSource(IMAGE, FRAMES)), twin_pairs(SPLIT))
    expected = evaluate_world(model, make_world("test", 3, 0, FRAMES, IMAGE)).twins
    for pos, accuracy in expected.items():
        row = found["rows"][pos]["fused"]
        assert row["text"]["percent"] == accuracy.text.percent
        assert row["group"]["percent"] == accuracy.group.percent
        assert row["text"]["interval"] == [accuracy.text.interval.low, accuracy.text.interval.high]
