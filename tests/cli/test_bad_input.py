"""What users get wrong: one clear message, exit code 2, no traceback, nothing written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.cli.main import main

Spoil = Callable[[pd.DataFrame], None]


def _tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def _refused(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused; return its message."""
    before = _tree(folder)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("cotrain: ")
    assert "Traceback" not in printed.err
    assert _tree(folder) == before
    return printed.err


def _set(column: str, value: Any, rows: slice = slice(None)) -> Spoil:
    def spoil(frame: pd.DataFrame) -> None:
        frame[column] = frame[column].astype(object)
        frame.loc[frame.index[rows], column] = value

    return spoil


def _missing_in_a_split(frame: pd.DataFrame) -> None:
    frame["split"] = np.arange(len(frame)) % 3
    frame.loc[frame["split"] == 2, "a"] = np.nan


def _one_row(frame: pd.DataFrame) -> None:
    frame.loc[1:, "a"] = np.nan


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        pytest.param(_set("a", 1), [], ["`targets`", "'a'"], id="constant target"),
        pytest.param(_set("a", None), [], ["`targets`", "'a'"], id="empty target"),
        pytest.param(_missing_in_a_split, ["--split", "split"], ["'a'", "test"], id="all missing in a split"),
        pytest.param(_one_row, [], ["'a'"], id="one row"),
        pytest.param(_set("x", "n.a.", slice(3, 4)), [], ["'x'", "n.a."], id="text among numbers"),
        pytest.param(_set("x", np.inf, slice(3, 4)), [], ["'x'", "inf"], id="infinite input"),
        pytest.param(_set("x", np.nan, slice(3, 4)), [], ["'x'"], id="missing input"),
        pytest.param(_set("b", "tall", slice(3, 4)), ["--kinds", "b=regression"], ["'b'", "tall"], id="text target"),
        pytest.param(None, ["--targets", "a,age"], ["`targets`", "'age'"], id="unknown target"),
        pytest.param(None, ["--targets", "a,b,a"], ["`targets`", "'a' 2 times"], id="target named twice"),
        pytest.param(None, ["--ignore", "w"], ["`ignore`", "'w'"], id="unknown column to ignore"),
        pytest.param(None, ["--split", "fold"], ["`split`", "'fold'"], id="unknown split column"),
        pytest.param(None, ["--kinds", "a=ordinal"], ["ordinal"], id="unknown kind"),
        pytest.param(None, ["--networks", "4"], ["`networks`", "at most", "3"], id="more networks than tasks"),
        pytest.param(None, ["--networks", "0"], ["`networks` must be at least 1"], id="no networks"),
        pytest.param(None, ["--seeds", "0"], ["`seeds` must be at least 1"], id="no seeds"),
        pytest.param(None, ["--estimator", "grad"], ["Did you mean 'grad-tag'?"], id="unknown estimator"),
        pytest.param(None, ["--grouper", "averagedensity"], ["Did you mean 'average-density'?"], id="unknown grouper"),
        pytest.param(None, ["--device", "cuda:77"], ["`device`", "cuda:77"], id="absent device"),
        pytest.param(None, ["--epochs", "0"], ["`epochs` must be at least 1"], id="no epochs"),
        pytest.param(None, ["--hidden", "0"], ["`hidden` must be at least 1"], id="no hidden units"),
    ],
)
def test_bad_tables_and_options(
    spoil: Spoil | None,
    options: list[str],
    words: list[str],
    table: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if spoil:
        frame = pd.read_csv(table)
        spoil(frame)
        frame.to_csv(table, index=False)
    command = ["run", str(table), "--targets", "a,b,c", "--out", str(tmp_path / "run"), *options]
    message = _refused(command, tmp_path, capsys)
    assert not [word for word in words if word not in message], message


def test_several_options_are_refused_at_once(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--networks", "0", "--seeds", "0", "--estimator", "grad", "--device", "gpu"]
    command = ["run", str(table), "--targets", "a,b,c", "--out", str(tmp_path / "run"), *options]
    message = _refused(command, tmp_path, capsys)
    assert "4 problems" in message


def test_a_problem_file_with_several_errors(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = tmp_path / "problem.toml"
    problem.write_text(
        f"""
        data = "{table.name}"
        target = ["a"]
        targets = ["a", "age"]
        fractions = [0.5, 0.5]
        [training]
        epochs = 0
        learning_rat = 0.1
        """
    )
    message = _refused(["run", str(problem), "--out", str(tmp_path / "run")], tmp_path, capsys)
    for word in ("`target` is no known key", "`fractions`", "`epochs`", "learning_rat", "'age'"):
        assert word in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.csv", None, ["must be an existing file", "absent.csv"]),
        ("empty.csv", b"", ["empty.csv"]),
        ("notes.docx", b"x", ["notes.docx"]),
        ("damaged.npz", b"PK\x03\x04", ["damaged.npz"]),
        ("damaged.parquet", b"PAR1", ["damaged.parquet"]),
        ("damaged.toml", b"= x", ["damaged.toml", "TOML"]),
        ("run.toml", b"= x", ["run.toml", "damaged"]),
    ],
)
def test_bad_files(
    name: str, content: bytes | None, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    command = ["run", str(tmp_path / name), "--targets", "a,b", "--out", str(tmp_path / "run")]
    message = _refused(command, tmp_path, capsys)
    assert not [word for word in words if word not in message], message


def test_duplicate_task_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    np.savez(tmp_path / "data.npz", X=X, Y=(X > 0).astype(float), tasks=np.array(["a", "a"]))
    message = _refused(["run", str(tmp_path / "data.npz"), "--out", str(tmp_path / "run")], tmp_path, capsys)
    assert "'a' 2 times" in message


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["run", "--demo"], ["`out` must name the folder"]),
        (["run", "--out", "{}/run"], ["`problem` must be one file, or --demo"]),
        (["run", "{}/table.csv", "--demo", "--out", "{}/run"], ["`problem` must be one file, or --demo"]),
        (["run", "--demo", "--targets", "even", "--out", "{}/run"], ["The demo brings its own data"]),
        (["run", "{}/table.csv", "--out", "{}/run"], ["`targets` is missing"]),
        (["run", "{}/table.csv", "--targets", "a,b,c", "--out", "{}"], ["holds other files"]),
        (["run", "{}/table.csv", "--targets", "a,b,c", "--out", "{}/table.csv"], ["is a file"]),
        (["estimate", "{}/table.csv", "--targets", "a", "--out", "{}/no/affinity.npz"], ["existing folder"]),
        (["estimate", "{}/table.csv", "--targets", "a", "--out", "{}/a.csv"], ["must be one of '.npz'"]),
        (["group", "{}/absent.npz"], ["does not exist"]),
        (["group", "{}/absent.csv"], ["must be an existing file"]),
        (["group", "{}/table.csv"], ["same tasks in its first row and column"]),
        (["group", "{}/table.json"], ["must be one of '.npz', '.csv'"]),
        (["train", "{}/table.csv", "--grouping", "{}/absent.json", "--out", "{}/run"], ["absent.json"]),
        (["train", "{}/table.csv", "--grouping", "{}/table.csv", "--out", "{}/run"], ["must be a saved Grouping"]),
        (["report", "{}/absent", "--out", "{}/page.html"], ["absent", "does not exist"]),
        (["report", "{}", "--out", "{}/table.csv"], ["must be one of '.html'"]),
    ],
)
def test_bad_commands(command: list[str], words: list[str], table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = table.parent
    message = _refused([part.replace("{}", str(folder)) for part in command], folder, capsys)
    assert not [word for word in words if word not in message], message


def test_a_grouping_must_serve_every_task(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cotrain.grouping.grouping import Grouping

    Grouping.from_groups([["a", "b"]]).save(tmp_path / "grouping.json")
    command = ["train", str(table), "--targets", "a,b,c", "--out", str(tmp_path / "run")]
    message = _refused([*command, "--grouping", str(tmp_path / "grouping.json")], tmp_path, capsys)
    assert "must serve every task" in message


@pytest.mark.parametrize("option", [["--networks", "three"], ["--hidden", "wide"], ["--no-such-option"]])
def test_what_the_parser_refuses(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--demo", "--out", "unused", *option])
    assert stopped.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_an_unwritable_place(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", str(table), "--targets", "a,b,c", "--out", "/proc/cotrain/run"]
    message = _refused(command, tmp_path, capsys)
    assert "/proc/cotrain" in message
