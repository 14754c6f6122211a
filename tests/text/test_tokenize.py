"""Tokens against the published rules. The full CLIP vocabulary is not part of the project, so ids
are compared as spelled-out symbols: the official tokens of the ten strings below, joined, must
equal ours.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizerFast

from finereel.errors import CheckpointError, ConfigError, ModelNotFoundError
from finereel.text import Tokenizer, clip_tokenizer, train_tokenizer
from finereel.text.tokenize import END, START, WORD_END, Pair, learn_merges, merge, most_tokens
from tiny_models import tiny_tokenizer

# text -> what the official tokenizer gave, without the start and end tokens (CLIP ViT-B/32
# vocabulary)
OFFICIAL = {
    "a man is singing on a stage": "a</w> man</w> is</w> singing</w> on</w> a</w> stage</w>",
    "A Woman's cooking &amp; talking in the kitchen!": (
        "a</w> woman</w> 's</w> cooking</w> &</w> talking</w> in</w> the</w> kitchen</w> !</w>"
    ),
    "  two   dogs\tplaying\nwith a ball ": "two</w> dogs</w> playing</w> with</w> a</w> ball</w>",
    "it's 2023: the 1st team wins 3-2": (
        "it</w> 's</w> 2</w> 0</w> 2</w> 3</w> :</w> the</w> 1</w> st</w> team</w> wins</w> 3</w> "
        "-</w> 2</w>"
    ),
    "naïve café résumé — 東京タワー 😀": (
        "na Ã¯ ve</w> cafÃ©</w> rÃ© sum Ã©</w> âĢĶ</w> æĿ± äº ¬ ãĤ¿ ãĥ ¯ ãĥ¼</w> ðŁĺĢ</w>"
    ),
    "": "",
    "l'équipe d'Amélie": "l</w> '</w> Ã© qui pe</w> d</w> '</w> am Ã© lie</w>",
    "don't won't I'm we've they'll he'd": (
        "don</w> 't</w> won</w> 't</w> i</w> 'm</w> we</w> 've</w> they</w> 'll</w> he</w> 'd</w>"
    ),
}
LONG = "a cartoon character is jumping " * 8
TRAP = "<|endoftext|> hidden token"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([*OFFICIAL, LONG, TRAP] * 2, vocab_size=900)


@pytest.fixture(scope="module")
def symbols(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(folder)
    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return {number: symbol for symbol, number in stored["model"]["vocab"].items()}


@pytest.mark.parametrize("text", OFFICIAL)
def test_spelling_equals_the_official_tokens(
    tokenizer: Tokenizer, symbols: dict[int, str], text: str
) -> None:
    tokens = tokenizer.encode([text], max_words=77)
    spelled = [symbols[number] for number in tokens.ids[0, tokens.mask[0]].tolist()]
    assert (spelled[0], spelled[-1]) == (START, END)
    assert "".join(spelled[1:-1]) == OFFICIAL[text].replace(" ", "")


def test_whole_words_give_the_official_row(tokenizer: Tokenizer, symbols: dict[int, str]) -> None:
    """A text longer than the row: 30 words between start and end, no padding left."""
    tokens = tokenizer.encode([LONG], max_words=32)
    spelled = [symbols[number] for number in tokens.ids[0].tolist()]
    words = LONG.split() * 2
    assert spelled == [START, *(word + WORD_END for word in words[:30]), END]
    assert tokens.mask.all()


def test_short_rows_are_padded_with_zeros_and_masked(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode(["", "a man"], max_words=6)
    assert tokens.ids[0].tolist() == [tokenizer.start_id, tokenizer.end_id, 0, 0, 0, 0]
    assert tokens.mask.sum(1).tolist() == [2, 4]
    assert (tokens.ids[~tokens.mask] == 0).all()


def test_literal_special_token_is_plain_text_unless_official(tokenizer: Tokenizer) -> None:
    plain = tokenizer.encode([TRAP], max_words=32)
    assert (plain.ids == tokenizer.end_id).sum() == 1
    official = tokenizer.encode([TRAP], max_words=32, official=True)
    assert official.ids[0, 1] == tokenizer.end_id
    assert (official.ids == tokenizer.end_id).sum() == 2
    assert official.spans[0, 1].tolist() == [0, len("<|endoftext|>")]
    assert (
        tokenizer.encode(["no literal"], 32).ids
        == tokenizer.encode(["no literal"], 32, official=True).ids
    ).all()


def test_official_literal_inside_punctuation_stays_plain(tokenizer: Tokenizer) -> None:
    """The published pattern eats `!<|` as one run of punctuation before it can see the literal."""
    assert (
        tokenizer.encode(["oh!<|endoftext|>"], 32, official=True).ids == tokenizer.end_id
    ).sum() == 1
    assert (
        tokenizer.encode(["oh<|endoftext|><|ENDOFTEXT|>"], 32, official=True).ids
        == tokenizer.end_id
    ).sum() == 3


def test_start_and_end_are_the_two_highest_ids(tokenizer: Tokenizer) -> None:
    assert (tokenizer.start_id, tokenizer.end_id) == (
        tokenizer.vocab_size - 2,
        tokenizer.vocab_size - 1,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop", ["Don't", "stop"]),
        ("A Woman’s hat &amp; coat!", ["A", "Woman’s", "hat", "&amp;", "coat", "!"]),
        ("it's 2023: 3-2", ["it's", "2023", ":", "3", "-", "2"]),
        ("cafe\u0301 ﬁre", ["cafe\u0301", "ﬁre"]),
        ("'quoted' words", ["'", "quoted", "'", "words"]),
        ("   ", []),
    ],
)
def test_words_point_back_into_the_string(
    tokenizer: Tokenizer, text: str, expected: list[str]
) -> None:
    words = tokenizer.words(text, max_words=77)
    assert [word.text for word in words] == expected
    assert [text[word.start : word.end] for word in words] == expected
    mask = tokenizer.encode([text], max_words=77).mask[0]
    covered = [place for word in words for place in word.tokens]
    assert covered == list(range(1, int(mask.sum()) - 1))


def test_words_beyond_the_row_are_left_out(tokenizer: Tokenizer) -> None:
    assert [word.text for word in tokenizer.words(LONG, max_words=5)] == [
        "a",
        "cartoon",
        "character",
    ]


@given(st.text(st.characters(), max_size=40), st.integers(2, 40))
def test_any_string_encodes(tokenizer: Tokenizer, text: str, max_words: int) -> None:
    tokens = tokenizer.encode([text], max_words)
    count = int(tokens.mask.sum())
    assert tokens.mask[0].tolist() == [True] * count + [False] * (max_words - count)
    assert tokens.ids[0, 0] == tokenizer.start_id
    assert tokens.ids[0, count - 1] == tokenizer.end_id
    inner = tokens.spans[0, 1 : count - 1]
    assert (inner[:, 0] < inner[:, 1]).all()
    assert (inner[:, 1] <= len(text)).all()
    assert (np.diff(inner[:, 0]) >= 0).all()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_whitespace_and_case_do_not_matter(tokenizer: Tokenizer, text: str) -> None:
    once = tokenizer.encode([f" {text} man"], 64)
    again = tokenizer.encode([f"\t{text}\n  MAN "], 64)
    assert (once.ids == again.ids).all()


def test_rows_do_not_depend_on_their_batch(tokenizer: Tokenizer) -> None:
    together = tokenizer.encode(list(OFFICIAL), 20)
    for row, text in enumerate(OFFICIAL):
        assert (tokenizer.encode([text], 20).ids[0] == together.ids[row]).all()


def test_training_is_deterministic_and_within_size() -> None:
    corpus = [
        f"{noun} {verb}" for noun in ("cat", "car", "cap") for verb in ("jumps", "jump", "bumps")
    ]
    first, second = train_tokenizer(corpus, 540), train_tokenizer(corpus[::-1], 540)
    assert first.vocab_size <= 540
    assert (first.encode(corpus, 20).ids == second.encode(corpus, 20).ids).all()


def test_save_and_load_give_the_same_ids(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    texts = [*OFFICIAL, LONG, TRAP]
    assert (loaded.encode(texts, 32).ids == tokenizer.encode(texts, 32).ids).all()
    assert loaded.vocab_size == tokenizer.vocab_size


def test_load_from_vocab_and_merges(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    stored = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.json").write_text(json.dumps(stored["vocab"]), encoding="utf-8")
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in stored["merges"]), ""])
    (tmp_path / "merges.txt").write_text(merges, encoding="utf-8")
    assert (
        Tokenizer.load(tmp_path).encode(list(OFFICIAL), 32).ids
        == tokenizer.encode(list(OFFICIAL), 32).ids
    ).all()


def test_special_tokens_kept_apart_from_the_vocabulary_are_found(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    added = [{"id": stored["model"]["vocab"].pop(name), "content": name} for name in (START, END)]
    path.write_text(json.dumps({**stored, "added_tokens": added}), encoding="utf-8")
    assert Tokenizer.load(tmp_path).end_id == tokenizer.end_id


LATER: dict[str, dict[str, bool]] = {
    "<cat-toy>": {"special": True},
    "redcar": {"normalized": True},
    "toy": {"single_word": True},
    "<left>": {"lstrip": True, "rstrip": True},
    "!": {"special": True},
}
"""Tokens as textual inversion adds them; `!` is how some public CLIPs name their padding."""


def with_later_tokens(tokenizer: Tokenizer, folder: Path) -> dict[str, int]:
    """The tokenizer in `folder` with LATER added, and their ids; `!` keeps the one it has."""
    tokenizer.save(folder)
    path = folder / "tokenizer.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    vocab = stored["model"]["vocab"]
    ids = {name: vocab.get(name, tokenizer.vocab_size + place) for place, name in enumerate(LATER)}
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    stored["added_tokens"] = [
        {"id": ids[name], "content": name, **plain, **flags} for name, flags in LATER.items()
    ]
    path.write_text(json.dumps(stored), encoding="utf-8")
    return ids


def test_tokens_added_later_are_those_of_transformers(tokenizer: Tokenizer, tmp_path: Path) -> None:
    ids = with_later_tokens(tokenizer, tmp_path)
    texts = [
        "a <cat-toy> on a table",
        "A RedCar<cat-toy>s, <CAT-TOY>",
        "toys, a toy",
        "a <left> b",
        "a car!",
        "",
    ]
    found = Tokenizer.load(tmp_path).encode(texts, 32)
    assert {ids["<cat-toy>"], ids["redcar"], ids["toy"], ids["<left>"], ids["!"]} <= set(
        found.ids[found.mask].tolist()
    )
    theirs = CLIPTokenizerFast.from_pretrained(tmp_path)(texts).input_ids
    assert [row[mask].tolist() for row, mask in zip(found.ids, found.mask, strict=True)] == theirs
    assert found.spans[0, 2].tolist() == [2, 11]
    Tokenizer.load(tmp_path).save(tmp_path / "again")
    assert (Tokenizer.load(tmp_path / "again").encode(texts, 32).ids == found.ids).all()


def test_the_end_token_stays_plain_text_where_it_was_added(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["added_tokens"] = [{"id": tokenizer.end_id, "content": END, "special": True}]
    path.write_text(json.dumps(stored), encoding="utf-8")
    assert (
        Tokenizer.load(tmp_path)
        .encode([f"a {END} car"], 32)
        .ids[0]
        .tolist()
        .count(tokenizer.end_id)
        == 1
    )


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ([{"id": 1, "content": ""}], "added token"),
        ([{"id": 1, "content": "x", "lstrip": 3}], "added token"),
        ([{"id": place, "content": f"<{place}>"} for place in range(5000)], "at most 4096"),
    ],
)
def test_added_tokens_that_are_none_are_refused(
    tokenizer: Tokenizer, tmp_path: Path, added: list[dict[str, object]], said: str
) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    stored = json.loads(path.read_text(encoding="utf-8")) | {"added_tokens": added}
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(CheckpointError, match=said):
        Tokenizer.load(tmp_path)


def test_errors_say_what_to_do(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Tokenizer.load(tmp_path)
    other = {"model": {"type": "WordPiece", "vocab": {}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(CheckpointError, match="CLIP"):
        Tokenizer.load(tmp_path)
    with pytest.raises(CheckpointError, match="endoftext"):
        Tokenizer({"a": 0, START: 1}, [])
    with pytest.raises(ConfigError, match="at least 2"):
        tokenizer.encode(["a"], 1)
    with pytest.raises(ConfigError, match="514"):
        train_tokenizer(["a"], 100)


# CLIP's own vocabulary, as published.
def test_size_and_special_tokens() -> None:
    tokenizer = clip_tokenizer()
    assert (tokenizer.vocab_size, tokenizer.start_id, tokenizer.end_id) == (49408, 49406, 49407)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        # Ids of the published checkpoints.
        ("a photo of a dog", [320, 1125, 539, 320, 1929]),
        ("a diagram", [320, 22697]),
        ("hello world!", [3306, 1002, 256]),
        ("é", [4166]),
    ],
)
def test_ids_are_those_of_the_published_model(text: str, ids: list[int]) -> None:
    assert clip_tokenizer().encode([text], 32).ids[0, 1 : 1 + len(ids)].tolist() == ids


def test_every_byte_encodes() -> None:
    text = "".join(map(chr, range(1, 0x250))) + "人 🎬"
    assert clip_tokenizer().encode([text], 2000).mask.sum() > 500


# Merges against a slow recount and the worked example of Sennrich et al. 2016.
def recounted_merges(words: Counter[str], limit: int, end: str) -> list[Pair]:
    """The definition: count every pair anew before every merge."""
    spelled = {word: [*word[:-1], word[-1] + end] for word in words}
    merges: list[Pair] = []
    while len(merges) < limit:
        counts: Counter[Pair] = Counter()
        for word, count in words.items():
            for pair in pairwise(spelled[word]):
                counts[pair] += count
        if not counts or max(counts.values()) < 2:
            return merges
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        spelled = {word: merge(symbols, best) for word, symbols in spelled.items()}
    return merges


def test_worked_example() -> None:
    words = Counter({"low": 5, "lowest": 2, "newer": 6, "wider": 3})
    assert learn_merges(words, 4, "·") == [("e", "r·"), ("l", "o"), ("e", "w"), ("ew", "er·")]


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 4), max_size=8),
    st.integers(0, 12),
)
def test_incremental_counts_equal_recounting(words: dict[str, int], limit: int) -> None:
    assert learn_merges(Counter(words), limit, "</w>") == recounted_merges(
        Counter(words), limit, "</w>"
    )


@given(st.permutations(["car", "cat", "cap", "jumps", "bumps", "jump"]))
def test_order_of_the_corpus_does_not_matter(order: list[str]) -> None:
    expected = learn_merges(Counter(sorted(order) * 2), 20, "</w>")
    assert learn_merges(Counter(order * 2), 20, "</w>") == expected


# What a CLIP directory says of its tokenizer.
def stated(folder: Path, settings: Any) -> Path:
    tiny_tokenizer().save(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize(
    ("settings", "longest"),
    [({}, 1 << 30), ({"model_max_length": 77}, 77), ({"model_max_length": 1e30}, 1 << 30)],
)
def test_the_longest_text(tmp_path: Path, settings: dict[str, Any], longest: int) -> None:
    assert most_tokens(stated(tmp_path, settings)) == longest
    (tmp_path / "tokenizer_config.json").unlink()
    assert most_tokens(tmp_path) == 1 << 30


def test_usual_settings_pass(tmp_path: Path) -> None:
    end = {"__type": "AddedToken", "content": "<|endoftext|>"}
    usual = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": "<|startoftext|>",
        "eos_token": end,
        "pad_token": "!",
    }
    assert (
        most_tokens(stated(tmp_path, {**usual, "do_lower_case": True, "model_max_length": 77}))
        == 77
    )
    assert (
        most_tokens(
            stated(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 9})
        )
        == 9
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bos_token": "<s>"}, "bos_token"),
        ({"eos_token": {"content": "</s>"}}, "eos_token"),
        ({"model_max_length": 1}, "model_max_length"),
        ({"model_max_length": "long"}, "model_max_length"),
        ([], "object"),
    ],
)
def test_what_is_not_supported_says_so(tmp_path: Path, settings: Any, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        most_tokens(stated(tmp_path, settings))


def test_a_tokenizer_that_keeps_upper_case_is_refused(tmp_path: Path) -> None:
    folder = stated(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"})
    values = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**values, "normalizer": {"type": "NFC"}}))
    with pytest.raises(CheckpointError, match="upper case"):
        most_tokens(folder)
