"""(c) and (d): what each normalisation gives the full model, and how robust a bank is to queries
and videos it did not come from. Nothing is trained here but three weights; settings are chosen on
validation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from finereel.evaluation.gallery import (
    ScoredSplit,
    encode_split,
    encode_texts,
    score_encoded,
    score_pairs,
)
from finereel.evaluation.normalizing import NORMALIZATIONS, BankSettings, choose, fitting_data
from finereel.evaluation.record import QueryRanks, query_ranks
from finereel.evaluation.retrieval import EvaluationSettings, evaluate_scores
from finereel.models.retrieval import RetrievalModel
from finereel.normalization import Sinkhorn
from research.benchmark_sets import Benchmark
from research.training import source_for

NAMES = ("none", "bank", "inverted", "transductive", "dsl")
LEARNED = "learned weights"
BANK = BankSettings(texts=1500, videos=500)
_DIRECTION = "text_to_video"

Parts = Mapping[str, np.ndarray]
"""(T, V) or (bank, V) scores per granularity."""


def learned_weights(validation: ScoredSplit, steps: int = 300) -> dict[str, float]:
    """Weights of the granularities that minimise the contrastive loss (text to video) on a
    validation split.

    The scale of the fused score is learned along and then divided out: the weights sum to one.
    """
    names = list(validation.scores)
    parts = torch.stack(
        [torch.from_numpy(np.asarray(validation.scores[name], dtype=np.float32)) for name in names]
    )
    right = torch.from_numpy(validation.relation)
    logits = torch.tensor([validation.weights[name] for name in names]).log().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        fused = (logits.exp()[:, None, None] * parts).sum(0)
        torch.nn.functional.cross_entropy(fused, right).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return dict(zip(names, logits.detach().softmax(0).tolist(), strict=True))


def with_learned_weights(model: RetrievalModel, benchmark: Benchmark) -> RetrievalModel:
    """The same model, its granularities weighted as learned on the validation split."""
    encoded = encode_split(model, benchmark.dataset.split("val"), source_for(benchmark, model))
    model.head.weights = learned_weights(score_encoded(model, encoded))
    return model


def robustness(
    model: RetrievalModel, benchmark: Benchmark, other: Sequence[str]
) -> dict[str, dict[str, QueryRanks]]:
    """Text-to-video ranks under banks that fit more and less; other: captions of another domain.

    `published`: strength 1 and temperature 1, nothing chosen; `fitted`: both chosen on validation,
    with that same bank. `half the videos new`: the bank was fitted on half of the gallery, the
    others joined by one half-step each.
    """
    source = source_for(benchmark, model)
    test, val = (
        encode_split(model, benchmark.dataset.split(name), source) for name in ("test", "val")
    )
    scored, validation = score_encoded(model, test), score_encoded(model, val)
    own = [
        caption.text
        for caption in fitting_data(benchmark.dataset, "test", BANK, model.card).texts.captions
    ]
    rows: dict[str, Parts] = {"none": scored.scores}
    for name, texts in (("own captions", own), ("other domain", other)):
        queries = encode_texts(model, texts)
        on_test, on_val = (score_pairs(model, queries, side.video)[0] for side in (test, val))
        method = NORMALIZATIONS["bank"]
        assert method is not None
        chosen = choose(method, _DIRECTION, on_val, validation).settings or {"strength": 0.0}
        rows[f"{name}, published"] = _Bias({}).of(on_test, scored.scores)
        rows[f"{name}, fitted"] = _Bias(chosen).of(on_test, scored.scores)
        if texts is own:
            rows[f"{name}, fitted, half the videos new"] = _Bias(chosen, new_share=0.5).of(
                on_test, scored.scores
            )
    return {name: _ranks(scored, parts) for name, parts in rows.items()}


@dataclass(frozen=True)
class _Bias:
    """A Sinkhorn bias per granularity. new_share: the last of the gallery, which joined after the
    bank was fitted.
    """

    settings: Mapping[str, Any]
    new_share: float = 0.0

    def of(self, bank: Parts, scores: Parts) -> dict[str, np.ndarray]:
        return {name: part + self._bias(bank[name])[None] for name, part in scores.items()}

    def _bias(self, bank: np.ndarray) -> np.ndarray:
        old = round(bank.shape[1] * (1 - self.new_share))
        fitted = Sinkhorn(**self.settings).fit(bank[:, :old])
        assert fitted.bias_ is not None
        bias = (
            np.concatenate([fitted.bias_, fitted.extend(bank[:, old:])])
            if old < bank.shape[1]
            else fitted.bias_
        )
        return np.asarray(fitted.strength * bias)


def _ranks(scored: ScoredSplit, parts: Parts) -> dict[str, QueryRanks]:
    corrected = ScoredSplit(scored.split, parts, scored.weights, scored.coverage)
    result = evaluate_scores(
        parts, scored.relation, EvaluationSettings(confidence=None, weights=scored.weights)
    )
    return {_DIRECTION: query_ranks(corrected, result)[_DIRECTION]}
