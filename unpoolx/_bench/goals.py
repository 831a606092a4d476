"""How fast unpoolx means to be: targets, and what was measured for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from unpoolx._bench.framework import in_plane, words_of
from unpoolx._bench.outcome import Outcome, Quartiles
from unpoolx._bench.parts import PARTS
from unpoolx._bench.results import Measured, Report

Measure = Literal["faster", "slower", "floor", "beyond"]
GEOMETRIES = ("k2", "k3")
MEDIUM = ("2d", "float32", "medium")
MICROSECONDS, MILLISECONDS = 1e-6, 1e-3


@dataclass(frozen=True)
class Cell:
    """A measured number, and how it must be: None where there is nothing to compare, since no way has the bits."""

    value: float | None
    bound: float
    least: bool

    @property
    def missed(self) -> bool:
        """Whether it is on the wrong side of the bound."""
        return self.value is not None and (self.value < self.bound if self.least else self.value > self.bound)


@dataclass(frozen=True)
class Goal:
    """A target for several problems.

    Attributes:
        part: of the measurements.
        problems: the words of each problem: a column each; an empty tuple leaves a column free.
        form: the words of the layout and mode.
        measure: "faster", how many times as fast as a way of the framework's own; "slower", how many times as long
            as that; "floor", how many times as long as a copy or a bare call; "beyond", how many units more than that.
        bounds: for each problem, what it is to be at least ("faster") or at most.
        against: a part of the names of the ways that it is compared with; of several, with the fastest.
        unit: the seconds that "beyond" counts in.
    """

    part: str
    problems: tuple[tuple[str, ...], ...]
    form: tuple[str, ...]
    measure: Measure
    bounds: tuple[float, ...]
    against: str = ""
    unit: float = MICROSECONDS

    @property
    def what(self) -> str:
        """The words that all problems share."""
        return " ".join(word for word in self._shared if word not in (*GEOMETRIES, *MEDIUM))

    @property
    def _shared(self) -> list[str]:
        given = [words for words in self.problems if words]
        return [word for word in given[0] if all(word in words for words in given)]

    @property
    def text(self) -> str:
        """The target in words."""
        bounds = f"{self.bounds[0]:g}"
        if self.bounds[-1] != self.bounds[0]:
            last = " ".join(word for word in self.problems[-1] if word not in self._shared)
            bounds += f" ({last}: {self.bounds[-1]:g})"
        against = f"`{self.against}`" if self.against else "its own fastest way"
        return {
            "faster": f"at least {bounds} times as fast as {against}",
            "slower": f"at most {bounds} times as long as {against}",
            "floor": f"at most {bounds} times {'a bare call' if 'tiny' in self.what else 'a copy'}",
            "beyond": f"at most {bounds} {'ms' if self.unit == MILLISECONDS else 'us'} more than {against}",
        }[self.measure]

    @property
    def command(self) -> str:
        """What measures it."""
        words = [word for word in self._shared if word != "medium"]  # which is the size that is measured by itself
        form = ("--form", *self.form) if self.form else ()
        return PARTS[self.part].command("--only", *words, *form)

    def cells(self, reports: dict[str, Report]) -> list[Cell | None]:
        """What was measured for each problem; None for a column that is left free."""
        bounds = self.bounds if len(self.bounds) > 1 else self.bounds * len(self.problems)
        pairs = zip(self.problems, bounds, strict=True)
        return [
            Cell(self._value(reports, words), bound, self.measure == "faster") if words else None
            for words, bound in pairs
        ]

    def _value(self, reports: dict[str, Report], words: tuple[str, ...]) -> float | None:
        measured = found(reports, self.part, words)
        group = None if measured is None else group_of(measured, self.form)
        if measured is None or group is None:
            return None
        ours, own = measured.ours(group), fastest(measured, group, self.against)
        ratio: Quartiles | None = None
        if ours is not None and self.measure == "floor":
            ratio = measured.over_floor(ours)
        elif ours is not None and self.measure == "beyond":
            ratio = measured.beyond_floor(ours)
        elif ours is not None and own is not None:
            ratio = own.over(ours) if self.measure == "faster" else ours.over(own)
        if ratio is None:
            return None
        return ratio.median / (self.unit if self.measure == "beyond" else 1)


def found(reports: dict[str, Report], part: str, words: tuple[str, ...]) -> Measured | None:
    """The problem of a part that has all of the words, if it was measured."""
    report = reports.get(part)
    return next((m for m in (report.measured if report else ()) if set(words) <= set(m.problem.words)), None)


def group_of(measured: Measured, form: tuple[str, ...]) -> str | None:
    """The group with the fewest words that has all of the form's, a layout's as it is in two dimensions."""
    fitting = [group for group in measured.groups if set(form) <= set(map(in_plane, words_of(group)))]
    return min(fitting, key=len, default=None)


def fastest(measured: Measured, group: str, against: str) -> Outcome | None:
    """The framework's fastest way in a group, of those whose names have the text; of all, if that is empty."""
    if not against:
        return measured.own(group)
    ways = [outcome for outcome in measured.measured("own", group) if against in outcome.name]
    return min(ways, key=lambda outcome: outcome.spread.median, default=None)


def _both(*words: str) -> tuple[tuple[str, ...], ...]:
    """A problem for both geometries."""
    return tuple((*words, "2d", geometry, "float32", "medium") for geometry in GEOMETRIES)


def _only(geometry: str, *words: str) -> tuple[tuple[str, ...], ...]:
    """A problem for one of the two."""
    return tuple(w if geometry in w else () for w in _both(*words))


def pooling() -> Iterator[Goal]:
    """The targets of pooling and unpooling; columns are the geometries."""
    pool, unpool = _both("pool", "forward"), _both("unpool", "forward")
    back, unback = _both("pool", "backward"), _both("unpool", "backward")
    batched, maxima = "zeros.at[n, i, c].set(v), batched", "lax.reduce_window(x, max)"
    jit = ("NHWC", "jit")
    yield Goal("jax", pool, jit, "faster", (7,), "lax.reduce_window((x, i))")
    yield Goal("jax", _only("k2", "unpool", "forward"), jit, "faster", (2.5,), batched)
    yield Goal("jax", _only("k2", "unpool", "forward"), jit, "floor", (1.3,))
    yield Goal("jax", _only("k3", "unpool", "forward"), jit, "faster", (1,))
    yield Goal("jax", back, jit, "faster", (3,))
    yield Goal("jax", unback, jit, "faster", (3,))
    yield Goal("jax", pool, jit, "slower", (1.25,), maxima)
    yield Goal("jax", back, jit, "slower", (1.25,), maxima)
    for mode in ("eager", "tf.function"):
        yield Goal("tf", pool, ("NHWC", mode), "faster", (8,), "tf.nn.max_pool_with_argmax")
        yield Goal("tf", unpool, ("NHWC", mode), "faster", (15,), "tf.scatter_nd")
    for mode in ("eager", "tf.function", "jit_compile"):
        yield Goal("tf", pool, ("NHWC", mode), "slower", (1.25,), "tf.nn.max_pool2d")
        yield Goal("tf", back, ("NHWC", mode), "slower", (1.25,), "tf.nn.max_pool2d")
    indices, unpooled = "F.max_pool2d(return_indices=True)", "F.max_unpool2d"
    yield Goal("torch-plain", pool, ("NCHW",), "faster", (2,), indices)
    yield Goal("torch-plain", unpool, ("NCHW",), "faster", (0.7,), unpooled)
    for layout, bound in ((("NCHW",), 3.0), (("NCHW", "channels_last"), 1.0)):
        yield Goal("torch", pool, layout, "faster", (bound,), indices)
        yield Goal("torch", unpool, layout, "faster", (1,), unpooled)
    yield Goal("torch-compiled", _both("round-trip"), ("NCHW", "compiled"), "faster", (1,), unpooled)
    for order in ("NHWC", "NCHW"):
        yield Goal("numpy-plain", pool, (order,), "faster", (3,), "sliding_window_view")
        yield Goal("numpy-plain", unpool, (order,), "faster", (1,), "put_along_axis")
        yield Goal("numpy", pool, (order,), "floor", (2,))
        yield Goal("numpy", unpool, (order,), "floor", (2,))


def indexing() -> Iterator[Goal]:
    """The targets of `at`; columns are the kinds of index."""
    updates = tuple(("at", variant, "float32", "medium") for variant in ("slice", "unique", "mask", "duplicates"))
    forms = (("numpy", ()), ("tf", ("eager",)), ("tf", ("tf.function",)), ("tf", ("jit_compile",)))
    for part, form in (*forms, ("jax", ("jit",)), ("torch", ())):
        yield Goal(part, updates, form, "slower", (1.2, 1.2, 1.2, 3))


def overheads() -> Iterator[Goal]:
    """The targets of small arrays, in whose columns are the functions, and of the import."""
    tiny = tuple(("tiny", variant) for variant in ("pool", "unpool", "at"))
    yield Goal("numpy", tiny, (), "beyond", (25,))
    yield Goal("torch", tiny, (), "beyond", (25,))
    yield Goal("jax", tiny, ("jit",), "floor", (2,))
    yield Goal("tf", tiny, ("tf.function",), "floor", (2,))


IMPORT = Goal("numpy", (("import",),), (), "beyond", (20,), "import numpy", MILLISECONDS)
