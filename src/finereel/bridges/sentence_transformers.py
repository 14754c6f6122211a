"""Export a model so that `SentenceTransformer(DIR, trust_remote_code=True)` loads it.

The directory is our own model directory with three files beside: it still loads with
`--model DIR`. sentence-transformers holds one vector per text and per video, so their product is
the `video_sentence` score and everything finer is lost there.
"""

import json
from pathlib import Path

import finereel
from finereel.errors import ModelError
from finereel.io.atomic import write_file, writes
from finereel.models.retrieval import RetrievalModel

MODULE = "finereel.bridges.sentence_module.VideoSentence"
PART = "video_sentence"
RIGHTS = ("LICENSE", "NOTICE.md")
"""Files of a model directory that say whose it is."""


def lost(model: RetrievalModel) -> str:
    """One sentence: what of a model's score its export leaves out.

    Args:
        model: The model.

    Returns:
        The sentence, which names the granularities and their share of the fused score.
    """
    weights = model.config.weights
    whole = sum(map(abs, weights.values()))
    finer = [name for name in weights if name != PART and weights[name]]
    if not finer:
        return "nothing: the model has no other score"
    share = abs(weights.get(PART, 0.0)) / whole if whole else 0.0
    return (
        f"{', '.join(finer)} and the fused score, of which {PART} is {share:.0%} by weight; the "
        "vectors of frames and patches; so evidence, moments and word scores too"
    )


@writes("directory")
def export(model: RetrievalModel, directory: Path, source: Path | None = None) -> str:
    """Write a directory for sentence-transformers.

    Args:
        model: The model.
        directory: The folder; it is created if needed.
        source: The folder that the model comes from; its notices of rights go along.

    Returns:
        What is lost, see `lost`.

    Raises:
        ModelError: The model has no video_sentence score, or takes no pictures.
        StorageError: The folder cannot be written.
    """
    if PART not in model.config.weights:
        raise ModelError(
            f"model {model.name} has no {PART} score ({', '.join(model.config.weights)}), so one "
            "vector per text and per video cannot stand for it"
        )
    if not model.encoder.takes_pixels:
        raise ModelError(f"model {model.name} takes precomputed tokens, not videos")
    if not replaceable(directory / "README.md"):
        raise ModelError(
            f"{directory / 'README.md'} was written by somebody: move it away, or choose another "
            "folder"
        )
    model.save(directory)
    missing = lost(model)
    modules = [{"idx": 0, "name": "0", "path": "", "type": MODULE}]
    settings = {
        "model_type": "SentenceTransformer",
        "__version__": {"finereel": finereel.__version__},
        "prompts": {},
        "default_prompt_name": None,
        "similarity_fn_name": "dot",
    }
    for notice in RIGHTS:
        if source is not None and (source / notice).is_file():
            write_file(directory / notice, (source / notice).read_bytes())
    write_file(directory / "README.md", _card(model, missing))
    write_file(directory / "config_sentence_transformers.json", json.dumps(settings, indent=2))
    write_file(directory / "modules.json", json.dumps(modules, indent=2))
    return missing


MADE = "<!-- written by finereel, and written again by the next export or publish -->"
"""What marks a README.md that may be replaced."""


def replaceable(readme: Path) -> bool:
    """Whether a README.md may be written: there is none, or it is one of ours."""
    return not readme.exists() or MADE in readme.read_text(encoding="utf-8", errors="replace")


def how_to_load(place: str, missing: str) -> str:
    """A section of a card: how sentence-transformers loads the model, and what is lost there."""
    return f"""## In sentence-transformers

    pip install 'finereel[sentence-transformers]'

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{place}", trust_remote_code=True)  # it imports finereel
texts = model.encode(["a dog runs"])
videos = model.encode([{{"video": "clip.mp4"}}])
model.similarity(texts, videos)  # {PART} of finereel, divided by its scale
```

Lost there, and kept with `finereel`, which loads the same directory: {missing}.
"""


def _card(model: RetrievalModel, missing: str) -> str:
    return f"""---
library_name: sentence-transformers
tags: [video-retrieval, finereel]
pipeline_tag: feature-extraction
---

{MADE}

# {Path(model.name).name}

{how_to_load("DIR", missing)}"""
