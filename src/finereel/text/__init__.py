"""STRING -> TOKENS: cleaning, byte-level BPE, and the way back from a token to the words a person
typed.
"""

from finereel.text.tokenize import Tokenizer, Tokens, Word, clip_tokenizer, train_tokenizer

__all__ = ["Tokenizer", "Tokens", "Word", "clip_tokenizer", "train_tokenizer"]
