"""A library keeps its preset, and says which it is; int8 in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finereel.errors import ConfigError, LibraryError
from finereel.index.events import AddSettings
from finereel.index.presets import DEFAULT_PRESET
from finereel.library import Library
from finereel.video.plan import ClipPlan
from index.doubles import ToyModel, ToySource, ToyStream, write_video
from support.media import Recipe, make_video
from test_plain_clip import make_clip

TINY = """
import sys
from finereel.models import quantized
quantized.LEAST_PARAMETERS, quantized.LEAST_COSINE = 0, {cosine}
sys.argv = ["finereel", *sys.argv[1:]]
from finereel.__main__ import main
main()
"""


class Noting(ToySource):
    """Notes how it is asked to read."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[str] = []

    def clips(self, path: Path, plan: ClipPlan) -> ToyStream:
        self.modes.append(plan.mode)
        return super().clips(path, plan)


def test_a_library_keeps_its_preset(tmp_path: Path) -> None:
    source = Noting()
    library = Library.open(tmp_path / "library", ToyModel(), source)

    def add(name: str, **values: Any) -> str:
        write_video(tmp_path / "v" / f"{name}.toy", name)
        library.add([tmp_path / "v"], settings=AddSettings(**values))
        return library.status().preset

    assert add("cat", preset="exact") == "exact"
    assert add("dog") == "exact"
    assert add("fish", mode="keyframes") == "exact"
    assert add("horse", preset="fast") == "fast"
    assert add("bird") == "fast"
    assert source.modes == ["exact", "exact", "keyframes", "auto", "auto"]
    library.rebuild(ToyModel(1), settings=AddSettings(preset="exact"))
    assert (library.status().preset, set(source.modes[5:])) == ("exact", {"exact"})


def test_libraries_without_a_preset_have_the_default_one(tmp_path: Path) -> None:
    write_video(tmp_path / "v" / "cat.toy", "cat")
    library = Library.open(tmp_path / "library", ToyModel(), Noting())
    library.add([tmp_path / "v"])
    kept = tmp_path / "library" / "settings.json"
    values = json.loads(kept.read_text())
    assert values.pop("preset") == DEFAULT_PRESET
    kept.write_text(json.dumps(values))
    assert library.status().preset == DEFAULT_PRESET
    kept.write_text(json.dumps(values | {"preset": "slow"}))
    with pytest.raises(LibraryError, match="slow"):
        library.status()
    with pytest.raises(ConfigError, match="preset"):
        AddSettings(preset="slow")


@pytest.mark.slow
def test_int8_in_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_clip(tmp_path / "clip")
    (tmp_path / "videos").mkdir()
    film = make_video(tmp_path / "film.mp4", Recipe(frames=100)).read_bytes()
    for number in range(6):  # none is a copy of another
        (tmp_path / "videos" / f"{number}.mp4").write_bytes(film + bytes(8 + number))

    def index(library: str, cosine: float, *more: str) -> tuple[dict[str, Any], str]:
        words = ("index", "videos", "--model", "clip", "--library", library, "--json", *more)
        command = [sys.executable, "-c", TINY.format(cosine=cosine), *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout), done.stderr

    first, _ = index("a", 0.9)
    again, _ = index("b", 0.9)
    assert again["quantized"] > first["quantized"] > 0
    failed, said = index("c", 1.1)
    assert failed["quantized"] == 0
    assert said.count("encoded in float32: in int8") == 1
