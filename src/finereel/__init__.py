"""Finereel: search video by what happens in it, down to the word.

    import finereel

    library = finereel.Library.open("holiday.library")
    library.add(["~/Videos/holiday"])
    print(library.search("a dog jumps into the water")[0])

Every name below is imported when it is first used, so that `import finereel` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from finereel import moved

if TYPE_CHECKING:
    from finereel.errors import ConfigError as ConfigError
    from finereel.errors import DataError as DataError
    from finereel.errors import FinereelError as FinereelError
    from finereel.errors import LibraryError as LibraryError
    from finereel.errors import ModelError as ModelError
    from finereel.errors import VideoError as VideoError
    from finereel.evaluation.compare import compare as compare
    from finereel.evaluation.evaluate import evaluate as evaluate
    from finereel.index.query import Answer as Answer
    from finereel.index.query import Filters as Filters
    from finereel.index.query import Query as Query
    from finereel.library import Library as Library
    from finereel.models import published as official
    from finereel.models.features import Scores as Scores
    from finereel.models.features import TextFeatures as TextFeatures
    from finereel.models.features import VideoFeatures as VideoFeatures
    from finereel.models.retrieval import RetrievalModel as RetrievalModel
    from finereel.models.saving import load as load_model
    from finereel.models.saving import save as save_model
    from finereel.types import CaptionHit as CaptionHit
    from finereel.types import Frames as Frames
    from finereel.types import Hit as Hit
    from finereel.types import MatchConfidence as MatchConfidence

__version__ = "0.2.0"

_PLACES = {
    "Answer": "finereel.index.query:Answer",
    "CaptionHit": "finereel.types:CaptionHit",
    "MatchConfidence": "finereel.types:MatchConfidence",
    "ConfigError": "finereel.errors:ConfigError",
    "DataError": "finereel.errors:DataError",
    "Filters": "finereel.index.query:Filters",
    "FinereelError": "finereel.errors:FinereelError",
    "Frames": "finereel.types:Frames",
    "Hit": "finereel.types:Hit",
    "Library": "finereel.library:Library",
    "LibraryError": "finereel.errors:LibraryError",
    "ModelError": "finereel.errors:ModelError",
    "Query": "finereel.index.query:Query",
    "RetrievalModel": "finereel.models.retrieval:RetrievalModel",
    "Scores": "finereel.models.features:Scores",
    "TextFeatures": "finereel.models.features:TextFeatures",
    "VideoError": "finereel.errors:VideoError",
    "VideoFeatures": "finereel.models.features:VideoFeatures",
    "compare": "finereel.evaluation.compare:compare",
    "evaluate": "finereel.evaluation.evaluate:evaluate",
    "load_model": "finereel.models.saving:load",
    "official": "finereel.models:published",
    "save_model": "finereel.models.saving:save",
}

__all__ = [
    "Answer",
    "CaptionHit",
    "ConfigError",
    "DataError",
    "Filters",
    "FinereelError",
    "Frames",
    "Hit",
    "Library",
    "LibraryError",
    "MatchConfidence",
    "ModelError",
    "Query",
    "RetrievalModel",
    "Scores",
    "TextFeatures",
    "VideoError",
    "VideoFeatures",
    "__version__",
    "compare",
    "evaluate",
    "load_model",
    "official",
    "save_model",
]

moved.install()


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'finereel' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    import_module(f"{module}.{attribute}" if name == "official" else module)
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
