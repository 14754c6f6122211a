"""The documents against the code: the map names every file, and every command and file they mention
exists.
"""

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_command

import finereel
from finereel.cli import COMMANDS, app

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "finereel"
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FILES = [
    path.relative_to(SOURCE).as_posix()
    for path in sorted(SOURCE.rglob("*.py"))
    if path.name != "__init__.py"
]


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES)
def test_the_map_names_every_file(file: str) -> None:
    assert re.search(
        rf"(?<![\w/]){re.escape(file)}(?!\w)", text_of(ROOT / "docs" / "dev" / "map.md")
    ), f"run docs/dev/update_map.py: {file}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_mentioned_files_exist(document: Path) -> None:
    for name in re.findall(r"(?<![\w/.-])[\w-]+(?:/[\w-]+)*\.py\b", text_of(document)):
        places = (ROOT / name, SOURCE / name, ROOT / "tests" / name, document.parent / name)
        assert any(place.exists() for place in places), (
            f"{document.name} mentions {name}, which does not exist"
        )


def commands_in(text: str) -> list[tuple[str, str]]:
    """(command, rest of the line) of every `finereel ...` in code blocks and code spans."""
    code = "\n".join(re.findall(r"```[\s\S]*?```|`[^`\n]+`|^ {4}.*$", text, re.MULTILINE))
    return re.findall(r"(?<![\w./-])finereel ([a-z]+)([^\n`#]*)", code)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_mentioned_commands_and_options_exist(document: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, rest in commands_in(text_of(document)):
        assert name in commands, f"{document.name}: no command 'finereel {name}'"
        command, words = commands[name], rest.split()
        if words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words[0]]
        known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
        unknown = set(re.findall(r"(?<!\S)--[a-z0-9-]+", rest)) - known
        assert not unknown, f"{document.name}: finereel {name} has no {unknown}"


def test_readme_and_guides_show_every_command() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "docs" / "quickstart.md",
        *(ROOT / "docs" / "guide").glob("*.md"),
    ]
    shown = {name for page in pages for name, _ in commands_in(text_of(page))}
    assert set(COMMANDS) <= shown


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_examples_parse(document: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", text_of(document), re.DOTALL):
        ast.parse(block)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_resolve(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text_of(document)):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_new_names_of_moved_modules_exist() -> None:
    rows = re.findall(r"^\| `[\w.]+` \| `([\w.]+)` \|$", text_of(ROOT / "docs/dev/moved.md"), re.M)
    assert len(rows) > 200
    for name in rows:
        path = ROOT.joinpath("src" if name.startswith("finereel") else "", *name.split("."))
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists(), name


def test_the_changelog_knows_the_version() -> None:
    assert f"## [{finereel.__version__}]" in text_of(ROOT / "CHANGELOG.md")


def test_a_record_can_be_made_as_the_guide_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = text_of(ROOT / "docs" / "guide" / "evaluate.md")
    [example] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "evaluate.md", "exec"), {})
    assert capsys.readouterr().out == "100.0\n"
    assert (tmp_path / "runs" / "theirs" / "record.json").exists()
