"""Judgements on hits, and the Platt scaling that is kept only where it predicts better."""

from pathlib import Path

import numpy as np
import pytest

from finereel.errors import ConfigError, QueryError
from finereel.index.feedback import (
    NAME,
    HitJudgement,
    PlattScaling,
    calibrate,
    judgements,
    learn,
    load_scaling,
    record,
)
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video

MODEL = ToyModel()


def made(root: Path) -> Library:
    for name in ("a", "b"):
        write_video(root / "videos" / f"{name}.toy", f"{name}1", f"{name}2")
    library = Library.open(root / "library", MODEL, ToySource())
    library.add([root / "videos"])
    return library


def said(count: int, slope: float, offset: float, seed: int = 0) -> list[HitJudgement]:
    """Judgements, two of a query, whose truth follows a scaling."""
    random = np.random.default_rng(seed)
    truth = PlattScaling(slope, offset)
    return [
        HitJudgement(
            f"query {number // 2}", f"clip {number}", bool(random.random() < truth.right(p)), p, "m"
        )
        for number, p in enumerate(random.uniform(0.002, 1.0, count).tolist())
    ]


def test_the_scaling_that_judgements_follow_is_found() -> None:
    learnt = calibrate(said(4000, 0.5, -1.0))
    assert learnt.scaling is not None
    assert learnt.scaling.slope == pytest.approx(0.5, abs=0.1)
    assert learnt.scaling.offset == pytest.approx(-1.0, abs=0.1)
    assert learnt.scaling.judged == learnt.judged == 4000
    assert learnt.before is not None
    assert learnt.after is not None
    assert learnt.after < learnt.before


def test_judgements_that_follow_the_p_values_keep_no_scaling() -> None:
    kept = [calibrate(said(60, 1.0, 0.0, seed)).scaling for seed in range(20)]
    assert sum(scaling is None for scaling in kept) >= 10


@pytest.mark.parametrize(
    "few",
    [
        said(48, 0.2, 0.0),
        [HitJudgement("one query", f"{n}", n % 2 == 0, 0.5, "m") for n in range(60)],
        [HitJudgement(f"query {n}", "c", n >= 9, 0.5, "m") for n in range(60)],
    ],
    ids=["judgements", "queries", "of one kind"],
)
def test_too_few_judgements_teach_nothing(few: list[HitJudgement]) -> None:
    learnt = calibrate(few)
    assert (learnt.scaling, learnt.before, learnt.judged) == (None, None, len(few))


def test_p_values_of_one_are_finite() -> None:
    assert 0 < PlattScaling().right(1.0) < 0.001
    assert 0.99 < PlattScaling().right(1e-9) < 1


def test_the_last_judgement_of_a_query_and_clip_holds(tmp_path: Path) -> None:
    for right, model in ((True, "m"), (True, "other"), (False, "m")):
        record(tmp_path, HitJudgement("q", "c", right, 0.5, model))
    with (tmp_path / NAME).open("ab") as stream:
        stream.write(b'{"query": "torn')
    record(tmp_path, HitJudgement("q", "d", True, 0.5, "m"))
    assert [judgement.right for judgement in judgements(tmp_path, "m")] == [False, True]
    assert judgements(tmp_path / "nowhere", "m") == []


def test_a_judgement_checks_its_p_value() -> None:
    with pytest.raises(ConfigError, match="0 < p <= 1"):
        HitJudgement("q", "c", True, 0.0, "m")


def test_feedback_names_a_clip_by_its_id_or_its_video(tmp_path: Path) -> None:
    library = made(tmp_path)
    worst = library.search("a1", per_video=None)[-1]
    library.feedback("a1", tmp_path / "videos" / "a.toy", True)
    learnt = library.feedback("a1", worst.clip_id, False)
    assert learnt.judged == 2
    first, second = judgements(library.path, MODEL.fingerprint)
    best = library.answer("a1")
    assert best.confidence is not None
    assert (first.clip_id, first.right, first.p) == (
        best.hits[0].clip_id,
        True,
        best.confidence.p,
    )
    assert (second.clip_id, second.right) == (worst.clip_id, False)
    assert second.p > first.p


@pytest.mark.parametrize("clip", ["nothing", "0123-00001", "/videos/none.mp4"])
def test_a_clip_that_is_not_there_is_an_error(tmp_path: Path, clip: str) -> None:
    library = made(tmp_path)
    with pytest.raises(ConfigError, match="expected the clip_id"):
        library.feedback("a1", clip, True)
    with pytest.raises(QueryError):
        library.feedback(" ", clip, True)
    assert not (library.path / NAME).exists()


def test_an_answer_tells_what_feedback_taught(tmp_path: Path) -> None:
    library = made(tmp_path)
    before = library.answer("a1").confidence
    assert before is not None
    assert before.right is None
    for judgement in said(400, 0.5, -1.0):
        record(
            library.path,
            HitJudgement(
                judgement.query, judgement.clip_id, judgement.right, judgement.p, MODEL.fingerprint
            ),
        )
    assert learn(library.path, MODEL.fingerprint).scaling is not None
    assert load_scaling(library.path, "another model") is None
    after = library.answer("a1").confidence
    assert after is not None
    assert (after.p, after.level) == (before.p, before.level)
    assert after.right is not None
    assert 0 < after.right < 1 - after.p


@pytest.mark.parametrize("content", [b"", b"[]", b'{"model": "m", "slop": 1}'])
def test_what_was_learnt_and_cannot_be_read_is_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "feedback-learnt.json").write_bytes(content)
    assert load_scaling(tmp_path, "m") is None
