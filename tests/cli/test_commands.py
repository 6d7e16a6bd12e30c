"""What loads, what is explained, and what a wrong call or a failure says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import pathexplain
from pathexplain.cli import main
from pathexplain.cli.app import app
from pathexplain.errors import FitError

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("torch", "shap", "lifelines", "pandas", "numpy", "sklearn", "spatialdata", "pydantic")
COMMANDS = (
    "extract",
    "check",
    "features",
    "vocabulary",
    "importance",
    "perturb",
    "attend",
    "survival",
    "demo",
    "train",
    "finetune",
    "evaluate",
)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_pathexplain_and_every_help_load_nothing_heavy() -> None:
    code = f"""
import contextlib, io, sys
import pathexplain
loaded = [m for m in {HEAVY!r} if m in sys.modules]
from pathexplain.cli import main
with contextlib.redirect_stdout(io.StringIO()) as page:
    codes = [main(words) for words in ([], ["--help"], *([c, "--help"] for c in {COMMANDS!r}))]
loaded += [m for m in {HEAVY!r} if m in sys.modules]
print(loaded, set(codes), "Usage: pathexplain" in page.getvalue())
"""
    assert run_python(code).strip() == "[] {0} True"


def test_every_public_name_is_there_and_loaded_when_used() -> None:
    for name in pathexplain.__all__:
        assert getattr(pathexplain, name) is not None, name
    assert set(pathexplain.__all__) <= set(dir(pathexplain))
    assert {name for name in pathexplain.__all__ if not name.startswith("__")} == set(
        pathexplain._HOMES
    )
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pathexplain.nothing


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pathexplain", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == pathexplain.__version__


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    capsys.readouterr()
    for argument in app[command].assemble_argument_collection(parse_docstring=True):
        if argument.show:
            assert argument.parameter.help, f"{command} {argument.name}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["chek"], 'Did you mean "check"'),
        (["extract"], "--prompts"),
        (["extract", "--prompts", "p.yaml", "--mpp", "fine"], "fine"),
        (["extract", "--bogus"], "--bogus"),
        (["survival", "c.csv", "--time", "t"], "--event"),
        (["importance", "c.csv"], "--target"),
        (["importance"], "COHORT"),
        (["train"], "CONFIG"),
        (["evaluate"], "--data"),
        (["demo", "--seed", "x"], "seed"),
        (["check"], "give a prompts file"),
        (["check", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["extract", "--prompts", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["train", "nothing.yaml"], "nothing.yaml"),
        (["evaluate", "stain", "--data", "nothing.csv"], "nothing.csv"),
        (["importance", "nothing.csv", "--target", "t"], "nothing.csv"),
        (
            ["survival", "nothing.csv", "--time", "t", "--event", "e"],
            "nothing.csv cannot be read: No such file or directory\n",
        ),
        (["survival", "nowhere", "--time", "t", "--event", "e"], "nowhere"),
    ],
)
def test_wrong_input_is_a_message_and_exit_code_2(
    words: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.startswith("pathexplain: ")
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (FitError("no fit: 0 events"), 1, "pathexplain: no fit: 0 events\n"),
        (KeyboardInterrupt(), 130, "goes on where it stopped"),
        (ZeroDivisionError("of nought"), 1, "unexpected ZeroDivisionError: of nought"),
    ],
)
def test_what_fails_while_working(
    error: BaseException,
    code: int,
    says: str,
    prompts: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("pathexplain.prompts.check_prompts", fail)
    assert main(["check", str(prompts)]) == code
    shown = capsys.readouterr().err
    assert says in shown
    assert "Traceback" not in shown
    assert main(["check", str(prompts), "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("PATHEXPLAIN_DEBUG", "1")
    assert main(["check", str(prompts)]) == code
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_failure() -> None:
    code = (
        "import sys\n"
        "from pathexplain.cli import main\n"
        "sys.stdin.readline()\n"
        "sys.exit(main(['vocabulary']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"go\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
