"""Failures of a device, told apart by what must follow."""

import pytest
import torch

from mmcr_core.training.device_failures import (
    CaptureFailed,
    CaptureOutOfMemory,
    is_out_of_memory,
    process_must_end,
)


@pytest.mark.parametrize(
    ("error", "memory", "ends"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True, False),
        (RuntimeError("CUDA error: out of memory"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True, False),
        (RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED"), True, False),
        (CaptureOutOfMemory("CUDA out of memory"), True, True),
        (CaptureFailed("the step cannot be captured"), False, True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (RuntimeError("CUDA error: device-side assert triggered"), False, True),
        (RuntimeError("CUDA error: unspecified launch failure"), False, True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False, False),
        (ValueError("out of memory of another kind"), False, False),
        (MemoryError(), False, False),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, Exception) else "",
)
def test_failures_are_told_apart(error, memory, ends):
    assert is_out_of_memory(error) == memory
    assert process_must_end(error) == ends
