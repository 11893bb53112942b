"""Failures of a device, distinguished by what must follow."""

import pytest
import torch

from mmcr_core.training.device_failures import (
    CaptureFailed,
    CaptureOutOfMemory,
    first_error,
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


def following(*errors):
    """The last of `errors`, each raised where the one before was handled."""
    raised = None
    for error in errors:
        error.__context__, raised = raised, error
    return raised


END = "CUDA error: operation failed due to a previous error during capture"


@pytest.mark.parametrize(
    ("errors", "memory", "ends"),
    [
        ([RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), RuntimeError(END)], True, False),
        ([KeyError("a"), torch.OutOfMemoryError("CUDA out of memory")], True, False),
        ([ValueError("no"), CaptureFailed("the step"), RuntimeError("closing failed")], False, True),
        ([RuntimeError("CUDA error: device-side assert triggered"), RuntimeError("closing failed")], False, True),
        ([CaptureOutOfMemory("CUDA out of memory"), RuntimeError("closing failed")], True, True),
        ([ValueError("no"), RuntimeError("closing failed")], False, False),
    ],
    ids=["library", "itself", "capture", "context", "memory of a capture", "none"],
)
def test_a_failure_is_seen_through_those_that_followed_from_it(errors, memory, ends):
    error = following(*errors)
    assert first_error(error) is errors[0]
    assert is_out_of_memory(error) == memory
    assert process_must_end(error) == ends


def test_what_was_raised_from_nothing_followed_from_nothing():
    error = following(torch.OutOfMemoryError("CUDA out of memory"), ValueError("handled"))
    error.__suppress_context__ = True
    assert first_error(error) is error
    assert not is_out_of_memory(error)
