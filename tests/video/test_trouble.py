"""What is no file's fault while it is read: a disk that fails, a decoding process that cannot be
started.
"""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from finereel.errors import FinereelError, VideoError, VideoLimitError
from finereel.video import child, messages
from finereel.video import reader as reader_module
from finereel.video.plan import Limits
from finereel.video.reader import VideoReader


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EIO, "Input/output error"), "VideoError"),
        (OSError(errno.ESTALE, "Stale file handle"), "VideoError"),
        (RuntimeError("odd"), "BrokenVideoError"),
    ],
)
def test_the_child_tells_the_disk_s_errors_from_the_file_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, kind: str
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(child, "Source", refuse)
    with (tmp_path / "answers").open("w+b", buffering=0) as answers:
        child._serve({"kind": "read", "path": "/v/a.mp4", "plan": {}}, Limits(), answers)
        answers.seek(0)
        answer = messages.read(answers)
    assert answer is not None
    assert (answer["kind"], answer["error"]) == ("error", kind)
    assert str(answer["reason"]).startswith("/v/a.mp4: ")


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE, errno.ENOMEM])
def test_no_decoding_process_is_one_error_and_not_the_file_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    def refuse(limits: Limits) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(reader_module, "Worker", refuse)
    video = tmp_path / "a.mp4"
    video.write_bytes(b"content")
    with (
        pytest.raises(FinereelError, match="the decoding process does not start") as raised,
        VideoReader() as reader,
    ):
        reader.read(video)
    assert not isinstance(raised.value, VideoError | VideoLimitError)
