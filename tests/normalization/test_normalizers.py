"""The contract of every normaliser, run over `NORMALIZERS`: shape, kind, order, NaN, round trip,
slow reference.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from finereel.errors import ConfigError, DataError
from finereel.normalization import DIRECTIONS, MODES, NORMALIZERS, Normalizer, create, from_dict

Rows = list[list[float]]


@dataclass(frozen=True)
class Case:
    """One way to make a normaliser; `settings` chosen away from the defaults where that
    shows more.
    """

    name: str
    settings: dict[str, object]

    def make(self) -> Normalizer:
        return create(self.name, **self.settings)

    @property
    def label(self) -> str:
        return "-".join([self.name, *(str(value) for value in self.settings.values())])


def every_case() -> list[Case]:
    cases = []
    for name, kind in NORMALIZERS.items():
        modes = [{"mode": mode} for mode in MODES] if "mode" in kind.setting_names() else [{}]
        cases += [
            Case(name, {"direction": direction, **mode})
            for direction in DIRECTIONS
            for mode in modes
        ]
    return cases


def generate(texts: int, videos: int, seed: int = 0) -> np.ndarray:
    """Positive, hubby scores about the size of cosines."""
    rng = np.random.default_rng(seed)
    return 0.3 + 0.05 * rng.standard_normal((texts, videos)) + 0.05 * rng.random(videos)


def bank_and_scores(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """A bank of 9 queries and scores of 6 queries, for a gallery of 7, both as (T, V)."""
    bank, scores = generate(9, 7, seed=1), generate(6, 7, seed=2)
    return (bank, scores) if case.settings["direction"] == "text_to_video" else (bank.T, scores.T)


@pytest.fixture(params=every_case(), ids=lambda case: case.label)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_shape_and_dtype_are_kept(case: Case) -> None:
    bank, scores = bank_and_scores(case)
    fitted = case.make().fit(bank)
    for dtype in (np.float16, np.float32, np.float64):
        result = fitted.apply(scores.astype(dtype))
        assert (result.shape, result.dtype) == (scores.shape, dtype)
    whole = np.arange(scores.size).reshape(scores.shape)
    expected = fitted.apply(whole.astype(np.float64))
    assert np.array_equal(fitted.apply(whole), expected)
    assert np.array_equal(fitted.apply(torch.tensor(whole)).numpy(), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_torch_in_torch_out(case: Case, dtype: torch.dtype) -> None:
    bank, scores = bank_and_scores(case)
    tensor = torch.tensor(scores, dtype=dtype, requires_grad=True)
    result = case.make().fit(torch.tensor(bank)).apply(tensor)
    assert isinstance(result, torch.Tensor)
    assert (result.shape, result.dtype, result.requires_grad) == (tensor.shape, dtype, False)
    expected = case.make().fit(bank).apply(tensor.detach().double().numpy())
    torch.testing.assert_close(result.double(), torch.tensor(expected), rtol=8e-3, atol=1e-6)


def test_same_input_same_bytes_and_inputs_untouched(case: Case) -> None:
    bank, scores = bank_and_scores(case)
    kept_bank, kept_scores = bank.copy(), scores.copy()
    first, second = (case.make().fit(bank).apply(scores).tobytes() for _ in range(2))
    assert first == second
    assert np.array_equal(bank, kept_bank)
    assert np.array_equal(scores, kept_scores)


def test_order_of_texts_and_videos_does_not_matter(case: Case) -> None:
    bank, scores = bank_and_scores(case)
    rng = np.random.default_rng(3)
    gallery, queries, bank_queries = rng.permutation(7), rng.permutation(6), rng.permutation(9)
    expected = case.make().fit(bank).apply(scores)
    if case.settings["direction"] == "text_to_video":
        shuffled = (
            case.make().fit(bank[bank_queries][:, gallery]).apply(scores[queries][:, gallery])
        )
        expected = expected[queries][:, gallery]
    else:
        shuffled = (
            case.make().fit(bank[gallery][:, bank_queries]).apply(scores[gallery][:, queries])
        )
        expected = expected[gallery][:, queries]
    np.testing.assert_allclose(shuffled, expected, rtol=1e-12, atol=1e-14)


def test_a_single_query_gets_its_row_of_the_batch(case: Case) -> None:
    bank, scores = bank_and_scores(case)
    fitted = case.make().fit(bank)
    batch = fitted.apply(scores)
    by_text = case.settings["direction"] == "text_to_video"
    alone = [fitted.apply(scores[i : i + 1] if by_text else scores[:, i : i + 1]) for i in range(6)]
    together = np.concatenate(alone, axis=0 if by_text else 1)
    assert np.array_equal(together, batch) == fitted.single_query


def test_protocol_says_what_was_seen(case: Case) -> None:
    bank, _ = bank_and_scores(case)
    protocol = case.make().fit(bank).protocol
    fitted_on_other = case.make().fit(bank * 1.001)
    if case.name == "none":
        assert protocol == "none"
    elif case.make().single_query:
        assert protocol.startswith("bank:")
        assert len(protocol) == len("bank:") + 12
        assert protocol != fitted_on_other.protocol
        assert case.make().fit(bank, bank_id="msrvtt-9k").protocol == "bank:msrvtt-9k"
    else:
        assert protocol.startswith("transductive:")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_broken_scores_are_refused_and_named(case: Case, bad: float) -> None:
    bank, scores = bank_and_scores(case)
    broken_bank, broken_scores = bank.copy(), scores.copy()
    broken_bank[2, 3] = broken_scores[1, 4] = bad
    with pytest.raises(DataError, match="text 2, video 3"):
        case.make().fit(broken_bank)
    with pytest.raises(DataError, match="text 1, video 4"):
        case.make().fit(bank).apply(broken_scores)


def test_wrong_shapes_are_refused(case: Case) -> None:
    bank, _ = bank_and_scores(case)
    with pytest.raises(DataError, match="matrix"):
        case.make().fit(bank[0])
    with pytest.raises(ConfigError, match="at least one"):
        case.make().fit(bank[:0])
    fitted = case.make().fit(bank)
    if fitted.protocol.startswith("bank:"):
        with pytest.raises(ConfigError, match="gallery of 7, got scores for 5"):
            fitted.apply(bank[:, :5] if case.settings["direction"] == "text_to_video" else bank[:5])


def test_bank_protocol_needs_a_bank(case: Case) -> None:
    _, scores = bank_and_scores(case)
    unfitted = case.make()
    if case.settings.get("mode") == "bank":
        with pytest.raises(ConfigError, match="fit"):
            unfitted.apply(scores)
        with pytest.raises(ConfigError, match="fit"):
            _ = unfitted.protocol
    else:
        assert unfitted.apply(scores).shape == scores.shape


def test_description_survives_json_exactly(case: Case) -> None:
    bank, scores = bank_and_scores(case)
    for normalizer in (case.make(), case.make().fit(bank)):
        read = from_dict(json.loads(json.dumps(normalizer.to_dict())))
        assert read.to_dict() == normalizer.to_dict()
        assert type(read) is type(normalizer)
    assert read.protocol == normalizer.protocol
    assert read.apply(scores).tobytes() == normalizer.apply(scores).tobytes()


def test_fit_returns_the_normaliser_itself(case: Case) -> None:
    bank, _ = bank_and_scores(case)
    normalizer = case.make()
    assert normalizer.fit(bank) is normalizer


def test_agrees_with_a_slow_reference(case: Case) -> None:
    bank, scores = bank_and_scores(case)
    result = case.make().fit(bank).apply(scores)
    by_text = case.settings["direction"] == "text_to_video"
    queries, known = (scores, bank) if by_text else (scores.T, bank.T)
    learned_from = queries if case.settings.get("mode") == "transductive" else known
    expected = np.array(SLOW[case.name](queries.tolist(), learned_from.tolist()))
    np.testing.assert_allclose(result, expected if by_text else expected.T, rtol=1e-10)


def slow_identity(scores: Rows, bank: Rows) -> Rows:
    return scores


def slow_sinkhorn(scores: Rows, bank: Rows) -> Rows:
    queries, gallery = range(len(bank)), range(len(bank[0]))
    popularity = [1 / sum(math.exp(bank[q][g]) for q in queries) for g in gallery]
    for _ in range(4):
        weight = [1 / sum(math.exp(bank[q][g]) * popularity[g] for g in gallery) for q in queries]
        popularity = [1 / sum(math.exp(bank[q][g]) * weight[q] for q in queries) for g in gallery]
    logs = [math.log(p) for p in popularity]
    mean = sum(logs) / len(logs)
    return [[row[g] + logs[g] - mean for g in gallery] for row in scores]


def slow_dual_softmax(scores: Rows, bank: Rows) -> Rows:
    columns = [sum(math.exp(row[g]) for row in scores) for g in range(len(scores[0]))]
    return [[s * math.exp(s) / columns[g] for g, s in enumerate(row)] for row in scores]


def slow_inverted_softmax(scores: Rows, bank: Rows) -> Rows:
    beta, gallery = 20, range(len(bank[0]))
    hubs = {max(gallery, key=lambda g, row=row: row[g]) for row in bank}
    logs = [math.log(sum(math.exp(beta * row[g]) for row in bank)) for g in gallery]
    mean = sum(logs) / len(logs)
    result = []
    for row in scores:
        active = max(gallery, key=lambda g, row=row: row[g]) in hubs
        result.append([row[g] - (logs[g] - mean) / beta if active else row[g] for g in gallery])
    return result


SLOW: dict[str, Callable[[Rows, Rows], Rows]] = {
    "none": slow_identity,
    "sinkhorn": slow_sinkhorn,
    "dual_softmax": slow_dual_softmax,
    "inverted_softmax": slow_inverted_softmax,
}


def test_every_normaliser_has_a_slow_reference() -> None:
    assert set(SLOW) == set(NORMALIZERS)
    assert all(kind.name == name for name, kind in NORMALIZERS.items())


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown normalizer 'sinkhron'.*sinkhorn"):
        create("sinkhron")
    with pytest.raises(ConfigError, match=r"unknown setting of sinkhorn 'temprature'.*temperature"):
        create("sinkhorn", temprature=1.0)
    with pytest.raises(ConfigError, match=r"unknown direction 'sideways'.*text_to_video"):
        create("none", direction="sideways")
    with pytest.raises(ConfigError, match=r"unknown normalization mode 'oracle'.*transductive"):
        create("sinkhorn", mode="oracle")
    with pytest.raises(ConfigError, match=r"unknown learned state of none 'weights_'"):
        from_dict({"name": "none", "learned": {"weights_": [1.0]}})
    with pytest.raises(ConfigError, match="has a name"):
        from_dict({"settings": {}})


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize(
    ("name", "setting"),
    [("sinkhorn", "temperature"), ("dual_softmax", "temperature"), ("inverted_softmax", "beta")],
)
def test_settings_outside_their_range_are_refused(name: str, setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=setting):
        create(name, **{setting: value})
