"""A command of the user's that is told how a launch ended: its outcome as JSON on standard input.

It is split into words as a shell would, and started without one: no name in the outcome, nor in a grid, is ever part
of a command line. Who wants a pipe writes `sh -c '...'`.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sweeps.cli.console import print_wrapped
from sweeps.cli.errors import OptionError, UserError

SECONDS = 300  # that it may take
Report = Mapping[str, Any]


@contextlib.contextmanager
def notifying(command: str | None, grid: str) -> Iterator[Callable[[Report], None]]:
    """Within, a launch of `grid` takes place, which gives the function its outcome. At its end, or where it raises, the
    command is run, if there is one. Raises OptionError where that is no command."""
    if command is None:
        yield lambda report: None
        return
    words = _words(command)
    ended: dict[str, Any] = {"grid": grid, "exit_code": 1, "error": None}
    try:
        yield ended.update
    except BaseException as error:  # whatever ends the launch, the command hears of it
        code = 130 if isinstance(error, KeyboardInterrupt) else 2 if isinstance(error, UserError) else 1
        ended |= {"exit_code": code, "error": " ".join(str(error).split()) or type(error).__name__}
        _tell(words, ended)
        raise
    _tell(words, ended)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:  # a quotation mark that is not closed
        raise OptionError("notify", f"'{command}' cannot be split into words ({error}); close what is open") from error
    if not words or shutil.which(words[0]) is None:
        raise OptionError("notify", f"'{words[0] if words else ''}' is no command here; give one with its arguments")
    return words


def _tell(words: list[str], report: Report) -> None:
    """What the command prints goes to standard error."""
    told = json.dumps(report, indent=2) + "\n"
    try:
        ran = subprocess.run(words, input=told, text=True, stdout=subprocess.PIPE, timeout=SECONDS, check=False)
        print(ran.stdout, end="", file=sys.stderr)  # a notebook's has no file that the command could write to
        problem = f"ended with exit code {ran.returncode}" if ran.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"took longer than {SECONDS} s and was ended"
    except OSError as error:
        problem = f"cannot be run ({error.strerror or error})"
    if problem:
        print_wrapped(f"--notify: {shlex.join(words)} {problem}", sys.stderr)
