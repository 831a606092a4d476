"""PyTorch's own tools on our functions: ONNX, saved switches, autocast, deterministic mode, parameters, replicas."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from harness import Harness

import unpoolx
from unpoolx.testing.compare import assert_same_bits

torch = pytest.importorskip("torch", reason="torch is not installed")

WINDOWS: dict[str, dict[str, Any]] = {
    "blocks": {"kernel_size": 2},
    "overlap": {"kernel_size": 3, "stride": 2, "padding": 1},
    "numbers": {"kernel_size": 10, "stride": 3},
}


@pytest.fixture(scope="module", autouse=True)
def on() -> Harness:
    return Harness.of("torch", "cpu")


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


class PoolAndUnpool(torch.nn.Module):
    """Values, offsets and the unpooled values."""

    def __init__(self, window: dict[str, Any], overlap: str) -> None:
        super().__init__()
        self.window, self.overlap = window, overlap

    def forward(self, x: Any) -> tuple[Any, Any, Any]:
        """Values, offsets, and the unpooled values."""
        values, switches = unpoolx.max_pool(x, **self.window, data_format="channels_first")
        return values, switches.offsets, unpoolx.unpool(values, switches, overlap=self.overlap)


def numbers(batch: int) -> Any:
    """Few different numbers, so that there are ties, and what floats betray."""
    x = np.random.default_rng(batch).integers(-3, 4, (batch, 3, 12, 13)).astype(np.float32)
    x.flat[:5] = [np.nan, -0.0, np.inf, -np.inf, 1e-40]
    return torch.from_numpy(x)


@pytest.mark.parametrize("batches", [(2,), (2, 1, 5)], ids=["static", "dynamic"])
@pytest.mark.parametrize(
    ("window", "overlap"),
    [("blocks", "last"), ("overlap", "last"), ("overlap", "sum"), ("numbers", "last"), ("numbers", "sum")],
)
def test_onnx_has_standard_operators_and_the_same_bits(tmp_path, window, overlap, batches):
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    import onnx
    import onnxruntime

    model, path = PoolAndUnpool(WINDOWS[window], overlap).eval(), tmp_path / "model.onnx"
    dynamic = {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1, max=64)},)} if len(batches) > 1 else {}
    torch.onnx.export(model, (numbers(2),), dynamo=True, verbose=False, **dynamic).save(path)
    written = onnx.load(path)
    assert {node.domain for node in written.graph.node} == {""}
    assert not written.functions
    session = onnxruntime.InferenceSession(path)
    for batch in batches:
        x = numbers(batch)
        found = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        for one, other in zip(found, model(x), strict=True):
            assert_same_bits(one, other.numpy(), what=f"{window}, {overlap}, batch {batch}")


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_an_exported_program_serves_other_batches(window):
    model = PoolAndUnpool(window, "last")
    dynamic = ({0: torch.export.Dim("batch", min=1, max=64)},)
    program = torch.export.export(model, (numbers(2),), dynamic_shapes=dynamic)
    for batch in (2, 1, 5):
        for one, other in zip(program.module()(numbers(batch)), model(numbers(batch)), strict=True):
            assert_same_bits(one.numpy(), other.numpy(), what=f"{window}, batch {batch}")


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_switches_are_saved_and_loaded_as_weights_alone(window):
    switches = unpoolx.max_pool(numbers(2), **window, data_format="channels_first")[1]
    written = io.BytesIO()
    torch.save({"switches": switches}, written)
    written.seek(0)
    assert torch.load(written, weights_only=True)["switches"] == switches


def test_autocast_pools_and_unpools_in_its_dtype():
    convolution = torch.nn.Conv2d(3, 4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values, _, unpooled = PoolAndUnpool(WINDOWS["overlap"], "sum")(convolution(torch.ones(2, 3, 8, 8)))
        assert values.dtype == unpooled.dtype == torch.bfloat16
        unpooled.float().sum().backward()
    assert convolution.weight.grad.dtype == torch.float32
    assert convolution.weight.grad.abs().sum() > 0


def test_a_parameter_gets_its_gradient():
    x = torch.nn.Parameter(torch.arange(16.0).reshape(1, 1, 4, 4))
    values, switches = unpoolx.max_pool(x, 2, data_format="channels_first")
    assert type(values) is torch.Tensor
    unpoolx.unpool(values, switches).sum().backward()
    assert x.grad.flatten().nonzero().flatten().tolist() == [5, 7, 13, 15]


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("overlap", ["last", "sum"])
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_deterministic_mode_raises_nowhere(window, overlap):
    x = torch.randn(2, 3, 30, 30, requires_grad=True)
    values, switches = unpoolx.max_pool(x, **window, data_format="channels_first")
    raw = {"index_format": "spatial", "output_shape": x.shape, "data_format": "channels_first"}
    results = [
        unpoolx.unpool(values, switches, overlap=overlap),
        unpoolx.unpool(values, switches.to_indices("spatial"), overlap=overlap, **raw),
        unpoolx.gather(x, switches),
        unpoolx.at(x)[[0, 1, 0]].add(2.0),
        unpoolx.at(x)[[0, 1, 0]].multiply(2.0),
        unpoolx.at(x)[x.detach() > 0].set(2.0),
    ]
    (gradient,) = torch.autograd.grad(sum(result.pow(2).sum() for result in results), x)
    assert gradient.isfinite().all()


def test_replicas_and_checkpoints_change_nothing():
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.pooling = torch.nn.Conv2d(3, 4, 3), PoolAndUnpool(WINDOWS["overlap"], "sum")

        def forward(self, x: Any) -> Any:
            return self.pooling(self.convolution(x))[2]

    torch.manual_seed(0)
    model, x = Model(), torch.randn(2, 3, 12, 12)
    expected = model(x)
    assert_same_bits(torch.nn.DataParallel(model)(x).detach().numpy(), expected.detach().numpy(), what="replicas")
    (plain,) = torch.autograd.grad(expected.pow(2).sum(), model.convolution.bias)
    again = torch.utils.checkpoint.checkpoint(model, x, use_reentrant=False)
    (recomputed,) = torch.autograd.grad(again.pow(2).sum(), model.convolution.bias)
    assert_same_bits(recomputed.numpy(), plain.numpy(), what="recomputed")


@pytest.mark.parametrize("numba", [True, False], ids=["with Numba", "without Numba"])
@pytest.mark.parametrize("overlap", ["last", "sum"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", [12, 48])
def test_channels_last_memory_is_kept(monkeypatch, size, window, overlap, numba):
    from unpoolx_backends import _fused

    monkeypatch.setattr(_fused, "ENABLED", numba)
    x = numbers(2).repeat(1, 2, size // 12, size // 12)
    expected = PoolAndUnpool(WINDOWS[window], overlap)(x)
    found = PoolAndUnpool(WINDOWS[window], overlap)(x.contiguous(memory_format=torch.channels_last))
    for name, one, other in zip(("values", "offsets", "unpooled"), found, expected, strict=True):
        assert one.is_contiguous(memory_format=torch.channels_last), f"{name}: strides {one.stride()} of {one.shape}"
        assert_same_bits(one.numpy(), other.numpy(), what=f"{name}, {window}, {overlap}, size {size}")


@pytest.mark.parametrize("together", [True, False], ids=["channels_last", "contiguous"])
@pytest.mark.parametrize("overlap", ["last", "sum"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("inside", [True, False], ids=["recipes", "operations"])
def test_compiled_code_keeps_bits_and_memory(monkeypatch, inside, window, overlap, together):
    from unpoolx_backends import _torch_opaque

    monkeypatch.setattr(_torch_opaque, "ENABLED", not inside)
    torch._dynamo.reset()
    x = numbers(2).contiguous(memory_format=torch.channels_last if together else torch.contiguous_format)
    model = PoolAndUnpool(WINDOWS[window], overlap)
    found, expected = torch.compile(model, fullgraph=True, backend="aot_eager")(x), model(x)
    for name, one, other in zip(("values", "offsets", "unpooled"), found, expected, strict=True):
        assert_same_bits(one.numpy(), other.numpy(), what=f"{name}, {window}, {overlap}")
        if together and not inside:
            assert one.is_contiguous(memory_format=torch.channels_last), f"{name}: strides {one.stride()}"


def test_compiled_code_on_the_cpu_is_our_operations_and_exported_code_is_not():
    model, x = PoolAndUnpool(WINDOWS["overlap"], "last"), numbers(2)
    seen = []

    def look(graph, _):
        seen.append(str(graph.graph))
        return graph.forward

    from torch._dynamo.backends.common import aot_autograd

    torch._dynamo.reset()
    torch.compile(model, fullgraph=True, backend=aot_autograd(fw_compiler=look))(x)
    assert "unpoolx.max_pool" in seen[0]
    assert "unpoolx.unpool" in seen[0]
    assert "unpoolx" not in str(torch.export.export(model, (x,)).run_decompositions().graph)
