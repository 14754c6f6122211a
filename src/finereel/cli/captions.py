"""Read captions from plain text, JSON, JSONL or CSV files."""

import csv
import io
import json
import sys
from pathlib import Path

from finereel.errors import DataError


def read_captions(path: Path) -> list[str]:
    """The captions of a text, JSON, JSONL or CSV file in their order, without blank ones.

    Raises DataError, naming file and line, where the file is not what its ending says or holds no
    caption.
    """
    text = sys.stdin.read() if str(path) == "-" else _read_text(path)
    kind = path.suffix.lower()
    if kind == ".json":
        captions = _json_list(path, text)
    elif kind == ".jsonl":
        captions = [
            _json_field(path, number, line)
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]
    elif kind == ".csv":
        captions = _csv_field(path, text)
    else:
        captions = text.splitlines()
    captions = [caption.strip() for caption in captions if caption.strip()]
    if not captions:
        raise DataError(f"{path} holds no caption: expected one per line")
    return captions


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from error


def _json_list(path: Path, text: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, list) or not all(isinstance(caption, str) for caption in value):
        raise DataError(
            f'{path}: expected a JSON list of strings, such as ["a dog runs", "a cat sleeps"]'
        )
    return value


def _json_field(path: Path, number: int, line: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number} is not JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("caption"), str):
        raise DataError(
            f"{path}, line {number}: expected an object with a text field 'caption', got "
            f"{line[:80]!r}"
        )
    return str(record["caption"])


def _csv_field(path: Path, text: str) -> list[str]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = list(reader.fieldnames or [])
        captions = [row.get("caption") or "" for row in reader]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num} is not CSV: {error}") from error
    if "caption" not in columns:
        raise DataError(
            f"{path}, line 1: expected a column 'caption', got {', '.join(columns) or 'nothing'}"
        )
    return captions
