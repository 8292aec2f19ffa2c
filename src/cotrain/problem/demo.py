"""A problem that ships with a dependency: handwritten digits and what can be asked about them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.problem.columns import Column
from cotrain.problem.problem import Problem
from cotrain.problem.task import Kind

ROWS = 900
SIDE = 8
KINDS: dict[str, Kind] = {"digit": "multiclass", "ink": "regression", "height": "regression", "tilt": "regression"}


def digits() -> Problem:
    """Return twelve mixed tasks on 900 images of handwritten digits, 8 x 8 pixels, from scikit-learn.

    One multiclass task (the digit), eight binary ones (is it 0, 1, 4, 8; is it even, prime, at least 5; has it a closed
    loop) and three regressions (total ink, height of its centre, tilt). A third of the images trains, so that partners
    can matter; the split is the library's own seeded one.

    Examples
    --------
    >>> digits()
    Problem('digits': 12 tasks; rows: ... train, ... validation, ... test)
    """
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    pixels, digit = pixels[:ROWS], digit[:ROWS]
    questions = {**_questions_of_class(digit), **_measures_of_image(pixels.reshape(-1, SIDE, SIDE))}
    return Problem.from_table(
        {**{f"pixel{i}": pixels[:, i] for i in range(pixels.shape[1])}, **questions},
        targets=list(questions),
        kinds=KINDS,
        fractions=(1 / 3, 1 / 3, 1 / 3),
        name="digits",
    )


def _questions_of_class(digit: NDArray[np.int64]) -> dict[str, Column]:
    single = {f"is {value}": digit == value for value in (0, 1, 4, 8)}
    return {
        "digit": digit,
        **single,
        "even": digit % 2 == 0,
        "prime": np.isin(digit, (2, 3, 5, 7)),
        "at least 5": digit >= 5,
        "loop": np.isin(digit, (0, 6, 8, 9)),
    }


def _measures_of_image(images: NDArray[np.float64]) -> dict[str, Column]:
    """Measure total ink, mean row of the ink, and covariance of its row and column, that is how far it leans."""
    ink = images.sum(axis=(1, 2))
    share = images / ink[:, None, None]
    place = np.arange(SIDE)
    row, column = share.sum(axis=2) @ place, share.sum(axis=1) @ place
    tilt = np.einsum("nij,i,j->n", share, place, place) - row * column
    return {"ink": ink, "height": row, "tilt": tilt}
