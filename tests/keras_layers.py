"""What the Keras layers promise, on the backend of Keras that KERAS_BACKEND names: run by test_layers_keras.py."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import unpoolx
from unpoolx.layers.keras import MaxPooling, MaxUnpooling
from unpoolx.testing.compare import assert_same_bits

OWN = {1: keras.layers.MaxPooling1D, 2: keras.layers.MaxPooling2D, 3: keras.layers.MaxPooling3D}
WINDOWS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "valid": {"pool_size": 3, "strides": 2},
    "same": {"pool_size": 3, "strides": 2, "padding": "same"},
    "same blocks": {"pool_size": 2, "padding": "same"},
}


def image(*lengths: int, seed: int = 0) -> np.ndarray:
    """Few different numbers, so that there are ties."""
    return np.random.default_rng(seed).integers(-9, 10, (2, *lengths, 3)).astype(np.float32)


def host(x: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(x))


def expected_switches(x: np.ndarray, arguments: dict[str, Any]) -> Any:
    """What the function gives on NumPy."""
    rule = arguments.get("padding", "valid").upper()
    return unpoolx.max_pool(x, arguments.get("pool_size", 2), arguments.get("strides"), rule)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS)
def test_pooling_gives_the_values_of_keras_own_layer_and_the_offsets_of_the_function(window: str, rank: int) -> None:
    x, arguments = image(*range(7, 7 + rank)), WINDOWS[window]
    what = f"MaxPooling({arguments}) of float32{x.shape}"
    values, offsets = MaxPooling(**arguments)(x)
    assert_same_bits(host(values), host(OWN[rank](**arguments)(x)), what=f"{what} and Keras' own")
    wanted, switches = expected_switches(x, arguments)
    assert_same_bits(host(values), wanted, what=f"{what} and unpoolx.max_pool")
    assert_same_bits(host(offsets), switches.offsets, what=f"its offsets, {what}")
    for overlap in ("last", "sum"):
        restored = unpoolx.unpool(wanted, switches, overlap=overlap)
        given = {"the input": MaxUnpooling(**arguments, overlap=overlap)([values, offsets, x])}
        given["its size"] = MaxUnpooling(**arguments, overlap=overlap, output_size=x.shape[1:-1])([values, offsets])
        for how, ours in given.items():
            assert_same_bits(host(ours), restored, what=f"MaxUnpooling({overlap}) with {how} after {what}")


def test_channels_first_is_the_transposed_result() -> None:
    x = image(6, 7)
    turned = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    values, offsets = MaxPooling(2, data_format="channels_first")(turned)
    wanted, switches = unpoolx.max_pool(x, 2)
    assert_same_bits(host(values).transpose(0, 2, 3, 1), wanted, what="MaxPooling(channels_first)")
    ours = host(MaxUnpooling(2, data_format="channels_first")([values, offsets, turned]))
    assert_same_bits(ours.transpose(0, 2, 3, 1), unpoolx.unpool(wanted, switches), what="MaxUnpooling(channels_first)")


@pytest.mark.parametrize(
    ("arguments", "lengths"),
    [({"pool_size": 2}, (6, 8)), ({"pool_size": 3, "strides": 2}, (7, 9)), ({"padding": "same"}, (6, 8))],
)
def test_without_a_size_the_result_has_the_one_that_fits_exactly(
    arguments: dict[str, Any], lengths: tuple[int, int]
) -> None:
    x = image(*lengths)
    restored = unpoolx.unpool(*expected_switches(x, arguments))
    ours = MaxUnpooling(**arguments)(list(MaxPooling(**arguments)(x)))
    assert_same_bits(host(ours), restored, what=f"MaxUnpooling({arguments}) of what was float32{x.shape}")


def test_a_window_of_many_elements_has_wider_offsets() -> None:
    x, symbol = image(34, 34), keras.Input((34, 34, 3))
    values, offsets = MaxPooling(17)(x)
    assert [keras.backend.standardize_dtype(t.dtype) for t in MaxPooling(17)(symbol)] == ["float32", "int32"]
    assert host(offsets).dtype == np.int32
    wanted = unpoolx.unpool(*unpoolx.max_pool(x, 17))
    assert_same_bits(host(MaxUnpooling(17)([values, offsets])), wanted, what="MaxUnpooling(17)")


def autoencoder(shape: tuple[int | None, ...], arguments: dict[str, Any]) -> Any:
    """A small model that passes switches from its one half to the other."""
    keras.utils.set_random_seed(0)
    x = keras.Input(shape)
    encoded = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    values, offsets = MaxPooling(**arguments)(encoded)
    restored = MaxUnpooling(**arguments)([values, offsets, encoded])
    return keras.Model(x, keras.layers.Conv2D(3, 3, padding="same")(restored))


@pytest.mark.parametrize("window", ["defaults", "same"])
@pytest.mark.parametrize("shape", [(7, 8, 3), (None, None, 3)], ids=["known", "unknown"])
def test_a_functional_model_trains(shape: tuple[int | None, ...], window: str) -> None:
    model, x = autoencoder(shape, WINDOWS[window]), image(7, 8) / np.float32(9)
    model.compile(keras.optimizers.Adam(0.03), "mse")
    before = [host(w).copy() for w in model.trainable_weights]
    losses = model.fit(x, x, epochs=25, batch_size=2, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0], losses
    for old, new in zip(before, model.trainable_weights, strict=True):
        assert (old != host(new)).any(), "the gradient reaches what comes before the pooling"


def test_a_model_of_unknown_sizes_serves_every_size() -> None:
    x = keras.Input((None, None, 3))
    assert x.shape == (None, None, None, 3)
    values, offsets = MaxPooling(3, 2, "same")(x)
    restored = MaxUnpooling(3, 2, "same")([values, offsets, x])
    assert values.shape == offsets.shape == restored.shape == (None, None, None, 3)
    model = keras.Model(x, restored)
    for lengths in ((7, 8), (4, 5), (1, 9)):
        numbers = image(*lengths)
        wanted = unpoolx.unpool(*unpoolx.max_pool(numbers, 3, 2, "SAME"))
        ours = model.predict(numbers, verbose=0)
        assert_same_bits(ours, wanted, what=f"a model of unknown sizes, float32{numbers.shape}")


def test_a_model_survives_saving(tmp_path: Path) -> None:
    model, x = autoencoder((7, 8, 3), WINDOWS["same"]), image(7, 8)
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [layer.get_config() for layer in loaded.layers] == [layer.get_config() for layer in model.layers]
    ours, wanted = loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    assert_same_bits(ours, wanted, what="a model that was saved and loaded")


@pytest.mark.parametrize(
    "layer",
    [
        MaxPooling((3, 2), 2, "SAME", "channels_first", name="down"),
        MaxUnpooling((3, 2), 2, "same", overlap="sum", output_size=(7, 8), dtype="float16"),
        MaxUnpooling(2),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_comes_back_from_its_configuration(layer: Any) -> None:
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    through = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(through) is type(layer)
    assert through.get_config() == config
    assert (through.window, through.dtype_policy) == (layer.window, layer.dtype_policy)
    if isinstance(layer, MaxUnpooling):
        assert (through.overlap, through.output_size) == (layer.overlap, layer.output_size)


def test_the_shapes_are_known_before_anything_runs() -> None:
    pool, restore = MaxPooling(3, 2, "same"), MaxUnpooling(3, 2, "same")
    pooled = (None, 4, None, 3)
    assert pool.compute_output_shape((None, 7, None, 3)) == (pooled, pooled)
    assert restore.compute_output_shape([pooled, pooled, (None, 7, None, 3)]) == (None, 7, None, 3)
    assert MaxUnpooling(3, 2).compute_output_shape([pooled, pooled]) == (None, 9, None, 3)
    assert MaxUnpooling((2, 2), padding="same").compute_output_shape([pooled, pooled]) == (None, 8, None, 3)
    symbol = keras.KerasTensor((None, 7, None, 3), "float16")
    values, offsets = pool.compute_output_spec(symbol)
    assert (values.shape, values.dtype, offsets.shape, offsets.dtype) == (pooled, "float16", pooled, "uint8")


def test_a_policy_of_half_precision_pools_in_it() -> None:
    x = image(6, 6)
    values, offsets = MaxPooling(2, dtype="mixed_float16")(x)
    wanted, switches = unpoolx.max_pool(x.astype(np.float16), 2)
    assert_same_bits(host(values), wanted, what="MaxPooling(2, dtype='mixed_float16')")
    restored = MaxUnpooling(2, dtype="mixed_float16")([values, offsets])
    assert_same_bits(host(restored), unpoolx.unpool(wanted, switches), what="MaxUnpooling(2, dtype='mixed_float16')")


def test_what_does_not_fit_is_refused() -> None:
    x = image(7, 8)
    values, offsets = MaxPooling(2)(x)
    same = list(MaxPooling(3, 2, "same")(x))
    for error, match, call in (
        (ValueError, "kernel_size", lambda: MaxPooling(0)),
        (ValueError, "padding", lambda: MaxPooling(2, padding="full")),
        (ValueError, "padding", lambda: MaxPooling(2, padding=1)),
        (ValueError, "data_format", lambda: MaxPooling(2, data_format="last")),
        (ValueError, "kernel_size", lambda: MaxPooling(9)(x)),
        (ValueError, "kernel_size", lambda: MaxPooling(9)(keras.Input((7, 8, 3)))),
        (ValueError, "overlap", lambda: MaxUnpooling(2, overlap="max")),
        (TypeError, "output_size", lambda: MaxUnpooling(2, output_size=7)),
        (ValueError, "output_size: expected 2", lambda: MaxUnpooling(2, output_size=(7,))([values, offsets])),
        (ValueError, "pools to 3", lambda: MaxUnpooling(2, output_size=(8, 8))([values, offsets])),
        (ValueError, "reference.*pools to 3", lambda: MaxUnpooling(2)([values, offsets, image(8, 8)])),
        (ValueError, "reference", lambda: MaxUnpooling(3, 2, "same")(same)),
        (TypeError, "offsets", lambda: MaxUnpooling(2)([values, keras.ops.cast(offsets, "int32")])),
        (ValueError, "shape of the switches", lambda: MaxUnpooling(2)([values, offsets[:, 1:]])),
    ):
        with pytest.raises(error, match=match):
            call()


def test_the_backend_is_the_one_that_was_asked_for() -> None:
    ours = unpoolx.get_backend(MaxPooling(2)(image(4, 4))[0])
    assert {"tensorflow": "tf"}.get(keras.backend.backend(), keras.backend.backend()) == ours.name
