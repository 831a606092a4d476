"""Loops of ours in PyTorch's own threads.

After each of its operations PyTorch's threads spin for some milliseconds and keep the processors busy: threads of ours
would have to share these with them, where threads that spin are the ones that begin at once. PyTorch starts them by
OpenMP; `GOMP_parallel`, which its operations call, is found in the library that PyTorch has loaded.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch

from unpoolx_backends import _fused

_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_AT_IMPORT = os.getpid()
_FORKED_ALONE = 0x40
"""Linux's flag of a process that was forked and has not begun a program of its own (`PF_FORKNOEXEC`)."""


@cache
def _parallel() -> Callable[..., Any] | None:
    """OpenMP's `GOMP_parallel(body, data, threads, flags)`, or None where PyTorch has none."""
    if os.name != "posix" or not torch.backends.openmp.is_available():
        return None
    # As PyTorch's libraries look for it: first among the names that all share, then in what they are linked with.
    for library in (None, torch._C.__file__):  # noqa: SLF001  # where PyTorch's libraries hang together
        function = getattr(ctypes.CDLL(library), "GOMP_parallel", None)
        if function is not None:
            function.restype = None
            function.argtypes = (_BODY, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
            return function
    return None


@lru_cache(maxsize=1)
def _forked(pid: int) -> bool:
    """Whether this process, of this number, may have been forked from one in which OpenMP had threads."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux: OpenMP there begins anew in a forked process
        return pid != _AT_IMPORT
    return pid != _AT_IMPORT or bool(int(stat.rpartition(")")[2].split()[6]) & _FORKED_ALONE)


def in_its_threads(take: Callable[[], None], count: int) -> None:
    """`_fused.in_our_threads` by PyTorch's; by ours in a forked process, where OpenMP would wait for lost threads."""
    parallel = None if _forked(os.getpid()) else _parallel()
    if parallel is None:
        _fused.in_our_threads(take, count)
        return
    raised: list[BaseException] = []

    def body(_: int | None) -> None:
        try:
            take()
        except BaseException as error:  # noqa: BLE001  # it must not go through OpenMP: it is raised below
            raised.append(error)

    parallel(_BODY(body), None, count, 0)
    if raised:
        raise raised[0]
    take()  # what is left where an interrupt came before `try`
