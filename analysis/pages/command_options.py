"""What the analysis commands share: a typer app whose user errors are one sentence and exit code 2."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analysis.reading.results import ResultsError

T = TypeVar("T")
RESULTS = Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")]


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, with a progress bar and the time that is left, where a person watches."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(items)


def app() -> typer.Typer:
    """An app of one command, without completion options and without typer's own tracebacks."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def user_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a ResultsError, and a folder that cannot be written to, into one line and exit code 2."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except ResultsError as error:
            print(error, file=sys.stderr)
        except OSError as error:
            print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        raise typer.Exit(2)

    return wrapped
