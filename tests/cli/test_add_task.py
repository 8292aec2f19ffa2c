"""``cotrain add-task``: from nothing to a store that tasks join and leave."""

import json
from pathlib import Path

import pytest

from cotrain.cli.main import main


def add(table: Path, *more: str) -> int:
    problem = [str(table), "--targets", "a,b,c", "--epochs", "2", "--hidden", "4"]
    return main(["add-task", *problem, "--store", str(table.parent / "store"), *more])


def test_tasks_join_and_leave(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(table.parent / "store")
    assert add(table, "--tasks", "a,b", "--projection-dim", "6") == 0
    assert "base network of a, b" in capsys.readouterr().out
    assert add(table, "--tasks", "c", "--json", "--quiet") == 0
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert (content["base"], content["tasks"]) == (["a", "b"], ["a", "b", "c"])
    assert [(one["tasks"], one["gradients"] > 0) for one in content["added"]] == [(["c"], True)]
    assert not shown.err
    assert add(table) == 0
    assert "c: nothing to do, all rows are stored" in capsys.readouterr().out
    assert main(["add-task", "--store", store, "--drop", "b"]) == 0
    assert "holds a, c; base network of a, b" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--tasks", "a,z"], "`subset` must be one of"),
        (["--tasks", "a"], "at least two tasks"),
        (["--device", "nowhere"], "`device`"),
        (["--projection-dim", "0"], "`projection_dim`"),
        (["--drop", "a"], "`drop` takes a store and nothing else"),
    ],
)
def test_mistakes_leave_nothing(table: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(table, *more) == 2
    assert message in capsys.readouterr().err
    assert not (table.parent / "store").exists()


def test_dropping_needs_a_store_and_its_task(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(table.parent / "store")
    assert main(["add-task", "--store", store, "--drop", "a"]) == 2
    assert "holds none" in capsys.readouterr().err
    assert add(table, "--quiet") == 0
    assert main(["add-task", "--store", store, "--drop", "z"]) == 2
    assert "must be one of" in capsys.readouterr().err
