"""Normalize evaluation scores: banks come from training data and settings are chosen on validation
data, never on test.

    none           scores as they are
    bank           Sinkhorn bias per gallery item, from training queries (the published protocol)
    inverted       dynamic inverted softmax (QB-Norm), from training queries
    transductive   Sinkhorn over the test queries themselves
    dsl            dual softmax over the test queries themselves

Settings are fitted on videos that the model has not seen: the data set's own validation split, else
what the training run held out (`held_out` in the model's card), else, for a model that was never
trained by a recipe (`trained: false`), training videos drawn by the seed. Where none of these is
known, nothing is fitted and the result says so; `fixed` settings (the published ones) need none.

A bank is training captions against the gallery's videos, and the gallery's captions against
training videos. It has none of the evaluated videos (DataError) and none of their captions word for
word (left out). Settings are those with the best validation R@1 of their direction, the weaker of
two equals; where nothing beats no normalisation, that direction stays raw and says `none`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from finereel.data.base import ClipSource, Dataset, Split
from finereel.errors import ConfigError, DataError, unknown_name
from finereel.evaluation.gallery import (
    EncodedSplit,
    GalleryModel,
    ScoredSplit,
    encode_split,
    encode_texts,
    encode_videos,
    score_encoded,
    score_pairs,
)
from finereel.evaluation.retrieval import (
    FUSED,
    Correction,
    EvaluationSettings,
    corrected_scores,
    rank_texts,
    rank_videos,
)
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.normalization import (
    DIRECTIONS,
    PerGranularity,
    create,
    per_granularity,
    per_granularity_from_dict,
)
from finereel.statistics.metrics import recall_at
from finereel.types import OnProgress, no_progress

Parts = Mapping[str, np.ndarray]
"""One (T, V) matrix per granularity."""


@dataclass(frozen=True)
class Method:
    """A normaliser of `finereel.normalization` and the settings to try, from the weakest to the
    strongest.
    """

    normalizer: str
    grid: tuple[Mapping[str, Any], ...]
    needs_bank: bool
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def build(
        self, direction: str, granularities: Sequence[str], settings: Mapping[str, Any]
    ) -> PerGranularity:
        """Unfitted, one per granularity."""
        return per_granularity(
            self.normalizer, list(granularities), direction=direction, **self.fixed, **settings
        )


_SINKHORN = tuple(
    {"strength": strength, "temperature": temperature}
    for strength in (0.25, 0.5, 1.0)
    for temperature in (20.0, 5.0, 2.0, 1.0)
)

NORMALIZATIONS: dict[str, Method | None] = {
    "none": None,
    "bank": Method("sinkhorn", _SINKHORN, True),
    "inverted": Method(
        "inverted_softmax", tuple({"beta": beta} for beta in (0.05, 0.1, 0.2, 0.5)), True
    ),
    "transductive": Method("sinkhorn", _SINKHORN, False, {"mode": "transductive"}),
    "dsl": Method(
        "dual_softmax", tuple({"temperature": value} for value in (20.0, 5.0, 2.0, 1.0)), False
    ),
}


@dataclass(frozen=True)
class BankSettings:
    """How banks are drawn from the training split.

    texts, videos: at most so many captions and clips (each costs an encoding). held_out: training
    videos that serve as validation where a data set has no split for it; they stay out of the bank.
    """

    texts: int = 5000
    videos: int = 1000
    held_out: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.texts, self.videos, self.held_out) < 2:
            raise ConfigError(
                f"a bank needs at least 2 texts, videos and held-out videos, got {self}"
            )


DEFAULT_BANKS = BankSettings()
HELD_OUT = "held_out"
"""In a model's card: {"data": name, "videos": ids} that its training run chose by and did not train
on.
"""
NOTHING_UNSEEN = (
    "off: the model may have seen every training video, and its card names none that were held out; "
    "give --temperature and --strength to apply published settings"
)


@dataclass(frozen=True)
class FittingData:
    """What settings and banks come from; none of it is evaluated.

    texts: its captions are the text bank. videos: its videos are the video bank. validation: None
    where the model may have seen all there is. dropped: training captions left out because an
    evaluated or validation caption has the same words. owner: whose they are, `data/split`.
    """

    texts: Split
    videos: Split
    validation: Split | None
    dropped: int = 0
    owner: str = "training"


@dataclass(frozen=True)
class NormalizationChoice:
    """What was chosen for one direction: settings (None: off), validation R@1 without and with
    them, and why.
    """

    settings: Mapping[str, Any] | None
    r1_without: float | None
    r1_with: float | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        settings = None if self.settings is None else dict(self.settings)
        found = {"validation_R@1_without": self.r1_without, "validation_R@1_with": self.r1_with}
        return {"settings": settings, **found, "reason": self.reason}


@dataclass(frozen=True)
class FittedNormalization:
    """Ready to be applied: normalisers by direction (a missing one stays raw) and the choice behind
    each.
    """

    name: str
    normalizers: Mapping[str, Correction]
    choices: Mapping[str, NormalizationChoice]

    def as_dict(self) -> dict[str, Any]:
        """JSON values: name, protocol and choice per direction."""
        return {
            "name": self.name,
            "protocols": {way: self.protocol(way) for way in DIRECTIONS},
            "choices": {way: choice.as_dict() for way, choice in self.choices.items()},
        }

    def protocol(self, direction: str) -> str:
        """`none`, `bank:<normalizer> <data>/<split> <hash>` or `transductive:<normalizer>`."""
        return self.normalizers[direction].protocol if direction in self.normalizers else "none"


RAW = FittedNormalization("none", {}, {})


def method_of(name: str) -> Method | None:
    """The method called `name`, None for `none`; ConfigError lists those there are."""
    if name not in NORMALIZATIONS:
        raise unknown_name("normalization", name, NORMALIZATIONS)
    return NORMALIZATIONS[name]


def fitting_data(
    dataset: Dataset, evaluated: str, settings: BankSettings, card: Mapping[str, Any]
) -> FittingData:
    """Banks and validation of a data set for evaluating its split `evaluated`; deterministic.

    card: the model's, which says what its training has not seen. Raises ConfigError without a
    training split, DataError when an evaluated video is in it.
    """
    test, train = dataset.split(evaluated), _training_split(dataset, evaluated)
    shared = set(train.videos) & set(test.videos)
    if shared:
        raise DataError(
            f"{dataset.name}: {len(shared)} videos of {evaluated} are in {train.name} too "
            f"({min(shared)!r}); a bank "
            "must not hold what is evaluated: fix the lists, or evaluate with normalization none"
        )
    rng = np.random.default_rng(settings.seed)
    validation = _unseen(dataset, evaluated, train, settings, card, rng)
    if validation is not None and dataset.protocol.texts == "single":
        validation = validation.first_captions(1)  # the caption protocol of the test
    held_out = set() if validation is None else set(validation.videos)
    judged = (test,) if validation is None else (test, validation)
    known = {caption.text for split in judged for caption in split.captions}
    others = [caption for caption in train.captions if caption.video_id not in held_out]
    fresh = [caption for caption in others if caption.text not in known]
    if not fresh:
        raise ConfigError(
            f"{dataset.name}: no caption of {train.name} is left for a bank; use normalization none"
        )
    texts = _sample(fresh, settings.texts, rng)
    videos = _sample(
        [video for video in train.videos if video not in held_out], settings.videos, rng
    )
    return FittingData(
        Split(
            "text bank", tuple(dict.fromkeys(caption.video_id for caption in texts)), tuple(texts)
        ),
        Split("video bank", tuple(videos), ()),
        validation,
        len(others) - len(fresh),
        f"{dataset.name}/{train.name}",
    )


def _unseen(
    dataset: Dataset,
    evaluated: str,
    train: Split,
    settings: BankSettings,
    card: Mapping[str, Any],
    rng: np.random.Generator,
) -> Split | None:
    """Videos that neither the model nor the evaluation knows, None where there are none."""
    if dataset.selection not in (None, evaluated):
        return dataset.split(str(dataset.selection))
    described = sorted({caption.video_id for caption in train.captions})
    if card.get("trained") is False:
        drawn = _sample(described, min(settings.held_out, len(described) // 2), rng)
        return train.only(drawn) if drawn else None
    kept = card.get(HELD_OUT)
    if not isinstance(kept, Mapping) or kept.get("data") != dataset.name:
        return None
    listed = kept.get("videos")
    known = set(listed) & set(described) if isinstance(listed, list) else set()
    return train.only(sorted(known)) if len(known) >= 2 else None


def choose(
    method: Method, direction: str, bank: Parts | None, validation: ScoredSplit
) -> NormalizationChoice:
    """The settings with the best validation R@1 of `direction`, the weaker of two equals, or off.

    bank: bank queries against the validation gallery, None for methods without a bank.
    """
    without = _r1(validation, direction, None)
    best: tuple[float, Mapping[str, Any]] | None = None
    known: dict[str, PerGranularity] = {}
    for settings in method.grid:
        normalizer = method.build(direction, list(validation.scores), settings)
        if bank is not None:
            normalizer = _fitted(normalizer, bank, settings, known)
        found = _r1(validation, direction, normalizer)
        if found > (without if best is None else best[0]):
            best = found, settings
    if best is None:
        return NormalizationChoice(None, without, None, "off: no setting raised validation R@1")
    return NormalizationChoice(best[1], without, best[0], "best validation R@1")


@dataclass(frozen=True)
class Fitter:
    """Fits normalisations of one model.

    data: None where the data set has nothing to fit on; transductive methods then take their
    published settings. fixed: settings of the normalizer that are applied as they are, such as
    {"temperature": 1.0, "strength": 1.0}; nothing is fitted then, in any direction.
    """

    model: GalleryModel
    source: ClipSource
    data: FittingData | None
    on_progress: OnProgress = no_progress
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, name: str, gallery: EncodedSplit) -> FittedNormalization:
        """The normalisation called `name` for an encoded test split. Its scores are not looked at.

        Raises ConfigError for an unknown name, or a bank without training data.
        """
        method = method_of(name)
        if method is None:
            return RAW
        known = set(create(method.normalizer).setting_names())
        strange = [name for name in self.fixed if name not in known]
        if strange:
            raise ConfigError(f"normalization {name} has no {strange[0]}; give it another setting")
        if self.data is None and method.needs_bank:
            raise ConfigError(
                f"normalization {name} needs a training split to draw its bank from; use none"
            )
        names = list(self.model.score(gallery.text.rows(slice(0, 1)), gallery.video).parts)
        if self.fixed or self.data is None:
            reason = "given" if self.fixed else "published settings: there is no validation split"
            choices = dict.fromkeys(
                DIRECTIONS, NormalizationChoice(dict(self.fixed), None, None, reason)
            )
        elif self.data.validation is None:
            off = NormalizationChoice(None, None, None, NOTHING_UNSEEN)
            return FittedNormalization(name, {}, dict.fromkeys(DIRECTIONS, off))
        else:
            choices = {}
        return self._applied(name, method, gallery, names, choices)

    def _applied(
        self,
        name: str,
        method: Method,
        gallery: EncodedSplit,
        granularities: list[str],
        given: Mapping[str, NormalizationChoice],
    ) -> FittedNormalization:
        """Normalisers for the gallery, with the choices given or those of the validation split."""
        validation = None if given else self._validation()
        normalizers, choices = {}, {}
        for direction in DIRECTIONS:
            bank = self._bank(direction) if method.needs_bank else None
            if method.needs_bank and bank is None:
                choices[direction] = NormalizationChoice(
                    None, None, None, "off: too few training videos can be read for a bank"
                )
                continue
            if validation is None:
                choices[direction] = given[direction]
            else:
                encoded, scored = validation
                against = None if bank is None else bank.against(self.model, encoded)
                choices[direction] = choose(method, direction, against, scored)
            settings = choices[direction].settings
            if settings is not None:
                built = method.build(direction, granularities, settings)
                normalizers[direction] = (
                    built
                    if bank is None
                    else built.fit(
                        bank.against(self.model, gallery),
                        bank_id=f"{method.normalizer} {bank.name}",
                    )
                )
        return FittedNormalization(name, normalizers, choices)

    def _validation(self) -> tuple[EncodedSplit, ScoredSplit]:
        assert self.data is not None
        assert self.data.validation is not None
        encoded = encode_split(self.model, self.data.validation, self.source, self.on_progress)
        return encoded, score_encoded(self.model, encoded)

    def _bank(self, direction: str) -> "BankQueries | None":
        assert self.data is not None
        if direction == "text_to_video":
            texts = self.data.texts
            encoded = encode_texts(
                self.model, [caption.text for caption in texts.captions], self.on_progress
            )
            return BankQueries(f"{self.data.owner} {texts.hash}", encoded)
        broken = self.source.problems(self.data.videos.videos)
        readable = self.data.videos.only(
            [video for video in self.data.videos.videos if video not in broken]
        )
        if len(readable.videos) < 2:
            return None
        return BankQueries(
            f"{self.data.owner} {readable.hash}",
            encode_videos(self.model, readable.videos, self.source, self.on_progress),
        )


@dataclass(frozen=True)
class BankQueries:
    """Encoded bank queries: texts for text_to_video, videos for video_to_text; `name` says whose
    they are, and their hash.
    """

    name: str
    queries: TextFeatures | VideoFeatures

    def against(self, model: GalleryModel, gallery: EncodedSplit) -> Parts:
        """(T, V) scores of the bank with the other side of a gallery."""
        if isinstance(self.queries, TextFeatures):
            return score_pairs(model, self.queries, gallery.video)[0]
        return score_pairs(model, gallery.text, self.queries)[0]


def _fitted(
    normalizer: PerGranularity,
    bank: Parts,
    settings: Mapping[str, Any],
    known: dict[str, PerGranularity],
) -> PerGranularity:
    """`normalizer` fitted on the bank. What it learns does not depend on the strength, so it is
    learned once.
    """
    learned_with = repr({name: value for name, value in settings.items() if name != "strength"})
    if learned_with not in known:
        known[learned_with] = normalizer.fit(bank)
    parts = known[learned_with].to_dict().items()
    return per_granularity_from_dict(
        {name: {**p, "settings": {**p["settings"], **settings}} for name, p in parts}
    )


def _r1(scored: ScoredSplit, direction: str, normalizer: PerGranularity | None) -> float:
    normalization = {} if normalizer is None else {direction: normalizer}
    settings = EvaluationSettings(normalization, None, scored.weights)
    fused = corrected_scores(scored.scores, direction, settings)[FUSED]
    rank = rank_videos if direction == "text_to_video" else rank_texts
    return recall_at(rank(fused, scored.relation).ranks, 1)


def training_splits(dataset: Dataset, evaluated: str) -> list[str]:
    """Names of the splits that may be trained on when `evaluated` is evaluated."""
    return [name for name in dataset.splits if name.startswith("train") and name != evaluated]


def _training_split(dataset: Dataset, evaluated: str) -> Split:
    names = training_splits(dataset, evaluated)
    if not names:
        raise ConfigError(
            f"{dataset.name} has no training split beside {evaluated!r} (its splits: "
            f"{', '.join(dataset.splits)}): "
            "normalisation banks and settings come from it; use normalization none"
        )
    return dataset.split(names[0])


def _sample(items: Sequence[Any], size: int, rng: np.random.Generator) -> list[Any]:
    """Draw at most `size` of them and keep their order."""
    if len(items) <= size:
        return list(items)
    return [items[number] for number in sorted(rng.choice(len(items), size, replace=False))]
