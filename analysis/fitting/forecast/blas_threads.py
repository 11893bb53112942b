"""Fits on one BLAS thread: their matrices are small, and other threads would only wait, each keeping a core busy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
T = TypeVar("T")


def on_one_thread(call: Callable[P, T]) -> Callable[P, T]:
    """The same function, with BLAS kept to one thread while it runs."""

    @functools.wraps(call)
    def limited(*arguments: P.args, **options: P.kwargs) -> T:
        with _controller().limit(limits=1, user_api="blas"):
            return call(*arguments, **options)

    return limited


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
