"""No bridge costs anything before it is used, and a missing extra is named with its command."""

import subprocess
import sys

import pytest

from finereel.bridges.mcp import make_server
from finereel.bridges.mteb import FinereelSearch, retrieval_task
from finereel.data.base import Caption, Split
from finereel.errors import ConfigError
from finereel.library import Library
from tiny_models import tiny_model

NEIGHBOURS = ("mteb", "datasets", "sentence_transformers", "mcp", "fiftyone")
LIGHT = """
import sys
import finereel.bridges, finereel.cli
assert "torch" not in sys.modules and "huggingface_hub" not in sys.modules
for name in ("mteb", "mteb_results", "sentence_transformers", "sentence_module", "mcp", "fiftyone",
    "hub"):
    __import__(f"finereel.bridges.{name}")
import finereel.finegrain.evaluate.scorers
print(*sorted({name.split(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""


def test_no_bridge_imports_its_neighbour() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, *NEIGHBOURS], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_missing_extras_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("mteb", "mteb.models.model_meta", "mteb.abstasks.retrieval", "mcp.server"):
        monkeypatch.setitem(sys.modules, name, None)
    split = Split("all", ("a",), (Caption("c", "a", "a dog"),))
    folder = tmp_path_factory.mktemp("extras")
    with pytest.raises(ConfigError, match=r"pip install 'finereel\[mteb\]'"):
        _ = FinereelSearch(tiny_model()).mteb_model_meta
    with pytest.raises(ConfigError, match=r"pip install 'finereel\[mteb\]'"):
        retrieval_task(split, {"a": folder / "a.mp4"})
    with pytest.raises(ConfigError, match=r"pip install 'finereel\[mcp\]'") as told:
        make_server(Library.open(folder))
    assert "\n" not in str(told.value)
