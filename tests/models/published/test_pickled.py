"""Checkpoints looked at before they are unpickled: archives that grow, entries that lead elsewhere,
programs.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from finereel.errors import CheckpointError, ConfigError
from finereel.io.foreign_files import ForeignFileError
from finereel.models import published as official
from finereel.models.published import checkpoint, pickled, unpickle
from finereel.models.published.pickled import require_tensors
from tiny_models import official_state


def archive(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        for name, content in entries.items():
            packed.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


EMPTY = b"\x80\x02}."
PROGRAM = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."


def test_what_torch_writes_for_tensors_passes(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    module = torch.nn.Linear(2, 3)
    every = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool)
    for state in (
        {"a": torch.zeros(3, 4).T, "b": torch.zeros(2)[:1], "empty": torch.zeros(0, 3), "scalar": torch.tensor(1.0)},
        OrderedDict(a=torch.nn.Parameter(torch.zeros(2))), module.state_dict(),
        {str(kind): torch.zeros(2, dtype=kind) for kind in every},
    ):  # fmt: skip
        for new in (True, False):
            torch.save(state, path, _use_new_zipfile_serialization=new)
            require_tensors(path)


def test_a_compressed_checkpoint_is_read(tmp_path: Path) -> None:
    path, again = tmp_path / "state.bin", tmp_path / "again.bin"
    torch.save(official_state(), path)
    with zipfile.ZipFile(path) as packed:
        again.write_bytes(
            archive({name: packed.read(name) for name in packed.namelist()}, zipfile.ZIP_DEFLATED)
        )
    require_tensors(again)


def smaller(content: bytes) -> bytes:
    """The first entry says to inflate to less than it does."""
    changed = bytearray(content)
    place = content.find(b"PK\x01\x02")
    changed[place + 24 : place + 28] = struct.pack("<I", 16)
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive({"m/data.pkl": PROGRAM}), "posix system"),
        (PROGRAM, "more in it than tensors"),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + PROGRAM, "posix system"),
        (archive({"m/data.pkl": b"\x80\x04\x8c\x05posix\x8c\x06system\x93."}), "instruction SHORT_BINUNICODE"),
        (archive({"m/data.pkl": b"\x80\x02(iposix\nsystem\n."}), "instruction INST"),
        (archive({"m/data.pkl": b"\x80\x02\x82\x01."}), "instruction EXT1"),
        (archive({"m/data.pkl": b"\x80\x02cbuiltins\nbytearray\nK\x05\x85R."}), "builtins bytearray"),
        (archive({"m/data.pkl": EMPTY, "m/data/0": bytes(9 << 20)}, zipfile.ZIP_DEFLATED), "would grow to"),
        (smaller(archive({"m/data/0": bytes(10**5), "m/data.pkl": EMPTY}, 8)), "damaged|another "
                                                                               "size"),
        (archive({"m/data.pkl": EMPTY, "../evil": b"x"}), "leads elsewhere"),
        (archive({"m/data.pkl": EMPTY, "/evil": b"x"}), "leads elsewhere"),
        (archive({"m/data.pkl": EMPTY, "m\\evil": b"x"}), "leads elsewhere"),
        (archive({"m/data.pkl": EMPTY, "n/data.pkl": PROGRAM}), "no single data.pkl"),
        (archive({"m/data.pkl": EMPTY, "m/dbtb.pkl": PROGRAM}).replace(b"dbtb", b"data"), "same name"),
        (archive({"m/version": b"3"}), "no single data.pkl"),
        (archive({f"m/{number}": b"" for number in range(10_001)}), "10,001 entries"),
        (archive({"m/data.pkl": b"\x80\x02" + b"N0" * 300_000 + b"}."}), "instruction POP"),
        (archive({"m/data.pkl": b"\x80\x02" + b"N" * 600_000 + b"."}), "more than 500,000"),
        (archive({"m/data.pkl": b"\x80\x02" + b"N" * (5 << 20)}), "its pickle has"),
        (archive({"m/data.pkl": b"\x80\x02X\xff\xff\xff\xff."}), "it is no pickle"),
        (archive({"m/data.pkl": EMPTY})[:-30], "has no end"),
        (b"", "no pickle"),
        (b"\0" * 1000, "no pickle"),
    ],
)  # fmt: skip
def test_everything_else_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    with pytest.raises(ForeignFileError, match=message):
        require_tensors(path)
    with pytest.raises(CheckpointError, match=r"file\.bin") as caught:
        official.import_checkpoint(path, tmp_path / "out")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": torch.zeros(1).expand(10**11)}, "would take"),
        ({"a": torch.zeros(4).as_strided((4, 4), (0, 1))}, "would take"),
        ({"a": torch.eye(3).to_sparse()}, "sparse"),
        ({3: torch.zeros(1)}, "by name"),
        ({"a": torch.zeros(1, device="meta")}, "by name"),
    ],
)
def test_tensors_larger_than_their_numbers(tensors: dict[Any, Any], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        unpickle.check_tensors(tensors, 1000)


def test_the_second_wall_holds_without_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    command = f"touch {mark}".encode()
    (tmp_path / "evil.bin").write_bytes(
        archive(
            {
                "m/data.pkl": b"\x80\x02cposix\nsystem\nX"
                + struct.pack("<I", len(command))
                + command
                + b"\x85R.",
                "m/version": b"3\n",
            }
        )
    )
    monkeypatch.setattr(checkpoint, "require_tensors", lambda path: None)
    with pytest.raises(CheckpointError, match="more in it than tensors"):
        official.import_checkpoint(tmp_path / "evil.bin", tmp_path / "out")
    assert not mark.exists()
    assert not pickled.GLOBALS & {"posix system", "os system"}


def changed(name: str, tensor: Any) -> dict[str, Any]:
    return official_state() | {name: tensor}


@pytest.mark.parametrize(
    "state",
    [
        changed("clip.token_embedding.weight", torch.zeros(1, 100_000)),
        changed("clip.token_embedding.weight", torch.zeros(3)),
        changed("clip.text_projection", torch.zeros(64, 100_000)),
        changed("clip.text_projection", torch.zeros(())),
        changed("clip.visual.positional_embedding", torch.zeros(1, 64)),
        changed("clip.visual.positional_embedding", torch.zeros(0)),
        changed("clip.visual.conv1.weight", torch.zeros(0, 3, 4, 4)),
        changed("word_mat_weight", torch.zeros(100_000)),
        changed("word_mat_weight", torch.zeros(100_000, 1)),
        changed("pixel_mat_weight", torch.zeros(())),
        changed("clip.visual.transformer.resblocks.999999999.ln_1.weight", torch.zeros(1)),
        changed("clip.transformer.resblocks.٣.ln_1.weight", torch.zeros(1)),
        changed("clip.transformer.resblocks.0.attn.in_proj_weight", torch.zeros(2, 64)),
        changed("clip.logit_scale", torch.tensor(float("nan"))),
        changed("clip.logit_scale", torch.tensor(500.0)),
        changed("global_mat_weight", torch.ones(64, 64, dtype=torch.int8)),
        changed("clip.ln_final.weight", 7),
        changed(7, torch.zeros(1)),  # type: ignore[arg-type]
        {},
    ],
)
def test_states_that_do_not_fit(state: dict[str, Any]) -> None:
    with pytest.raises((CheckpointError, ConfigError)) as caught:
        official.load("ucofia", state)
    assert "\n" not in str(caught.value)


def test_safetensors_that_lie_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file(official_state(), path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="the file holds"):
        official.import_checkpoint(path, tmp_path / "out")
