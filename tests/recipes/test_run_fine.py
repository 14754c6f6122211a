"""A run with a file of fine-grained negatives: they are used, they are part of the run, and wrong
ones are refused.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finereel.config import FineConfig
from finereel.errors import DataError, FinereelError
from finereel.finegrain.files import write_negatives
from finereel.finegrain.types import Negative
from finereel.models.saving import load
from finereel.recipes import PairRecipe, recipe
from finereel.recipes.events import Event
from finereel.recipes.run import Note, RunOptions, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    ids = [f"v{number}" for number in range(24)]
    tokens = rng.standard_normal((24, 2, 3, 8)).astype(np.float16)
    np.savez(tmp_path / "a.npz", tokens=tokens, ids=np.array(ids))
    rows = [f"{name},a caption about {name}" for name in ids]
    (tmp_path / "captions.csv").write_text("video,caption\n" + "\n".join(rows) + "\n")
    return tmp_path


def negatives(path: Path, word: str = "caption") -> Path:
    rows = [
        Negative(
            f"n{v}{k}",
            f"v{v}",
            f"v{v}",
            f"a {word} about v{v}",
            f"a {k} about v{v}",
            "noun",
            2,
            2 + len(word),
            word,
            k,
            "m",
        )
        for v in range(24)
        for k in ("song", "picture")
    ]
    write_negatives(rows, path)
    return path


def small() -> PairRecipe:
    made = recipe("features")
    assert isinstance(made, PairRecipe)
    return replace(
        made,
        model=replace(made.model, fine=FineConfig(visual_prompts=1)),
        training=replace(made.training, steps=2),
        pairs=replace(made.pairs, batch_size=4, negatives=3),
        tokens=replace(made.tokens, dim=32, text_width=32, text_blocks=1, vocab_size=600),
        warm_up=None,
        closed_form=None,
    )


def test_negatives_teach_the_prompt_and_another_file_is_another_run(
    folder: Path, tmp_path: Path
) -> None:
    events: list[Event] = []
    given = RunOptions(
        folder, features=folder, negatives=negatives(tmp_path / "n.jsonl"), device="cpu", workers=1
    )
    outcome = run(small(), tmp_path / "with", given, events.append)
    assert outcome is not None
    assert any(
        isinstance(event, Note) and "fine-grained negatives" in event.text for event in events
    )
    without = run(small(), tmp_path / "without", replace(given, negatives=None))
    assert without is not None
    prompts = [load(one.folder).state_dict()["prompts.visual"] for one in (outcome, without)]
    assert not np.allclose(*(prompt.numpy() for prompt in prompts))
    other = replace(given, negatives=None)
    with pytest.raises(FinereelError, match="data"):
        run(replace(small(), training=replace(small().training, steps=3)), tmp_path / "with", other)


def test_negatives_of_other_captions_are_refused(folder: Path, tmp_path: Path) -> None:
    given = RunOptions(
        folder, features=folder, negatives=negatives(tmp_path / "n.jsonl", "sentence"), device="cpu"
    )
    with pytest.raises(DataError, match="no training caption has negatives"):
        run(small(), tmp_path / "out", given)
