"""Text: cleaning, tokenizers, and the mapping from tokens back to the words a person typed."""

from finereel.text.base import BaseTokenizer, Tokens, Word
from finereel.text.opening import load_tokenizer
from finereel.text.pipeline import PipelineTokenizer
from finereel.text.tokenize import Tokenizer, clip_tokenizer, train_tokenizer
from finereel.text.wordpiece import WordPieceTokenizer

__all__ = [
    "BaseTokenizer",
    "PipelineTokenizer",
    "Tokenizer",
    "Tokens",
    "Word",
    "WordPieceTokenizer",
    "clip_tokenizer",
    "load_tokenizer",
    "train_tokenizer",
]
