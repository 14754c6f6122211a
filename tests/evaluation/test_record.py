"""Versions, and the commit of a checkout."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import finereel
from finereel.evaluation.record import commit, environment


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_the_commit_and_whether_files_differ_from_it(checkout: Path) -> None:
    found = commit(checkout)
    assert len(found) == 40
    (checkout / "pyproject.toml").write_text("changed")
    assert commit(checkout) == found + "+"


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / ".git").mkdir()  # broken
    assert commit(tmp_path) == ""


def test_versions() -> None:
    found = environment(torch.device("cpu"))
    assert (found.finereel, found.torch, found.numpy) == (
        finereel.__version__,
        torch.__version__,
        np.__version__,
    )
    assert found.device == "cpu"
