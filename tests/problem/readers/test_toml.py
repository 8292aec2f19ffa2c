"""Problem files: found beside their data, replayed from their recipe, refused with everything wrong at once."""

import os
from pathlib import Path

import pytest
import tomli_w

from cotrain.errors import InputError
from cotrain.models.mlp import SharedMLPFactory
from cotrain.problem import NetworkOptions, Problem

from .examples import TARGETS, same_problem, table

EXAMPLE = Path(__file__).parents[3] / "examples" / "wine" / "problem.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table().to_csv(tmp_path / "patients.csv", index=False)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "problem.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_reads_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.path.relpath(EXAMPLE, tmp_path)
    monkeypatch.chdir(tmp_path)
    problem = Problem.from_toml(path)
    assert [task.kind for task in problem.tasks] == ["multiclass", "binary"] + 4 * ["regression"]
    assert problem.tasks[-1].metric == "rmse"
    assert problem.build == SharedMLPFactory(7, NetworkOptions(hidden=(32,)))
    assert problem.training.epochs == 150
    assert problem.name == "wine"


def test_says_what_the_reader_is_told(folder: Path) -> None:
    path = written(folder, f'data = "patients.csv"\ntargets = {TARGETS}\nsplit = "part"\n[training]\nepochs = 7\n')
    told = Problem.from_table(table(), targets=TARGETS, split="part", training={"epochs": 7})
    assert same_problem(Problem.from_toml(path), told)


def test_a_recipe_is_a_problem_file(folder: Path) -> None:
    problem = Problem.from_toml(EXAMPLE)
    path = written(folder, tomli_w.dumps(problem.recipe))
    again = Problem.from_toml(path)
    assert again.fingerprint == problem.fingerprint
    assert again.recipe == problem.recipe


def test_arrays_are_read_too(shared: Path, tmp_path: Path) -> None:
    data = shared / "data" / "multilabel" / "yeast.npz"
    path = written(tmp_path, f'data = "{data.as_posix()}"\ntargets = ["Class1", "Class2"]\nname = "genes"\n')
    problem = Problem.from_toml(path)
    assert problem.name == "genes"
    assert problem.names == ("Class1", "Class2")


def test_all_errors_are_reported_at_once(folder: Path) -> None:
    path = written(
        folder,
        """
        data = "patients.csv"
        targets = ["ill", "scor", "ill"]
        inputs = ["age", "ill", "heigth"]
        target = ["score"]
        kinds = { ill = "binray" }
        fractions = [0.5, 0.5]
        seed = "zero"
        missing_inputs = true
        [network]
        hidden = [64, "a"]
        widths = [3]
        dropout = 1.5
        [training]
        epochs = 0
        optimiser = "sgd"
        batch_size = 2.5
        """,
    )
    with pytest.raises(InputError) as caught:
        Problem.from_toml(path)
    expected = [
        "`target` is no known key. Did you mean 'targets'?",
        "`kinds` must be",
        "`fractions` must be a list of 3 numbers. Found [0.5, 0.5].",
        "`seed` must be a whole number. Found 'zero'.",
        "`missing_inputs` must be 'refuse' or 'impute'. Found True.",
        "`network.hidden` must be a list of whole numbers. Found [64, 'a'].",
        "`network.widths` is no known key.",
        "`dropout` must lie between 0.0 and 0.99. Found 1.5.",
        "`epochs` must be at least 1. Found 0.",
        "`training.optimiser` is no known key. Did you mean 'optimizer'?",
        "`training.batch_size` must be a whole number. Found 2.5.",
        "`targets` names 'scor', which does not exist. Did you mean 'score'?",
        "`targets` must not repeat a name. Found 'ill' 2 times.",
        "`inputs` names 'heigth', which does not exist.",
        "`inputs` must not hold targets, ignored columns or the split column. Found 'ill'.",
    ]
    missing = [rule for rule in expected if not any(found.startswith(rule) for found in caught.value.problems)]
    assert not missing
    assert len(caught.value.problems) == len(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data = ", "`path` must be valid TOML"),
        ('targets = ["ill"]', "`data` is missing"),
        ('data = "patients.csv"', "`targets` is missing"),
        ('data = "patient.csv"\ntargets = ["ill"]', r"does not exist. Did you mean 'patients.csv'\?"),
        ('data = "problem.toml"\ntargets = ["ill"]', r"`data` must be a table \(.csv, .*Found 'problem.toml'"),
        ('data = "patients.csv"\ntargets = ["ill"]\nnetwork = 3', r"`network` must be a section, \[network\]. Found 3"),
        ('data = "a.npz"\nignore = ["b"]', "`ignore` is no known key"),
    ],
)
def test_one_error(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Problem.from_toml(written(folder, text))
