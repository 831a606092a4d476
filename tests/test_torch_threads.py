"""Loops of ours in PyTorch's threads: the same threads, the same bits, and never a hang."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import run_alone

import unpoolx
from unpoolx.testing.compare import assert_same_bits

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("numba", reason="numba is not installed, and PyTorch's own operations serve alone")

from unpoolx_backends import _fused, _torch_threads  # noqa: E402  # it imports torch

needs_openmp = pytest.mark.skipif(
    sys.platform == "win32" or not torch.backends.openmp.is_available(), reason="PyTorch has no OpenMP here"
)
needs_tasks = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed on Linux alone")


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_fused, "FEWEST_ELEMENTS", 0)
    monkeypatch.setattr(_fused, "SHARED_ELEMENTS", 64)
    had = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(had)


def _tasks() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


def _at_once(team: _fused.Team, count: int) -> set[int]:
    """The numbers of the threads that a team calls a function in; it ends when all of them are in it."""
    found: set[int] = set()
    together = threading.Barrier(count)

    def take() -> None:
        if threading.get_native_id() not in found:  # the caller's comes once more
            found.add(threading.get_native_id())
            together.wait(30)

    team(take, count)
    return found


@needs_openmp
@needs_tasks
@pytest.mark.parametrize("number", [2, 3])
def test_the_threads_are_those_of_pytorchs_operations(number: int) -> None:
    torch.set_num_threads(number)
    torch.ones(2**20).mul(2)
    before = _tasks()
    found = _at_once(_torch_threads.in_its_threads, number)
    assert len(found) == number
    assert threading.get_native_id() in found
    assert found <= before, "threads were started"
    assert found & {thread.native_id for thread in threading.enumerate()} == {threading.get_native_id()}, "ours"
    torch.ones(2**20).mul(2)
    assert _tasks() <= before, "PyTorch had to start threads again"


def _round_trip(seed: int, **options: Any) -> list[Any]:
    """Pooling, unpooling, reading and the gradient of unpooling of an array."""
    x = torch.randn(3, 5, 20, 18, generator=torch.Generator().manual_seed(seed))
    y, switches = unpoolx.max_pool(x, 3, 2, 1, data_format="channels_first", **options)
    leaf = y.detach().requires_grad_()
    made = unpoolx.unpool(leaf, switches)
    return [y, switches.offsets, made.detach(), unpoolx.gather(x, switches), torch.autograd.grad(made, leaf, x)[0]]


def _same(one: list[Any], other: list[Any], what: str) -> None:
    for number, (a, b) in enumerate(zip(one, other, strict=True)):
        assert_same_bits(a.numpy(), b.numpy(), what=f"result {number}, {what}")


@pytest.fixture
def teams(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often loops were shared among PyTorch's threads and among ours."""
    counts = {"its": 0, "our": 0}

    def counted(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            counts[name] += 1
            return function(*arguments)

        return call

    if (parallel := _torch_threads._parallel()) is not None:
        monkeypatch.setattr(_torch_threads, "_parallel", lambda: counted("its", parallel))
    monkeypatch.setattr(_fused, "in_our_threads", counted("our", _fused.in_our_threads))
    return counts


@needs_openmp
def test_pytorchs_threads_and_ours_give_one_threads_bits(
    teams: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = _round_trip(0)
    assert teams == {"its": 5, "our": 0}
    torch.set_num_threads(1)
    alone = _round_trip(0)
    assert teams == {"its": 5, "our": 0}, "one thread is no team"
    torch.set_num_threads(2)
    monkeypatch.setattr(_torch_threads, "_parallel", lambda: None)
    own = _round_trip(0)
    assert teams == {"its": 5, "our": 5}
    _same(shared, alone, "PyTorch's threads and one")
    _same(own, alone, "our threads and one")


def test_several_threads_call_at_once() -> None:
    torch.set_num_threads(1)
    expected = [_round_trip(seed) for seed in range(4)]
    torch.set_num_threads(2)
    results: dict[tuple[int, int], list[Any]] = {}
    begin = threading.Barrier(4)

    def work(seed: int) -> None:
        torch.set_num_threads(2)
        begin.wait(30)
        for turn in range(20):
            results[seed, turn] = _round_trip(seed)

    workers = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(results) == 4 * 20, "a thread failed, or hangs"
    for (seed, turn), result in results.items():
        _same(result, expected[seed], f"seed {seed}, turn {turn}")


def test_loops_are_shared_inside_a_backward_pass() -> None:
    expected = _round_trip(1)
    leaf, found = torch.ones(8, requires_grad=True), []

    def hook(_: Any) -> None:
        with torch.enable_grad():
            found.append(_round_trip(1))

    leaf.register_hook(hook)  # type: ignore[no-untyped-call]
    leaf.sum().backward()  # type: ignore[no-untyped-call]
    _same(found[0], expected, "inside a backward pass")


@pytest.mark.parametrize("where", ["first", "everywhere"])
def test_what_a_loop_raises_reaches_the_caller(where: str) -> None:
    taken = iter(range(20))

    def take() -> None:
        for number in taken:
            if number == 3 or where == "everywhere":
                raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number"):
        _torch_threads.in_its_threads(take, 2)
    assert _at_once(_torch_threads.in_its_threads, 2), "the threads are there for the next call"


@needs_openmp
def test_what_an_interrupt_left_is_done_by_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_torch_threads, "_parallel", lambda: lambda *_: None)
    taken = iter(range(5))
    _torch_threads.in_its_threads(lambda: [None for _ in taken] and None, 2)
    assert list(taken) == []


FORK = """
import os, sys, threading
import numpy as np
import torch
torch.set_num_threads(2)
torch.ones(2**22).mul(2)  # OpenMP's threads are there
{before}
import signal
pid = os.fork()
if pid == 0:
    signal.alarm(60)  # a child that hangs ends by it
    import unpoolx
    from unpoolx_backends import _fused
    x = torch.from_numpy(np.arange(2 * 8 * 64 * 128, dtype=np.float32).reshape(2, 8, 64, 128) % 7)
    begun, team = [], _fused.in_our_threads
    _fused.in_our_threads = lambda take, count: begun.append(count) or team(take, count)
    y, switches = unpoolx.max_pool(x, 3, 2, 1, data_format="channels_first")
    u = unpoolx.unpool(y, switches)
    y1, s1 = unpoolx.max_pool(x.numpy(), 3, 2, 1, data_format="channels_first")
    right = np.array_equal(u.numpy(), unpoolx.unpool(y1, s1)) and np.array_equal(y.numpy(), y1)
    os._exit(0 if right and len(begun) >= 2 else 1)
_, status = os.waitpid(pid, 0)
print("status", status)
"""

BEFORE: dict[str, str] = {
    "loops before": "import unpoolx; a = torch.randn(2, 8, 64, 128)\n"
    "unpoolx.unpool(*unpoolx.max_pool(a, 3, 2, 1, data_format='channels_first'))",
    "the backend first in the child": "",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.parametrize("before", BEFORE)
def test_a_forked_process_has_threads_of_ours(before: str, tmp_path: Path) -> None:
    """OpenMP's were not forked; a team of them would be waited for without end."""
    out = run_alone(FORK.format(before=BEFORE[before]), tmp_path)
    assert out.splitlines()[-1] == "status 0"


def test_pytorch_without_openmp_is_served_by_our_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    _torch_threads._parallel.cache_clear()
    try:
        with monkeypatch.context() as without:
            without.setattr(torch.backends.openmp, "is_available", lambda: False)
            assert _torch_threads._parallel() is None
            assert len(_at_once(_torch_threads.in_its_threads, 2)) == 2
    finally:
        _torch_threads._parallel.cache_clear()
