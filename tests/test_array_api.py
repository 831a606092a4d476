"""Arrays of the array API standard whose library has no backend of its own."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from harness import set_up

import unpoolx
from unpoolx.testing.suite import BackendConformance, Law, Outcome, Subject

pytest.importorskip("array_api_compat", reason="it finds the namespace of an array")
strict = pytest.importorskip("array_api_strict", reason="its arrays are of no framework")

from unpoolx_backends import _array_api
from unpoolx_backends._array_api import ArrayApiBackend


class Generic(BackendConformance):
    backend = unpoolx.get_backend(strict.zeros(1))
    examples = 40


class TestStrict(Generic):
    """Every law"""


class Frozen(ArrayApiBackend):
    pass

_frozen = ArrayApiBackend(strict, "array-api:frozen")
_frozen.mutable = False

class TestFrozen(Generic):
    """Every law"""
    backend = _frozen


import array_api_compat.numpy
import array_api_compat.torch
import jax
jax.config.update("jax_enable_x64", True)

class Np(ArrayApiBackend):
    def is_array(self, x):
        return isinstance(x,(np.ndarray,np.generic)) and not isinstance(x, np.ma.MaskedArray)

class TestNumpy(Generic):
    backend = Np(array_api_compat.numpy, "array-api:numpy")

class TestTorch(Generic):
    backend = ArrayApiBackend(array_api_compat.torch, "array-api:torch")

class TestJax(Generic):
    backend = ArrayApiBackend(jax.numpy, "array-api:jax")
    examples = 10
