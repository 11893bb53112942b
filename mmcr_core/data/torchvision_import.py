"""torchvision, importable on a CPU-only torch.

The package index's torchvision wheel links CUDA libraries. Beside a CPU-only torch its compiled operators
are therefore absent, and `import torchvision` stops where it registers shape functions for `nms` and
`qnms`. Declaring the two schemas first, only where they are missing, lets everything else import (models,
transforms, data sets). Import torchvision from here, in every process.
"""

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def _declare_missing_operators() -> None:
    import importlib.util
    from pathlib import Path

    package = importlib.util.find_spec("torchvision")
    if package is not None and package.origin is not None:
        for compiled in sorted(Path(package.origin).parent.glob("_C*.so")):
            try:
                torch.ops.load_library(compiled)
            except OSError:
                break  # linked against CUDA libraries that this torch lacks
    missing = [schema for name, schema in _SCHEMAS.items() if not hasattr(torch.ops.torchvision, name)]
    if missing:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in missing:
            library.define(schema)
        _KEEP.append(library)


_KEEP: list[torch.library.Library] = []  # a Library's definitions end with the object
_declare_missing_operators()

import torchvision  # noqa: E402

__all__ = ["torchvision"]
