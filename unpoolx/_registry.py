"""Which backend serves a name or an array. Frameworks are found through `sys.modules`, never imported on a guess."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from unpoolx._backend import MEMBERS, Backend, is_backend

if TYPE_CHECKING:
    from importlib import metadata

ENTRY_POINT_GROUP = "unpoolx.backends"


# An import statement each, not a module name for importlib: PyTorch's compiler follows only the statement, and the
# first call may come from inside compiled code.


def _load_numpy() -> Backend:
    from unpoolx_backends._numpy import backend

    return backend


def _load_tensorflow() -> Backend:
    from unpoolx_backends._tensorflow import backend

    return backend


def _load_jax() -> Backend:
    from unpoolx_backends._jax import backend

    return backend


def _load_torch() -> Backend:
    from unpoolx_backends._torch_rules import backend

    return backend


def _load_dask() -> Backend:
    from unpoolx_backends._dask import backend

    return backend


def _load_array_api() -> Any:
    from unpoolx_backends import _array_api

    return _array_api


class Known(NamedTuple):
    """A backend that unpoolx brings: how to load it, the framework it needs and how to install that."""

    name: str
    load: Callable[[], Backend]
    framework: str
    install: str


TABLE = (
    Known("numpy", _load_numpy, "numpy", "pip install unpoolx"),
    Known("tf", _load_tensorflow, "tensorflow", "pip install 'unpoolx[tf]'"),
    Known("jax", _load_jax, "jax", "pip install 'unpoolx[jax]'"),
    Known("torch", _load_torch, "torch", "pip install 'unpoolx[torch]'"),
    Known("dask", _load_dask, "dask", "pip install 'unpoolx[dask]'"),
)
_KNOWN = {known.name: known for known in TABLE}
ARRAY_API = "array-api"
"""The name of the backend of arrays that none of these serves, whose namespace the arguments of a call decide."""
_SPELLINGS = {"tensorflow": "tf", "pytorch": "torch"}
# The top-level packages whose classes can be a framework's arrays.
_PACKAGES = {"numpy": "numpy", "tensorflow": "tf", "jax": "jax", "jaxlib": "jax", "torch": "torch", "dask": "dask"}

MOST_TYPES = 256
"""So many classes of arrays are remembered; more are forgotten, all at once."""

_loaded: dict[str, Backend] = {}
_registered: list[Backend] = []
_by_type: dict[type, Backend] = {}


class BackendNotInstalledError(ModuleNotFoundError):
    """The framework of a backend is not installed."""


@dataclass(frozen=True)
class BackendInfo:
    """What `backends()` says of one backend.

    Attributes:
        name: what `backend=` takes.
        installed: whether its framework can be imported.
        version: the framework's version; None when it is not installed.
        devices: the devices that the framework sees; empty until it has been imported.
        install: the command that installs it.
        error: why the backend cannot be used, or None.
    """

    name: str
    installed: bool
    version: str | None
    devices: tuple[str, ...]
    install: str
    error: str | None


def backends() -> tuple[BackendInfo, ...]:
    """What is installed: one entry for each backend that unpoolx brings and for each installed plugin.

    Installed frameworks are imported to ask for their devices; nothing that is absent is imported, and a framework
    or plugin that fails to import is reported in its entry and harms no other.

    Returns:
        A tuple of `BackendInfo`, in a fixed order, plugins last.

    Example:
        >>> import unpoolx
        >>> unpoolx.backends()[0].name
        'numpy'
    """
    return tuple(_info(known.name, known.install) for known in TABLE) + tuple(
        _info(name, f"pip install {' or '.join(map(_distribution, entries))}", entries)
        for name, entries in _plugins().items()
    )


def _info(name: str, install: str, entries: list[metadata.EntryPoint] | None = None) -> BackendInfo:
    try:
        if entries:
            _refuse_taken(name, entries)
        backend = load(name)
        return BackendInfo(name, True, backend.version, backend.devices(), install, None)
    except BackendNotInstalledError as error:
        return BackendInfo(name, False, None, (), install, str(error))
    except Exception as error:  # noqa: BLE001  # a broken framework must not hide the others: it is reported
        return BackendInfo(name, False, None, (), install, f"{type(error).__name__}: {error}")


def get_backend(name_or_array: Any) -> Backend:
    """The backend of a name or of an array.

    Args:
        name_or_array: `"numpy"`, `"tf"` (or `"tensorflow"`), `"jax"`, `"torch"` (or `"pytorch"`), `"dask"`, the name
            of an installed plugin, `"array-api:cupy"` and the like for a namespace of the array API standard, or an
            array of any of them. Lists and Python scalars count as NumPy.

    Raises:
        ValueError: an unknown name.
        ModuleNotFoundError: a framework that is not installed; the message says how to install it.
        TypeError: an object that is no backend's array.

    Example:
        >>> import numpy as np, unpoolx
        >>> unpoolx.get_backend(np.zeros(3)).name
        'numpy'
    """
    if isinstance(name_or_array, str):
        return load(name_or_array)
    if is_backend(name_or_array):
        return name_or_array
    return backend_of(name_or_array) or load("numpy")


def load(name: str) -> Backend:
    """The backend of a name, imported at its first use."""
    backend = _loaded.get(name) or _loaded.get(_SPELLINGS.get(name, name))
    if backend is None:
        name = _SPELLINGS.get(name, name)
        known = _KNOWN.get(name)
        if known is not None:
            backend = _load_known(known)
        else:
            backend = _load_namespace(name) if is_array_api(name) else _load_plugin(name)
        _loaded[name] = backend
    return backend


def _is_importable(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None  # None is how an import is blocked
    return importlib.util.find_spec(module) is not None


def _load_known(known: Known) -> Backend:
    if not _is_importable(known.framework):
        raise BackendNotInstalledError(
            f"backend {known.name!r} needs {known.framework}, which is not installed: {known.install}",
            name=known.framework,
        )
    return known.load()


def is_array_api(name: object) -> bool:
    """Whether a name means the backend of the array API standard, with a namespace or without."""
    return isinstance(name, str) and name.partition(":")[0] == ARRAY_API


def array_api() -> Any:
    """The module of the backend of the array API standard."""
    if not _is_importable("array_api_compat"):
        raise BackendNotInstalledError(
            f"backend {ARRAY_API!r} needs array_api_compat, which is not installed: pip install 'unpoolx[array-api]'",
            name="array_api_compat",
        )
    return _load_array_api()


def _load_namespace(name: str) -> Backend:
    module = name.partition(":")[2]
    if module.partition(".")[0] in _PACKAGES:
        own = _PACKAGES[module.partition(".")[0]]
        raise ValueError(f"backend: expected a namespace without a backend of its own; got {name!r}: use {own!r}")
    if not module:
        raise ValueError(
            f"backend: {ARRAY_API!r} takes its namespace from the arrays of a call, and expected one here; got none. "
            f"Name it, as in '{ARRAY_API}:cupy'"
        )
    found: Backend = array_api().of_name(module)
    return found


def _plugins() -> dict[str, list[metadata.EntryPoint]]:
    """The entry points of each name; more than one where two distributions took it."""
    from importlib import metadata  # half of the time that `import unpoolx` took, and many programs have no plugin

    found: dict[str, list[metadata.EntryPoint]] = {}
    for entry in metadata.entry_points(group=ENTRY_POINT_GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def _distribution(entry: metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist else f"the owner of {entry.value}"


def _refuse_taken(name: str, entries: list[metadata.EntryPoint]) -> None:
    """Refuse a name that two distributions took, or one took from unpoolx."""
    owners = {_distribution(entry) for entry in entries}
    if name in _KNOWN or name in _SPELLINGS or is_array_api(name):
        owners.add("unpoolx")
    if len(owners) > 1 or len(entries) > 1:
        raise ValueError(
            f"backend {name!r}: expected one distribution to have this name; got {' and '.join(sorted(owners))}. "
            "Uninstall all of them but one"
        )


def _load_plugin(name: str) -> Backend:
    plugins = _plugins()
    if name not in plugins:
        names = [known.name for known in TABLE if importlib.util.find_spec(known.framework)] + list(plugins)
        import difflib

        close = difflib.get_close_matches(name, [*names, *_KNOWN, *_SPELLINGS], n=1)
        hint = f". Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"backend: expected one of {', '.join(map(repr, names))}; got {name!r}{hint}")
    _refuse_taken(name, plugins[name])
    entry = plugins[name][0]
    loaded = entry.load()
    if isinstance(loaded, type):  # a class has the members of its instances
        raise TypeError(
            f"backend {name!r}: its entry point {entry.value!r} must name an instance of unpoolx.Backend; it names the "
            f"class {loaded.__name__}"
        )
    if not is_backend(loaded):
        lacking = [member for member in MEMBERS if not hasattr(type(loaded), member)]
        raise TypeError(
            f"backend {name!r}: its entry point {entry.value!r} must name an instance of unpoolx.Backend; it names "
            f"a {type(loaded).__name__}, which lacks {', '.join(lacking)}"
        )
    if loaded.name != name:
        raise ValueError(
            f"backend {name!r}: its entry point {entry.value!r} must name a backend whose name is {name!r}; got "
            f"{loaded.name!r}"
        )
    return loaded


@contextlib.contextmanager
def registered(backend: Backend) -> Iterator[Backend]:
    """A backend that no installed plugin names, under its own name and for its own arrays, while the context is open.

    It comes before every other backend: also before one of the same name, and for arrays that another one serves as
    well. For tests, and for trying out a backend that is being written.

    Example:
        >>> import unpoolx
        >>> from unpoolx.testing import registered
        >>> from unpoolx_backends._numpy import NumpyBackend
        >>> class Mine(NumpyBackend):
        ...     name = "mine"
        >>> with registered(Mine()) as mine:
        ...     unpoolx.get_backend("mine") is mine
        True
    """
    before = _loaded.get(backend.name)
    _loaded[backend.name] = backend
    _registered.insert(0, backend)
    _by_type.clear()
    try:
        yield backend
    finally:
        _registered.remove(backend)
        _by_type.clear()
        if before is None:
            del _loaded[backend.name]
        else:
            _loaded[backend.name] = before


_PYTHON = frozenset({list, tuple, bool, int, float, complex})
"""What belongs to no backend. Asked for first, since PyTorch's compiler cannot trace where these are defined."""


def backend_of(x: object, what: str = "array") -> Backend | None:
    """The backend whose array x is; None for Python lists and scalars, which belong to none. `what` names x.

    Raises:
        TypeError: x is no backend's array.
    """
    cls = type(x)
    if cls in _PYTHON:
        return None
    if cls.__module__.partition(".")[0] == "torch" and not _registered and _is_compiling():
        # A program that has seen `_by_type` would be compiled again after the first array of each other framework.
        found: Backend | None = _load_torch()
    else:
        found = _by_type.get(cls)
    if found is not None and found.is_array(x):  # one class may be dense or sparse
        return found
    if isinstance(x, (list, tuple, bool, int, float, complex)):
        return None
    for backend in _registered:
        if backend.is_array(x):
            _remember(cls, backend)
            return backend
    for base in cls.__mro__:
        name = _PACKAGES.get(base.__module__.partition(".")[0])
        if name is not None:
            backend = load(name)
            if backend.is_array(x):
                _remember(cls, backend)
                if name == "numpy":
                    _load_imported()
                return backend
    for name in _plugins():
        plugin = None if name in _KNOWN or name in _SPELLINGS or is_array_api(name) else _usable(name)
        if plugin is not None and plugin.is_array(x):
            _remember(cls, plugin)
            return plugin
    if follows_the_standard(cls):
        generic: Backend = array_api().of_array(x, what)
        if generic.is_array(x):
            _remember(cls, generic)
            return generic
    raise TypeError(
        f"{what}: expected a dense array of {', '.join(known.framework for known in TABLE)} or of a plugin, or a list "
        f"of numbers; got {cls.__module__}.{cls.__qualname__}{_layout(x)}"
    )


def _is_compiling() -> bool:
    """Whether PyTorch's tracer runs this; only where there is one of its tensors."""
    import torch

    return bool(torch.compiler.is_compiling())


def _remember(cls: type, backend: Backend) -> None:
    if len(_by_type) >= MOST_TYPES:
        _by_type.clear()
    _by_type[cls] = backend


def follows_the_standard(cls: type) -> bool:
    """Whether arrays of a class are those of an array API namespace, and of no framework that has a backend.

    CuPy's are, though its releases before 14 do not say so themselves.
    """
    packages = {base.__module__.partition(".")[0] for base in cls.__mro__}
    return not packages & _PACKAGES.keys() and (hasattr(cls, "__array_namespace__") or "cupy" in packages)


def of_namespaces(arrays: dict[str, Any]) -> Backend:
    """The backend of `backend="array-api"`: that of the one namespace among the arguments.

    Raises:
        TypeError: no argument is an array of a namespace without a backend of its own, or two of two namespaces are.
    """
    found: dict[str, tuple[Backend, str]] = {}
    for what, x in arrays.items():
        if follows_the_standard(type(x)):
            backend = array_api().of_array(x, what)
            found.setdefault(backend.name, (backend, what))
    if len(found) == 1:
        return next(iter(found.values()))[0]
    if found:
        raise TypeError(
            f"backend={ARRAY_API!r}: expected arrays of one namespace; got "
            + ", ".join(f"{what} of {name}" for name, (_, what) in found.items())
            + ". Name one of them as the backend"
        )
    raise TypeError(
        f"backend={ARRAY_API!r} takes its namespace from the arguments: expected an array whose type has "
        f"__array_namespace__ and no backend of its own; got "
        + ", ".join(f"{what}, a {type(x).__module__}.{type(x).__qualname__}" for what, x in arrays.items())
        + f". Pass such an array, or name its namespace, as in backend='{ARRAY_API}:cupy'"
    )


def _usable(name: str) -> Backend | None:
    """A plugin's backend; None, with a warning, where it cannot be loaded: the array may be another one's."""
    try:
        return load(name)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with it, the others are not concerned
        warnings.warn(f"unpoolx: the backend {name!r} cannot be loaded: {error}", RuntimeWarning, stacklevel=4)
        return None


def _load_imported() -> None:
    """Load the backends of JAX and PyTorch where the program has imported them.

    They make Switches pass into compiled code, which may come before any call on their arrays.
    """
    for name in ("jax", "torch"):
        if sys.modules.get(name) is not None and name not in _loaded:
            try:
                load(name)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with it, NumPy's call is not concerned
                warnings.warn(f"unpoolx: the backend {name!r} cannot be loaded: {error}", RuntimeWarning, stacklevel=2)


def _layout(x: object) -> str:
    """How a tensor that is not dense is laid out, for the message."""
    if getattr(x, "is_nested", False):
        return ", a nested one"
    layout = getattr(x, "layout", None)
    return "" if layout is None else f" of layout {layout}"
