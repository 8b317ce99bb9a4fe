"""The recurrences as functions: tensors in, tensors out, no parameters.

Each op has a plain PyTorch reference, which says what the recurrence is and against which faster ones are checked.
"""

from throughtime.ops.cells import elman, gru, lstm
from throughtime.ops.loop import run_through_time

__all__ = ["elman", "gru", "lstm", "run_through_time"]
