"""Saying what the source says: a symbol comes from the vocabulary, or is copied from a step that is looked at.

See, Liu & Manning (2017, "Get to the point: summarization with pointer-generator networks"), eq. 8 and 9, with the
target's own vocabulary in the place of an extended one: a source's symbol that it lacks is copied as ``<unk>``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from throughtime.nn.linear import Linear
from throughtime.ops.attention import Memory
from throughtime.ragged import Ragged

__all__ = ["copied", "copy_cross_entropy", "mixed"]


def mixed(scores: Tensor, gates: Tensor, weights: Ragged, symbols: Ragged) -> Tensor:
    """Log-probabilities ``[N, V]`` of ``p P(w) + (1 - p) Σ_{i: x_i = w} a_i``, with ``p`` the gates' logistic function.

    Args:
        scores: ``[N, V]`` of the vocabulary; ``P`` is their softmax.
        gates: ``[N]``, any numbers.
        weights: ``N`` rows ``a`` of attention, each of sum 1.
        symbols: what stands at these steps ``x``, as numbers of the vocabulary.

    >>> scores, half = torch.tensor([[0.0, 0.0, 0.0, 0.0]]), torch.tensor([0.0])
    >>> weights, symbols = Ragged.from_list([[0.25, 0.25, 0.5]]), Ragged.from_list([[3, 3, 1]])
    >>> mixed(scores, half, weights, symbols).exp()
    tensor([[0.1250, 0.3750, 0.1250, 0.3750]])
    """
    said = scores.log_softmax(1) + F.logsigmoid(gates)[:, None]
    copied = torch.zeros_like(scores).index_put((weights.row_of_step, symbols.values), weights.values, accumulate=True)
    # The least number there is stands for nothing at all, and takes no gradient.
    return torch.logaddexp(said, F.logsigmoid(-gates)[:, None] + copied.clamp(min=torch.finfo(copied.dtype).tiny).log())


def copy_cross_entropy(
    hidden: Tensor,
    head: Linear,
    gates: Tensor,
    weights: Ragged,
    symbols: Ragged,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    chunk: int,
) -> Tensor:
    """Nats of each target ``[N]`` where symbols are also copied; see :func:`mixed`.

    Probabilities of all symbols are made for ``chunk`` rows at a time, and once more in the backward pass.

    Args:
        hidden: ``[N, O]``, which ``head`` makes scores of.
        head: the vocabulary's weights.
        gates: ``[N]``.
        weights: ``N`` rows of attention.
        symbols: what stands at these steps.
        targets: ``[N]``.
        label_smoothing: share of each target that is spread evenly over all symbols.
        chunk: rows, at least 1.
    """

    def losses(hidden: Tensor, gates: Tensor, weights: Tensor, rows: slice) -> Tensor:
        own = Ragged.from_lengths(weights, lengths[rows])
        logs = mixed(head(hidden), gates, own, own.with_values(symbols.values[begins[rows.start] : begins[rows.stop]]))
        told = logs.gather(1, targets[rows, None]).squeeze(1)
        return -(1 - label_smoothing) * told - label_smoothing * logs.mean(1) if label_smoothing else -told

    lengths, begins, found = weights.lengths, weights.offsets.tolist(), [hidden[:0].sum(1)]
    for begin in range(0, len(hidden), chunk):
        rows = slice(begin, min(begin + chunk, len(hidden)))
        given = hidden[rows], gates[rows], weights.values[begins[rows.start] : begins[rows.stop]], rows
        found.append(
            checkpoint(losses, *given, use_reentrant=False, preserve_rng_state=False)
            if torch.is_grad_enabled()
            else losses(*given)
        )
    return torch.cat(found)


def copied(memory: Memory, rows: Tensor) -> Ragged:
    """What is said where the steps of each row's source are copied.

    Raises:
        ValueError: for a memory without symbols.
    """
    if memory.symbols is None:
        raise ValueError("expected a memory with symbols to copy, found one without")
    return memory.symbols.take(rows)
