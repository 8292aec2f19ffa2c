"""How the benefits of two (task, subset) points vary together: the parts of a Gaussian process over subsets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.affinity.surrogates.observations import Points

Floats = NDArray[np.float64]
PARTS = (
    "company", "own company", "number", "own number", "source", "pair", "mutual",
    "company on these rows", "number on these rows", "pair on these rows",
)  # fmt: skip
"""Parts every process has. In all of them a task alone has benefit zero.

company, own company
    having partners at all, in common to all tasks and of each task's own;
number, own number
    a random walk over the logarithm of the number of tasks;
source
    what a partner brings to everybody;
pair
    what a partner brings to one task;
mutual
    what two tasks bring to each other alike;
... on these rows
    what is true of the validation rows at hand and would be otherwise on others: it tells losses on one part of the
    rows apart from those on another, adds nothing to what is predicted, and widens its intervals.
"""


class Covariance:
    """Parts of the covariance between two lists of points.

    Parameters
    ----------
    rows, columns
        The points.
    scores
        Matrices ``(tasks, tasks)`` of cheap affinities, by name; each becomes one more part: benefits in proportion to
        the score of the partners.
    """

    def __init__(self, rows: Points, columns: Points, scores: Mapping[str, Floats]) -> None:
        self._sides = _Side(rows, scores), _Side(columns, scores)
        left, right = self._sides
        self._same = (left.task[:, None] == right.task[None, :]).double()
        self._company = torch.outer(left.has_partners, right.has_partners)
        self._number = torch.minimum(left.number[:, None], right.number[None, :])
        self._common = left.partners @ right.partners.T
        self._mutual = left.partners[:, right.task] * right.partners[:, left.task].T * (1.0 - self._same)
        same_part = (rows.rows[:, None] == columns.rows[None, :]) & (rows.rows >= 0)[:, None]
        self._same_rows = self._same * torch.from_numpy(same_part).double()
        self.level = self._same * torch.from_numpy(rows.rows[:, None] == columns.rows[None, :]).double()
        self.same_seed = self._same * torch.from_numpy(rows.seed[:, None] == columns.seed[None, :]).double()
        self.same_network = torch.from_numpy(rows.network[:, None] == columns.network[None, :]).double()
        self.same_training = self._same * self.same_network

    def parts(self, dilution: Tensor) -> list[Tensor]:
        """Return every part ``(rows, columns)``, first those of ``PARTS``, then the scores.

        Parameters
        ----------
        dilution
            Between 0 (partners' effects add up) and 1 (they average): effects scale by ``partners ** -dilution``.
        """
        left, right = (side.count.pow(-dilution) for side in self._sides)
        diluted = torch.outer(left, right)
        common = self._common * diluted
        structure = [
            self._company, self._same * self._company, self._number, self._same * self._number,
            common, self._same * common, self._same * common + self._mutual * diluted,
            self._same_rows * self._company, self._same_rows * self._number, self._same_rows * common,
        ]  # fmt: skip
        scored = zip(self._sides[0].scored, self._sides[1].scored, strict=True)
        return structure + [torch.outer(one * left, other * right) for one, other in scored]


class _Side:
    def __init__(self, points: Points, scores: Mapping[str, Floats]) -> None:
        self.task = torch.from_numpy(points.task)
        self.partners = torch.from_numpy(points.partners)
        total = self.partners.sum(dim=1)
        self.has_partners = (total > 0).double()
        self.number = torch.log1p(total)
        self.count = total.clamp_min(1.0)
        self.scored = [
            torch.from_numpy((points.partners * matrix[points.task]).sum(axis=1)) for matrix in scores.values()
        ]
