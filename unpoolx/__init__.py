"""Max pooling that keeps its switches, and unpooling from them: one meaning on NumPy, TensorFlow, JAX and PyTorch."""

from unpoolx._at import Indexed, Indexer, at, index_get, index_update
from unpoolx._autograph import leave_as_written
from unpoolx._backend import Backend, Capabilities
from unpoolx._functions import gather, max_pool, unpool
from unpoolx._registry import BackendInfo, BackendNotInstalledError, backends, get_backend
from unpoolx._switches import Switches
from unpoolx._version import __version__
from unpoolx._window import Window
from unpoolx._without_switches import unpool_average, unpool_fixed, unpool_nearest

leave_as_written(max_pool, unpool, gather, unpool_fixed, unpool_nearest, unpool_average, at, index_get, index_update)
leave_as_written(*(method for method in vars(Indexed).values() if callable(method)), Indexer.__getitem__)
leave_as_written(Switches.to_indices, Switches.to)

__all__ = [
    "Backend",
    "BackendInfo",
    "BackendNotInstalledError",
    "Capabilities",
    "Indexed",
    "Indexer",
    "Switches",
    "Window",
    "__version__",
    "at",
    "backends",
    "gather",
    "get_backend",
    "index_get",
    "index_update",
    "max_pool",
    "unpool",
    "unpool_average",
    "unpool_fixed",
    "unpool_nearest",
]
