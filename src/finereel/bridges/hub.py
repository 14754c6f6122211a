"""Publish a model directory on the Hugging Face hub, with a card that says what it can and cannot.

Nothing is sent but by `publish(..., dry_run=False)`: the model's files by name, and nothing else that
lies in the folder. The token is the hub library's own business (`hf auth login`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from finereel.bridges.sentence_transformers import (
    MADE,
    RIGHTS,
    how_to_load,
    lost,
    replaceable,
)
from finereel.errors import ConfigError, ModelError, StorageError
from finereel.evaluation.record import RunRecord
from finereel.evaluation.retrieval import FUSED
from finereel.index.evidence import records_of
from finereel.io import ASSETS
from finereel.io.atomic import first_line, write_file, writes
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load

CARD = "README.md"
MODULES = "modules.json"
FILES = (
    CARD,
    *RIGHTS,
    "config.json",
    "config_sentence_transformers.json",
    "merges.txt",
    "model.safetensors",
    MODULES,
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
"""All that is ever sent of a folder."""

_METRICS = ("R@1", "R@5", "R@10")
_WAYS = {"text_to_video": "text to video", "video_to_text": "video to text"}


@runtime_checkable
class Hub(Protocol):
    """The part of `huggingface_hub.HfApi` that publishing uses."""

    def create_repo(self, repo_id: str, **options: Any) -> Any:
        """Make a repository where there is none."""
        ...

    def upload_folder(self, **options: Any) -> Any:
        """Send files of a folder as one commit."""
        ...


@dataclass(frozen=True)
class CardSettings:
    """What a card says besides the model. records: runs of `finereel evaluate` of this very model;
    license: by the hub's names, such as `apache-2.0`; public: whether a repository that is made is
    public.
    """

    records: tuple[RunRecord, ...] = ()
    license: str | None = None
    public: bool = False


@dataclass(frozen=True)
class Publication:
    """What was sent, or would be. files: with their bytes; kept: what else lies in the folder;
    url: the address of the commit; empty where nothing was sent.
    """

    repository: str
    files: tuple[tuple[str, int], ...]
    kept: tuple[str, ...]
    url: str = ""


@writes("folder")
def publish(
    folder: Path,
    repository: str,
    settings: CardSettings = CardSettings(),
    *,
    dry_run: bool = True,
    api: Hub | None = None,
) -> Publication:
    """Write the card of a model directory and, unless it is a dry run, send the model to the hub.

    Args:
        folder: A model directory; its README.md becomes the card.
        repository: USER/NAME on the hub.
        settings: What the card says.
        dry_run: Whether nothing is sent.
        api: What sends; None means `huggingface_hub.HfApi()`.

    Returns:
        What was sent or would be.

    Raises:
        ConfigError: USER/NAME is not valid, or a record is of another model.
        ModelError: The folder is no model directory, or somebody wrote its README.md.
        StorageError: The hub refuses or does not answer.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise ConfigError(f"{repository!r} is no name on the hub: {first_line(error)}") from error
    if repository.count("/") != 1:
        raise ConfigError(f"expected USER/NAME on the hub, got {repository!r}")
    if not folder.is_dir() or folder.resolve().is_relative_to(ASSETS):
        raise ModelError(
            f"expected a model directory of yours, got {folder}; `finereel models export NAME DIR` "
            "writes one of a bundled model"
        )
    if not replaceable(folder / CARD):
        raise ModelError(f"{folder / CARD} was written by somebody: move it away first")
    write_file(folder / CARD, make_card(load(folder), folder, repository, settings))
    there = sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
    files = tuple((path.name, path.stat().st_size) for path in there if path.name in FILES)
    names = {name for name, _ in files}
    kept = tuple(sorted(path.name for path in folder.iterdir() if path.name not in names))
    url = "" if dry_run else _send(folder, repository, settings, sorted(names), api)
    return Publication(repository, files, kept, url)


def _send(
    folder: Path, repository: str, settings: CardSettings, names: list[str], api: Hub | None
) -> str:
    """Send the files called `names`; the URL of the commit."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    hub: Any = HfApi() if api is None else api
    try:
        hub.create_repo(repository, repo_type="model", private=not settings.public, exist_ok=True)
        sent = hub.upload_folder(
            repo_id=repository,
            folder_path=str(folder),
            repo_type="model",
            allow_patterns=names,
            commit_message="Model and card by finereel publish",
        )
    except LocalTokenNotFoundError as error:
        raise StorageError(
            "the hub wants to know who you are: run `hf auth login` first"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise StorageError(
            f"{repository} was not published ({first_line(error)}); check the network and that "
            "`hf auth whoami` may write there, then run the same command again"
        ) from error
    return str(getattr(sent, "commit_url", sent))


def make_card(model: RetrievalModel, folder: Path, repository: str, settings: CardSettings) -> str:
    """The card of a model: numbers with interval and protocol, what it cannot tell apart, how to
    load it. ConfigError for a record of another model.
    """
    from huggingface_hub import ModelCardData

    other = next(
        (one for one in settings.records if one.model.fingerprint != model.fingerprint), None
    )
    if other is not None:
        raise ConfigError(
            f"the record {other.name!r} is of the model {other.model.fingerprint}, {folder} holds "
            f"{model.fingerprint}: evaluate this one"
        )
    data = ModelCardData(
        library_name="finereel",
        license=settings.license,
        tags=["finereel", "video-retrieval", "text-to-video"],
        model_name=repository.split("/")[1] if settings.records else None,
        eval_results=_results(settings.records) or None,
    )
    card = model.card
    sections = [
        MADE,
        f"# {repository.split('/')[1]}",
        _plain(card.get("note") or "A video-text retrieval model."),
        _used(repository),
        _numbers(settings.records, card),
        _told_apart(card),
    ]
    if (folder / MODULES).is_file():
        sections.append(how_to_load(repository, lost(model)))
    sections.append(_made_of(model, card))
    text = "\n\n".join(section.strip() for section in sections)
    return f"---\n{data.to_yaml()}\n---\n\n{text}\n"


def _results(records: Sequence[RunRecord]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=way.replace("_", "-"),
            task_name=f"{said} retrieval",
            dataset_type=record.dataset.name,
            dataset_name=f"{record.dataset.name} ({record.dataset.coverage} videos)",
            dataset_split=record.dataset.split,
            dataset_revision=record.dataset.split_hash,
            metric_type="recall",
            metric_name=f"{metric}, normalization {record.row(way)['protocol']}",
            metric_value=round(float(record.row(way)[metric]), 2),
        )
        for record in records
        for way, said in _WAYS.items()
        for metric in _METRICS
    ]


def _numbers(records: Sequence[RunRecord], card: dict[str, Any]) -> str:
    lines = ["## Numbers", ""]
    quality = card.get("quality")
    if isinstance(quality, dict):
        lines += [f"* {_plain(name)}: {value}" for name, value in quality.items()] + [""]
    if not records:
        return "\n".join([*lines, "No record of an evaluation was given for this card."])
    lines += [
        "| data | direction | R@1 | 95 % interval | R@5 | R@10 | coverage | normalization |",
        "|---|---|---:|---|---:|---:|---|---|",
    ]
    for record in records:
        facts = record.dataset
        for way, said in _WAYS.items():
            row = record.row(way, FUSED)
            low, high = row["intervals"]["R@1"]
            lines.append(
                f"| {_plain(facts.name)}/{_plain(facts.split)} ({facts.split_hash}) | {said} | "
                f"{row['R@1']:.1f} | {low:.1f} to {high:.1f} | {row['R@5']:.1f} | "
                f"{row['R@10']:.1f} | {facts.coverage} | {row['protocol']} |"
            )
        if not facts.complete:
            lines += ["", f"{facts.name}/{facts.split} is incomplete: not the benchmark."]
    return "\n".join([*lines, "", "Scores are fused; `none` means that no other query was seen."])


def _told_apart(card: dict[str, Any]) -> str:
    """What the model mistakes: its record of words."""
    head = "## What it cannot tell apart"
    records = records_of(card)
    if not records:
        return f"{head}\n\nNot measured: no word of a query counts as more than undecided."
    lines = [
        f"* {pos}s: it prefers the true word to a false one in {record.pair_accuracy:.1f} % of pairs"
        + ("" if record.judges else ", **too few to judge such a word** (chance: 50 %)")
        for pos, record in sorted(records.items())
    ]
    return "\n".join([head, "", *lines])


def _used(repository: str) -> str:
    return f"""## Use

    pip install finereel
    finereel index ~/Videos --model {repository}
    finereel search "a dog jumps into the water\""""


def _made_of(model: RetrievalModel, card: dict[str, Any]) -> str:
    facts: dict[str, object] = {
        "fingerprint": model.fingerprint,
        "head": model.config.head,
        "frames of a clip": model.num_frames,
        "tokens of a text": model.config.max_words,
        "granularities": ", ".join(model.config.weights),
        **{name: card[name] for name in ("data", "recipe", "rights", "languages") if name in card},
    }
    return "\n".join(
        ["## Facts", "", *(f"* {name}: {_plain(value)}" for name, value in facts.items())]
    )


def _plain(value: object) -> str:
    """A value of a card on one line, without what Markdown or HTML would carry out."""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    kept = "".join(one if one.isprintable() else " " for one in text)
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("[", "\\[")):
        kept = kept.replace(mark, safe)
    return kept
