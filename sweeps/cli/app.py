"""What all commands share: a typer app, and what they do with an exception. A user's mistake is one sentence and exit
code 2; whatever else is left becomes one sentence that says where its traceback lies, and exit code 1. With -v, what
the packages log goes to standard error."""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import inspect
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar, cast

import typer

from sweeps.cli.errors import UserError

PACKAGES = ("mmcr_core", "sweeps", "analysis")
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Log what happens to standard error.")]
Command = TypeVar("Command", bound=Callable[..., Any])
HELP = {"help_option_names": ["-h", "--help"]}
USERS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.ENOENT}
USERS |= {errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST}  # what a person can put right about a path


def new_app(**texts: str) -> typer.Typer:
    """An app without completion options and without typer's own tracebacks; texts are its help and epilog, where it has
    several commands."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=HELP, **texts)  # type: ignore[arg-type]


def guarded(command: Command) -> Command:
    """The command with an option -v, and with SystemExit in the place of every exception."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, verbose: bool = False, **options: Any) -> Any:
        gc.set_threshold(50_000)  # ten thousand cells make many small objects and hardly any cycles
        try:
            with _logged() if verbose else contextlib.nullcontext():
                return command(*arguments, **options)
        except UserError as error:
            _leave(str(error), 2)
        except BrokenPipeError:  # whoever read our output has gone, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            _leave("interrupted", 130)
        except OSError as error:
            if error.errno not in USERS:
                _leave(_defect(error), 1)
            _leave(f"{error.filename or 'a file'}: {error.strerror or error}", 2)
        except Exception as error:
            if _is_exit(error):
                raise
            _leave(_defect(error), 1)

    signature = inspect.signature(command, eval_str=True)  # typer reads it as it is
    option = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Verbose)
    wrapped.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {**command.__annotations__, "verbose": Verbose}
    return cast(Command, wrapped)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Within, what the packages log goes to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    loggers = [logging.getLogger(name) for name in PACKAGES]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def _is_exit(error: Exception) -> bool:
    """typer and click end a command by exceptions of their own, which are not imported here for their sake alone."""
    return type(error).__module__.split(".")[0] in ("click", "typer")


def _leave(sentence: str, code: int) -> None:
    print(sentence, file=sys.stderr)
    raise SystemExit(code) from None


def _defect(error: Exception) -> str:
    """Keep the traceback, and say so."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    try:
        handle, name = tempfile.mkstemp(prefix="mmcr-sweeps-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    except OSError:
        traceback.print_exc()
        return f"this is a defect of mmcr-sweeps, please report it: {what}"
    return f"this is a defect of mmcr-sweeps, please report it with {name}: {what}"
