"""Arrays of the array API standard whose library has no backend of its own, and the generic backend that serves them.

The conformance kit is run on array-api-strict as it is, and on the ways that it does not take by itself: without
writing to arrays, on its second device, and as a library of an older standard. NumPy, PyTorch and JAX are sent through
the generic backend in place of their own, which is beyond what anybody would do, and finds what one library hides.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest
from harness import set_up

import unpoolx
from unpoolx.testing import LAWS, Law, _runner, registered, run_law
from unpoolx.testing.suite import BackendConformance, Subject

pytest.importorskip("array_api_compat", reason="it finds the namespace of an array")
xp = pytest.importorskip("array_api_strict", reason="its arrays are of no framework")

from unpoolx_backends import _array_api_host  # noqa: E402  # it imports array_api_compat
from unpoolx_backends._array_api import ArrayApiBackend  # noqa: E402  # the same

UNDECLARED = ("gradient", "compiled")
LEVELS = tuple(level for level in BackendConformance.levels if level not in UNDECLARED)
WHOLE = {"kernel_size": 3, "stride": 2, "padding": "SAME"}


def numbers(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Numbers of which some are equal, some negative."""
    return np.random.default_rng(0).integers(-4, 5, shape).astype(dtype)


def refuses(error: type[Exception], call: Callable[[], Any], *parts: str) -> None:
    with pytest.raises(error) as raised:
        call()
    missing = [part for part in parts if part not in str(raised.value)]
    assert not missing, f"{missing} not in: {raised.value}"


# Every law


class Strict(ArrayApiBackend):
    """array-api-strict, in one of the ways that it does not take by itself."""

    def __init__(self) -> None:
        super().__init__(xp, f"array-api:{type(self).__name__.lower()}")


class Immutable(Strict):
    """Nothing is written to an array."""

    def __init__(self) -> None:
        super().__init__()
        self.mutable = False


class Flushing(Strict):
    """Comparisons are taken for inexact, so that floats are compared by their bits."""

    def _at(self, x: Any) -> Any:
        return self


class OlderNamespace:
    """The functions of array-api-strict that the standard had in 2022: no word about itself, no search, no sums."""

    __name__ = "older"
    LATER = ("__array_namespace_info__", "searchsorted", "cumulative_sum", "take_along_axis")

    def __getattr__(self, name: str) -> Any:
        if name in self.LATER:
            raise AttributeError(name)
        return getattr(xp, name)


class Older(ArrayApiBackend):
    """A library of an older standard, whose slots are put in order on the host."""

    def __init__(self) -> None:
        super().__init__(OlderNamespace(), "array-api:older")


class Generic(BackendConformance):
    """What the generic backend declares something for; the declared devices, threads and options are those of all."""

    levels = LEVELS
    examples = 5

    @pytest.fixture(autouse=True)
    def _serves_its_arrays(self, unpoolx_subject: Subject) -> None:
        made = unpoolx_subject.array(np.zeros((1, 2, 1), np.float32))
        assert unpoolx.get_backend(made) is unpoolx_subject.backend
        assert isinstance(unpoolx_subject.backend, ArrayApiBackend)


class TestStrict(Generic):
    """Arrays of array-api-strict, found by their namespace."""

    backend = "array-api:array_api_strict"
    levels = BackendConformance.levels
    examples = 8

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _of_an_array(cls) -> None:
        assert unpoolx.get_backend("array-api:array_api_strict") is unpoolx.get_backend(xp.zeros(1))


class TestStrictSecondDevice(Generic):
    """Arrays that lie on another device than the default one."""

    backend = "array-api:array_api_strict"
    device = "device1"
    examples = 2


class TestImmutable(Generic):
    """Nothing is assigned."""

    backend = Immutable()
    examples = 4


class TestFlushing(Generic):
    """Pooling by bits, which the standard does not show."""

    backend = Flushing()
    examples = 4
    levels = ("forward", "overlap")


class TestOlder(Generic):
    """What a namespace lacks is done on the host."""

    backend = Older()
    examples = 5
    levels = ("indices", "update", "dtypes")


class Forced(Generic):
    """A framework's arrays, sent through the generic backend instead of the framework's own."""

    framework: ClassVar[str]
    namespace: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def unpoolx_subject(cls) -> Iterator[Subject]:
        """The framework's arrays on the generic backend."""
        pytest.importorskip(cls.framework)
        set_up()
        made = cls.made(importlib.import_module(cls.namespace))
        with registered(made):
            yield Subject(made)

    @classmethod
    def made(cls, namespace: Any) -> ArrayApiBackend:
        """The generic backend of the namespace."""
        return ArrayApiBackend(namespace, f"array-api:{cls.framework}")


class Numpys(ArrayApiBackend):
    """NumPy's own ways: operations on arrays without axes give scalars, and memory may have another byte order."""

    def is_array(self, x: object) -> bool:
        """Whether x is an array, or what an operation makes of one without axes."""
        return isinstance(x, (np.ndarray, np.generic)) and not isinstance(x, np.ma.MaskedArray)

    def prepare(self, x: Any) -> Any:
        """x in the machine's byte order."""
        return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


class TestForcedNumpy(Forced):
    """NumPy, with every dtype but bfloat16."""

    backend = "forced numpy"
    framework = "numpy"
    namespace = "array_api_compat.numpy"

    @classmethod
    def made(cls, namespace: Any) -> ArrayApiBackend:
        """The generic backend, with NumPy's own ways."""
        return Numpys(namespace, "array-api:numpy")


class TestForcedTorch(Forced):
    """PyTorch, which lacks the wide unsigned integers and adds complex numbers otherwise."""

    backend = "forced torch"
    framework = "torch"
    namespace = "array_api_compat.torch"


class TestForcedJax(Forced):
    """JAX, which cannot be written to, and whose comparisons take subnormal numbers for zero."""

    backend = "forced jax"
    framework = "jax"
    namespace = "jax.numpy"
    levels = ("forward", "overlap", "update")
    examples = 1

    @classmethod
    def laws(cls) -> list[Law]:
        """Without large kernels: each of their hundreds of slices is a program that JAX compiles."""
        return [law for law in super().laws() if not law.name.startswith("a-kernel-of-more-than-256")]


class TestCupy(Generic):
    """CuPy has no backend of its own."""

    backend = "array-api:cupy"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _gpu(cls) -> None:
        cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
        if not cupy.cuda.is_available():
            pytest.skip("CuPy sees no GPU")


class FirstWriter(Immutable):
    """The first writer of a slot is taken for the last."""

    def last_writer(self, index: Any, size: Any) -> Any:
        """The last of the reversed updates."""
        count = index.shape[1]
        flipped = super().last_writer(xp.flip(index, axis=1), size)
        return xp.where(flipped < 0, flipped, count - 1 - flipped)


class NoScatter(Immutable):
    """Nothing arrives where it is scattered."""

    def scatter_along(self, x: Any, index: Any, values: Any) -> Any:
        """x as it was."""
        return x


class SignedZero(Immutable):
    """A sum of zero keeps its sign."""

    def positive_zero(self, x: Any) -> Any:
        """x as it was."""
        return x


class ZeroPadding(Immutable):
    """Padding takes part as zeros."""

    def pad(self, x: Any, padding: Any, value: Any) -> Any:
        """x with zeros, whatever the value."""
        return super().pad(x, padding, 0)


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (FirstWriter, "numbers-of-slots-are-ranked"),
        (NoScatter, "numbered-slots-are-read-and-written"),
        (SignedZero, "values-that-meet-are-summed-in-order"),
        (ZeroPadding, "max-pool-chooses-the-first-maximum"),
    ],
)
def test_the_kit_catches_a_generic_backend_that_is_wrong(
    broken: type[Strict], law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runner, "SHRINKING_SECONDS", 0.0)  # any case will do
    for made, status in ((broken(), "failed"), (Immutable(), "passed")):
        with registered(made):
            assert run_law(LAWS[law], Subject(made), examples=12).status == status


# Which backend serves an array


@pytest.mark.rule("B1")
def test_an_array_of_no_framework_is_served_and_stays_in_its_namespace_and_on_its_device() -> None:
    device = xp.Device("device1")
    x = xp.asarray(numbers(2, 7, 5, 3), device=device)
    values, switches = unpoolx.max_pool(x, **WHOLE)
    results = [values, switches.offsets, unpoolx.unpool(values, switches, overlap="sum"), unpoolx.gather(x, switches)]
    results += [switches.to_indices("spatial"), unpoolx.unpool_nearest(x, 2), unpoolx.unpool_average(x, 2)]
    results += [unpoolx.unpool_fixed(x, 2), unpoolx.at(x)[0, [1, -1]].set(1.0), unpoolx.at(x)[x > 0].get()]
    assert {(type(y), y.device) for y in results} == {(type(x), device)}


@pytest.mark.rule("B1")
def test_the_backend_of_a_namespace_is_one_and_remembered() -> None:
    first, second = unpoolx.get_backend(xp.zeros(1)), unpoolx.get_backend(xp.ones((2, 2), dtype=xp.int8))
    assert first is second
    assert unpoolx.get_backend("array-api:array_api_strict") is first
    assert first.name == "array-api:array_api_strict"
    assert first.capabilities().dtypes == tuple(unpoolx.get_backend("numpy").dtypes()[2:])
    assert (first.gradient, first.forward_mode, first.compiled) == (False, False, ())


def test_frameworks_with_a_namespace_keep_their_own_backends(on: Any) -> None:
    made = on.array(numbers(1, 4, 4, 1))
    assert unpoolx.get_backend(made).name == on.name
    assert not isinstance(unpoolx.get_backend(made), ArrayApiBackend)


def test_a_registered_backend_comes_before_the_namespace() -> None:
    with registered(Older()) as older:
        assert unpoolx.get_backend(xp.zeros(1)) is older
    assert unpoolx.get_backend(xp.zeros(1)).name == "array-api:array_api_strict"


@pytest.mark.rule("B8")
@pytest.mark.parametrize("make", [np.ma.masked_array, lambda x: x.astype("M8[s]")], ids=["masked", "dates"])
def test_what_numpy_refuses_does_not_come_in_by_its_namespace(make: Any) -> None:
    refuses(TypeError, lambda: unpoolx.max_pool(make(numbers(1, 4, 1)), 2), "x: expected ")


# By name


@pytest.mark.rule("B2")
def test_the_namespace_of_a_name_is_that_of_the_arguments() -> None:
    host = numbers(1, 4, 4, 2)
    expected_values, host_switches = unpoolx.max_pool(host, 2)
    values, switches = unpoolx.max_pool(xp.asarray(host), 2, backend="array-api")
    assert switches == host_switches
    mixed = unpoolx.unpool(values, host_switches, backend="array-api")
    assert type(mixed) is type(values)
    assert np.array_equal(np.asarray(mixed), unpoolx.unpool(expected_values, host_switches))
    assert type(unpoolx.unpool(expected_values, switches, backend="array-api")) is type(values)
    named = unpoolx.max_pool(host, 2, backend="array-api:array_api_strict")[0]
    assert type(named) is type(values)
    assert type(host_switches.to("array-api:array_api_strict").offsets) is type(values)
    one = xp.asarray(1.0, dtype=xp.float32)
    assert type(unpoolx.index_update(host, 0, one, backend="array-api")) is type(values)


@pytest.mark.rule("B2", "B3")
def test_what_gives_no_namespace_is_an_error_that_says_how_to_mend_it() -> None:
    host = numbers(1, 4, 4, 1)
    values, switches = unpoolx.max_pool(host, 2)
    mend = "Pass such an array, or name its namespace, as in backend='array-api:cupy'"
    for call in (
        lambda: unpoolx.max_pool(host, 2, backend="array-api"),
        lambda: unpoolx.max_pool(host.tolist(), 2, backend="array-api"),
        lambda: unpoolx.unpool(values, switches, backend="array-api"),
        lambda: unpoolx.index_get(host, 0, backend="array-api"),
    ):
        refuses(TypeError, call, "takes its namespace from the arguments", mend)
    refuses(ValueError, lambda: unpoolx.get_backend("array-api"), "takes its namespace from the arrays of a call")
    refuses(ValueError, lambda: switches.to("array-api"), "as in 'array-api:cupy'")
    refuses(ValueError, lambda: unpoolx.get_backend("array-api:numpy"), "a namespace without a backend", "'numpy'")
    refuses(ValueError, lambda: unpoolx.get_backend("array-api:os"), "a module that makes arrays", "'os'")
    with pytest.raises(unpoolx.BackendNotInstalledError, match="needs no_such_module, which is not installed"):
        unpoolx.get_backend("array-api:no_such_module")


class Other:
    """An array of another namespace."""

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return OTHER_NAMESPACE


OTHER_NAMESPACE = OlderNamespace()


@pytest.mark.rule("B3")
def test_arrays_of_two_frameworks_are_refused() -> None:
    values, switches = unpoolx.max_pool(xp.asarray(numbers(1, 4, 4, 1)), 2)
    host = switches.to("numpy")
    told = "x of array-api:array_api_strict, switches of numpy"
    refuses(TypeError, lambda: unpoolx.unpool(values, host), "expected arrays of one framework", told)
    told = "x of array-api:array_api_strict, values of array-api:older"
    other = partial(unpoolx.index_update, values, 0, Other(), backend="array-api")
    refuses(TypeError, other, "expected arrays of one namespace", told, "Name one of them")


# What a namespace lacks


@pytest.mark.rule("B8")
def test_an_object_whose_namespace_is_of_no_use_is_refused() -> None:
    class Empty:
        def __array_namespace__(self, api_version: str | None = None) -> Any:
            return sys

    class Failing:
        def __array_namespace__(self, api_version: str | None = None) -> Any:
            raise RuntimeError("no namespace today")

    class Signless(OlderNamespace):
        LATER: ClassVar = (*OlderNamespace.LATER, "int8")

    refuses(TypeError, lambda: unpoolx.max_pool(Empty(), 2), "sys, which lacks arange, asarray")
    refuses(TypeError, lambda: unpoolx.max_pool(Failing(), 2), "x: expected an array that tells", "no namespace today")
    refuses(TypeError, lambda: ArrayApiBackend(Signless(), "array-api:signless"), "signless, which lacks int8")


@pytest.mark.rule("B2", "B8")
def test_a_dtype_or_a_device_that_is_not_there_is_told() -> None:
    half = numbers(1, 4, 1, dtype="float16")
    call = lambda: unpoolx.max_pool(half, 2, backend="array-api:array_api_strict")  # noqa: E731
    refuses(TypeError, call, "got float16, which it cannot hold")
    poor = xp.zeros((1, 4, 1), dtype=xp.float32, device=xp.Device("no_x64"))
    refuses(TypeError, lambda: unpoolx.max_pool(poor, 2), "CPU_DEVICE, device1, device2; got one on no_x64")


def test_an_array_without_a_way_to_the_host_says_what_was_tried() -> None:
    class Sealed:
        device, shape = "a vault", (2,)

        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("sealed")

        def to_device(self, device: Any, **_: Any) -> Any:
            raise ValueError(f"no way to {device}")

    refuses(TypeError, lambda: _array_api_host.to_numpy(Sealed()), "a vault", "sealed", "no way to cpu")


@pytest.mark.rule("B4")
def test_arrays_on_two_devices_are_refused_also_as_an_index() -> None:
    x = xp.asarray(numbers(4, 3))
    for index in ([0, 1], [True, False, True, True]):
        there = xp.asarray(index, device=xp.Device("device1"))
        for call in (unpoolx.at(x)[there].get, lambda there=there: unpoolx.at(x)[there].set(0.0)):
            refuses(ValueError, call, "one device; got x on CPU_DEVICE, index on device1")


# Imported only where used


def fresh(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.rule("B5")
def test_without_array_api_compat_the_error_says_what_to_install() -> None:
    code = """
import sys
sys.modules["array_api_compat"] = None
import array_api_strict as xp, numpy as np, unpoolx
unpoolx.max_pool(np.zeros((1, 4, 1)), 2)
for call in (
    lambda: unpoolx.max_pool(xp.zeros((1, 4, 1)), 2),
    lambda: unpoolx.max_pool(xp.zeros((1, 4, 1)), 2, backend="array-api"),
    lambda: unpoolx.get_backend("array-api:array_api_strict"),
):
    try:
        call()
    except unpoolx.BackendNotInstalledError as error:
        print(error)
"""
    told = fresh(code).splitlines()
    assert len(told) == 3
    assert all(line.endswith("which is not installed: pip install 'unpoolx[array-api]'") for line in told), told


@pytest.mark.rule("B7")
def test_nothing_is_imported_for_the_arrays_of_a_framework() -> None:
    code = """
import sys, numpy as np, unpoolx
values, switches = unpoolx.max_pool(np.zeros((1, 4, 1)), 2)
unpoolx.unpool(values, switches)
before = "array_api_compat" in sys.modules
import array_api_strict as xp
unpoolx.max_pool(xp.zeros((1, 4, 1)), 2)
print(before, "array_api_compat" in sys.modules)
"""
    assert fresh(code) == "False True"
