"""What the analysis commands share: the argument RESULTS, a typer app, user errors as one sentence and exit code 2."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from sweeps.storage.errors import UserError

RESULTS = Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")]


def new_app() -> typer.Typer:
    """An app of one command, without completion options and without typer's own tracebacks."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def user_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a UserError, and a folder that cannot be written to, into one line and exit code 2."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except UserError as error:
            print(error, file=sys.stderr)
        except OSError as error:
            print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        raise typer.Exit(2)

    return wrapped
