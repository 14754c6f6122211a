"""Label Studio: tasks as it reads them, annotations as it writes them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from finereel.errors import DataError
from finereel.finegrain.review.label_studio import export_tasks, read_annotations
from finereel.finegrain.review.verdicts import VERDICTS, Item, review_items
from finereel.finegrain.types import Negative


@pytest.fixture
def items(hostile: list[Negative]) -> tuple[Item, ...]:
    return review_items(hostile)


def annotation(verdict: str, rater: Any = 1, **changes: Any) -> dict[str, Any]:
    """As in the raw JSON export."""
    region = {
        **{
            "id": "x1",
            "from_name": "verdict",
            "to_name": "negative",
            "type": "choices",
            "origin": "manual",
        },
        "value": {"choices": [verdict]},
    }
    return {
        **{
            "id": 7,
            "completed_by": rater,
            "result": [region],
            "was_cancelled": False,
            "ground_truth": False,
        },
        **{"updated_at": "2026-01-02T03:04:05Z", "lead_time": 4.2, "task": 1},
        **changes,
    }


def exported(items: tuple[Item, ...], folder: Path, *annotations: dict[str, Any]) -> Path:
    """The tasks of an export, the first one annotated."""
    tasks, _ = export_tasks(items, {}, folder / "tasks.json")
    value = [
        {"id": number, "annotations": [], **task}
        for number, task in enumerate(json.loads(tasks.read_text()))
    ]
    value[0]["annotations"] = list(annotations)
    tasks.write_text(json.dumps(value))
    return tasks


def test_the_tasks_carry_the_captions_unharmed(items: tuple[Item, ...], tmp_path: Path) -> None:
    tasks, config = export_tasks(items, {"v": Path("clips/a video&.mp4")}, tmp_path / "tasks.json")
    found = json.loads(tasks.read_text())
    assert [task["data"]["caption"] for task in found] == [item.row.caption for item in items]
    assert [task["data"]["negative"] for task in found] == [item.row.negative for item in items]
    assert found[0]["data"]["video"] == "/data/local-files/?d=clips/a%20video%26.mp4"
    assert config == tmp_path / "tasks.xml"
    [missing] = {
        task["data"]["video"]
        for task in json.loads(export_tasks(items, {"w": Path("w")}, tasks)[0].read_text())
    }
    assert missing == ""  # every task of an interface with a video has one


def test_the_interface_names_what_the_tasks_have(items: tuple[Item, ...], tmp_path: Path) -> None:
    for videos in ({}, {"v": Path("v.mp4")}):
        tasks, config = export_tasks(items, videos, tmp_path / "tasks.json")
        view = ElementTree.parse(config).getroot()
        asked = {
            value[1:] for tag in view.iter() if (value := tag.get("value", "")).startswith("$")
        }
        assert asked <= set(json.loads(tasks.read_text())[0]["data"])
        assert ("video" in asked) == bool(videos)
        names = {tag.get("name") for tag in view.iter() if tag.tag in ("Text", "Video")}
        [choices] = view.iter("Choices")
        assert choices.get("toName") in names
        assert [choice.get("alias") for choice in choices] == list(VERDICTS)
        assert [choice.get("hotkey") for choice in choices] == ["1", "2", "3", "4"]


def test_annotations_of_several_people_come_back(items: tuple[Item, ...], tmp_path: Path) -> None:
    people = [annotation("also_true", 3), annotation("unsure", {"id": 4, "email": "bob@x.org"})]
    found = read_annotations(exported(items, tmp_path, *people), items)
    assert {rater: [step.verdict for step in steps] for rater, steps in found.items()} == {
        "3": ["also_true"],
        "bob@x.org": ["unsure"],
    }
    assert found["3"][0].item == items[0].key


def test_the_short_form_comes_back_too(items: tuple[Item, ...], tmp_path: Path) -> None:
    path = tmp_path / "min.json"
    told = {"item": items[1].key, "annotator": 2, "annotation_id": 9, "verdict": "ungrammatical"}
    path.write_text(json.dumps([told, {"item": items[2].key}]))
    assert [(step.item, step.verdict) for step in read_annotations(path, items)["2"]] == [
        (items[1].key, "ungrammatical")
    ]


def test_what_was_cancelled_or_left_empty_is_left_out(
    items: tuple[Item, ...], tmp_path: Path
) -> None:
    path = exported(
        items, tmp_path, annotation("valid", was_cancelled=True), annotation("valid", result=[])
    )
    with pytest.raises(DataError, match="expected annotations, found none"):
        read_annotations(path, items)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected the JSON export"),
        ("{}", "expected a list of tasks, got dict"),
        ("[3]", "task 1: expected a task as a JSON object"),
        (
            '[{"data": {"item": "k"}, "annotations": []}]',
            "task 1: its item 'k' is not in this review",
        ),
        ('[{"annotations": []}]', "task 1: 'data'"),
    ],
)
def test_another_file_is_told(
    tmp_path: Path, items: tuple[Item, ...], text: str, message: str
) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_annotations(tmp_path / "x.json", items)


def test_an_unknown_choice_is_told(items: tuple[Item, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="task 1: unknown verdict 'fine'"):
        read_annotations(exported(items, tmp_path, annotation("fine")), items)


def test_there_is_no_file(items: tuple[Item, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_annotations(tmp_path / "x.json", items)


def test_exports_of_reviews_differ_by_key_alone(
    negative: Callable[..., Negative], tmp_path: Path
) -> None:
    twice = review_items([negative("a dog", "dog", "cat")] * 2)
    tasks, _ = export_tasks(twice, {}, tmp_path / "t.json")
    keys = [task["data"]["item"] for task in json.loads(tasks.read_text())]
    assert len(set(keys)) == 2
