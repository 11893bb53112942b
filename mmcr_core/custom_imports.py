"""A user's own objectives and encoders, `my_module:attribute`, without a change of this project.

The module is looked for as Python looks for any, and then in the folders that `look_in` was told: a grid's, and the
current one. A run knows it by the digest of its file, which is taken when it is imported, once in a process: what is
planned is what is imported, and a worker that finds another file refuses the cell.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from mmcr_core.config.run import SpecError, suggest

RAISED = (Exception, SystemExit)  # of code that is not ours: a script without `if __name__ == "__main__"` may exit
_DIGESTS: dict[str, str] = {}  # module -> digest of its file as it was when first asked for
_FOLDERS: list[str] = []


@contextmanager
def same_default_dtype() -> Iterator[None]:
    """Raises RuntimeError at the end of a block that has changed torch's default dtype, which is put back: all code of
    a process shares it."""
    before = torch.get_default_dtype()
    try:
        yield
        if torch.get_default_dtype() != before:
            raise RuntimeError(f"it sets torch's default dtype to {torch.get_default_dtype()} for all other code too")
    finally:
        torch.set_default_dtype(before)


def look_in(*folders: str | Path) -> None:
    """Look for modules in these folders too, the last first, after all that Python looks through anyway."""
    for folder in map(os.path.abspath, folders):
        if folder in _FOLDERS:
            _FOLDERS.remove(folder)
        _FOLDERS.insert(0, folder)


def folders() -> tuple[str, ...]:
    """Where another process must look to find what was found here: what `look_in` was told, and where each module of
    which something was loaded lies."""
    found = []
    for module in _DIGESTS:
        file = Path(str(sys.modules[module].__file__)).absolute()
        levels = module.count(".") + (file.stem == "__init__")
        found.append(str(file.parents[levels]))
    return tuple(dict.fromkeys([*_FOLDERS, *found]))


def load(name: str, source: str | None = None) -> Any:
    """What `my_module:attribute` names.

    Raises: SpecError where there is no such module or attribute, where importing it fails, and where its digest is not
        `source`.
    """
    module_name, _, attribute = name.partition(":")
    digest = source_digest(name)
    module = sys.modules[module_name]
    if source is not None and digest != source:
        raise SpecError(
            "name",
            f"'{name}' is not what was planned: {module.__file__} on {socket.gethostname()} has digest {digest}, "
            f"planned was {source}; make the files the same, or launch again with this one",
        )
    if not hasattr(module, attribute):
        public = [one for one in vars(module) if not one.startswith("_")]
        problem = f"'{name}': {module.__file__} has no '{attribute}'; {suggest(attribute, public)}"
        raise SpecError("name", problem)
    return getattr(module, attribute)


def file_of(name: str) -> str:
    """The file of the module of a name that was loaded."""
    return str(sys.modules[name.partition(":")[0]].__file__)


def place_of(error: BaseException, *also: Path) -> str:
    """FILE:LINE of the user's code that raised an error, innermost, in the folders of such code or `also`; empty where
    none of it took part."""
    own = {*map(Path, folders()), *also}
    others = {*(Path(__file__).parents[1] / package for package in ("mmcr_core", "sweeps", "analysis"))}
    others |= {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        above = set(Path(frame.filename).parents)
        if above & own and not above & others:
            return f"{frame.filename}:{frame.lineno}"
    return ""


def source_digest(name: str) -> str:
    """First 16 hex digits of the SHA-256 of the file of a name's module, which is imported. Raises SpecError as `load`
    does."""
    module_name, _, attribute = name.partition(":")
    if not attribute.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise SpecError("name", f"'{name}' is not the name of code of yours; write my_module:MyAttribute")
    if module_name not in _DIGESTS:
        file = _file_of(name, module_name)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]  # before it is imported, so never of a later one
        try:
            with same_default_dtype():
                import_module(module_name)
        except RAISED as error:  # whatever a user's module raises is told as that
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            place = place_of(error, file.parent) or file
            raise SpecError("name", f"'{name}': importing {place} fails ({reason}); mend it") from error
        _DIGESTS[module_name] = digest
    return _DIGESTS[module_name]


def _file_of(name: str, module: str) -> Path:
    sys.path += [folder for folder in _FOLDERS if folder not in sys.path]
    # A script of a package puts the package's folder first, where its modules would take the place of a user's.
    sys.path.sort(key=lambda folder: Path(folder, "__init__.py").exists())
    invalidate_caches()
    try:
        found = find_spec(module)
    except (ImportError, ValueError, AttributeError):  # a package above it is absent, or is no package
        found = None
    except RAISED as error:  # finding a module in a package imports the package
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError("name", f"'{name}': importing what is above '{module}' fails ({reason}); mend it") from error
    if found is None:
        where = " or ".join(_FOLDERS) or os.getcwd()
        problem = f"'{name}': there is no module '{module}'; put {module.replace('.', '/')}.py into {where}"
        raise SpecError("name", f"{problem}, or into a folder of PYTHONPATH")
    if found.origin is None or not Path(found.origin).is_file():
        raise SpecError("name", f"'{name}': module '{module}' has no file of its own, by which a run could know it")
    return Path(found.origin)
