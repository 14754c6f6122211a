"""Additional taggers: TextBlob's lexicon, and spaCy if it is installed."""

import warnings
from collections.abc import Sequence

from finereel.errors import ConfigError

SPACY_MODEL = "en_core_web_sm"


class TextblobTagger:
    """Words -> Penn tags by TextBlob's PatternTagger (De Smedt's Brill lexicon, MIT).

    >>> TextblobTagger()(["a", "man", "rides", "slowly"])
    ['DT', 'NN', 'NNS', 'RB']
    """

    def __init__(self) -> None:
        from textblob.en import parser

        self._find_tags = parser.find_tags
        with (
            warnings.catch_warnings()
        ):  # it reads its lexicon at the first word and leaves the file to the collector
            warnings.simplefilter("ignore", ResourceWarning)
            self._find_tags(["a"])

    def __call__(self, words: Sequence[str]) -> list[str]:
        """One Penn tag per word."""
        return [str(tag).partition("-")[0] for _, tag in self._find_tags(list(words))]


class SpacyTagger:
    """Words -> Penn tags by spaCy's `en_core_web_sm`, the tagger of arXiv 2410.12407. It is not on
    PyPI.
    """

    def __init__(self) -> None:
        try:
            import spacy

            self._pipeline = spacy.load(SPACY_MODEL, disable=["parser", "ner", "lemmatizer"])
        except (ImportError, OSError) as error:
            raise ConfigError(
                f"the tagger 'spacy' needs spaCy and its model {SPACY_MODEL} ({error}); install "
                "both "
                f"(python -m spacy download {SPACY_MODEL}), or use hanta and textblob"
            ) from error

    def __call__(self, words: Sequence[str]) -> list[str]:
        """One Penn tag per word."""
        if not words:
            return []
        from spacy.tokens import Doc

        doc = self._pipeline(Doc(self._pipeline.vocab, words=list(words)))
        return [token.tag_ for token in doc]
