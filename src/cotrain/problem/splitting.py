"""Which rows train, validate and test: as given, or seeded and stratified over all tasks at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cotrain.errors import InputError
from cotrain.problem.columns import as_column, is_text
from cotrain.problem.problem import SPLITS
from cotrain.problem.targets import Target
from cotrain.seeding import derive

QUANTILES = 4
"""Bins by which the values of a regression target are spread over the splits."""


def given_split(values: Any) -> NDArray[np.int8]:
    """Return split codes from a user's column of 0, 1, 2 or ``train``, ``validation``, ``test``.

    Raises
    ------
    InputError
        For any other value, or when a split gets no row.

    Examples
    --------
    >>> given_split(["train", "test", "validation"])
    array([0, 2, 1], dtype=int8)
    """
    column = as_column(values)
    known: dict[Any, int] = {code: code for code in range(len(SPLITS))}
    if is_text(column):
        known = {name: code for code, name in enumerate(SPLITS)}
    unknown = sorted({str(value) for value in column.tolist() if value not in known})
    if unknown:
        raise InputError(
            "`split` must hold 0 (train), 1 (validation) or 2 (test), or these three words. "
            f"Found {', '.join(map(repr, unknown[:5]))}."
        )
    codes = np.array([known[value] for value in column.tolist()], dtype=np.int8)
    empty = [name for code, name in enumerate(SPLITS) if not (codes == code).any()]
    if empty:
        raise InputError(f"`split` must give every split some rows. Found no {' and no '.join(empty)} rows.")
    return codes


def check_fractions(fractions: Sequence[float]) -> None:
    """Refuse fractions that are not three positive numbers with sum 1."""
    if len(fractions) != len(SPLITS) or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise InputError(
            f"`fractions` must be three positive numbers that add up to 1 (train, validation, test). "
            f"Found {tuple(fractions)}."
        )


def seeded_split(targets: Sequence[Target], fractions: Sequence[float], seed: int) -> NDArray[np.int8]:
    """Return a stratified split of all rows: 0 train, 1 validation, 2 test.

    Iterative stratification after Sechidis, Tsoumakas and Vlahavas (2011): rows that hold the rarest value of any task
    are placed first. A row goes where its values are wanted most, each counted by the share still unmet over how often
    it occurs (the paper looks at the rarest value alone; common ones then come out no better than at random). Values
    are classes, or quartiles of a regression target, of observed labels only, so missing labels and data of a task's
    own need no special case. A value that occurs three times is wanted at least once by every split. The order of the
    tasks does not matter. Time grows with the number of observed labels.

    Parameters
    ----------
    targets
        All tasks, same rows.
    fractions
        Shares of train, validation and test.
    seed
        Decides ties and the order of rows.

    Examples
    --------
    >>> from cotrain.problem.task import Task
    >>> rare = Target(Task("rare"), np.repeat([0.0, 1.0], [47, 3]))
    >>> split = seeded_split([rare], (0.6, 0.2, 0.2), seed=0)
    >>> sorted(split[-3:].tolist())
    [0, 1, 2]
    """
    random = np.random.default_rng(derive(seed, "split"))
    ordered = sorted(targets, key=lambda target: target.task.name)
    strata = sparse.csc_matrix(sparse.hstack([_strata(target) for target in ordered]))
    return _Stratifier(strata, np.asarray(fractions), random).assign()


def _strata(target: Target) -> sparse.csc_matrix:
    """Indicate, one column per class or quartile, the rows that hold it."""
    values = target.values
    observed = ~np.isnan(values)
    codes = values
    if target.task.kind == "regression" and observed.any():
        edges = np.quantile(values[observed], np.linspace(0, 1, QUANTILES + 1)[1:-1])
        codes = np.where(observed, np.searchsorted(edges, values), np.nan)
    rows = np.flatnonzero(observed)
    distinct, column = np.unique(codes[observed], return_inverse=True)
    ones = np.ones(len(rows), dtype=np.int8)
    return sparse.csc_matrix((ones, (rows, column)), shape=(len(values), max(1, len(distinct))))


class _Stratifier:
    """Places rows one by one and keeps what each split still wants."""

    def __init__(self, strata: sparse.csc_matrix, fractions: NDArray[np.float64], random: np.random.Generator) -> None:
        self.by_stratum, self.by_row = strata, sparse.csr_matrix(strata)
        self.random = random
        rows = strata.shape[0]
        counts = np.asarray(strata.sum(axis=0)).ravel().astype(np.float64)
        self.left = counts.copy()
        self.wanted = np.outer(fractions, counts)
        frequent = counts >= len(fractions)
        self.wanted[:, frequent] = np.maximum(1, self.wanted[:, frequent])
        self.weight = 1 / np.maximum(self.wanted * counts, 1e-9)
        self.room = fractions * rows
        self.split = np.full(rows, -1, dtype=np.int8)

    def assign(self) -> NDArray[np.int8]:
        order = self.random.permutation(len(self.split))
        position = np.argsort(order)
        while (self.left > 0).any():
            stratum = int(np.argmin(np.where(self.left > 0, self.left, np.inf)))
            start, stop = self.by_stratum.indptr[stratum : stratum + 2]
            members = self.by_stratum.indices[start:stop]
            members = members[self.split[members] < 0]
            for row in members[np.argsort(position[members])]:
                self._place(int(row))
        for row in order[self.split[order] < 0]:
            self._place(int(row))
        return self.split

    def _place(self, row: int) -> None:
        strata = self.by_row.indices[self.by_row.indptr[row] : self.by_row.indptr[row + 1]]
        need = (self.wanted[:, strata] * self.weight[:, strata]).sum(axis=1)
        best = np.flatnonzero(need >= need.max() - 1e-12)
        best = best[self.room[best] >= self.room[best].max() - 1e-9]
        chosen = int(best[0] if len(best) == 1 else self.random.choice(best))
        self.split[row] = chosen
        self.wanted[chosen, strata] -= 1
        self.left[strata] -= 1
        self.room[chosen] -= 1
