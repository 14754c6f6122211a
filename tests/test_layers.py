"""The architecture, executed: who may import whom, nothing heavy at import, and the alarms for
size.

A module imports strictly lower layers or its own package; siblings of a layer do not know one
another.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from places import ROOT

SOURCE = ROOT / "src" / "finereel"

# From the ground up. `finereel` itself (the public names, imported lazily) stands on top of
# everything.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"types", "errors", "imports", "moved"}),
    frozenset({"io", "statistics"}),
    frozenset({"config", "web"}),
    frozenset({"models", "models.features", "models.preprocessing", "models.weights"})
    | {"video", "text", "normalization", "ranking", "data.base"},
    frozenset({"models.encoders", "models.heads", "reelworld", "codecs"}),
    frozenset({"models.retrieval", "models.quantized"}),
    frozenset({"models.saving"}),
    frozenset({"data"}),
    frozenset({"finegrain"}),
    frozenset({"training", "evaluation", "index", "models.published"}),
    frozenset({"finegrain.evaluate", "export"}),
    frozenset({"asking"}),
    frozenset({"library", "recipes"}),
    frozenset({"serve", "client", "bridges", "watching"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
TORCH_FREE = (
    *(
        "cli",
        "types",
        "errors",
        "io",
        "config",
        "video",
        "text",
        "reelworld",
        "normalization",
        "ranking",
    ),
    *("finegrain", "statistics", "imports", "models.preprocessing"),
    *("export", "web", "serve", "client", "watching"),
)
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 500, 60, 6


def module_files() -> dict[str, Path]:
    """Every module of the package by its dotted name without `finereel.`; the package itself is
    left out.
    """
    files = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            files[name] = path
    return files


FILES = module_files()


def unit_of(module: str) -> str:
    """The name in LAYERS a module belongs to: the longest that fits."""
    known = [
        unit
        for layer in LAYERS
        for unit in layer
        if module == unit or module.startswith(unit + ".")
    ]
    return max(known, key=len, default=module)


def layer_of(unit: str) -> int:
    return next(height for height, layer in enumerate(LAYERS) if unit in layer)


def imports_of(module: str) -> Iterator[str]:
    """Modules of the package which `module` imports, anywhere in its text."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("finereel.")
                for alias in node.names
                if "finereel." in alias.name
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "finereel":
            origin = (node.module or "").removeprefix("finereel").removeprefix(".")
            for alias in node.names:
                full = f"{origin}.{alias.name}".removeprefix(".")
                if full in FILES or origin:
                    yield full if full in FILES else origin
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(
                f"{module}: write imports in full (from finereel...), line {node.lineno}"
            )


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module: str) -> None:
    unit = unit_of(module)
    assert any(unit in layer for layer in LAYERS), (
        f"{module} stands in no layer: give it a place in LAYERS"
    )
    for target in imports_of(module):
        other = unit_of(target)
        if other == unit:
            continue
        assert layer_of(other) < layer_of(unit), f"{module} may not import {target}"


def test_no_cycles() -> None:
    graph = {module: set(imports_of(module)) for module in FILES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "import cycle: " + " -> ".join(
            (*path[path.index(module) :], module)
        )
        if module not in done:
            for target in graph.get(module, ()):
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", TORCH_FREE)
def test_importing_needs_no_torch(module: str) -> None:
    code = (
        f"import sys, finereel.{module}; sys.exit(sum(name in sys.modules for name in ('torch', "
        "'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_itself_is_light() -> None:
    code = "import sys, finereel; sys.exit(len({'torch', 'numpy', 'lancedb'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", FILES)
def test_size_alarms(module: str) -> None:
    text = FILES[module].read_text(encoding="utf-8")
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = sum(
        (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node)
    )
    assert len(text.splitlines()) - docstrings <= MAX_FILE_LINES, (
        f"{module} has grown too long: split it by idea"
    )
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        # A signature is as long as it has parameters, whose number has a bound of its own.
        lines = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
        if ast.get_docstring(node):
            lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        assert lines <= MAX_FUNCTION_LINES, f"{module}.{node.name}: {lines} lines"
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        parameters = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
        # The parameters of a command are the options of a command line.
        is_command = module.startswith("cli.") and module.endswith(f".{node.name}")
        assert is_command or len(parameters) <= MAX_PARAMETERS, (
            f"{module}.{node.name}: {parameters}; make it a dataclass"
        )


def test_a_class_name_exists_once() -> None:
    places: dict[str, list[str]] = {}
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(module)
    twice = {name: modules for name, modules in places.items() if len(modules) > 1}
    assert twice == {}
