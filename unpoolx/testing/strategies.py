"""Hypothesis strategies: geometries, dtypes, contents, switches, raw indices, and whole indices with values.

They need the package hypothesis (and ml_dtypes for bfloat16). A typical property::

    @given(st.data())
    def test_round_trip(data):
        geometry = data.draw(windows())
        x = data.draw(arrays(geometry.shape, data.draw(dtypes())))
        values, offsets = oracle.max_pool(x, **geometry.arguments)
"""

from ._strategies_arrays import (
    COMPLEX_DTYPES,
    FLOAT_DTYPES,
    INTEGER_DTYPES,
    POOL_DTYPES,
    RawIndices,
    arrays,
    dtype_of,
    dtypes,
    exact_arrays,
    offsets_for,
    raw_indices,
    special_values,
)
from ._strategies_at import (
    INDEX_FORMS,
    IllegalIndex,
    illegal_indices,
    indices,
    moderate_arrays,
    shapes,
    values_for,
)
from ._strategies_blocks import Blocks, blocks
from ._strategies_far import far_windows, wrong_numbers
from ._strategies_illegal import IllegalWindow, illegal_windows
from ._strategies_updates import (
    IllegalValues,
    IndexCase,
    castable,
    exponents,
    far_numbers,
    fills,
    halves,
    illegal_values,
    index_cases,
    operations,
    zeros_and_nans,
)
from ._strategies_windows import (
    KERNEL_FORMS,
    PADDING_FORMS,
    Geometry,
    windows,
)

__all__ = [
    "COMPLEX_DTYPES",
    "FLOAT_DTYPES",
    "INDEX_FORMS",
    "INTEGER_DTYPES",
    "KERNEL_FORMS",
    "PADDING_FORMS",
    "POOL_DTYPES",
    "Blocks",
    "Geometry",
    "IllegalIndex",
    "IllegalValues",
    "IllegalWindow",
    "IndexCase",
    "RawIndices",
    "arrays",
    "blocks",
    "castable",
    "dtype_of",
    "dtypes",
    "exact_arrays",
    "exponents",
    "far_numbers",
    "far_windows",
    "fills",
    "halves",
    "illegal_indices",
    "illegal_values",
    "illegal_windows",
    "index_cases",
    "indices",
    "moderate_arrays",
    "offsets_for",
    "operations",
    "raw_indices",
    "shapes",
    "special_values",
    "values_for",
    "windows",
    "wrong_numbers",
    "zeros_and_nans",
]
