"""Write tasks and a labelling interface for Label Studio, and read annotations of any number of
people.

Formats: https://labelstud.io/guide/task_format (tasks and raw JSON export, also JSON-MIN) and its
tags Video, Text, Choices.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from finereel.errors import DataError
from finereel.finegrain.review.verdicts import VERDICTS, Item, Judgement, rater_name
from finereel.io.atomic import write_file, writes

CONTROL = "verdict"
"""The name of the choice in the labelling interface."""
LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio spells a file below its LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."""


@writes("out")
def export_tasks(items: Iterable[Item], videos: Mapping[str, Path], out: Path) -> tuple[Path, Path]:
    """Write the tasks to `out` (JSON) and the labelling interface beside it (.xml); both paths come
    back.

    videos: by video id, paths below the folder that Label Studio serves local files from; without
    any the interface has none.
    """
    tasks = [{"data": _task(item, videos)} for item in items]
    config = out.with_suffix(".xml")
    write_file(out, json.dumps(tasks, indent=1) + "\n")
    write_file(config, interface(with_video=bool(videos)))
    return out, config


def interface(with_video: bool) -> str:
    """The labelling interface as XML, to be pasted into a project's settings."""
    view = ElementTree.Element("View")
    if with_video:
        ElementTree.SubElement(view, "Video", name="video", value="$video")
    ElementTree.SubElement(view, "Header", value="Caption, true of the video")
    ElementTree.SubElement(view, "Text", name="caption", value="$caption", valueType="text")
    ElementTree.SubElement(view, "Header", value="Changed caption")
    ElementTree.SubElement(view, "Text", name="negative", value="$negative", valueType="text")
    ElementTree.SubElement(view, "Header", value="$change", size="5")
    choices = ElementTree.SubElement(
        view, "Choices", name=CONTROL, toName="negative", choice="single-radio", required="true"
    )
    for number, (name, meaning) in enumerate(VERDICTS.items(), 1):
        words = f"{name.replace('_', ' ')}: {meaning}"
        ElementTree.SubElement(choices, "Choice", value=words, alias=name, hotkey=str(number))
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def read_annotations(path: Path, items: Iterable[Item]) -> dict[str, list[Judgement]]:
    """The verdicts in an export of Label Studio (JSON or JSON-MIN), by rater.

    Skipped tasks, cancelled annotations and drafts are left out. Raises DataError naming the file
    and the task for what is not on one of `items`, which must be those that were exported, or is no
    verdict.
    """
    known = {item.key: item for item in items}
    found: dict[str, list[Judgement]] = {}
    for number, task in enumerate(_tasks(path), 1):
        try:
            for judged in _judged(task, known):
                found.setdefault(judged.rater, []).append(judged)
        except (DataError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{path}, task {number}: {error}") from None
    if not found:
        raise DataError(
            f"{path}: expected annotations, found none; export the project as JSON after annotating"
        )
    return found


def _task(item: Item, videos: Mapping[str, Path]) -> dict[str, str]:
    row = item.row
    told = {
        "item": item.key,
        "id": row.id,
        "pos": row.pos,
        "caption": row.caption,
        "negative": row.negative,
    }
    change = {"change": f"{row.pos}: {row.source} \u2192 {row.replacement}"}
    if videos:  # the interface asks every task for one
        path = videos.get(row.video_id)
        change["video"] = LOCAL_FILES + quote(path.as_posix()) if path else ""
    return told | change


def _tasks(path: Path) -> list[Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except ValueError as error:
        raise DataError(f"{path}: expected the JSON export of Label Studio ({error})") from None
    if not isinstance(value, list):
        raise DataError(
            f"{path}: expected a list of tasks, got {type(value).__name__}; export the project as "
            "JSON"
        )
    return value


def _judged(task: Any, known: Mapping[str, Item]) -> list[Judgement]:
    if not isinstance(task, dict):
        raise DataError(f"expected a task as a JSON object, got {type(task).__name__}")
    flat = "annotations" not in task
    fields = task if flat else task["data"]
    item = known.get(fields.get("item", ""))
    if item is None:
        raise DataError(
            f"its item {fields.get('item')!r} is not in this review: give the file, --sample and "
            "--seed of the export"
        )
    if flat:
        return _flat(task, item)
    given = []
    for annotation in task["annotations"]:
        verdict = None if annotation.get("was_cancelled") else _verdict(annotation["result"])
        if verdict is not None:
            given.append(_judgement(item, annotation["completed_by"], verdict, annotation))
    return given


def _flat(task: Mapping[str, Any], item: Item) -> list[Judgement]:
    """A task of JSON-MIN, which has one annotation."""
    if CONTROL not in task:
        return []
    facts = {"id": task.get("annotation_id"), "updated_at": task.get("updated_at")}
    return [_judgement(item, task.get("annotator"), task[CONTROL], facts)]


def _verdict(result: Iterable[Mapping[str, Any]]) -> Any:
    for region in result:
        if region.get("from_name") == CONTROL:
            return region["value"]["choices"][0]
    return None


def _judgement(item: Item, rater: Any, verdict: Any, facts: Mapping[str, Any]) -> Judgement:
    if verdict not in VERDICTS:
        raise DataError(f"unknown verdict {verdict!r}: expected one of {', '.join(VERDICTS)}")
    who = (rater.get("email") or rater.get("id")) if isinstance(rater, dict) else rater
    when = str(facts.get("updated_at") or "")
    event = f"label-studio-{facts.get('id')}-{when}"
    return Judgement(
        item.key, item.row.id, item.row.pos, rater_name(str(who)), verdict, when, event
    )
