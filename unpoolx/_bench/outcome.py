"""What came of a way: whether it is right, its seconds, their quartiles, and ratios to those of another."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["unpoolx", "own", "floor"]
Status = Literal["measured", "differs", "failed"]


@dataclass(frozen=True)
class Quartiles:
    """A median and its spread."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Quartiles:
        """Those of the samples, which are in no order."""
        if len(samples) == 1:
            return cls(samples[0], samples[0], samples[0])
        return cls(*statistics.quantiles(samples, n=4, method="inclusive"))


@dataclass
class Outcome:
    """What came of a way. It holds no array, and nothing that holds one.

    Attributes:
        name, group, kind: the way's.
        status: "measured"; "differs", where its result is not unpoolx's on NumPy; or "failed".
        note: the difference or the error.
        complete: whether it gives every result for sure; the framework's own may give values without places, or race.
        seconds: per call, one sample for each round.
        calls: how many calls made a sample.
        peak_bytes: the most memory that a call held at once, its result included, where that is known.
    """

    name: str
    group: str
    kind: Kind
    status: Status = "measured"
    note: str = ""
    complete: bool = True
    seconds: list[float] = field(default_factory=list)
    calls: int = 1
    peak_bytes: int | None = None

    @property
    def spread(self) -> Quartiles:
        """The median and quartiles of the seconds."""
        return Quartiles.of(self.seconds)

    def over(self, other: Outcome) -> Quartiles:
        """How many times the other's seconds, round by round: noise that lasts a round falls out."""
        return Quartiles.of([a / b for a, b in zip(self.seconds, other.seconds, strict=True)])

    def beyond(self, other: Outcome) -> Quartiles:
        """How many seconds more than the other, round by round."""
        return Quartiles.of([a - b for a, b in zip(self.seconds, other.seconds, strict=True)])
