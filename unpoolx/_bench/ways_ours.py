"""The ways by unpoolx: the same calls in every framework."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import unpoolx
from unpoolx._bench.data import MASKED, AtData, PoolData, Results
from unpoolx._bench.framework import Form, Framework, Function, Layout
from unpoolx._bench.problems import Problem


def pool_forms(problem: Problem, data: PoolData, framework: Framework) -> Iterator[Form]:
    """`max_pool` and `unpool` in each layout of the framework."""
    for layout in framework.layouts(problem.window.rank):
        yield _pool_form(problem, data, framework, layout)


def _pool_form(problem: Problem, data: PoolData, framework: Framework, layout: Layout) -> Form:
    window = dataclasses.replace(data.window, data_format=layout.data_format)

    def x() -> tuple[Any, ...]:
        return (framework.array(data.x, layout),)

    def values_and_switches() -> tuple[Any, ...]:
        offsets = framework.array(data.offsets, layout)
        return framework.array(data.values, layout), unpoolx.Switches(offsets, window, data.spatial)

    def pooled(results: Any) -> Results:
        values, switches = results
        places = framework.canonical(switches.to_indices("spatial"), layout)
        return {"values": framework.canonical(values, layout), "places": places.astype("int64")}

    values, gradient = framework.first("values", layout), framework.first("gradient", layout)
    match problem.operation, problem.variant:
        case "pool", "forward":
            return Form("max_pool", _max_pool(window), x, pooled, layout, ours=True)
        case "pool", _:
            form = Form("max_pool", _max_pool(window), x, gradient, layout, ours=True)
            return dataclasses.replace(form, cotangent=lambda: framework.array(data.dy, layout))
        case "unpool", "forward":
            return Form("unpool", _unpool, values_and_switches, values, layout, ours=True)
        case "unpool", _:
            form = Form("unpool", _unpool, values_and_switches, gradient, layout, ours=True)
            return dataclasses.replace(form, cotangent=lambda: framework.array(data.dx, layout))
        case _:
            return Form("unpool(*max_pool(x))", _round_trip(window), x, values, layout, ours=True)


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

    def inputs() -> tuple[Any, ...]:
        match problem.variant:
            case "slice":
                return framework.array(data.x), framework.array(data.values)
            case "mask":
                return framework.array(data.x), framework.array(data.mask)
            case _:
                return framework.array(data.x), framework.array(data.integers), framework.array(data.values)

    host = framework.first("array")
    match problem.variant:
        case "slice":
            yield Form("at(x)[1::2].set(v)", _set_slice, inputs, host, ours=True)
        case "mask":
            yield Form("at(x)[mask].set(number)", _set_mask, inputs, host, ours=True)
        case "unique":
            yield Form("at(x)[i].set(v, unique=True)", _set_unique, inputs, host, ours=True)
            yield Form("at(x)[i].set(v)", _set, inputs, host, ours=True)
        case _:
            yield Form("at(x)[i].set(v)", _set, inputs, host, ours=True)


def _set_slice(x: Any, v: Any) -> tuple[Any, ...]:
    return (unpoolx.at(x)[1::2].set(v),)


def _set_mask(x: Any, mask: Any) -> tuple[Any, ...]:
    return (unpoolx.at(x)[mask].set(MASKED),)


def _set(x: Any, i: Any, v: Any) -> tuple[Any, ...]:
    return (unpoolx.at(x)[i].set(v),)


def _set_unique(x: Any, i: Any, v: Any) -> tuple[Any, ...]:
    return (unpoolx.at(x)[i].set(v, unique=True),)
