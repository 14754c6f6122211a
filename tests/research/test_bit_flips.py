"""The attack by bit flips: it finds nothing, and does find changed answers where nothing is
compared.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from research.attacks import bit_flips as attack
from research.attacks.toy_library import answers, opened, same_answers, settings, write_videos


def test_no_changed_byte_changes_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack, "APPROXIMATE_VIDEOS", 60)
    results = attack.bit_flips(tmp_path, 8, seed=1)
    assert sum(result.tried for result in results) == 8
    assert [result.failures for result in results if result.failed] == []


def test_it_notices_a_changed_vector_that_is_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_videos(tmp_path / "videos", 3)
    library = tmp_path / "library"
    opened(library).add([tmp_path / "videos"], settings=settings())
    expected = answers(library, ["dog1"])
    assert attack.verdict(library, False, expected * 0) == "another answer"
    folder = next(library.glob("index-*/clips.lance/data"))
    noticed = 0
    monkeypatch.setattr(
        "finereel.index.snapshot.damaged_rows", lambda rows, names: np.zeros(len(rows), dtype=bool)
    )
    for data in sorted(folder.iterdir()):
        sound = data.read_bytes()
        for place in range(200, len(sound) - 1000, 97):
            data.write_bytes(sound[:place] + bytes([sound[place] ^ 0x40]) + sound[place + 1 :])
            try:
                noticed += not same_answers(answers(library, ["dog1"]), expected)
            except Exception:
                continue
            if noticed:
                break
        data.write_bytes(sound)
    assert noticed
    shutil.rmtree(library)
