"""Rewrite the README's map from the first sentence of every module's docstring.

python docs/update_map.py            rewrite README.md
python docs/update_map.py --check    exit 1 if it is stale
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "finereel"
README = ROOT / "README.md"
BEGIN, END = "<!-- map: python docs/update_map.py -->", "<!-- end of map -->"


def first_sentence(path: Path) -> str:
    """What a module says of itself, up to the first full stop that ends a sentence."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[\w)`”\"])\.(?=\s|$)", paragraph)[0].rstrip(".:")


def map_lines() -> list[str]:
    """One table per folder: the folder's own line, then a row per file."""
    lines: list[str] = []
    folders = [SOURCE, *sorted(path.parent for path in SOURCE.rglob("__init__.py") if path.parent != SOURCE)]
    for folder in folders:
        name = folder.relative_to(SOURCE).as_posix()
        lines += ["", f"**`{'finereel' if name == '.' else name}/`** {first_sentence(folder / '__init__.py')}", ""]
        lines += ["| file | what is inside |", "|---|---|"]
        files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        lines += [f"| `{path.relative_to(SOURCE).as_posix()}` | {first_sentence(path)} |" for path in files]
    return lines[1:]


def updated(text: str) -> str:
    """The README with a fresh map between the markers."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n" + "\n".join(map_lines()) + "\n" + END + after


def main() -> None:
    text = README.read_text(encoding="utf-8")
    fresh = updated(text)
    if "--check" in sys.argv:
        sys.exit(None if text == fresh else "README.md: the map is stale; run python docs/update_map.py")
    README.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
