"""What is measured: the problems, their names, their shapes at each size, and the choice among them by words."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unpoolx._cli import CommandError

SIZES = ("small", "medium", "large", "all")
OPERATIONS = (
    ("pool", "forward"),
    ("pool", "backward"),
    ("unpool", "forward"),
    ("unpool", "backward"),
    ("round-trip", ""),
)
AT = ("slice", "unique", "duplicates", "mask")
TINY = ("pool", "unpool", "at")
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


@dataclass(frozen=True)
class Pooling:
    """A window, the same on each of `rank` spatial axes."""

    rank: int
    kernel: int
    stride: int
    padding: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """As a part of a problem's name."""
        padded = (f"p{self.padding}",) if self.padding else ()
        return (f"{self.rank}d", f"k{self.kernel}", f"s{self.stride}", *padded)

    @property
    def overlaps(self) -> bool:
        """Whether an element may lie in two windows."""
        return self.kernel > self.stride


PLAIN = Pooling(2, 2, 2)
GEOMETRIES = (PLAIN, Pooling(2, 3, 2, 1), Pooling(3, 2, 2), Pooling(1, 2, 2))

# (N, *spatial, C) by rank. What is called large is halved along N until the memory is enough.
SHAPES: dict[str, dict[int, tuple[tuple[int, ...], ...]]] = {
    "test": {1: ((2, 12, 3),), 2: ((2, 6, 8, 3),), 3: ((2, 4, 6, 2, 3),)},
    "small": {
        1: ((8, 1024, 32), (1, 8192, 32)),
        2: ((8, 32, 32, 32), (1, 64, 64, 64)),
        3: ((8, 16, 16, 16, 8), (1, 16, 32, 32, 16)),
    },
    "medium": {1: ((8, 12544, 64),), 2: ((8, 112, 112, 64),), 3: ((8, 16, 28, 28, 64),)},
    "large": {1: ((64, 65536, 64),), 2: ((64, 256, 256, 64),), 3: ((64, 64, 32, 32, 64),)},
}
ROWS = {"test": (12, 4), "small": (4096, 64), "medium": (100352, 64), "large": (4194304, 64)}
# 1 MB of float32 to 256 MB in steps of 4, for one geometry: what a plot shows.
LADDER = tuple((f"{4**i}MB", (4**i, 64, 64, 64)) for i in range(5))
LEAST_LARGE = 1 << 28
# While its ways are checked, a problem keeps its input in every layout, results in NumPy, and intermediates of a
# framework that does not fuse: so many times the bytes of its input; and so many where unpoolx is alone, in one form.
TIMES_THE_INPUT = 20
TIMES_ALONE = 7


@dataclass(frozen=True)
class Problem:
    """One thing to do, in whatever framework.

    Attributes:
        operation: "pool", "unpool", "round-trip", "at", "tiny" or "import".
        variant: what of it: "forward", "backward", "slice" and so on; empty where there is only one.
        size: the word for the size; empty where the problem has none.
        shape: of the array that it begins with, channels last; empty for "import".
        dtype: of that array.
        pooling: the window, where there is one.
    """

    operation: str
    variant: str = ""
    size: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    pooling: Pooling | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What `--only` chooses by."""
        window = self.pooling.words if self.pooling and self.size else ()
        batch = f"batch{self.shape[0]}" if window else ""
        dtype = self.dtype if self.size else ""
        return tuple(filter(None, (self.operation, self.variant, *window, dtype, self.size, batch)))

    @property
    def name(self) -> str:
        """The words in one line."""
        return " ".join(self.words)

    @property
    def input_bytes(self) -> int:
        """The bytes of the array that it begins with."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]

    @property
    def window(self) -> Pooling:
        """The window of a problem that has one."""
        if self.pooling is None:
            raise TypeError(f"{self.name} has no window")
        return self.pooling


@dataclass(frozen=True)
class LeftOut:
    """What was not measured as it was asked for, and why."""

    what: str
    reason: str


def problems_of(size: str) -> list[Problem]:
    """The problems of a size."""
    if size == "all":
        return [*ladder(OPERATIONS, LADDER)]
    tiny = [
        Problem("tiny", variant, "", (2, 2) if variant == "at" else (1, 2, 2, 1), "float32", PLAIN) for variant in TINY
    ]
    at = [Problem("at", variant, size, ROWS[size]) for variant in AT]
    return [*_pooling_problems(size), *at, *tiny, Problem("import")]


def ladder(operations: Sequence[tuple[str, str]], steps: Sequence[tuple[str, tuple[int, ...]]]) -> Iterator[Problem]:
    """The operations at each step, a size and its shape."""
    for operation, variant in operations:
        for word, shape in steps:
            yield Problem(operation, variant, word, shape, "float32", PLAIN)


def _pooling_problems(size: str) -> Iterator[Problem]:
    for operation, variant in OPERATIONS:
        for geometry in GEOMETRIES:
            for dtype in ITEM_BYTES if geometry == PLAIN else ("float32",):
                if variant == "backward" and dtype == "int8":
                    continue  # integers have no gradient
                for shape in SHAPES[size][geometry.rank]:
                    yield Problem(operation, variant, size, shape, dtype, geometry)


def chosen(problems: Sequence[Problem], words: Sequence[str]) -> list[Problem]:
    """The problems whose names have all of the words.

    Raises:
        CommandError: a word that is in no name, or words that no name has together.
    """
    known = list(dict.fromkeys(word for problem in problems for word in problem.words))
    for word in words:
        if word not in known:
            close = difflib.get_close_matches(word, known, n=3)
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"There are: {', '.join(known)}"
            raise CommandError(f"--only: no problem of this size has {word!r} in its name. {hint}")
    found = [problem for problem in problems if set(words) <= set(problem.words)]
    if not found:
        raise CommandError(f"--only: no problem has all of {', '.join(map(repr, words))} in its name")
    return found


def holdable(
    wanted: Sequence[Problem], memory: int | None, own_bytes: float = math.inf
) -> tuple[list[Problem], list[LeftOut]]:
    """The problems that the free memory allows, with the large ones made as small as it asks and large may be.

    Args:
        wanted: the problems.
        memory: in bytes; None where it is not known.
        own_bytes: of the largest input that is not measured by unpoolx alone, in one form.

    Returns:
        the problems, and what was left out or made smaller.
    """
    if memory is None:
        return list(wanted), []
    found, left_out = [], []
    free = f"{memory >> 20:,} MiB of memory are free"
    for asked in wanted:
        problem: Problem | None = asked
        while problem is not None and needed_bytes(problem, own_bytes) > memory:
            problem = _halved(problem)
        if problem is None:
            left_out.append(LeftOut(asked.name, f"{free}, which is too little"))
            continue
        found.append(problem)
        if problem is not asked:
            left_out.append(LeftOut(asked.name, f"{free}: {problem.shape} takes the place of {asked.shape}"))
    return found, left_out


def needed_bytes(problem: Problem, own_bytes: float = math.inf) -> int:
    """The memory that a problem needs at most; see `holdable`."""
    return problem.input_bytes * (TIMES_THE_INPUT if problem.input_bytes <= own_bytes else TIMES_ALONE)


def _halved(problem: Problem) -> Problem | None:
    """The problem with half the batch, or None where it would not be what its size is called."""
    shape = (problem.shape[0] // 2, *problem.shape[1:])
    if problem.size != "large" or math.prod(shape) * ITEM_BYTES["float32"] < LEAST_LARGE:
        return None
    return dataclasses.replace(problem, shape=shape)
