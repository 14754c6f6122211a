"""CLIP's tokenizer as the published retrieval code uses it.

Rules of a row of W tokens (UCoFiA, CLIP4Clip and peers): `<|startoftext|>`, BPE tokens cut so that
these are at most W - 1 entries in all, `<|endoftext|>`, then zeros. Token 0 is a real one ("!"), so
only the mask tells padding.
"""

import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, models, normalizers, pre_tokenizers

from finereel.errors import CheckpointError, ConfigError, ModelNotFoundError
from finereel.io import ASSETS
from finereel.io.foreign_files import MIB, ForeignFileError, brief, read_json_object, read_text
from finereel.text.base import BaseTokenizer
from finereel.text.clean import CleanText, clean

# Learning byte-level BPE merges, the same from the same corpus on every run.
Pair = tuple[str, str]


def learn_merges(words: Counter[str], limit: int, end: str) -> list[Pair]:
    """At most `limit` merges, the most frequent pair first, ties in alphabetical order (Sennrich et
    al. 2016).

    words: byte-level words with their counts; `end` marks the last symbol of a word. Stops when no
    pair occurs twice.

    >>> learn_merges(Counter({"low": 3, "lot": 2}), limit=3, end="</w>")
    [('l', 'o'), ('lo', 'w</w>'), ('lo', 't</w>')]
    """
    spelled = [[*word[:-1], word[-1] + end] for word in words]
    counts = list(words.values())
    pair_counts: Counter[Pair] = Counter()
    containing: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, symbols in enumerate(spelled):
        _note(symbols, number, counts[number], pair_counts, containing)
    # Entries of the heap go stale when a count changes; one whose count no longer holds is skipped.
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapify(heap)
    merges: list[Pair] = []
    while len(merges) < limit and heap:
        negative, best = heappop(heap)
        if pair_counts.get(best) != -negative:
            continue
        if -negative < 2:
            break
        merges.append(best)
        changed: set[Pair] = set()
        for number in containing.pop(best):
            changed.update(pairwise(spelled[number]))
            _note(spelled[number], number, -counts[number], pair_counts, containing)
            spelled[number] = merge(spelled[number], best)
            _note(spelled[number], number, counts[number], pair_counts, containing)
            changed.update(pairwise(spelled[number]))
        for pair in changed & pair_counts.keys():
            heappush(heap, (-pair_counts[pair], pair))
    return merges


def merge(symbols: list[str], pair: Pair) -> list[str]:
    """Every occurrence of `pair` joined, left to right.

    >>> merge(["a", "a", "a", "b"], ("a", "a"))
    ['aa', 'a', 'b']
    """
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged


def _note(
    symbols: list[str],
    number: int,
    count: int,
    pair_counts: Counter[Pair],
    containing: defaultdict[Pair, set[int]],
) -> None:
    """Add `count` to every pair of the word; a pair that reaches zero is forgotten."""
    for pair in pairwise(symbols):
        pair_counts[pair] += count
        if pair_counts[pair] == 0:
            del pair_counts[pair]
        containing[pair].add(number)


MOST_BYTES = 16 * MIB  # CLIP's own vocabulary has 4
_MOST_IDS = 1 << 19
_MOST_ADDED = 1 << 12
_SHOWN = 100
START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_SPECIAL = re.compile(r"<\|(?:startoftext|endoftext)\|>", re.IGNORECASE)


class Tokenizer(BaseTokenizer):
    """Byte-level BPE of the CLIP kind: lower-cased, words end in `</w>`, `<|startoftext|>` and
    `<|endoftext|>`.

    added: tokens learned later (textual inversion), whole wherever they stand in a text; `vocab`
    has their ids.

    >>> tokenizer = train_tokenizer(["a red car jumps", "a red boat"], vocab_size=530)
    >>> [word.text for word in tokenizer.words("A red car!", max_words=12)]
    ['A', 'red', 'car', '!']
    """

    def __init__(
        self, vocab: dict[str, int], merges: Sequence[Pair], added: Sequence[AddedToken] = ()
    ) -> None:
        missing = [name for name in (START, END) if name not in vocab]
        if missing:
            raise CheckpointError(
                f"not a CLIP vocabulary: expected the tokens {START} and {END}, {missing[0]} is "
                "missing among "
                f"{len(vocab)}; give a CLIP-architecture model"
            )
        try:
            bpe = _pipeline(vocab, merges)
            bpe.add_tokens(list(added))
        except Exception as error:  # the tokenizers library raises no class of its own
            raise CheckpointError(
                f"a vocabulary of {len(vocab)} tokens with {len(merges)} merges makes no "
                "byte-level BPE "
                f"({' '.join(str(error).split())[:_SHOWN]}); copy the tokenizer again"
            ) from error
        super().__init__(bpe, max(vocab.values()) + 1, (vocab[START],), (vocab[END],), pad_id=0)

    @classmethod
    def load(cls, directory: str | Path) -> "Tokenizer":
        """From a model directory: `tokenizer.json`, else `vocab.json` and `merges.txt`. CLIP's text
        rules always hold.

        Raises ModelNotFoundError when neither is there, CheckpointError when the vocabulary is not
        CLIP's kind.
        """
        folder = Path(directory)
        try:
            vocab, merges, added = _read_vocabulary(folder)
        except FileNotFoundError:
            raise ModelNotFoundError(
                f"no tokenizer in {folder}: expected tokenizer.json, or vocab.json and merges.txt; "
                "copy them from "
                "where the model came from"
            ) from None
        except ForeignFileError as error:
            raise CheckpointError(
                f"the tokenizer in {folder} cannot be read as byte-level BPE ({error}); expected "
                "CLIP's"
            ) from error
        return cls(vocab, merges, added)

    def _entries(self, text: str, official: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids of the text and their spans in it, without start and end tokens."""
        cleaned = clean(text)
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        done = 0
        for special in [*(_special_matches(cleaned.text) if official else ()), None]:
            until = special.start() if special else len(cleaned.text)
            self._append_plain(cleaned, done, until, ids, spans)
            if special:
                ids.append(self.start_id if special.group().lower() == START else self.end_id)
                spans.append(cleaned.original_span(*special.span()))
                done = special.end()
        return ids, spans

    def _append_plain(
        self, cleaned: CleanText, start: int, end: int, ids: list[int], spans: list[tuple[int, int]]
    ) -> None:
        encoding = self._pipeline.encode(cleaned.text[start:end], add_special_tokens=False)
        ids += encoding.ids
        spans += [
            cleaned.original_span(start + first, start + last) for first, last in encoding.offsets
        ]


def train_tokenizer(corpus: Iterable[str], vocab_size: int) -> Tokenizer:
    """A CLIP-style tokenizer learned from captions: 256 bytes, 256 bytes that end a word, merges,
    then the start and end tokens as the two highest ids. Any string encodes; the same corpus gives
    the same ids.

    vocab_size: the largest number of ids, at least 514; fewer where the corpus offers fewer merges.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    base = [*alphabet, *(symbol + WORD_END for symbol in alphabet)]
    if vocab_size < len(base) + 2:
        raise ConfigError(
            f"a byte-level vocabulary has at least {len(base) + 2} ids, got vocab_size={vocab_size}"
        )
    bare = _pipeline({}, [])
    words: Counter[str] = Counter()
    for text in corpus:
        normal = bare.normalizer.normalize_str(clean(text).text)
        words.update(piece for piece, _ in bare.pre_tokenizer.pre_tokenize_str(normal))
    merges = learn_merges(words, vocab_size - len(base) - 2, WORD_END)
    symbols = dict.fromkeys([*base, *(left + right for left, right in merges), START, END])
    return Tokenizer({symbol: number for number, symbol in enumerate(symbols)}, merges)


def _pipeline(vocab: dict[str, int], merges: Sequence[Pair]) -> tokenizers.Tokenizer:
    model = models.BPE(
        vocab=vocab, merges=list(merges), end_of_word_suffix=WORD_END, continuing_subword_prefix=""
    )
    bpe = tokenizers.Tokenizer(model)
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False, trim_offsets=False),
        ]
    )
    return bpe


def _read_vocabulary(folder: Path) -> tuple[dict[str, int], list[Pair], list[AddedToken]]:
    packed = folder / "tokenizer.json"
    if packed.exists():
        stored = read_json_object(packed, MOST_BYTES)
        model = stored.get("model")
        if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
            raise ForeignFileError(f"{packed} describes no BPE model")
        if model.get("end_of_word_suffix") != WORD_END:
            raise CheckpointError(
                f"{packed} is not CLIP's byte-level BPE: words must end in {WORD_END}, "
                f"got {brief(model.get('end_of_word_suffix'))}; give a CLIP-architecture model"
            )
        entries = stored.get("added_tokens")
        return (
            checked_vocabulary(model.get("vocab"), entries),
            _merges(model.get("merges")),
            _added(entries),
        )
    vocab = read_json_object(folder / "vocab.json", MOST_BYTES)
    lines = read_text(folder / "merges.txt", MOST_BYTES).splitlines()
    return (
        checked_vocabulary(vocab, None),
        _merges([line for line in lines if line and not line.startswith("#version")]),
        [],
    )


def checked_vocabulary(vocab: Any, added: Any) -> dict[str, int]:
    """Tokens and their ids, those that were added later among them."""
    if not isinstance(vocab, dict) or not isinstance(added or [], list):
        raise ForeignFileError(f"expected a vocabulary {{token: id}}, got {brief(vocab)}")
    later = [entry if isinstance(entry, dict) else {} for entry in added or []]
    ids = vocab | {entry.get("content"): entry.get("id") for entry in later}
    for token, number in ids.items():
        if not isinstance(token, str) or type(number) is not int or not 0 <= number < _MOST_IDS:
            raise ForeignFileError(
                f"token {brief(token)} has the id {brief(number)}, expected 0 to {_MOST_IDS - 1}"
            )
    return ids


def _added(entries: Any) -> list[AddedToken]:
    """The tokens that a text may hold as they are. The start and end tokens are not among them: in
    a text they are plain text, or a query could move its own vector.
    """
    tokens = []
    for entry in entries or []:
        flags = {
            name: entry.get(name, False)
            for name in ("single_word", "lstrip", "rstrip", "normalized", "special")
        }
        if not entry["content"] or not all(type(value) is bool for value in flags.values()):
            raise ForeignFileError(
                f"expected an added token with true and false as its settings, got {brief(entry)}"
            )
        if entry["content"] not in (START, END):
            tokens.append(AddedToken(entry["content"], **flags))
    if len(tokens) > _MOST_ADDED:
        raise ForeignFileError(f"expected at most {_MOST_ADDED} added tokens, got {len(tokens)}")
    return tokens


def _merges(entries: Any) -> list[Pair]:
    """Pairs of tokens, written `a b` or as a list."""
    if not isinstance(entries, list) or len(entries) > _MOST_IDS:
        raise ForeignFileError(
            f"expected a list of at most {_MOST_IDS} merges, got {brief(entries)}"
        )
    pairs = [entry.split() if isinstance(entry, str) else entry for entry in entries]
    for pair in pairs:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(part, str) for part in pair)
        ):
            raise ForeignFileError(f"expected merges of two tokens, got {brief(pair)}")
    return [(left, right) for left, right in pairs]


def _special_matches(text: str) -> list[re.Match[str]]:
    """Literal special tokens where the published pattern sees them: not within a run of
    punctuation.
    """
    found: list[re.Match[str]] = []
    for match in _SPECIAL.finditer(text):
        before = text[match.start() - 1 : match.start()]
        adjoins = bool(found) and found[-1].end() == match.start()
        if adjoins or not before or before.isspace() or before.isalpha() or before.isnumeric():
            found.append(match)
    return found


# The vocabulary every CLIP text tower was trained with: it tells where a caption is cut when no
# model is given.
ASSET = ASSETS / "clip-bpe" / "merges.txt.gz"


@cache
def clip_tokenizer() -> Tokenizer:
    """CLIP's own tokenizer, 49,408 ids as in the published checkpoints (openai/CLIP,
    bpe_simple_vocab_16e6).

    >>> clip_tokenizer().encode(["a photo of a cat"], max_words=8).ids[0].tolist()
    [49406, 320, 1125, 539, 320, 2368, 49407, 0]
    """
    lines = gzip.decompress(ASSET.read_bytes()).decode("utf-8").splitlines()
    merges = [
        (left, right)
        for left, right in (line.split(" ") for line in lines if not line.startswith("#version"))
    ]
    # The published order of the 256 byte symbols: printable ASCII, printable Latin-1, then the
    # bytes moved beyond.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    joined = [left + right for left, right in merges]
    symbols = [*alphabet, *(symbol + WORD_END for symbol in alphabet), *joined, START, END]
    return Tokenizer({symbol: number for number, symbol in enumerate(symbols)}, merges)


# What a CLIP directory says of its tokenizer besides the vocabulary: `tokenizer_config.json`.
_NO_LIMIT = 1 << 30
_CLIP_CLASSES = ("CLIPTokenizer", "CLIPTokenizerFast")


def most_tokens(folder: Path) -> int:
    """The longest text in tokens that the tokenizer in a CLIP directory gives (`model_max_length`).

    Raises CheckpointError where its settings make other tokens than CLIP's text rules do.
    """
    settings = _object(folder / "tokenizer_config.json")
    for name, expected in (("bos_token", START), ("eos_token", END)):
        token = settings.get(name, expected)
        token = token.get("content") if isinstance(token, dict) else token
        if token != expected:
            raise CheckpointError(
                f"the tokenizer in {folder} has the {name} {token!r}, which is not supported: "
                f"expected {expected}"
            )
    kind = settings.get("tokenizer_class", _CLIP_CLASSES[0])
    if kind not in _CLIP_CLASSES and not _lowers(
        _object(folder / "tokenizer.json").get("normalizer")
    ):
        raise CheckpointError(
            f"the tokenizer in {folder} ({kind}) keeps upper case, which is not supported: "
            "expected lower-casing"
        )
    longest = settings.get("model_max_length", _NO_LIMIT)
    if isinstance(longest, bool) or not isinstance(longest, int | float) or longest < 2:
        raise CheckpointError(
            f"model_max_length of the tokenizer in {folder} must be at least 2, got {longest!r}"
        )
    return int(min(longest, _NO_LIMIT))


def _lowers(normalizer: Any) -> bool:
    """Whether a normalizer of `tokenizer.json`, or one of its parts, lower-cases."""
    if not isinstance(normalizer, dict):
        return False
    parts = normalizer.get("normalizers")
    return normalizer.get("type") == "Lowercase" or any(
        map(_lowers, parts if isinstance(parts, list) else [])
    )


def _object(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where there is no file."""
    try:
        return read_json_object(path, MOST_BYTES)
    except FileNotFoundError:
        return {}
    except ForeignFileError as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}); copy it again") from error
