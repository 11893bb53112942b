"""What can go wrong on a GPU, distinguished by what must follow.

Out of memory is a cell's own reason, wherever it happens. After a capture that failed, the allocator may still believe
that one is under way; after an illegal access the context answers nothing any more: such a process must end, and the
cell goes on in a fresh one.
"""

from __future__ import annotations

import torch

# The allocator raises torch.OutOfMemoryError; the driver and the libraries have their own words for it.
OUT_OF_MEMORY = ("CUDA error: out of memory", "CUDA out of memory", "ALLOC_FAILED", "cudaErrorMemoryAllocation")
# Errors after which every call to the context fails (CUDA driver API, "sticky" errors).
BROKEN = (
    "illegal memory access",
    "illegal instruction",
    "misaligned address",
    "invalid address space",
    "invalid program counter",
    "device-side assert",
    "unspecified launch failure",
    "launch timed out",
    "hardware stack error",
    "uncorrectable ECC error",
    "ECC error",
    "GPU has fallen off the bus",
)


class CaptureFailed(RuntimeError):
    """A CUDA graph could not be captured, for another reason than memory. The process must end; the run goes on in a
    fresh one, without graphs."""


class CaptureOutOfMemory(torch.OutOfMemoryError):
    """A capture ran out of memory: out of memory as ever, but the process must end too."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or the first of those that it followed from, says that a device has no memory left."""
    return _says_out_of_memory(error) or _says_out_of_memory(first_error(error))


def process_must_end(error: BaseException) -> bool:
    """Whether this process can train nothing more after an exception, or after one that it followed from."""
    return any(isinstance(one, CaptureFailed | CaptureOutOfMemory) or _says_broken(one) for one in _chain(error))


def first_error(error: BaseException) -> BaseException:
    """What went wrong first, where cleaning up raised again: after an illegal call in a capture, its end does."""
    return _chain(error)[-1]


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and those that it followed from, the latest first."""
    chain, earlier = [error], _before(error)
    while earlier is not None and earlier not in chain:
        chain.append(earlier)
        earlier = _before(earlier)
    return chain


def _before(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _says_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def _says_broken(error: BaseException) -> bool:
    return any(words in str(error) for words in BROKEN) and not _says_out_of_memory(error)


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type where there is none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
