"""Rows of a group for a trainer that the user already has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from cotrain.errors import InputError
from cotrain.models.text.padding import IGNORED
from cotrain.problem.problem import Problem, Split


def trainer_rows(problem: Problem, tasks: Iterable[str], split: Split = "train") -> list[dict[str, Tensor]]:
    """Return the rows of some tasks as ``transformers.Trainer`` and its like take them.

    Parameters
    ----------
    problem
        Of sequences, read by ``Problem.from_texts``.
    tasks
        A group.
    split
        Which rows.

    Returns
    -------
    list of dict
        ``input_ids``, ``attention_mask`` and ``labels`` (-100 where a token is not predicted), all of one width.

    Raises
    ------
    InputError
        When the problem is not one of sequences.
    """
    rows = problem.rows_of(problem.subset(tasks), split)
    if not isinstance(rows.inputs, Mapping) or "token_weights" not in rows.inputs:
        raise InputError("`problem` must be one of sequences, read by Problem.from_texts with a model that generates.")
    inputs = dict(rows.inputs)
    counted = inputs.pop("token_weights") > 0
    inputs["labels"] = inputs.get("labels", inputs["input_ids"]).masked_fill(~counted, IGNORED)
    return [{name: part[row] for name, part in inputs.items()} for row in range(len(rows))]
