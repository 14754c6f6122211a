"""`models`: what `--model` can name on this machine, without loading any weights."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from finereel.cli.output import JsonOption, console, print_json, shown


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be named: bundled with the package, in the hub's cache, or the default that
    must be fetched.
    """

    name: str
    kind: str
    path: str
    megabytes: float
    default: bool


def models(as_json: JsonOption = False) -> None:
    """List the models on this machine and the default model.

    `--model` also takes any directory with a CLIP model (config.json, model.safetensors,
    tokenizer.json).
    """
    from finereel.models.saving import BUNDLED, DEFAULT_MODEL

    entries = [_entry(name, "bundled", path, default=False) for name, path in BUNDLED.items()]
    cached = _cached_clip_models()
    entries += [
        _entry(name, "cached", path, default=name == DEFAULT_MODEL) for name, path in cached.items()
    ]
    if DEFAULT_MODEL not in cached:
        entries.append(ModelEntry(DEFAULT_MODEL, "not downloaded", "", 0.0, default=True))
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", "kind", "MB", "path"):
        table.add_column(column, justify="right" if column == "MB" else "left", overflow="fold")
    for entry in entries:
        name = entry.name + (" (default)" if entry.default else "")
        size = f"{entry.megabytes:.1f}" if entry.megabytes else ""
        table.add_row(Text(shown(name)), entry.kind, size, Text(shown(entry.path)))
    console().print(table)


def _entry(name: str, kind: str, path: Path, default: bool) -> ModelEntry:
    size = (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        if path.is_dir()
        else 0
    )
    return ModelEntry(name, kind if size else "missing", str(path), round(size / 1e6, 1), default)


def _cached_clip_models() -> dict[str, Path]:
    """CLIP-architecture snapshots in the hub's cache, by their id."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return {}
    found = {}
    for repository in sorted(repositories, key=lambda repository: repository.repo_id):
        for revision in repository.revisions:
            if repository.repo_type == "model" and _is_clip(revision.snapshot_path):
                found[repository.repo_id] = revision.snapshot_path
    return found


def _is_clip(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "clip"
