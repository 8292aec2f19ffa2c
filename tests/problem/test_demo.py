"""The demo is a mixed problem that nobody has to download."""

import torch

from cotrain.problem.demo import digits


def test_digits_mix_all_kinds_and_are_the_same_every_time() -> None:
    problem = digits()
    assert [task.kind for task in problem.tasks] == ["multiclass", *8 * ["binary"], *3 * ["regression"]]
    assert sum(map(len, problem.splits.values())) == 900
    assert all(abs(len(part) - 300) < 10 for part in problem.splits.values())
    assert digits().fingerprint == problem.fingerprint


def test_questions_agree_with_the_digit() -> None:
    problem = digits()
    rows = problem.splits["test"].targets
    column = dict(zip(problem.names, rows.T, strict=True))
    digit = column["digit"]
    assert torch.equal(column["even"], (digit % 2 == 0).float())
    assert torch.equal(column["is 8"], (digit == 8).float())
    assert torch.equal(column["loop"], sum(digit == value for value in (0, 6, 8, 9)).float())
