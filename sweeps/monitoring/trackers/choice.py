"""The trackers that `--track` and a grid's `track` can name, and whether they can be used here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from mmcr_core import custom_imports
from mmcr_core.config.run import SpecError, suggest
from sweeps.cli.errors import OptionError
from sweeps.monitoring.trackers.tracker import Tracker
from sweeps.storage.filesystems import is_local

METHODS = ("start", "log", "finish")
OWN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*")


class _Shipped(NamedTuple):
    module: str
    attribute: str
    packages: tuple[str, ...]
    install: str


TRACKERS = {
    "tensorboard": _Shipped("tensorboard", "TensorBoardTracker", ("tensorboardX",), "tensorboardX"),
    "wandb": _Shipped("weights_and_biases", "WandbTracker", ("wandb",), "'mmcr-sweeps[wandb]'"),
    "mlflow": _Shipped("mlflow_runs", "MlflowTracker", ("mlflow", "sqlalchemy", "alembic"), "'mmcr-sweeps[mlflow]'"),
}
URI = "MLFLOW_TRACKING_URI"
# What of the launching process's environment its workers on other machines have too; secrets are each machine's own.
PASSED_ON = (
    *(URI, "MLFLOW_EXPERIMENT_NAME"),
    *(f"WANDB_{name}" for name in ("MODE", "PROJECT", "ENTITY", "BASE_URL", "DIR", "TAGS", "NOTES")),
)


def require_known(name: str) -> None:
    """Raises ValueError where `name` is neither one of TRACKERS nor spelled as code of a user's own."""
    if name not in TRACKERS and not OWN.fullmatch(name):
        raise ValueError(f"'{name}' is no tracker; {suggest(name, list(TRACKERS))} (my_module:MyTracker for your own)")


def require_trackers(names: Iterable[str], root: Path) -> None:
    """Raises OptionError where a tracker is unknown, its package is missing, or it can't be used for a store at
    `root`; a user's own is imported and made once."""
    for name in names:
        try:
            require_known(name)
        except ValueError as error:
            raise OptionError("track", str(error)) from error
        if name not in TRACKERS:
            _require_own(name)
            continue
        _, _, packages, install = TRACKERS[name]
        remote = name == "mlflow" and not os.environ.get(URI, "sqlite:").startswith("sqlite:")
        for package in packages[:1] if remote else packages:
            if not _is_installed(package):
                raise OptionError("track", f"{name} needs the package {package}; install it: pip install {install}")
        if not is_local(root):
            if name == "tensorboard":
                raise OptionError("track", "tensorboard needs results in a folder, not at a URL")
            if name == "mlflow" and URI not in os.environ:
                raise OptionError("track", f"mlflow has no folder to write to at a URL; set {URI} to a server's")


def require_login(names: Iterable[str]) -> None:
    """Raises OptionError where a tracker among `names` would find no login in this shell; no server is asked."""
    if "wandb" not in names:
        return
    wandb = import_module("wandb")
    settings = wandb.setup(wandb.Settings(silent=True)).settings
    online = settings.mode not in ("offline", "dryrun", "disabled")
    if online and not (settings.identity_token_file or wandb.api.api_key):
        remedy = "run: wandb login, or set WANDB_MODE=offline and run wandb sync later"
        raise OptionError("track", f"wandb has no login here; {remedy}")


def make_tracker(name: str) -> Tracker:
    """A tracker for one run. Raises SpecError where a user's own cannot be found."""
    if name in TRACKERS:
        module, attribute, *_ = TRACKERS[name]
        tracker: Tracker = getattr(import_module(f"sweeps.monitoring.trackers.{module}"), attribute)()
        return tracker
    own: Tracker = custom_imports.load(name)()
    return own


def passed_on() -> dict[str, str]:
    """Where runs are followed, as this process's environment says."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def _is_installed(package: str) -> bool:
    """A folder of that name, such as the one where W&B keeps its files, is no package."""
    found = find_spec(package)
    return found is not None and found.origin is not None


def _require_own(name: str) -> None:
    try:
        tracker = make_tracker(name)
    except SpecError as error:
        raise OptionError("track", str(error)) from error
    except custom_imports.RAISED as error:  # whatever a user's class raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise OptionError("track", f"'{name}' cannot be made without arguments ({reason}); mend it") from error
    if missing := [method for method in METHODS if not callable(getattr(tracker, method, None))]:
        raise OptionError("track", f"'{name}' has no {', no '.join(missing)}; a tracker has {', '.join(METHODS)}")
