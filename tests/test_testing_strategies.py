"""The strategies draw only what they promise, and all of it."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from unpoolx.testing import oracle
from unpoolx.testing import strategies as ours

# Draws that are looked at together are the same each time: a promised form cannot be missing by bad luck.
LOOK = settings(
    max_examples=500,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def collect(strategy, count=500):
    """Draw from a strategy and return what came."""
    drawn = []

    @settings(LOOK, max_examples=count)
    @given(strategy)
    def run(value):
        drawn.append(value)

    run()
    return drawn


@pytest.fixture(scope="module")
def geometries():
    return collect(ours.windows())


def form(value):
    """The form of a window argument: a name, "int", "tuple", "pairs" or "None"."""
    if isinstance(value, tuple):
        return "pairs" if isinstance(value[0], tuple) else "tuple"
    return value if isinstance(value, str) else "None" if value is None else "int"


def test_windows_are_legal_and_small(geometries):
    for geometry in geometries:
        window = oracle.resolve(geometry.shape, **geometry.arguments)
        assert all(window.elements().values()), geometry
        assert np.prod(window.input_shape) <= 400, geometry
        assert np.prod(window.pooled_shape) <= 400, geometry


def test_windows_have_the_promised_variety(geometries):
    seen = Counter()
    for geometry in geometries:
        window = geometry.window
        seen.update(f"{name} {form(value)}" for name, value in geometry.arguments.items())
        seen.update([f"rank {len(window.kernel)}", f"batch axes {len(window.batch)}"])
        seen["ceil"] += geometry.arguments["ceil_mode"]
        seen["empty batch"] += 0 in window.batch
        seen["no channels"] += window.channels == 0
        seen["offsets int32"] += window.size > 256
        for k, s, d in zip(window.kernel, window.stride, window.dilation, strict=True):
            seen["overlap"] += s < d * (k - 1) + 1
            seen["gap"] += s > d * (k - 1) + 1
            seen["stride 1"] += s == 1 and k > 1
            seen["dilated"] += d > 1 and k > 1
        seen["uneven padding"] += window.before != window.after
    promised = [f"rank {d}" for d in (1, 2, 3)] + [f"batch axes {b}" for b in (0, 1, 2)]
    promised += [f"kernel_size {f}" for f in ("int", "tuple")] + [f"stride {f}" for f in ("None", "int", "tuple")]
    promised += [f"padding {f}" for f in ("VALID", "SAME", "SAME_LOWER", "int", "tuple", "pairs")]
    promised += [f"dilation {f}" for f in ("int", "tuple")]
    names = ("channels_last", "channels_first", "NWC", "NCW", "NHWC", "NCHW", "NDHWC", "NCDHW")
    promised += [f"data_format {name}" for name in names]
    promised += [
        "ceil",
        "empty batch",
        "no channels",
        "offsets int32",
        "overlap",
        "gap",
        "stride 1",
        "dilated",
    ]
    promised += ["uneven padding"]
    assert [p for p in promised if not seen[p]] == []


def test_options_leave_cases_out():
    plain = ours.windows(
        2, 2, data_formats=["channels_last"], padding_forms=["VALID"], batch_ranks=[1], dilation=False,
        ceil_mode=False, large_kernels=False, aliases=False, empty=False,
    )  # fmt: skip
    for geometry in collect(plain, 100):
        assert len(geometry.shape) == 4
        assert 0 not in geometry.shape
        assert geometry.window.size <= 256
        for name, value in {"padding": "VALID", "dilation": 1, "ceil_mode": False}.items():
            assert geometry.arguments[name] == value
        assert geometry.arguments["data_format"] == "channels_last"
    for form_ in ours.PADDING_FORMS:
        drawn = {form(g.arguments["padding"]) for g in collect(ours.windows(padding_forms=[form_]), 60)}
        assert drawn == {"tuple" if form_ == "per_axis" else form_}
    assert {form(g.arguments["kernel_size"]) for g in collect(ours.windows(kernel_forms=["int"]), 60)} == {"int"}


def test_illegal_windows_are_illegal():
    drawn = collect(ours.illegal_windows())
    for illegal in drawn:
        with pytest.raises(illegal.expected):
            oracle.resolve(illegal.shape, **illegal.arguments)
    assert {illegal.expected for illegal in drawn} == {TypeError, ValueError}
    assert len({illegal.fault for illegal in drawn}) > 40


def widened(x):
    """A floating array as float64; signalling NaNs are among the draws, and a cast warns of them."""
    with np.errstate(invalid="ignore"):
        return x.astype("float64")


def describe(x):
    """What kinds of numbers a floating array holds, told from its values in float64."""
    wide = widened(x)
    smallest = {"float16": 2.0**-14, "float64": 2.0**-1022}.get(x.dtype.name, 2.0**-126)
    return {
        "nan": bool(np.isnan(wide).any()),
        "infinite": bool(np.isinf(wide).any()),
        "subnormal": bool(((wide != 0) & (abs(wide) < smallest)).any()),
        "negative_zero": bool(((wide == 0) & np.signbit(wide)).any()),
    }


@pytest.mark.parametrize("dtype", ours.FLOAT_DTYPES)
def test_arrays_hold_every_special_value(dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    seen, ties = Counter(), 0
    for x in collect(ours.arrays((3, 4), dtype), 200):
        assert (x.shape, x.dtype.name) == ((3, 4), dtype)
        seen.update(name for name, found in describe(x).items() if found)
        ties += len(set(widened(x).ravel().tolist())) < x.size
    assert min(seen[name] for name in ("nan", "infinite", "subnormal", "negative_zero")) > 10, seen
    assert ties > 100
    for name in ("nan", "infinite", "subnormal", "negative_zero"):
        for x in collect(ours.arrays((3, 4), dtype, **{name: False}), 100):
            assert not describe(x)[name], (name, x)


@pytest.mark.parametrize("dtype", [*ours.INTEGER_DTYPES, "bool", *ours.COMPLEX_DTYPES])
def test_arrays_of_other_dtypes(dtype):
    drawn = collect(ours.arrays((3, 4), dtype), 100)
    assert all((x.shape, x.dtype) == ((3, 4), np.dtype(dtype)) for x in drawn)
    if dtype in ours.INTEGER_DTYPES:
        ends = np.iinfo(dtype)
        assert any((x == ends.min).any() for x in drawn)
        assert any((x == ends.max).any() for x in drawn)


def test_arrays_of_any_shape():
    for shape in ((), (0, 3), (1,), (2, 0)):
        for dtype in ("float32", "bool", "int8", "complex64"):
            assert {x.shape for x in collect(ours.arrays(shape, dtype), 20)} == {shape}


def test_offsets_are_legal_and_not_only_maxima(geometries):
    differs = 0

    @settings(LOOK, max_examples=200)
    @given(st.data())
    def run(data):
        nonlocal differs
        geometry = data.draw(ours.windows())
        offsets = data.draw(ours.offsets_for(geometry))
        x = np.ones(geometry.shape, "int32")
        assert (oracle.gather(x, offsets, **geometry.arguments) == 1).all()  # raises for one that is not real
        _, first = oracle.max_pool(x, **geometry.arguments)
        assert first.dtype == offsets.dtype
        differs += bool((offsets != first).any())

    run()
    assert differs > 20


def test_raw_indices_keep_their_promise():
    drawn = collect(ours.raw_indices())
    duplicates = 0
    for case in drawn:
        assert case.indices.shape == case.x_shape
        oracle.unpool_indices(np.ones(case.x_shape), case.indices, **case.arguments)
        duplicates += len(set(case.indices.ravel().tolist())) < case.indices.size
    assert duplicates > 100
    assert {case.index_format for case in drawn} == set(oracle.RAW_FORMATS)
    assert {len(case.output_shape) for case in drawn} == {3, 4, 5}
    assert {case.data_format for case in drawn} == {"channels_last", "channels_first"}
    assert any(0 in case.x_shape for case in drawn)


def test_raw_indices_out_of_range():
    drawn = collect(ours.raw_indices(in_range=False), 200)
    for case in drawn:
        with pytest.raises(IndexError):
            oracle.unpool_indices(np.ones(case.x_shape), case.indices, **case.arguments)
    assert any((case.indices < 0).any() for case in drawn)
    assert any((case.indices > 2**31).any() for case in drawn)


def test_exact_arrays_are_small_integers():
    for x in collect(ours.exact_arrays((3, 4), "float16"), 50):
        assert (x == np.round(x)).all()
        assert (abs(x) <= 4).all()
