"""A linear-chain conditional random field: the tags of a sequence are chosen together, not each step alone.

The formulas and their sources are in :mod:`throughtime.ops.chain`, which has the algorithms; here are the parameters,
the constraints and the checks.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from throughtime.ops.chain import Scores, ends, list_viterbi, log_partition, path_scores, previous_tags, viterbi
from throughtime.ragged import Ragged

__all__ = ["CRF", "Best"]


class Best(NamedTuple):
    """The best paths of one sequence, best first; ``n`` is less than asked for where there are no more."""

    tags: Tensor
    """``[n, T]``."""
    log_probabilities: Tensor
    """``[n]``."""


class CRF(nn.Module):
    """Scores of neighbouring tags, learnt with the network that scores each step's tags.

    Args:
        num_tags: ``C``.
        allowed: ``[C, C]`` of bool: which tag (column) may follow which (row); all by default.
        allowed_starts: ``[C]`` of bool: the tags a sequence may begin with.
        allowed_ends: ``[C]`` of bool: the tags a sequence may end with.

    Paths that are not allowed have probability exactly 0 everywhere. The constraints are not in the ``state_dict``:
    they follow from the tags' names, as ``C`` does. Every method takes ``emissions``, a :class:`Ragged` of ``[N, C]``;
    what it gives for a sequence does not depend on the others, nor on their order; without gradients, to the bit.

    Attributes:
        start: ``[C]``. transitions: ``[C, C]``, from row to column. end: ``[C]``. All begin at 0.

    Raises:
        ValueError: for constraints of other shapes or that leave no path of any length. Every method raises it for
            emissions of another shape, and for a sequence of a length for which no path is allowed.

    >>> crf = CRF(2, allowed=torch.tensor([[True, True], [False, True]]))  # never from 1 back to 0
    >>> emissions = Ragged.from_list([[[1.0, 0.0], [0.0, 1.0], [1.5, 0.0]], [[0.0, 3.0]]])
    >>> crf.decode(emissions)
    tensor([0, 0, 0, 1])
    >>> likelihood = crf(emissions, torch.tensor([0, 1, 1, 1]))
    >>> best = crf.n_best(emissions, 9)[0]
    >>> best.tags
    tensor([[0, 0, 0],
            [0, 1, 1],
            [0, 0, 1],
            [1, 1, 1]])
    >>> bool(best.log_probabilities[1] == likelihood[0]), round(best.log_probabilities.exp().sum().item(), 6)
    (True, 1.0)
    """

    allowed: Tensor
    allowed_starts: Tensor
    allowed_ends: Tensor

    def __init__(
        self,
        num_tags: int,
        *,
        allowed: Tensor | None = None,
        allowed_starts: Tensor | None = None,
        allowed_ends: Tensor | None = None,
    ) -> None:
        super().__init__()
        if num_tags < 1:
            raise ValueError(f"expected at least one tag, found num_tags={num_tags}")
        self.num_tags = num_tags
        self.start = nn.Parameter(torch.zeros(num_tags))
        self.transitions = nn.Parameter(torch.zeros(num_tags, num_tags))
        self.end = nn.Parameter(torch.zeros(num_tags))
        given = {"allowed": allowed, "allowed_starts": allowed_starts, "allowed_ends": allowed_ends}
        for (name, mask), parameter in zip(given.items(), (self.transitions, self.start, self.end), strict=True):
            mask = torch.ones(parameter.shape, dtype=torch.bool) if mask is None else mask
            if mask.dtype != torch.bool or mask.shape != parameter.shape:
                raise ValueError(
                    f"expected {name} of bool {list(parameter.shape)}, found {mask.dtype} {list(mask.shape)}"
                )
            self.register_buffer(name, mask.clone(), persistent=False)
        # A path without a cycle is the shortest way from a start to an end, so longer ones need not be looked at.
        if not any(self._lengths_allowed(num_tags)[1:]):
            raise ValueError("expected constraints that allow some path, found none from a start to an end")

    def forward(self, emissions: Ragged, tags: Tensor) -> Tensor:
        """``[B]`` log-likelihood of each sequence's ``tags [N]``; differentiable.

        Raises:
            ValueError: for tags of another shape or type or outside of ``0 … C - 1``, or that the constraints forbid.
        """
        batch = self._checked(emissions)
        tags = self._check_tags(batch, tags)
        scores = self._scores()
        return self._as_given(path_scores(batch, tags, scores) - log_partition(batch, scores), emissions)

    def log_partition(self, emissions: Ragged) -> Tensor:
        """``[B]`` ``log Z``; differentiable."""
        return self._as_given(log_partition(self._checked(emissions), self._scores()), emissions)

    def marginals(self, emissions: Ragged) -> Tensor:
        """``[N, C]`` probability of each tag at each step; not differentiable.

        It is the gradient of ``log Z`` with respect to the emissions (Sutton & McCallum 2012, section 4.1).
        """
        with torch.inference_mode(False), torch.enable_grad():
            batch = self._checked(emissions)
            values = batch.values.detach().clone().requires_grad_()
            totals = log_partition(batch.with_values(values), Scores(*(s.detach() for s in self._scores())))
            (grad,) = torch.autograd.grad(totals.sum(), values)
        return self._as_given(grad, emissions)

    @torch.no_grad()
    def decode(self, emissions: Ragged) -> Tensor:
        """``[N]`` tags of each sequence's most probable path; of equal ones, that whose last differing tag is lower.

        Raises:
            ValueError: for emissions that are NaN or infinite.
        """
        batch, scores = self._checked(emissions), self._scores()
        tags = viterbi(batch, scores)
        _check_finite(path_scores(batch, tags, scores))
        return tags

    @torch.no_grad()
    def n_best(self, emissions: Ragged, n: int) -> list[Best]:
        """The ``n`` most probable paths of each sequence, all different, the first as :meth:`decode` has it.

        Raises:
            ValueError: for emissions that are NaN or infinite, or ``n`` below 1.
        """
        if n < 1:
            raise ValueError(f"expected n of at least 1, found {n}")
        batch, scores = self._checked(emissions), self._scores()
        tags, totals = list_viterbi(batch, scores, n)
        _check_finite(totals[:, 0])
        logs = (totals - log_partition(batch, scores)[:, None]).clamp(max=0)  # rounding can lift a lone path above 1
        counts = (totals > -torch.inf).sum(1).tolist()
        rows = zip(batch.with_values(tags), self._as_given(logs, emissions), counts, strict=True)
        return [Best(paths[:, :count].T, row[:count]) for paths, row, count in rows]

    def extra_repr(self) -> str:
        """The number of tags, and of forbidden transitions where there are any."""
        forbidden = int((~self.allowed).sum())
        return f"{self.num_tags}" + (f", forbidden={forbidden}" if forbidden else "")

    def _scores(self) -> Scores:
        return Scores(
            self.start.double().masked_fill(~self.allowed_starts, -torch.inf),
            self.transitions.double().masked_fill(~self.allowed, -torch.inf),
            self.end.double().masked_fill(~self.allowed_ends, -torch.inf),
        )

    def _as_given(self, result: Tensor, emissions: Ragged) -> Tensor:
        return result.to(torch.promote_types(emissions.values.dtype, self.transitions.dtype))

    def _checked(self, emissions: Ragged) -> Ragged:
        """The emissions in float64, if they are such that there is a path through each sequence."""
        shape = emissions.values.shape
        if len(shape) != 2 or shape[1] != self.num_tags or not emissions.values.is_floating_point():
            raise ValueError(
                f"expected floating-point emissions [N, {self.num_tags}], found {emissions.values.dtype} {list(shape)}"
            )
        fits = torch.tensor(self._lengths_allowed(int(emissions.lengths.max()) if len(emissions) else 0))
        stuck = (~fits[emissions.lengths]).nonzero()
        if len(stuck):
            row = int(stuck[0])
            raise ValueError(
                f"no path is allowed for sequence {row}: the constraints fit none of length {emissions.lengths[row]}"
            )
        return emissions.with_values(emissions.values.double())

    def _lengths_allowed(self, longest: int) -> list[bool]:
        """For each length from 0 to at least ``longest``, whether a path is allowed; kept, as it asks for a loop."""
        known: list[bool] = getattr(self, "_known_lengths", [])
        if len(known) <= longest:
            allowed, ends, reached = (m.cpu().numpy() for m in (self.allowed, self.allowed_ends, self.allowed_starts))
            known = [True]
            for _ in range(2 * longest):
                known.append(bool((reached & ends).any()))
                reached = allowed[reached].any(0)
            self._known_lengths = known
        return known

    def _check_tags(self, batch: Ragged, tags: Tensor) -> Tensor:
        if tags.shape != batch.values.shape[:1] or tags.is_floating_point() or tags.dtype == torch.bool:
            found = f"{tags.dtype} {list(tags.shape)}"
            raise ValueError(f"expected integer tags [{len(batch.values)}], one a step, found {found}")
        tags = tags.long()
        _refuse((tags < 0) | (tags >= self.num_tags), batch, tags, f"from 0 to {self.num_tags - 1}")
        before, last = previous_tags(batch, tags), ends(batch)[1]
        allowed = torch.cat([self.allowed, self.allowed_starts[None]])[before, tags]
        _refuse(~allowed, batch, tags, "that the constraints allow there")
        allowed[last] = self.allowed_ends[tags[last]]
        _refuse(~allowed, batch, tags, "that the constraints allow as an end")
        return tags


def _refuse(wrong: Tensor, batch: Ragged, tags: Tensor, expected: str) -> None:
    """Name the first step that is wrong."""
    if not bool(wrong.any()):
        return
    step = int(wrong.nonzero()[0])
    row = int(batch.row_of_step[step])
    place = step - int(batch.offsets[row])
    after = f" after {tags[step - 1].item()}" if place else ""
    raise ValueError(f"expected tags {expected}, found {tags[step].item()}{after} at step {place} of sequence {row}")


def _check_finite(totals: Tensor) -> None:
    wrong = (~totals.isfinite()).nonzero()
    if len(wrong):
        raise ValueError(f"expected finite scores, found NaN or infinity in sequence {int(wrong[0])}")
