"""The kept weights of a run as a safetensors file whose metadata say whose they are. The format has no checksums: the
metadata have one of the tensors' bytes too."""

from __future__ import annotations

import hashlib
import json
from typing import Any

NETWORK, REST = ".safetensors", ".pt"  # of a run: its network; what else a longer run needs, and all of older versions
KINDS = (NETWORK, REST)
KEY = "mmcr_sweeps"


def labeled(payload: bytes, about: dict[str, Any]) -> bytes:
    """A safetensors file with plain values `about` its tensors, the same bytes for the same content."""
    header, tensors = _parts(payload)
    about = about | {"sha256": hashlib.sha256(tensors).hexdigest()}
    header["__metadata__"] = {KEY: json.dumps(about, separators=(",", ":"))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + tensors


def label_of(payload: bytes) -> dict[str, Any] | None:
    """What `labeled` was told; None where the file is damaged, or no such file."""
    try:
        header, tensors = _parts(payload)
        about: dict[str, Any] = json.loads(header["__metadata__"][KEY])
        whole = about.pop("sha256") == hashlib.sha256(tensors).hexdigest()
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return about if whole else None


def _parts(payload: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(payload[:8], "little")
    return json.loads(payload[8 : 8 + size]), payload[8 + size :]
