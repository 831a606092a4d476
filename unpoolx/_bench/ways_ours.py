"""The ways by unpoolx: the same calls in every framework."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import unpoolx
from unpoolx._bench.data import MASKED, AtData, PoolData, Results
from unpoolx._bench.forms import Form, Function
from unpoolx._bench.framework import Framework, Writer
from unpoolx._bench.problems import Problem


def pool_forms(problem: Problem, data: PoolData, framework: Framework) -> Iterator[Form]:
    """`max_pool` and `unpool` in each layout of the framework."""
    for layout in framework.layouts(problem.window.rank):
        window = dataclasses.replace(data.window, data_format=layout.data_format)
        yield _pool_form(problem, data, window, Writer(framework, data, layout, ours=True))


def _pool_form(problem: Problem, data: PoolData, window: unpoolx.Window, writer: Writer) -> Form:
    def values_and_switches() -> tuple[Any, ...]:
        # What pooling gave need not be looked through again, which takes longer than unpooling does.
        return writer.array("values"), unpoolx.Switches.trusted(writer.array("offsets"), window, data.spatial)

    def pooled(results: Any) -> Results:
        values, switches = results
        if data.alone:
            return {"values": writer.host(values), "offsets": writer.host(switches.offsets)}
        places = writer.host(switches.to_indices("spatial")).astype("int64")
        return {"values": writer.host(values), "places": places}

    match problem.operation, problem.variant:
        case "pool", "forward":
            return writer.write("max_pool", _max_pool(window), "x", pooled)
        case "pool", _:
            return writer.write("max_pool", _max_pool(window), "x", "gradient", cotangent="dy")
        case "unpool", "forward":
            form = writer.write("unpool", _unpool, "", "values")
            return dataclasses.replace(form, inputs=values_and_switches)
        case "unpool", _:
            form = writer.write("unpool", _unpool, "", "gradient", cotangent="dx")
            return dataclasses.replace(form, inputs=values_and_switches)
        case _:
            return writer.write("unpool(*max_pool(x))", _round_trip(window), "x", "values")


def _max_pool(window: unpoolx.Window) -> Function:
    def function(x: Any) -> tuple[Any, ...]:
        return unpoolx.max_pool(x, window)

    return function


def _unpool(values: Any, switches: unpoolx.Switches) -> tuple[Any, ...]:
    return (unpoolx.unpool(values, switches),)


def _round_trip(window: unpoolx.Window) -> Function:
    def function(x: Any) -> tuple[Any, ...]:
        return (unpoolx.unpool(*unpoolx.max_pool(x, window)),)

    return function


def at_forms(problem: Problem, data: AtData, framework: Framework) -> Iterator[Form]:
    """`at(x)[index].set(values)`."""
    write = Writer(framework, data, ours=True).write
    match problem.variant:
        case "slice":
            yield write("at(x)[1::2].set(v)", _set_slice, "x values", "array")
        case "mask":
            yield write("at(x)[mask].set(number)", _set_mask, "x mask", "array")
        case "unique":
            yield write("at(x)[i].set(v, unique=True)", _set_unique, "x integers values", "array")
            yield write("at(x)[i].set(v)", _set, "x integers values", "array")
        case _:
            yield write("at(x)[i].set(v)", _set, "x integers values", "array")


def _set_slice(x: Any, v: Any) -> tuple[Any, ...]:
    return (unpoolx.at(x)[1::2].set(v),)


def _set_mask(x: Any, mask: Any) -> tuple[Any, ...]:
    return (unpoolx.at(x)[mask].set(MASKED),)


def _set(x: Any, i: Any, v: Any) -> tuple[Any, ...]:
    return (unpoolx.at(x)[i].set(v),)


def _set_unique(x: Any, i: Any, v: Any) -> tuple[Any, ...]:
    return (unpoolx.at(x)[i].set(v, unique=True),)
