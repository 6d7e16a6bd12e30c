"""The program around the commands: which exist, what a failure looks like, exit codes.

Not for the commands themselves: see `commands` and `analyses`.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, Group, Parameter

from pathexplain import __version__
from pathexplain.cli import (
    analyses,
    commands,
    datasets,
    explaining,
    exporting,
    extracting,
    prognosis,
    robustness,
    training,
)
from pathexplain.cli.output import note
from pathexplain.errors import PathExplainError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DONE", "FAILED", "INTERRUPTED", "WRONG_INPUT", "app", "main"]

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes of the program; 3, some slides failed, comes from the run itself."""

app = App(
    name="pathexplain",
    help="From prompts to masks, morphometry, diagnosis and survival in pathology.",
    help_epilogue=(
        "Exit codes: 0 done, 1 failed, 2 the input is wrong, 3 done but some slides failed. "
        "--debug with any command (or PATHEXPLAIN_DEBUG=1) shows the traceback of a failure."
    ),
    help_format="plaintext",
    version=__version__,
    default_parameter=Parameter(negative=(), json_list=False, json_dict=False),
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)

COMMANDS = {
    "Start": (commands.demo, commands.check, commands.vocabulary, commands.features),
    "Measure": (extracting.extract, robustness.robustness),
    "Ask": (
        analyses.importance,
        prognosis.survival,
        prognosis.validate,
        explaining.perturb,
        explaining.attend,
    ),
    "Segmentors": (
        commands.evaluate,
        training.finetune,
        training.train,
        datasets.dataset,
        exporting.export,
    ),
}
"""Every command, in the order of the work; the help shows them in these groups."""

for heading, members in COMMANDS.items():
    panel = Group.create_ordered(heading)
    for place, member in enumerate(members):
        app.command(member, group=panel, sort_key=place)
about = Group.create_ordered("About")
for flag in ("--help", "--version"):
    app[flag].group = (about,)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of this process.

    Returns
    -------
    int
        0 done, 1 failed, 2 the input is wrong, 3 some slides failed, 130 interrupted.

    Examples
    --------
    >>> main(["vocabulary", "--regions"])  # doctest: +ELLIPSIS
    multiple...
    0
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    is_debug = "--debug" in tokens or os.environ.get("PATHEXPLAIN_DEBUG", "") not in {"", "0"}
    tokens = [token for token in tokens if token != "--debug"]
    if not is_debug:
        # What the log says is in a run's summary too, which the command prints.
        logging.getLogger("pathexplain").addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        if not is_debug:
            # Other packages' plans for their own future are of no use to whoever runs a command.
            for category in (DeprecationWarning, FutureWarning, PendingDeprecationWarning):
                warnings.simplefilter("ignore", category)
        return _run(tokens, is_debug=is_debug)


def _run(tokens: list[str], *, is_debug: bool) -> int:
    """Run the program and turn what went wrong into one message and an exit code."""
    try:
        code = app(tokens)
        sys.stdout.flush()
    except CycloptsError as error:
        return _report(error, f"{error}\nSee: pathexplain --help", WRONG_INPUT, is_debug=is_debug)
    except PathExplainError as error:
        return _report(error, str(error), error.exit_code, is_debug=is_debug)
    except KeyboardInterrupt as error:
        about = "interrupted; the same command goes on where it stopped"
        return _report(error, about, INTERRUPTED, is_debug=is_debug)
    except BrokenPipeError:
        # Whoever read our output has enough of it; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001 - the top of the program, where nothing else can catch
        about = f"unexpected {type(error).__name__}: {error}\nRun again with --debug to see where."
        return _report(error, about, FAILED, is_debug=is_debug)
    return code if isinstance(code, int) else DONE


def _report(error: BaseException, message: str, code: int, *, is_debug: bool) -> int:
    """Print a failure to stderr and return its exit code."""
    if is_debug:
        note("".join(traceback.format_exception(error)).rstrip())
    else:
        note(f"pathexplain: {message}")
    return code
