"""Table columns as a network wants them: standardised numbers, one column per category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from cotrain.errors import InputError
from cotrain.problem.columns import Column, as_numbers, is_missing, is_text
from cotrain.problem.encoding import Standardiser
from cotrain.problem.frames import table_columns
from cotrain.problem.validation import empty_cells, unfit_inputs, unknown_names

EMPTY = ""
"""The category of an empty cell."""


@dataclass(frozen=True)
class TableEncoder:
    """Encodes the input columns of a table; what it learned are plain values, so it is stored without pickle.

    Numbers are standardised (columns of zeros and ones stay). Text becomes one column per category of the training
    rows; a category they do not have becomes zeros. Empty cells, where allowed, become the column's median and set a
    further column to one if training rows had gaps too; in text they are a category of their own.

    Parameters
    ----------
    numbers
        Names of numeric columns.
    medians
        What replaces an empty cell in each.
    standardiser
        Of the numeric columns.
    gaps
        Numeric columns with a further column that marks empty cells.
    categories
        Categories by text column.
    impute
        Whether empty cells are replaced rather than refused.

    Examples
    --------
    >>> columns = table_columns({"age": [20.0, 40.0], "colour": ["red", "blue"]})
    >>> encoder = TableEncoder.fit(columns, training=np.array([True, True]))
    >>> encoder.features
    ('age', 'colour=blue', 'colour=red')
    >>> encoder.transform({"age": [50.0], "colour": ["green"]})
    array([[2., 0., 0.]], dtype=float32)
    """

    numbers: tuple[str, ...]
    medians: tuple[float, ...]
    standardiser: Standardiser
    gaps: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    impute: bool = False

    @classmethod
    def fit(cls, columns: Mapping[str, Column], training: NDArray[np.bool_], *, impute: bool = False) -> TableEncoder:
        """Learn medians, means, deviations and categories from training rows."""
        seen = {name: column[training] for name, column in columns.items()}
        numbers = tuple(name for name, column in columns.items() if not is_text(column))
        matrix = _matrix(seen, numbers)
        medians: tuple[float, ...] = ()
        if numbers:
            imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(matrix)
            medians, matrix = tuple(imputer.statistics_.tolist()), imputer.transform(matrix)
        gaps = tuple(name for name in numbers if is_missing(seen[name]).any())
        texts = {name: tuple(sorted(set(_filled(seen[name])))) for name in columns if name not in numbers}
        return cls(numbers, medians, Standardiser.fit(matrix), gaps, texts, impute)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads."""
        return (*self.numbers, *self.categories)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns it makes."""
        gaps = (f"{name} is empty" for name in self.gaps)
        categories = (f"{name}={value}" for name, values in self.categories.items() for value in values)
        return (*self.numbers, *gaps, *categories)

    def transform(self, rows: Any) -> NDArray[np.float32]:
        """Return encoded rows ``(rows, features)`` of a data frame or mapping with the columns :attr:`inputs`.

        Raises
        ------
        InputError
            When a column is absent, or a cell is empty, infinite, or text where numbers stood in training.
        """
        columns = table_columns(rows)
        self._refuse_unfit(columns)
        matrix = _matrix(columns, self.numbers)
        empty = np.isnan(matrix)
        numeric = self.standardiser.transform(np.where(empty, np.array(self.medians), matrix))
        marks = empty[:, [self.numbers.index(name) for name in self.gaps]]
        return np.hstack([numeric, marks.astype(np.float32), self._one_hot(columns)])

    def _one_hot(self, columns: Mapping[str, Column]) -> NDArray[np.float32]:
        if not self.categories:
            return np.zeros((len(next(iter(columns.values()))), 0), dtype=np.float32)
        texts = np.stack([_filled(columns[name]) for name in self.categories], axis=1)
        known = [np.array(values, dtype=object) for values in self.categories.values()]
        encoder = OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=False, dtype=np.float32)
        return np.asarray(encoder.fit_transform(texts))

    def _refuse_unfit(self, columns: Mapping[str, Column]) -> None:
        problems = list(unknown_names("inputs", self.inputs, columns))
        if not problems:
            problems += unfit_inputs({name: columns[name] for name in self.inputs}, numbers=self.numbers)
            problems += [] if self.impute else empty_cells({name: columns[name] for name in self.inputs})
        if problems:
            raise InputError(problems)

    def to_dict(self) -> dict[str, Any]:
        """Return everything learned as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> TableEncoder:
        """Return what :meth:`to_dict` wrote, also after a trip through JSON."""
        return cls(
            numbers=tuple(fields["numbers"]),
            medians=tuple(fields["medians"]),
            standardiser=Standardiser.from_dict(fields["standardiser"]),
            gaps=tuple(fields["gaps"]),
            categories={name: tuple(values) for name, values in fields["categories"].items()},
            impute=fields["impute"],
        )


def _matrix(columns: Mapping[str, Column], names: Sequence[str]) -> NDArray[np.float64]:
    rows = len(next(iter(columns.values())))
    return np.stack([as_numbers(columns[name]) for name in names], axis=1) if names else np.zeros((rows, 0))


def _filled(column: Column) -> NDArray[np.object_]:
    """Return the column as text, empty cells as a category of their own."""
    missing = is_missing(column)
    return np.array([EMPTY if gap else str(value) for value, gap in zip(column, missing, strict=True)], dtype=object)
