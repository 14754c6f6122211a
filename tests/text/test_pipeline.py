"""SentencePiece vocabularies: rows, spans in the text as it was typed, and files that lie."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from finereel.errors import CheckpointError, ModelNotFoundError
from finereel.text import PipelineTokenizer, load_tokenizer
from tiny_encoders import sentence_pieces, tiny_sentence_pieces

END, PAD = 1, 0


def unigrams() -> Tokenizer:
    """As SigLIP's: unigrams behind a space, the end token pads too."""
    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("\u2581red", -1.0), ("\u2581car", -1.0), ("s", -2.0)]
    pieces += [(letter, -5.0) for letter in "\u2581abcdefghijklmnopqr"]
    pipeline = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    pipeline.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace("!", "")]
    )
    pipeline.pre_tokenizer = pre_tokenizers.Metaspace()
    pipeline.add_special_tokens(["<unk>", "</s>"])
    pipeline.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    return pipeline


def words() -> Tokenizer:
    """Whole words, with a start and an end token."""
    vocab = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "red": 4, "car": 5, "fish": 6}
    pipeline = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    pipeline.normalizer, pipeline.pre_tokenizer = (
        normalizers.Lowercase(),
        pre_tokenizers.BertPreTokenizer(),
    )
    pipeline.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", None, [("<s>", 1), ("</s>", 2)]
    )
    return pipeline


def plain_bpe() -> Tokenizer:
    vocab = {
        letter: number for number, letter in enumerate(["<unk>", *"abcdefghijklmnopqrstuvwxyz!"])
    }
    pipeline = Tokenizer(models.BPE(vocab | {"re": 90}, [("r", "e")], unk_token="<unk>"))
    pipeline.normalizer, pipeline.pre_tokenizer = (
        normalizers.Lowercase(),
        pre_tokenizers.Whitespace(),
    )
    return pipeline


def test_rows_end_and_are_filled_up() -> None:
    tokens = tiny_sentence_pieces().encode(["a red car", "", "a " * 40], max_words=8)
    assert tokens.mask.sum(1).tolist()[1:] == [1, 8]
    assert (tokens.ids[1].tolist(), tokens.ids[2, -1]) == ([END, *[PAD] * 7], END)
    assert tiny_sentence_pieces().starts == ()


@pytest.mark.parametrize("make", [sentence_pieces, unigrams, words, plain_bpe])
def test_ids_are_those_of_the_library(tmp_path: Path, make: object) -> None:
    pipeline: Tokenizer = make()  # type: ignore[operator]
    pipeline.save(str(tmp_path / "tokenizer.json"))
    for text in ("A red car!", "  fish   over cars", "\u732b"):
        expected = pipeline.encode(text).ids
        found = load_tokenizer(tmp_path, other_bpe=True).encode([text], 40)
        assert found.ids[0, found.mask[0]].tolist() == expected


@pytest.mark.parametrize("make", [sentence_pieces, unigrams, words, plain_bpe])
def test_words_lie_in_the_text_as_it_was_typed(tmp_path: Path, make: object) -> None:
    pipeline: Tokenizer = make()  # type: ignore[operator]
    tokenizer = PipelineTokenizer(pipeline, 0)
    text = "a \ud800 RED cars, \u732b  fish"
    words = tokenizer.words(text, max_words=40)
    assert {"a", "RED", "cars", "fish"} <= {word.text for word in words}
    spans = tokenizer.encode([text], 40).spans[0]
    for word in words:
        assert text[word.start : word.end] == word.text
        for start, end in spans[list(word.tokens)]:
            assert start == end or (word.start <= start and end <= word.end)


def test_bpe_of_another_kind_comes_back_where_it_was_taken(tmp_path: Path) -> None:
    plain_bpe().save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="is not CLIP's byte-level BPE"):
        load_tokenizer(tmp_path)
    taken = load_tokenizer(tmp_path, other_bpe=True)
    taken.save(tmp_path)
    assert load_tokenizer(tmp_path).description == taken.description


def test_a_special_token_in_a_text_is_plain_text() -> None:
    row = tiny_sentence_pieces().encode(["<eos> a <pad>"], max_words=40)
    assert row.ids[0].tolist().count(END) == 1


def test_what_the_settings_say_counts(tmp_path: Path) -> None:
    pipeline = unigrams()
    pipeline.normalizer = None
    pipeline.save(str(tmp_path / "tokenizer.json"))
    upper = load_tokenizer(tmp_path).encode(["RED"], 8)
    settings = {"do_lower_case": True, "pad_token": {"content": "</s>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    lower = load_tokenizer(tmp_path)
    assert lower.encode(["RED"], 8).ids.tolist() == [[2, *[1] * 7]]
    assert upper.ids[0, 0] != 2
    lower.save(tmp_path / "again")
    again = load_tokenizer(tmp_path / "again")
    assert (again.description, again.pad_id) == (lower.description, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"model": {"type": "BPE", "vocab": {}, "merges": []}}', "is not CLIP's byte-level BPE"),
        ("{", "cannot be read as JSON"),
        ('{"model": {"type": "Unigram", "vocab": 3}}', "cannot be read by the tokenizers library"),
        ('{"model": {"type": "BPE", "byte_fallback": true}}', "cannot be read by the tokenizers"),
    ],
)
def test_files_that_lie_are_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=said):
        load_tokenizer(tmp_path)


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"expected tokenizer\.json"):
        PipelineTokenizer.load(tmp_path)
    unigrams().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "<none>"}')
    with pytest.raises(CheckpointError, match="pad_token '<none>'"):
        load_tokenizer(tmp_path)
