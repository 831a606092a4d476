"""TensorFlow's own tools on our functions: saved models, data pipelines, replicas, and TensorFlow Lite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from commands import run_alone
from harness import WINDOWS, Harness

import unpoolx
from unpoolx.testing.compare import assert_same_bits

tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")

# Two devices have to be asked for before TensorFlow starts, so this runs in a process of its own.
REPLICAS = """
import numpy as np, tensorflow as tf, unpoolx

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2

def step(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = unpoolx.unpool(*unpoolx.max_pool(x, 3, 2, "SAME"))
        loss = tf.reduce_sum(y * y * y)
    return y, tape.gradient(loss, x)

# The second is so large that each replica runs a program of XLA's.
for shape in ((4, 7, 9, 3), (4, 64, 64, 64)):
    x = np.random.default_rng(0).integers(-5, 6, shape).astype(np.float32)
    (batch,) = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices(x).batch(4))
    found = strategy.run(tf.function(step), args=(batch,))
    for result, expected in zip(found, step(tf.constant(x)), strict=True):
        parts = [part.numpy() for part in strategy.experimental_local_results(result)]
        assert [len(part) for part in parts] == [2, 2], "each replica has its half"
        assert np.concatenate(parts).tobytes() == expected.numpy().tobytes(), shape
print("replicas agree")
"""


@pytest.fixture(scope="module")
def on() -> Harness:
    return Harness.of("tf", "cpu")


def numbers(shape: tuple[int, ...], overlap: str = "last") -> np.ndarray:
    """Few different numbers, so that there are ties, and what floats betray; sums may flush what is subnormal (A12)."""
    x = np.random.default_rng(0).integers(-3, 4, shape).astype(np.float32)
    x.flat[:5] = [np.nan, -0.0, np.inf, -np.inf, 1.0 if overlap == "sum" else 1e-40]
    return x


def both(window: dict[str, Any], overlap: str, x: Any) -> tuple[Any, Any, Any]:
    values, switches = unpoolx.max_pool(x, **window)
    return values, switches.offsets, unpoolx.unpool(values, switches, overlap=overlap)


def assert_all_same_bits(found: Any, expected: Any) -> None:
    for i, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert_same_bits(np.asarray(one), np.asarray(other), what=f"result {i}")


@pytest.mark.parametrize("overlap", ["last", "sum"])
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_a_saved_model_of_unknown_sizes_gives_the_same_bits(on, tmp_path, window, overlap):
    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32)])
        def __call__(self, x):
            return both(window, overlap, x)

    tf.saved_model.save(Model(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for shape in ((2, 12, 13, 3), (1, 20, 11, 2)):
        x = numbers(shape, overlap)
        assert_all_same_bits(loaded(tf.constant(x)), both(window, overlap, x))


def test_a_saved_model_of_known_sizes_holds_the_large_program(on, tmp_path):
    shape = (2, 64, 64, 64)
    program = tf.function(lambda x: both(WINDOWS["overlap"], "sum", x), autograph=False)
    module = tf.Module()
    module.run = program
    tf.saved_model.save(module, str(tmp_path), program.get_concrete_function(tf.TensorSpec(shape, tf.float32)))
    x = numbers(shape, "sum")
    assert_all_same_bits(tf.saved_model.load(str(tmp_path)).run(tf.constant(x)), both(WINDOWS["overlap"], "sum", x))


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_a_data_pipeline_maps_our_functions(on, window):
    x = numbers((6, 12, 13, 3))
    pipeline = tf.data.Dataset.from_tensor_slices(x).batch(4).map(lambda batch: both(window, "last", batch))
    parts = zip(*pipeline.as_numpy_iterator(), strict=True)
    assert_all_same_bits([np.concatenate(part) for part in parts], both(window, "last", x))


@pytest.mark.parametrize("batch", [2, None], ids=["known", "unknown"])
@pytest.mark.parametrize("overlap", ["last", "sum"])
@pytest.mark.parametrize("window", [WINDOWS["blocks"], WINDOWS["overlap"]], ids=["blocks", "overlap"])
def test_lite_runs_pooling_and_unpooling_by_its_builtin_operators(on, window, overlap, batch):
    x = numbers((2, 12, 13, 3), overlap)
    program = tf.function(lambda x: both(window, overlap, x), autograph=False)
    concrete = program.get_concrete_function(tf.TensorSpec((batch, *x.shape[1:]), tf.float32))
    assert_all_same_bits(in_lite(concrete, [x]), both(window, overlap, x))


@pytest.mark.parametrize("window", [WINDOWS["blocks"], WINDOWS["overlap"]], ids=["blocks", "overlap"])
def test_lite_unpools_by_switches_that_it_is_given(on, window):
    x = numbers((2, 12, 13, 3))
    values, switches = unpoolx.max_pool(x, **window)

    def unpooled(values: Any, offsets: Any) -> Any:
        return unpoolx.unpool(values, unpoolx.Switches.trusted(offsets, switches.window, switches.spatial_shape))

    specs = [tf.TensorSpec(a.shape, a.dtype) for a in (values, switches.offsets)]
    concrete = tf.function(unpooled, autograph=False).get_concrete_function(*specs)
    assert_all_same_bits(in_lite(concrete, [values, switches.offsets]), [unpoolx.unpool(values, switches)])


def in_lite(concrete: Any, arguments: list[np.ndarray]) -> list[np.ndarray]:
    """What the interpreter of TensorFlow Lite makes of a function, without operators of TensorFlow's own."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    inputs = interpreter.get_input_details()
    for place, argument in zip(inputs, arguments, strict=True):
        interpreter.resize_tensor_input(place["index"], argument.shape)
    interpreter.allocate_tensors()
    for place, argument in zip(inputs, arguments, strict=True):
        interpreter.set_tensor(place["index"], argument)
    interpreter.invoke()
    return [interpreter.get_tensor(place["index"]) for place in interpreter.get_output_details()]


def test_two_replicas_give_the_bits_of_one(on, tmp_path):
    assert run_alone(REPLICAS, tmp_path).split() == ["replicas", "agree"]
