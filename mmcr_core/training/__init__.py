"""One pretraining run, resumable at any step: `Pretraining(spec, device).run()` yields chunks of metrics."""

from mmcr_core.training.device_failures import (
    CaptureFailed,
    CaptureOutOfMemory,
    is_out_of_memory,
    process_must_end,
)
from mmcr_core.training.pretraining import CHUNK_STEPS, Chunk, Diverged, Pretraining

__all__ = [
    "CHUNK_STEPS",
    "CaptureFailed",
    "CaptureOutOfMemory",
    "Chunk",
    "Diverged",
    "Pretraining",
    "is_out_of_memory",
    "process_must_end",
]
