"""The recurrences as functions: tensors in, tensors out, no parameters.

:func:`layer` runs a whole layer, by compiled kernels where they can and by the reference elsewhere. The reference
(:func:`elman`, :func:`lstm`, :func:`gru` over :func:`run_through_time`) is plain PyTorch: it says what the recurrence
is, and the kernels are checked against it.
"""

from throughtime.ops.cells import elman, gru, lstm
from throughtime.ops.layer import layer, refusals
from throughtime.ops.linear import FixedLinear, linear
from throughtime.ops.loop import run_through_time
from throughtime.ops.reference import Weights
from throughtime.ops.trace import Pass, Trace

__all__ = [
    "FixedLinear",
    "Pass",
    "Trace",
    "Weights",
    "elman",
    "gru",
    "layer",
    "linear",
    "lstm",
    "refusals",
    "run_through_time",
]
