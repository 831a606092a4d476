"""Every law, level by level."""

from importlib import import_module

from ._law import LAWS, LEVELS, Law

__all__ = ["LAWS", "LEVELS", "Law"]

# A module registers its laws as it is imported; in the order of LEVELS.
for _name in (
    "_laws_forward",
    "_laws_forward_fixed",
    "_laws_forward_layout",
    "_laws_overlap",
    "_laws_indices",
    "_laws_raw_indices",
    "_laws_update",
    "_laws_update_arithmetic",
    "_laws_update_calls",
    "_laws_update_errors",
    "_laws_update_grammar",
    "_laws_update_overflow",
    "_laws_update_range",
    "_laws_update_values",
    "_laws_gradient",
    "_laws_gradient_higher",
    "_laws_gradient_update",
    "_laws_compiled",
    "_laws_compiled_gradient",
    "_laws_compiled_indices",
    "_laws_compiled_rounding",
    "_laws_compiled_update",
    "_laws_determinism",
    "_laws_immutability",
    "_laws_errors",
    "_laws_errors_arguments",
    "_laws_errors_arrays",
    "_laws_dtypes",
    "_laws_dtypes_byte_order",
    "_laws_primitives",
    "_laws_primitives_numbers",
    "_laws_primitives_slots",
):
    import_module(f"{__package__}.{_name}")
