"""Write docs/dev/map.md from the first sentence of every module's docstring.

python docs/dev/update_map.py            rewrite the map
python docs/dev/update_map.py --check    exit 1 if it is stale
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "finereel"
MAP = ROOT / "docs" / "dev" / "map.md"
HEAD = """# Map of the files

Each line is the first sentence of that module, written by `python docs/dev/update_map.py`.
"""


def first_sentence(path: Path) -> str:
    """What a module says of itself, up to the first full stop that ends a sentence."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[\w)`”\"])\.(?=\s|$)", paragraph)[0].rstrip(".:")


def map_lines() -> list[str]:
    """One table per folder: the folder's own line, then a row per file."""
    lines: list[str] = []
    folders = [
        SOURCE,
        *sorted(path.parent for path in SOURCE.rglob("__init__.py") if path.parent != SOURCE),
    ]
    for folder in folders:
        name = folder.relative_to(SOURCE).as_posix()
        lines += [
            "",
            f"**`{'finereel' if name == '.' else name}/`** "
            f"{first_sentence(folder / '__init__.py')}",
            "",
        ]
        lines += ["| file | what is inside |", "|---|---|"]
        files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        lines += [
            f"| `{path.relative_to(SOURCE).as_posix()}` | {first_sentence(path)} |"
            for path in files
        ]
    return lines[1:]


def main() -> None:
    fresh = HEAD + "\n" + "\n".join(map_lines()) + "\n"
    if "--check" in sys.argv:
        sys.exit(
            None
            if MAP.read_text(encoding="utf-8") == fresh
            else "docs/dev/map.md is stale; run docs/dev/update_map.py"
        )
    MAP.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
