"""The network of a finished run as a folder that needs no store: files of tensors, configuration, card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmcr_core.config.run import RunSpec
from sweeps.cli.errors import UserError
from sweeps.config.spec_serialization import spec_from_json
from sweeps.execution.saved_weights import tensors_to_bytes
from sweeps.exporting.cards import model_card
from sweeps.exporting.model_config import CONFIG, OPEN_CLIP_CONFIG, OURS, config_of, open_clip_config
from sweeps.exporting.state_names import FILES, MODEL, PROJECTOR, State, exported, format_of, has_projector, imported
from sweeps.storage.filesystems import to_path
from sweeps.storage.sweep_store import Store


def model_files(store: Store, spec: RunSpec, kept: dict[str, Any], wanted: str | None) -> dict[str, bytes]:
    """Name -> content of the files of a run's export; `kept`: as of `read_kept`. Raises OptionError."""
    form, key = format_of(spec, wanted), kept["run_id"]
    model, rest = exported(kept["network"], form)
    row = store.read_run(key)
    card = model_card(spec, row, store.read_measures(key, kept["step"]), form)
    files = {
        FILES.get(form, MODEL): tensors_to_bytes(model),
        **({PROJECTOR: tensors_to_bytes(rest)} if has_projector(spec) else {}),
        CONFIG: _json(config_of(spec, key, kept["step"], form)),
        "README.md": card.encode(),
    }
    return files | ({OPEN_CLIP_CONFIG: _json(open_clip_config(spec))} if form == "open_clip" else {})


def is_exported(place: str | Path) -> bool:
    """Whether a folder or URL is an export of a network."""
    return (to_path(place) / CONFIG).exists()


def read_exported(place: str | Path) -> tuple[RunSpec, State, int]:
    """Spec, tensors and steps taken of an exported network. Raises UserError where its files are of no use."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    root = to_path(place)
    try:
        config = json.loads((root / CONFIG).read_bytes())
        form, spec = config["format"], spec_from_json(json.dumps(config["spec"]))
        model = load((root / FILES.get(form, MODEL)).read_bytes())
        rest = load((root / PROJECTOR).read_bytes()) if spec and has_projector(spec) else {}
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{root} is no export that can be read ({reason}); export the run again") from error
    if spec is None:
        raise UserError(
            f"{root}/{CONFIG} is of another version of this code: mmcr-sweeps {config.get(OURS)}; install it"
        )
    return spec, imported(model, rest, form), int(config["step"])


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
