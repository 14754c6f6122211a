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


COUNTS = [
    (document, *found)
    for document in DOCUMENTS
    for found in re.findall(
        r"\[(\d+) of (\d+) distinguishable\]\(([\w./-]+\.md)\)", text_of(document)
    )
]


@pytest.mark.parametrize(
    ("document", "some", "all_of", "page"), COUNTS, ids=lambda value: Path(value).name
)
def test_what_a_page_calls_distinguishable_is_counted(
    document: Path, some: str, all_of: str, page: str
) -> None:
    """A claim names how many differences of its table can be told from chance."""
    rows = re.findall(
        r"\| (better|worse|not distinguishable) \|$", text_of(document.parent / page), re.M
    )
    assert (int(some), int(all_of)) == (len(rows) - rows.count("not distinguishable"), len(rows))


def test_a_summary_of_experiments_counts_every_table_it_names() -> None:
    """No cell ranks systems without saying how many of the comparisons are distinguishable, and
    README has their sums.
    """
    document = ROOT / "docs" / "results" / "experiments.md"
    [summary] = re.findall(r"\n## Results\n(.*?)\n## ", text_of(document), re.DOTALL)
    rows = [line.strip("| ").split(" | ") for line in summary.splitlines() if line[:3] == "| ("]
    sums = {1: [0, 0], 2: [0, 0]}
    for row in rows:
        for column, cell in enumerate(row[1:], 1):
            if not re.search(r"\d\.\d", cell):
                continue
            found = re.match(r"\[(\d+) of (\d+) distinguishable\]", cell)
            assert found, cell
            if "matrix" not in row[0]:
                sums[column] = [sums[column][0] + int(found[1]), sums[column][1] + int(found[2])]
    (real, all_real), (rendered, all_rendered) = sums[1], sums[2]
    told = f"{real} of {all_real} differences of R@1 can be told from chance, on rendered ones "
    assert f"{told}{rendered} of {all_rendered} (" in text_of(ROOT / "README.md")


def test_the_readme_counts_the_gains_that_are_seen() -> None:
    """Of all rows and test sets of the bundled model's page, those whose gain exceeds the one with
    another clip.
    """
    page = text_of(ROOT / "docs" / "results" / "fine-grained-ucofia-everyday-tokens.md")
    seen = re.findall(r"\| [+-]\d\.\d+ \[[^]|]+\] \| (\d\.\d+)(?: n\.s\.)? \|$", page, re.M)
    some = sum(float(p) < 0.05 for p in seen)
    assert f"{some} of {len(seen)} gains exceed those with another clip" in text_of(
        ROOT / "README.md"
    )


def test_every_recall_in_the_readme_has_its_interval_or_range() -> None:
    [table] = re.findall(r"\n(\| id \| size .*?)\n\n", text_of(ROOT / "README.md"), re.DOTALL)
    heading, _, *rows = table.splitlines()
    column = heading.split(" | ").index("text-to-video R@1")
    cells = [row.split(" | ")[column] for row in rows]
    measured = [re.sub(r"\]\(.*", "", cell) for cell in cells if re.search(r"\d", cell)]
    assert len(measured) == 2
    for cell in measured:
        rest = re.sub(r"\d+\.\d \(\d+\.\d to \d+\.\d\)|\d+\.\d to \d+\.\d", "", cell)
        assert rest != cell
        assert not re.search(r"\d\.\d", rest), cell
