"""The folder `kernels/` builds into a wheel for any Python 3 that scores as torch does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT

CHECK = """
import finereel_kernels, torch
from finereel.models.heads import compiled
from tiny_models import random_text, random_video, tiny_model
assert compiled.state() == finereel_kernels.SETS[0] and finereel_kernels.SETS[-1] == "plain"
model, sides = tiny_model(), (random_text(5), random_video(4))
import os
found = model.score(*sides).fused
os.environ["FINEREEL_KERNELS"] = "off"
assert (found - model.score(*sides).fused).abs().max() < 1e-3
print(finereel_kernels.__file__)
"""


@pytest.mark.slow
def test_the_wheel_builds_and_scores(tmp_path: Path) -> None:
    if shutil.which("g++") is None and shutil.which("c++") is None:
        assert not os.environ.get("CI"), "continuous integration brings g++ in .ci/run"
        pytest.skip("no C++ compiler here")
    source, site = tmp_path / "kernels", tmp_path / "site"
    shutil.copytree(ROOT / "kernels", source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(source)], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("finereel_kernels-1.0.0-py3-none-")
    shutil.unpack_archive(wheel, site, "zip")
    path = os.pathsep.join([str(site), str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        env={**os.environ, "PYTHONPATH": path, "FINEREEL_KERNELS": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(site))
