"""The house in order: layers, dependencies, documents and the files that a wheel must carry."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import pathexplain

REPO = Path(__file__).parents[1]
SOURCE = REPO / "pathexplain"
INSTALLED = Path(pathexplain.__file__).parent
PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = sorted([*REPO.glob("*.md"), *REPO.glob("docs/**/*.md")])
# Imported by no line of ours, but needed: the library behind openslide-python, and the codecs that
# tifffile loads for compressed slides.
NEEDED_UNSEEN = {"imagecodecs", "openslide-bin"}
# Comes with pydantic in the one version that fits, and is never asked for by itself.
PART_OF_ANOTHER = {"pydantic-core"}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imports(path: Path) -> set[str]:
    """Return the top-level names that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {a.value.partition(".")[0] for a in node.args if isinstance(a, ast.Constant)}
    return found


def _declared(requirements: list[str]) -> set[str]:
    return {_normal(re.split(r"[<>=!~\[; ]", item)[0]) for item in requirements}


def _blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_every_module_has_a_layer() -> None:
    (contract,) = (
        c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers"
    )
    assert contract["exhaustive"]
    placed = {name.strip() for line in contract["layers"] for name in line.split("|")}
    modules = {p.stem for p in SOURCE.glob("*.py")} | {
        p.parent.name for p in SOURCE.glob("*/__init__.py")
    }
    assert modules - {"__init__"} == placed


def test_dependencies_are_what_is_imported() -> None:
    project = PYPROJECT["project"]
    owners = importlib.metadata.packages_distributions()
    imported = set().union(*(_imports(path) for path in SOURCE.rglob("*.py")))
    foreign = imported - set(sys.stdlib_module_names) - {"pathexplain"}
    optional = _declared(project["optional-dependencies"]["train"])
    used = {_normal(owners.get(name, [name])[0]) for name in foreign}
    declared = _declared(project["dependencies"])
    assert used - optional - declared - PART_OF_ANOTHER == set(), (
        "imported, not declared in pyproject.toml"
    )
    assert declared - used - NEEDED_UNSEEN == set(), "declared in pyproject.toml, never imported"


def test_tests_import_what_the_dev_extra_brings() -> None:
    project = PYPROJECT["project"]
    owners = importlib.metadata.packages_distributions()
    paths = [*(REPO / "tests").rglob("*.py"), *(REPO / "benchmarks").glob("*.py")]
    ours = {"pathexplain", "benchmarks"} | {path.stem for path in paths}
    foreign = set().union(*(_imports(path) for path in paths)) - set(sys.stdlib_module_names) - ours
    used = {_normal(owners.get(name, [name])[0]) for name in foreign}
    known = _declared(project["dependencies"] + project["optional-dependencies"]["dev"])
    assert used - known == set()


def test_constraints_pin_every_declared_dependency() -> None:
    lines = (REPO / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    pinned = _declared(pins)
    project = PYPROJECT["project"]
    wanted = _declared(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted |= _declared(extra)
    assert wanted <= pinned
    assert not [name for name in pinned if name.startswith(("nvidia-", "cuda-", "triton"))]


def test_versions_agree() -> None:
    version = pathexplain.__version__
    assert importlib.metadata.version("pathexplain") == version
    assert f"## [{version}]" in (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in (REPO / "CITATION.cff").read_text(encoding="utf-8")


def test_installed_package_carries_its_data() -> None:
    def tracked(folder: Path) -> set[str]:
        kept = (".html", ".css", ".jinja", ".json", ".safetensors", ".txt", ".md", ".typed")
        return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.suffix in kept}

    assert (INSTALLED / "py.typed").is_file()
    assert tracked(INSTALLED) == tracked(SOURCE)


@pytest.mark.parametrize(
    "name",
    [
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "docs/design.md",
        "docs/features.md",
        "docs/file-formats.md",
        "docs/glossary.md",
    ],
)
def test_documents_exist(name: str) -> None:
    assert (REPO / name).stat().st_size > 300


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(REPO)))
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_decisions_are_short_and_listed() -> None:
    folder = REPO / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    for page in folder.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 40, page.name
        if page.name != "README.md":
            assert f"({page.name})" in index
            assert all(f"**{part}" in text for part in ("Context", "Choice", "Cost", "Revisit")), (
                page.name
            )


def test_readme_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = _blocks(REPO / "README.md", "python")
    assert blocks
    namespace: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    seg = namespace["seg"]
    assert seg.masks.shape == (1, 256, 256)
    assert seg.instances(0).max() >= 1


def test_readme_prompts_are_valid(tmp_path: Path) -> None:
    (block,) = _blocks(REPO / "README.md", "yaml")
    path = tmp_path / "prompts.yaml"
    path.write_text(block, encoding="utf-8")
    prompts = pathexplain.read_prompts(path)
    assert [prompt.name for prompt in prompts.prompts] == ["gland", "lymphocyte"]
    assert prompts.mpp == 0.5


def _readme_commands() -> list[str]:
    lines = "\n".join(_blocks(REPO / "README.md", "bash")).splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.startswith("pathexplain ")]


@pytest.mark.parametrize("command", _readme_commands())
def test_readme_commands_parse(command: str) -> None:
    from pathexplain.cli.app import app

    words = shlex.split(command)[1:]
    function, *_ = app.parse_args(words, print_error=False, exit_on_error=False)
    assert function.__name__ == words[0]


def test_readme_targets_exist_and_ci_calls_them() -> None:
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", readme, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    script = (REPO / ".ci" / "run").read_text(encoding="utf-8")
    assert script.rstrip().endswith("exec make test")


def test_benchmarks_are_listed_with_what_they_compare() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = run.stdout.splitlines()
    assert len(lines) >= 3
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)


@pytest.mark.parametrize(
    "path", sorted((REPO / "benchmarks").glob("[!_]*.py")), ids=lambda p: p.stem
)
def test_benchmarks_have_run(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (run,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "run")
    assert not run.args.args
