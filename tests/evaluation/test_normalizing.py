"""Normalisation in an evaluation: banks without test data, settings from validation alone, honest
protocols.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from gallery_doubles import ToyModel, ToySource, make_split

from finereel.data.base import Caption, Dataset, Split
from finereel.errors import ConfigError, DataError
from finereel.evaluation.gallery import (
    Coverage,
    ScoredSplit,
    encode_split,
    encode_texts,
    encode_videos,
    score_encoded,
    score_pairs,
)
from finereel.evaluation.normalizing import (
    NORMALIZATIONS,
    RAW,
    BankSettings,
    FittedNormalization,
    Fitter,
    NormalizationChoice,
    choose,
    fitting_data,
    method_of,
)
from finereel.evaluation.retrieval import EvaluationSettings, evaluate_scores
from finereel.normalization import DIRECTIONS, published_sinkhorn

TRAIN, VAL, TEST = make_split("train", 60, 2), make_split("val", 40), make_split("test", 30)
DATASET = Dataset("toy", {"train": TRAIN, "val": VAL, "test": TEST})
PROTOCOLS = {"transductive": "transductive:sinkhorn", "dsl": "transductive:dual_softmax"}
UNTRAINED = {"trained": False}
SMALL = BankSettings(texts=50, videos=30, held_out=20)
FITTED = [name for name in NORMALIZATIONS if name != "none"]


def scored(parts: dict[str, np.ndarray], captions: int = 1) -> ScoredSplit:
    split = make_split("val", len(next(iter(parts.values()))[0]), captions)
    weights = {name: 1.0 / len(parts) for name in parts}
    return ScoredSplit(
        split, parts, weights, Coverage(split.hash, len(split.videos), len(split.captions), {}, 0)
    )


def hubby(queries: int, videos: int, seed: int, right: bool) -> np.ndarray:
    """Scores with a right diagonal (or none) on which every third video is a hub."""
    matrix = np.random.default_rng(seed).standard_normal((queries, videos))
    if right:
        matrix += 3 * np.eye(queries, videos)
    matrix[:, ::3] += 4
    return matrix.astype(np.float32)


def fit(
    name: str, model: ToyModel, dataset: Dataset = DATASET, source: ToySource | None = None
) -> FittedNormalization:
    source = source or ToySource()
    encoded = encode_split(model, dataset.split("test"), source)
    return Fitter(model, source, fitting_data(dataset, "test", SMALL, UNTRAINED)).fit(name, encoded)


def test_banks_hold_training_data_alone_and_repeat() -> None:
    data = fitting_data(DATASET, "test", SMALL, UNTRAINED)
    assert (len(data.texts.captions), len(data.videos.videos), data.validation) == (
        50,
        30,
        VAL,
    )
    assert {caption.video_id for caption in data.texts.captions} | set(data.videos.videos) <= set(
        TRAIN.videos
    )
    again = fitting_data(DATASET, "test", SMALL, UNTRAINED)
    assert (data.texts.hash, data.videos.hash) == (again.texts.hash, again.videos.hash)
    other = fitting_data(
        DATASET, "test", BankSettings(texts=50, videos=30, held_out=20, seed=1), UNTRAINED
    )
    assert data.texts.hash != other.texts.hash


def test_without_a_validation_split_training_videos_are_held_out_of_the_bank() -> None:
    dataset = Dataset("toy", {"train": TRAIN, "test": TEST}, selection=None)
    data = fitting_data(dataset, "test", SMALL, UNTRAINED)
    held_out = set(data.validation.videos)
    assert len(held_out) == 20
    assert held_out <= set(TRAIN.videos)
    assert not held_out & (
        {caption.video_id for caption in data.texts.captions} | set(data.videos.videos)
    )


def test_a_trained_model_is_fitted_on_what_its_own_run_held_out() -> None:
    """Without that nothing is left: the model may have seen all of it."""
    dataset = Dataset("toy", {"train": TRAIN, "test": TEST}, selection=None)
    own = list(TRAIN.videos[5:15])
    card = {"trained": True, "held_out": {"data": "toy", "videos": [*own, "elsewhere"]}}
    data = fitting_data(dataset, "test", SMALL, card)
    assert data.validation is not None
    assert list(data.validation.videos) == own
    assert len(data.validation.captions) == 10  # one each, as in the test; training has two
    assert not set(own) & (
        {caption.video_id for caption in data.texts.captions} | set(data.videos.videos)
    )
    for seen in ({"trained": True}, {}, {"held_out": {"data": "other", "videos": own}}):
        assert fitting_data(dataset, "test", SMALL, seen).validation is None


def test_where_nothing_is_unseen_nothing_is_fitted_and_that_is_said() -> None:
    dataset = Dataset("toy", {"train": TRAIN, "test": TEST}, selection=None)
    model, source = ToyModel(), ToySource()
    encoded = encode_split(model, TEST, source)
    data = fitting_data(dataset, "test", SMALL, {})
    fitted = Fitter(model, source, data).fit("bank", encoded)
    assert fitted.normalizers == {}
    assert {choice.settings for choice in fitted.choices.values()} == {None}
    assert "may have seen every training video" in fitted.choices["text_to_video"].reason


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_published_settings_are_applied_as_given_and_the_protocol_names_the_bank(
    direction: str,
) -> None:
    dataset = Dataset("toy", {"train": TRAIN, "test": TEST}, selection=None)
    model, source = ToyModel(), ToySource()
    encoded = encode_split(model, TEST, source)
    data = fitting_data(dataset, "test", SMALL, {})
    published = {"temperature": 1.0, "strength": 1.0}
    fitted = Fitter(model, source, data, fixed=published).fit("bank", encoded)
    assert fitted.choices[direction].settings == published
    assert fitted.protocol(direction).startswith("bank:sinkhorn toy/train ")
    parts = score_encoded(model, encoded).scores
    found = fitted.normalizers[direction].apply(parts)
    bank = (
        score_pairs(
            model, encode_texts(model, [c.text for c in data.texts.captions]), encoded.video
        )
        if direction == "text_to_video"
        else score_pairs(model, encoded.text, encode_videos(model, data.videos.videos, source))
    )[0]
    for name, part in parts.items():
        if direction == "text_to_video":
            expected = part + published_sinkhorn(bank[name].astype(np.float64))[1]
        else:
            expected = part + published_sinkhorn(bank[name].T.astype(np.float64))[1][:, None]
        shift = (found[name] - expected).mean()  # a constant that changes no rank
        np.testing.assert_allclose(found[name] - shift, expected, atol=1e-4)


def test_a_setting_that_a_normalization_lacks_is_refused() -> None:
    model, source = ToyModel(), ToySource()
    encoded = encode_split(model, TEST, source)
    with pytest.raises(ConfigError, match="dsl has no strength"):
        Fitter(model, source, None, fixed={"strength": 1.0}).fit("dsl", encoded)


def test_evaluating_the_validation_split_does_not_fit_on_it() -> None:
    data = fitting_data(DATASET, "val", SMALL, UNTRAINED)
    assert set(data.validation.videos) <= set(TRAIN.videos)


def test_a_training_video_that_is_evaluated_is_refused() -> None:
    leaky = Split("train", (*TRAIN.videos, "test-3"), TRAIN.captions)
    with pytest.raises(DataError, match=r"1 videos of test are in train too \('test-3'\)"):
        fitting_data(
            Dataset("toy", {"train": leaky, "val": VAL, "test": TEST}), "test", SMALL, UNTRAINED
        )


def test_captions_with_the_words_of_an_evaluated_one_stay_out_of_the_bank() -> None:
    copies = (
        Caption("x", "train-0", TEST.captions[0].text),
        Caption("y", "train-0", VAL.captions[0].text),
    )
    train = Split("train", TRAIN.videos, (*TRAIN.captions, *copies))
    data = fitting_data(
        Dataset("toy", {"train": train, "val": VAL, "test": TEST}),
        "test",
        BankSettings(),
        UNTRAINED,
    )
    assert {caption.text for caption in data.texts.captions} == {
        caption.text for caption in TRAIN.captions
    }
    assert data.dropped == 2


def test_no_training_split_says_so() -> None:
    with pytest.raises(ConfigError, match="no training split"):
        fitting_data(Dataset("toy", {"test": TEST}, selection=None), "test", SMALL, UNTRAINED)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", FITTED)
def test_hubs_are_worth_a_normalisation(name: str, direction: str) -> None:
    validation = scored({"video_sentence": hubby(30, 30, 0, True)})
    bank = {"video_sentence": hubby(200, 30, 1, False)}
    if direction == "video_to_text":
        validation = scored({name: part.T.copy() for name, part in validation.scores.items()})
        bank = {name: part.T.copy() for name, part in bank.items()}
    method = method_of(name)
    assert method is not None
    choice = choose(method, direction, bank if method.needs_bank else None, validation)
    assert choice.settings is not None
    assert choice.r1_without is not None
    assert choice.r1_with is not None
    assert choice.r1_with > choice.r1_without + 10


@pytest.mark.parametrize("name", FITTED)
def test_what_cannot_help_stays_off(name: str) -> None:
    perfect = scored({"video_sentence": 100 * np.eye(12, dtype=np.float32)})
    method = method_of(name)
    assert method is not None
    bank = {"video_sentence": hubby(40, 12, 1, False)} if method.needs_bank else None
    assert choose(method, "text_to_video", bank, perfect) == NormalizationChoice(
        None, 100.0, None, "off: no setting raised validation R@1"
    )


def test_of_equal_settings_the_weaker_wins() -> None:
    """One hub that any strength brings down: the first setting of the grid is enough."""
    matrix = np.array([[1.0, 1.1, 0.0], [0.0, 3.0, 0.0], [0.0, 1.1, 1.0]], dtype=np.float32)
    bank = {"video_sentence": np.array([[0.0, 9.0, 0.0]] * 5, dtype=np.float32)}
    method = NORMALIZATIONS["bank"]
    assert method is not None
    choice = choose(method, "text_to_video", bank, scored({"video_sentence": matrix}))
    fitted = [
        settings
        for settings in method.grid
        if evaluate_scores(
            {"video_sentence": matrix},
            None,
            EvaluationSettings(
                {
                    "text_to_video": method.build(
                        "text_to_video", ["video_sentence"], settings
                    ).fit(bank)
                },
                None,
            ),
        )
        .text_to_video["fused"]
        .metrics.r1
        == choice.r1_with
    ]
    assert choice.settings == fitted[0]


class PoisonedSource(ToySource):
    """Test clips turned around."""

    def read(self, videos: Sequence[str]) -> object:  # type: ignore[override]
        clips = super().read(videos)
        for row, video in enumerate(videos):
            if video.startswith("test"):
                clips.frames[row] *= -1
        return clips


@pytest.mark.parametrize("name", FITTED)
def test_settings_do_not_look_at_the_test_scores(name: str) -> None:
    model = ToyModel(spread=3.0)
    assert fit(name, model).choices == fit(name, model, source=PoisonedSource()).choices


@pytest.mark.parametrize("name", FITTED)
def test_the_protocol_says_what_was_seen(name: str) -> None:
    method = method_of(name)
    assert method is not None
    fitted = fit(name, ToyModel(spread=3.0))
    assert set(fitted.choices) == set(DIRECTIONS)
    for direction in DIRECTIONS:
        on = fitted.choices[direction].settings is not None
        expected = ("bank:" if method.needs_bank else "transductive") if on else "none"
        assert fitted.protocol(direction).startswith(expected)
    assert fitted.as_dict()["protocols"]["text_to_video"] == fitted.protocol("text_to_video")


def test_the_bank_of_each_direction_is_named_by_its_content() -> None:
    data = fitting_data(DATASET, "test", SMALL, UNTRAINED)
    encoded = encode_split(ToyModel(), TEST, ToySource())
    fitter = Fitter(ToyModel(), ToySource(), data)
    for direction, split in (("text_to_video", data.texts), ("video_to_text", data.videos)):
        bank = fitter._bank(direction)
        assert bank is not None
        assert bank.name == f"toy/train {split.hash}"
        rows, columns = next(iter(bank.against(ToyModel(), encoded).values())).shape
        assert (rows, columns) == ((50, 30) if direction == "text_to_video" else (30, 30))


def test_none_changes_nothing() -> None:
    assert fit("none", ToyModel()) == RAW
    assert RAW.protocol("text_to_video") == "none"


def test_training_videos_that_cannot_be_read_leave_video_to_text_raw() -> None:
    missing = dict.fromkeys(TRAIN.videos, "not downloaded")
    fitted = fit("bank", ToyModel(spread=3.0), source=ToySource(missing))
    assert fitted.protocol("video_to_text") == "none"
    assert "training videos" in fitted.choices["video_to_text"].reason


@pytest.mark.parametrize("name", ["transductive", "dsl"])
def test_without_anything_to_fit_on_the_published_settings_apply(name: str) -> None:
    model = ToyModel()
    encoded = encode_split(model, TEST, ToySource())
    fitted = Fitter(model, ToySource(), None).fit(name, encoded)
    assert fitted.protocol("text_to_video") == fitted.protocol("video_to_text") == PROTOCOLS[name]
    scores = score_encoded(model, encoded)
    result = evaluate_scores(
        scores.scores, scores.relation, EvaluationSettings(fitted.normalizers, None)
    )
    assert result.text_to_video["fused"].protocol == PROTOCOLS[name]


def test_a_bank_without_training_data_is_an_error() -> None:
    encoded = encode_split(ToyModel(), TEST, ToySource())
    with pytest.raises(ConfigError, match="training split"):
        Fitter(ToyModel(), ToySource(), None).fit("bank", encoded)


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(ConfigError, match="bank, dsl, inverted, none, transductive"):
        method_of("sinkhorn")


def test_empty_banks_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        BankSettings(texts=0)
