"""An independent oracle for pooling, unpooling and indexing: plain loops over elements, straight from the norm.

It is slow and obvious on purpose, and shares no code with the library, so that both would have to be wrong
in the same way for a test against it to pass by mistake. NumPy arrays serve as containers, NumPy scalars
for rounding. Functions take and return NumPy arrays, never change an argument, and have the keyword names
of the public functions.
"""

from ._oracle_at import (
    ACCUMULATING_OPS,
    AT_OPS,
    READ_MODES,
    UPDATE_MODES,
    Bounds,
    Gradients,
    ResolvedIndex,
    as_values,
    index_get,
    index_get_gradient,
    index_update,
    index_update_bounds,
    index_update_gradients,
    resolve_index,
    update_counts,
)
from ._oracle_blocks import unpool_average, unpool_average_sum_bits, unpool_fixed, unpool_nearest
from ._oracle_indices import (
    INDEX_FORMATS,
    RAW_FORMATS,
    default_fill,
    from_indices,
    gather_indices,
    to_indices,
    unpool_indices,
    unpool_indices_last_gradient,
    unpool_indices_sum_bits,
)
from ._oracle_pool import gather, max_pool, offsets_dtype, unpool, unpool_last_gradient, unpool_sum_bits
from ._oracle_sums import SumBits
from ._oracle_window import Layout, OracleWindow, layout_of, resolve

__all__ = [
    "ACCUMULATING_OPS",
    "AT_OPS",
    "INDEX_FORMATS",
    "RAW_FORMATS",
    "READ_MODES",
    "UPDATE_MODES",
    "Bounds",
    "Gradients",
    "Layout",
    "OracleWindow",
    "ResolvedIndex",
    "SumBits",
    "as_values",
    "default_fill",
    "from_indices",
    "gather",
    "gather_indices",
    "index_get",
    "index_get_gradient",
    "index_update",
    "index_update_bounds",
    "index_update_gradients",
    "layout_of",
    "max_pool",
    "offsets_dtype",
    "resolve",
    "resolve_index",
    "to_indices",
    "unpool",
    "unpool_average",
    "unpool_average_sum_bits",
    "unpool_fixed",
    "unpool_indices",
    "unpool_indices_last_gradient",
    "unpool_indices_sum_bits",
    "unpool_last_gradient",
    "unpool_nearest",
    "unpool_sum_bits",
    "update_counts",
]
