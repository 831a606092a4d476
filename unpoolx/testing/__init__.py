"""What a test of unpoolx, or of a backend for it, needs: an independent oracle and a bitwise comparison.

`unpoolx.testing.strategies` holds Hypothesis strategies; it is imported by its own name, because it alone
needs the package hypothesis.
"""

from . import compare, oracle
from .compare import assert_same_bits, assert_sum_bits

__all__ = ["assert_same_bits", "assert_sum_bits", "compare", "oracle"]
