"""Modules that wait until they are used."""

import gc
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from finereel.imports import (
    postpone,
    postpone_classes,
    without_collection,
    without_override_checks,
)
from finereel.models.heads import HEADS
from finereel.models.saving import save
from tiny_models import tiny_peer


def test_a_module_runs_when_one_of_its_names_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "waiting_module.py").write_text(
        "import sys\nsys.waiting_module_ran = True\nvalue = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    postpone("waiting_module")
    import waiting_module  # type: ignore[import-not-found]

    assert not hasattr(sys, "waiting_module_ran")
    assert waiting_module.value == 3
    assert hasattr(sys, "waiting_module_ran")
    assert not hasattr(waiting_module, "other")


def test_collection_stops_for_a_while_and_goes_on_even_after_an_error() -> None:
    seen = []

    def fail() -> None:
        with without_collection():
            seen.append(gc.isenabled())
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    gc.disable()
    try:
        with without_collection():
            pass
        seen.append(gc.isenabled())
    finally:
        gc.enable()
    assert seen == [False, False]
    assert gc.isenabled()


def test_what_is_absent_is_left_alone() -> None:
    before = list(sys.meta_path)
    postpone("no_such_package")
    postpone("no_such_package.part")
    postpone_classes("no_such_package")
    assert "no_such_package" not in sys.modules
    assert sys.meta_path == before


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="typing.override checks nothing")
@pytest.mark.parametrize("loaded", [None, ModuleType("overrides")], ids=["absent", "loaded"])
def test_signatures_are_not_compared_within_the_block_only(
    monkeypatch: pytest.MonkeyPatch, loaded: ModuleType | None
) -> None:
    monkeypatch.delitem(sys.modules, "overrides", raising=False)
    if loaded is not None:
        monkeypatch.setitem(sys.modules, "overrides", loaded)
    code = (
        "from overrides import EnforceOverrides, override\n"
        "class Alone(EnforceOverrides):\n"
        "    @override\n"
        "    def overrides_nothing(self): return 1\n"
    )
    names: dict[str, Any] = {}
    with without_override_checks():
        exec(code, names)
    assert names["Alone"]().overrides_nothing() == 1
    assert sys.modules.get("overrides") is loaded
    with pytest.raises(SyntaxError), without_override_checks():
        exec("an import that fails")
    assert sys.modules.get("overrides") is loaded


def test_models_of_every_head_load_and_score_as_ever(tmp_path: Path) -> None:
    """In a process whose torch came without its Python kernels for tensors without data."""
    for head in HEADS:
        save(tiny_peer(head), tmp_path / head)
    code = f"""
import sys
from finereel.imports import UNUSED_PARTS, postpone
for part in UNUSED_PARTS:
    postpone(part)
import numpy as np
from finereel.models.saving import load
from finereel.types import Frames
for head in {list(HEADS)}:
    model = load({str(tmp_path)!r} + "/" + head)
    video = model.encode_video([Frames(np.zeros((2, 40, 40, 3), np.uint8), np.arange(2.0))])
    assert model.score(model.encode_text(["a red car"]), video).fused.isfinite().all()
assert "torch._decomp" not in sys.modules
ran = [part for part in UNUSED_PARTS if "__getattr__" not in vars(sys.modules[part])]
assert not ran, ran
"""
    subprocess.run([sys.executable, "-c", code], check=True)
