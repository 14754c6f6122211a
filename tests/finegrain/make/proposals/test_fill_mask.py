"""Words of a masked language model made here: what it learned is proposed, offline and the same
every time.
"""

import math
import shutil
from pathlib import Path

import pytest
import torch
from tiny_masked_lm import ANIMALS, DOINGS, PLACES, save_masked_lm, save_tokenizer

from finereel.errors import CheckpointError, ConfigError, ModelNotFoundError
from finereel.finegrain.make.proposals import AnswerCache, Slot, open_proposer
from finereel.finegrain.make.proposals.fill_mask import FillMaskProposer, LikelihoodWindow
from finereel.finegrain.make.proposals.generator import word_rules
from finereel.finegrain.make.proposals.masked_lm import MaskedLanguageModel
from finereel.finegrain.words.lexicon import Lexicon

CAPTION = "a cat sleeps in the park"
CAT = Slot(CAPTION, 2, 5, "noun", "NN", "cat")
SLEEPS = Slot(CAPTION, 6, 12, "verb", "VBZ", "sleep")


def let_all_pass(slot: Slot, word: str) -> None:
    """No rule."""


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_masked_lm(tmp_path_factory.mktemp("taught"), steps=120)


@pytest.fixture(scope="module")
def model(taught: Path) -> MaskedLanguageModel:
    return MaskedLanguageModel(taught)


class Counting:
    """A model that counts what it is asked."""

    def __init__(self, model: MaskedLanguageModel) -> None:
        self.model = model
        self.fingerprint = model.fingerprint
        self.filled, self.scored = 0, 0

    def fill(self, sides: list[tuple[str, str]], top: int) -> list[list[tuple[str, float]] | None]:
        self.filled += len(sides)
        return self.model.fill(sides, top)

    def log_likelihoods(self, texts: list[str]) -> list[float]:
        self.scored += len(texts)
        return self.model.log_likelihoods(texts)


def test_what_was_learned_for_the_slot_is_proposed(
    model: MaskedLanguageModel, tmp_path: Path
) -> None:
    window = LikelihoodWindow(top=6, lowest=-3.0, highest=3.0)
    cat, sleeps = FillMaskProposer(model, AnswerCache(tmp_path / "a"), window).propose(
        [CAT, SLEEPS], let_all_pass
    )
    assert {proposal.replacement for proposal in cat.proposals} == set(ANIMALS) - {"cat"}
    assert {proposal.replacement for proposal in sleeps.proposals} == set(DOINGS) - {"sleeps"}
    # What is possible in the slot but not likely is in nobody's window.
    assert cat.refused["the same word"] == 1
    assert cat.refused["outside the likelihood window"] >= 1
    for proposal in cat.proposals:
        assert proposal.method == "fill-mask"
        assert -3.0 <= proposal.scores["pll_gap"] <= 3.0
        assert proposal.scores["mask_logp"] == pytest.approx(-math.log(4), abs=0.7)
        assert proposal.sense[0] == f"model:{model.fingerprint}"


def test_pseudo_log_likelihood_is_the_sum_of_its_definition(model: MaskedLanguageModel) -> None:
    """Against a loop over positions without batches, with the rest of a word hidden as well."""
    tokenizer, network = model._tokenizer, model._model
    text = "a cat walking"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "a", "cat", "walk", "##ing", "[SEP]"]
    expected = 0.0
    for position, hidden in ((1, [1]), (2, [2]), (3, [3, 4]), (4, [4])):
        row = [
            tokenizer.mask_token_id if place in hidden else token for place, token in enumerate(ids)
        ]
        with torch.inference_mode():
            logits = network(input_ids=torch.tensor([row])).logits[0, position]
        expected += float(logits.log_softmax(-1)[ids[position]])
    ours, other = model.log_likelihoods([text, "a dog sleeps in the park"])
    assert ours == pytest.approx(expected, abs=1e-4)
    assert other != ours


def test_probabilities_are_those_of_the_vocabulary_and_pieces_are_no_words(
    model: MaskedLanguageModel,
) -> None:
    ((*words,),) = [words or [] for words in model.fill([("a ", " sleeps in the park")], 1000)]
    names = [word for word, _ in words]
    assert "ing" not in names
    assert "<" not in names
    assert {*ANIMALS, *DOINGS, *PLACES} <= set(names)
    assert [logp for _, logp in words] == sorted((logp for _, logp in words), reverse=True)
    assert sum(math.exp(logp) for _, logp in words) <= 1.0 + 1e-3


def test_nothing_is_computed_twice_and_answers_do_not_change(
    model: MaskedLanguageModel, tmp_path: Path
) -> None:
    counting = Counting(model)
    first = FillMaskProposer(counting, AnswerCache(tmp_path / "a")).propose(
        [CAT, SLEEPS, CAT], let_all_pass
    )
    filled, scored = counting.filled, counting.scored
    assert filled == 2
    assert first[0] == first[2]
    again = FillMaskProposer(counting, AnswerCache(tmp_path / "a")).propose(
        [SLEEPS, CAT], let_all_pass
    )
    assert (counting.filled, counting.scored) == (filled, scored)
    assert again == [first[1], first[0]]
    assert (
        FillMaskProposer(model, AnswerCache(tmp_path / "b")).propose([CAT], let_all_pass)
        == first[:1]
    )


def test_the_rules_hold_for_every_word(model: MaskedLanguageModel, tmp_path: Path) -> None:
    window = LikelihoodWindow(lowest=-99.0, highest=99.0, checked=99, count=99)
    (outcome,) = FillMaskProposer(model, AnswerCache(tmp_path / "a"), window).propose(
        [CAT], word_rules(Lexicon.load())
    )
    found = {proposal.replacement for proposal in outcome.proposals}
    assert {"dog", "horse", "bird"} <= found
    assert not found & {"sleeps", "eats", "an", "the", "in", "park"}
    assert outcome.refused["not a noun"] >= 2
    assert outcome.refused["in the caption already"] >= 3


@pytest.mark.parametrize(
    "caption",
    [
        "cat " * 10_000,
        "cat [MASK] sits",
        "cat \x00\x1b",
        "cat <b>猫</b> \u202e",
        "cat =1+1",
        "cat",
        "cat\ud800 sits",
    ],
)
def test_hostile_captions(caption: str, model: MaskedLanguageModel, tmp_path: Path) -> None:
    slot = Slot(caption, 0, 3, "noun", "NN", "cat")
    (outcome,) = FillMaskProposer(model, AnswerCache(tmp_path / "a")).propose([slot], let_all_pass)
    if caption.startswith("cat cat"):
        assert outcome.refused == {"the caption is longer than the model reads": 1}
    if "[MASK]" in caption:
        assert outcome.proposals == ()
    assert all(proposal.replacement.isalpha() for proposal in outcome.proposals)


def test_no_slots_is_no_question(model: MaskedLanguageModel, tmp_path: Path) -> None:
    assert FillMaskProposer(model, AnswerCache(tmp_path / "a")).propose([], let_all_pass) == []


def test_other_weights_have_another_fingerprint(
    taught: Path, model: MaskedLanguageModel, tmp_path: Path
) -> None:
    random = MaskedLanguageModel(save_masked_lm(tmp_path / "random"))
    assert random.fingerprint != model.fingerprint
    copy = shutil.copytree(taught, tmp_path / taught.name)
    assert MaskedLanguageModel(copy).fingerprint == model.fingerprint


def test_a_random_model_gives_words_too(tmp_path: Path) -> None:
    opened = open_proposer(f"fill-mask:{save_masked_lm(tmp_path / 'random')}", tmp_path / "a")
    (outcome,) = opened.propose([CAT], let_all_pass)
    assert len(outcome.proposals) == 8


def test_directories_that_are_refused(taught: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="expected a directory"):
        MaskedLanguageModel(tmp_path / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CheckpointError, match="expected a fill-mask model"):
        MaskedLanguageModel(empty)
    unweighted = tmp_path / "tokenizer"
    save_tokenizer(unweighted, 32)
    shutil.copy(taught / "config.json", unweighted)
    with pytest.raises(CheckpointError, match="expected a fill-mask model"):
        MaskedLanguageModel(unweighted)


def test_pickled_weights_are_not_read(taught: Path, tmp_path: Path) -> None:
    pickled = shutil.copytree(taught, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="expected a fill-mask model"):
        MaskedLanguageModel(pickled)


def test_a_model_of_another_kind_is_refused(taught: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    other = shutil.copytree(taught, tmp_path / "other")
    BertModel(BertConfig.from_pretrained(taught)).save_pretrained(other)
    with pytest.raises(CheckpointError, match=r"lack .* tensors"):
        MaskedLanguageModel(other)


def test_an_impossible_window() -> None:
    with pytest.raises(ConfigError, match="window"):
        LikelihoodWindow(lowest=1.0, highest=0.0)
