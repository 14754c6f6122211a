"""Text: cleaning, byte-level BPE, and the mapping from tokens back to the words a person typed."""

from finereel.text.tokenize import Tokenizer, Tokens, Word, clip_tokenizer, train_tokenizer

__all__ = ["Tokenizer", "Tokens", "Word", "clip_tokenizer", "train_tokenizer"]
