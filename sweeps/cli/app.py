"""What all commands share: a typer app, and what they do with an exception. A user's mistake is one sentence and exit
code 2; whatever else is left becomes one sentence that says where its traceback lies, and exit code 1, or 2 where a
user's own file is behind it. With -v, what the packages log goes to standard error."""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import inspect
import io
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar, cast

import typer

from sweeps.cli.errors import OptionError, UserError
from sweeps.cli.foreign_files import blame
from sweeps.cli.home_folder import with_home
from sweeps.cli.version import version_text

IMPORTS = "<frozen importlib._bootstrap>"  # file name of the frames of an import
_LOADING_STOPPED = threading.Event()  # by a signal: a module may swallow the KeyboardInterrupt, and break later
PACKAGES = ("mmcr_core", "sweeps", "analysis")
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Log what happens to standard error.")]


def _print_version(asked: bool) -> None:
    if asked:
        print(version_text())
        raise typer.Exit()


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print versions, and stop.")
]
Command = TypeVar("Command", bound=Callable[..., Any])
HELP = {"help_option_names": ["-h", "--help"]}
USERS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.ENOENT}
USERS |= {errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST}  # what a person can put right about a path
USERS |= {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EFBIG}  # or about a disk, or limits


def new_app(**texts: str) -> typer.Typer:
    """An app without completion options and without typer's own tracebacks; texts are its help and epilog, where it has
    several commands."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=HELP, **texts)  # type: ignore[arg-type]
    if texts:

        @app.callback()
        def group(version: Version = False) -> None:
            pass  # `--version` prints and stops

    return app


def guarded(command: Command) -> Command:
    """The command with options -v and --version, and with SystemExit in the place of every exception. SIGTERM and
    SIGHUP are Ctrl-C."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, verbose: bool = False, version: bool = False, **options: Any) -> Any:
        _open_streams()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a locale without a character of ours
        gc.set_threshold(50_000)  # ten thousand cells make many small objects and hardly any cycles
        _LOADING_STOPPED.clear()
        _handle_stops(_interrupt, signal.SIG_DFL, signal.default_int_handler)
        try:
            options = {key: with_home(one) if isinstance(one, Path) else one for key, one in options.items()}
            with _logged() if verbose else _undisturbed():
                return command(*arguments, **options)
        except OptionError as error:
            _leave(error.on_command_line(), 2)
        except UserError as error:
            _leave(str(error), 2)
        except BrokenPipeError:  # whoever read our output has gone, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            _handle_stops(signal.SIG_IGN, _interrupt, signal.default_int_handler)  # it ends already
            _leave("interrupted", 130)
        except OSError as error:
            if error.errno not in USERS:
                _leave(*_unforeseen(error))
            _leave(f"{error.filename or 'a file or standard output'}: {error.strerror or error}", 2)
        except Exception as error:
            if _is_exit(error):
                raise
            if _LOADING_STOPPED.is_set():
                _leave("interrupted", 130)
            _leave(*_unforeseen(error))

    signature = inspect.signature(command, eval_str=True)  # typer reads it as it is
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("verbose", Verbose), ("version", Version))
    ]
    wrapped.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *options])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {**command.__annotations__, "verbose": Verbose, "version": Version}
    return cast(Command, wrapped)


def _handle_stops(handler: Any, *instead_of: Any) -> None:
    """Let `handler` have the signals that end a command, where one of those has them and this is the main thread."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) in instead_of:
                signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename == IMPORTS:
            _LOADING_STOPPED.set()
        frame = frame.f_back
    raise KeyboardInterrupt


def _open_streams() -> None:
    """A process may be started with its standard streams closed: the next files to be opened would take their place,
    and what is printed would go into them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(handle, True)
            setattr(sys, name, os.fdopen(handle, mode, encoding="utf-8"))


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


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Within, libraries' warnings neither reach the terminal nor, as PYTHONWARNINGS=error would have it, end the
    command."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _is_exit(error: Exception) -> bool:
    """typer and click end a command by exceptions of their own, which are not imported here for their sake alone."""
    return type(error).__module__.split(".")[0] in ("click", "typer")


def _leave(sentence: str, code: int) -> None:
    print(sentence, file=sys.stderr)
    raise SystemExit(code) from None


def _unforeseen(error: Exception) -> tuple[str, int]:
    """Keep the traceback, and say so; the exit code."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    try:
        handle, name = tempfile.mkstemp(prefix="mmcr-sweeps-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    except OSError:
        traceback.print_exc()
        name = ""
    if blamed := blame(error):
        return f"{what}; {blamed}" + (f" (traceback: {name})" if name else ""), 2
    return f"this is a defect of mmcr-sweeps, please report it{f' with {name}' if name else ''}: {what}", 1
