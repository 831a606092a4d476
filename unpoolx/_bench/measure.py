"""Ways of doing one thing, checked once and then measured in turns."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from unpoolx._bench.data import Array, Results
from unpoolx._bench.outcome import Kind, Outcome

Call = Callable[[], Any]
Clock = Callable[[], float]

# Calls that are shorter than this are timed several at once.
LEAST_SAMPLE = 0.005


@dataclass(frozen=True)
class Way:
    """One way of doing what the problem asks.

    Attributes:
        name: what a user would write, in short.
        group: layout and mode; ways of one group take and give the same arrays.
        kind: "unpoolx"; "own", the framework's; or "floor", what no way can be faster than.
        build: makes a call of no arguments, which waits for its result.
        host: the results of the call by name, channels last; None where there is nothing to check.
        keeps_time: whether the call itself returns the seconds that it took.
        races: whether its result may differ from call to call, so that it is not checked.
    """

    name: str
    group: str
    kind: Kind
    build: Callable[[], Call]
    host: Callable[[Any], Results] | None = None
    keeps_time: bool = False
    races: bool = False


@dataclass(frozen=True)
class Rounds:
    """How often each way is measured: at least and at most so often, and no more once the seconds are over."""

    least: int = 5
    most: int = 15
    seconds: float = 8.0

    @classmethod
    def exactly(cls, number: int) -> Rounds:
        """So often."""
        return cls(number, number)


def measure(
    ways: Sequence[Way],
    expected: Results,
    rounds: Rounds,
    *,
    peaks: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    clock: Clock = time.perf_counter,
) -> list[Outcome]:
    """Check each way once, then let those that are right take turns.

    Args:
        ways: in the order of the result.
        expected: the results by name. A way of kind "own" may leave some out.
        rounds: how often.
        peaks: whether to trace NumPy's memory, too.
        progress: called with what is being done.
        clock: seconds from some beginning.
    """
    outcomes, runners = [], []
    for way in ways:
        progress(f"checking {way.name}")
        outcome = Outcome(way.name, way.group, way.kind)
        outcomes.append(outcome)
        call = _checked(way, outcome, expected)
        if call is None:
            continue
        if way.keeps_time:
            runners.append((outcome, call))
            continue
        outcome.calls = _calls_per_sample(call, clock)
        if peaks:
            outcome.peak_bytes = _peak_bytes(call)
        runners.append((outcome, partial(_seconds, call, outcome.calls, clock)))
    _take_turns(runners, rounds, progress, clock)
    return outcomes


def _checked(way: Way, outcome: Outcome, expected: Results) -> Call | None:
    """The way's call, after a first one whose result is right; None, with the reason noted, where it is not."""
    try:
        call = way.build()
        result = call()
        got = None if way.host is None or way.races else way.host(result)
    except Exception as error:  # noqa: BLE001  # whatever a framework throws is what the report says of this way
        outcome.status, outcome.note = "failed", f"{type(error).__name__}: {error}"
        return None
    if way.races:
        outcome.complete = False
    if got is not None:
        outcome.complete = got.keys() == expected.keys()
        wrong = [difference(name, array, expected[name]) for name, array in got.items()]
        if way.kind == "unpoolx" and not outcome.complete:
            wrong.append(f"expected {', '.join(expected)}; got {', '.join(got)}")
        outcome.note = "; ".join(filter(None, wrong))
    if outcome.note:
        outcome.status = "differs"
        return None
    return call


def difference(name: str, got: Array, expected: Array) -> str:
    """What is wrong with a result, or an empty text where its shape, dtype and bits are right."""
    if got.shape != expected.shape:
        return f"{name}: shape {got.shape} in place of {expected.shape}"
    if got.dtype != expected.dtype:
        return f"{name}: dtype {got.dtype} in place of {expected.dtype}"
    bits = f"u{got.dtype.itemsize}"
    wrong = np.ascontiguousarray(got).view(bits) != np.ascontiguousarray(expected).view(bits)
    count = int(np.count_nonzero(wrong))
    return f"{name}: {count:,} of {wrong.size:,} elements differ from unpoolx on NumPy" if count else ""


def _calls_per_sample(call: Call, clock: Clock) -> int:
    """How many calls take long enough to be timed; these warm the way up, too."""
    calls = 1
    while _seconds(call, calls, clock) * calls < LEAST_SAMPLE:
        calls *= 2
    return calls


def _seconds(call: Call, calls: int, clock: Clock) -> float:
    """The seconds of a call, its result thrown away, over so many calls."""
    start = clock()
    for _ in range(calls):
        call()
    return (clock() - start) / calls


def _peak_bytes(call: Call) -> int:
    """The most memory that NumPy held for a call at once, its result included."""
    tracemalloc.start()
    try:
        result = call()
        peak = tracemalloc.get_traced_memory()[1]
        del result
    finally:
        tracemalloc.stop()
    return peak


def _take_turns(
    runners: Sequence[tuple[Outcome, Clock]],
    rounds: Rounds,
    progress: Callable[[str], None],
    clock: Clock,
) -> None:
    """Measure every way in every round, in an order drawn anew: none always follows the same other one."""
    random = np.random.default_rng(0)
    begin = clock()
    collects = gc.isenabled()
    gc.disable()
    try:
        for number in range(rounds.most):
            if number >= rounds.least and clock() - begin > rounds.seconds:
                break
            gc.collect(0)  # what the last round left in cycles, some of which hold large arrays
            progress(f"round {number + 1} of {'' if rounds.least == rounds.most else 'at most '}{rounds.most}")
            for place in random.permutation(len(runners)):
                outcome, sample = runners[place]
                outcome.seconds.append(sample())
    finally:
        if collects:
            gc.enable()
