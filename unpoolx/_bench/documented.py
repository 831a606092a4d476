"""What docs/performance.md tells of: its problems, how often each way is measured, and up to which size all ways are.

They are sizes of `unpoolx bench`, beside those that its help names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from unpoolx._bench.measure import Rounds
from unpoolx._bench.problems import Problem, ladder, problems_of

PAGE = "page"
"""Medium float32 in two dimensions, updates by index, and what has no size."""
KINDS = "kinds"
"""The other dtypes and ranks, medium, and a batch of one, which is small."""
GROWTH = "growth"
"""One geometry at 1 MB to 2 GB."""
DOCUMENTED = (PAGE, KINDS, GROWTH)
STEPS = tuple(
    (word, (mebibytes, 64, 64, 64))
    for word, mebibytes in (
        ("1MB", 1),
        ("4MB", 4),
        ("16MB", 16),
        ("64MB", 64),
        ("256MB", 256),
        ("1GB", 1024),
        ("2GB", 2048),
    )
)
"""The steps of growth: the word, and the shape of so many images of 1 MiB."""


@dataclass(frozen=True)
class Pace:
    """How a size is measured.

    Attributes:
        rounds: how often each way is.
        own_bytes: of the largest input that is not measured by unpoolx alone, in one form.
        forms: how many layouts and modes are measured of other inputs; None for all.
    """

    rounds: Rounds
    own_bytes: float = math.inf
    forms: int | None = None


PACES = {
    PAGE: Pace(Rounds(5, 7, 3.0)),
    KINDS: Pace(Rounds(3, 5, 0.5)),
    # The largest are measured once; more forms, and the frameworks' own ways, would take minutes there.
    GROWTH: Pace(Rounds(1, 5, 1.0), 1 << 26, 2),  # as many as the picture shows
}


def pace_of(size: str) -> Pace:
    """How a size is measured."""
    return PACES.get(size, Pace(Rounds()))


def all_problems_of(size: str) -> list[Problem]:
    """The problems of a size that the help names, or that the page has."""
    if size == GROWTH:
        return [*ladder([("pool", "forward"), ("unpool", "forward")], STEPS)]
    if size == KINDS:
        others = [p for p in problems_of("medium") if not _on_page(p)]
        return [*others, *(p for p in problems_of("small") if p.size and p.shape[0] == 1 and p.pooling and _on_page(p))]
    if size == PAGE:
        return [p for p in problems_of("medium") if _on_page(p)]
    return problems_of(size)


def _on_page(problem: Problem) -> bool:
    """Whether it is what most tables of the page are of."""
    return problem.dtype == "float32" and (problem.pooling is None or problem.pooling.rank == 2)
