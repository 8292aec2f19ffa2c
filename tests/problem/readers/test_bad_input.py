"""Every mistake in a table is refused before work starts, in the words of the rule it breaks."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.errors import InputError
from cotrain.problem import Problem

from .examples import TARGETS, table

Change = Callable[[pd.DataFrame], object]


def put(column: str, value: Any, where: Any = slice(None)) -> Change:
    """Return a change that writes ``value`` into rows of a column of any type."""

    def change(frame: pd.DataFrame) -> None:
        frame[column] = frame[column].astype(object) if column in frame else None
        frame.loc[where, column] = value

    return change


def part(code: int) -> Callable[[pd.DataFrame], "pd.Series[bool]"]:
    return lambda frame: frame["part"] == code


def only_one_row(frame: pd.DataFrame) -> None:
    frame["score"] = [101.5] + [None] * (len(frame) - 1)


LAST = [89]
CASES: list[tuple[str, Change | None, dict[str, Any], str]] = [
    (
        "unknown target",
        None,
        {"targets": ["scroe"], "missing_inputs": "impute"},
        "`targets` names 'scroe', which does not exist. Did you mean 'score'?",
    ),
    (
        "no target",
        None,
        {"targets": [], "missing_inputs": "impute"},
        "`targets` must name at least one column. Found none.",
    ),
    ("one text", None, {"targets": "score"}, "`targets` must be a list of names. Found one text: 'score'."),
    (
        "repeated target",
        None,
        {"targets": ["ill", "ill"], "missing_inputs": "impute"},
        "`targets` must not repeat a name. Found 'ill' 2 times.",
    ),
    (
        "unknown input",
        None,
        {"inputs": ["agee"], "missing_inputs": "impute"},
        "`inputs` names 'agee', which does not exist. Did you mean 'age'?",
    ),
    ("no input", None, {"inputs": []}, "`inputs` must name at least one column. Found none."),
    (
        "target as input",
        None,
        {"inputs": ["age", "ill"]},
        "`inputs` must not hold targets, ignored columns or the split column. Found 'ill'.",
    ),
    ("unknown split", None, {"split": "prat"}, "`split` names 'prat', which does not exist. Did you mean 'part'?"),
    ("split codes", None, {"split": [0, 1, 2] * 30}, "`split` must be a name in the data. Found list."),
    ("unknown kind", None, {"kinds": {"scroe": "binary"}}, "`kinds` names 'scroe', which does not exist."),
    ("unknown metric's task", None, {"metrics": {"wrad": "f1"}}, "`metrics` names 'wrad', which does not exist."),
    (
        "unknown metric",
        None,
        {"metrics": {"ill": "auk"}},
        "`metric` must be one of 'auc', 'accuracy', 'f1', 'average_precision'.",
    ),
    ("negative weight", None, {"weights": {"ill": -1.0}}, "`weight` of task 'ill' must be positive. Found -1.0."),
    ("bad option", None, {"unusable": "keep"}, "`unusable` must be one of 'refuse', 'drop'. Found 'keep'."),
    (
        "bad option",
        None,
        {"missing_inputs": "mean"},
        "`missing_inputs` must be one of 'refuse', 'impute'. Found 'mean'.",
    ),
    ("bad field", None, {"training": {"epoch": 3}}, "`training` must be one of 'optimizer',"),
    ("fractions", None, {"split": None, "fractions": (0.5, 0.5, 0.5)}, "`fractions` must be three positive numbers"),
    (
        "split values",
        put("part", 7, LAST),
        {},
        "`split` must hold 0 (train), 1 (validation) or 2 (test), or these three words. Found '7'.",
    ),
    ("empty split", put("part", 0, part(1)), {}, "`split` must give every split some rows. Found no validation rows."),
    ("constant target", put("score", 1.0), {}, "`targets` must not be constant in the train rows. Found: 'score'."),
    (
        "constant in a split",
        put("ill", "no", part(2)),
        {},
        "`targets` must not be constant in the test rows. Found: 'ill'.",
    ),
    ("empty target", put("score", None), {}, "`targets` must not be empty: every target needs labels. Found: 'score'."),
    (
        "all missing in a split",
        put("ward", None, part(1)),
        {},
        "`targets` must have labels in the validation rows, not all missing. Found: 'ward'.",
    ),
    (
        "one row",
        only_one_row,
        {},
        "`targets` must have at least 3 rows with a label, one for each split, not 1. Found: 'score'.",
    ),
    (
        "unlearned class",
        put("ward", "z", LAST),
        {},
        "`targets` must have every class of the validation and test rows in the training rows too. Found: 'ward'.",
    ),
    (
        "text in a regression",
        put("score", "high", [4]),
        {},
        "`targets` of kind regression must be numbers. 'score' holds text, first in row 5: 'high'.",
    ),
    (
        "text in a declared regression",
        None,
        {"kinds": {"ward": "regression"}},
        "`targets` of kind regression must be numbers. 'ward' holds text, first in row 1:",
    ),
    (
        "three values in a binary",
        None,
        {"kinds": {"ward": "binary"}},
        "`targets` of kind binary must have two values. 'ward' has 3,",
    ),
    (
        "infinite target",
        put("score", np.inf, [4]),
        {},
        "`targets` must be finite. 'score' is infinite, first in row 5.",
    ),
    (
        "text in an input",
        put("age", "old", [7]),
        {},
        "`inputs` must not hold text in a numeric column. 'age' does, first in row 8: 'old'.",
    ),
    ("infinite input", put("age", -np.inf, [7]), {}, "`inputs` must be finite. 'age' is infinite, first in row 8."),
    ("empty cells", put("age", None, [7, 8]), {}, "`inputs` must not have empty cells (NaN). Found 2 in 'age'."),
    (
        "identifiers",
        lambda frame: frame.insert(0, "key", [f"p{i}" for i in range(90)]),
        {},
        "`inputs` must repeat their categories. 'key' holds an identifier or free text: 90 values in 90 rows.",
    ),
]


@pytest.mark.parametrize(
    ("change", "options", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
@pytest.mark.parametrize("stored", ["frame", "csv"])
def test_refused_in_the_words_of_the_rule(
    change: Change | None, options: dict[str, Any], message: str, stored: str, tmp_path: Path
) -> None:
    data: Any = table()
    if change is not None:
        change(data)
    if stored == "csv":
        data.to_csv(tmp_path / "t.csv", index=False)
        data = tmp_path / "t.csv"
    with pytest.raises(InputError) as caught:
        Problem.from_table(data, **{"targets": TARGETS, "split": "part", **options})
    assert [found for found in caught.value.problems if found.startswith(message)], str(caught.value)
    assert len(caught.value.problems) == 1


def test_everything_wrong_is_told_together() -> None:
    frame = table()
    for change in (
        put("score", "high", [4]),
        put("ill", "no", part(2)),
        put("age", "old", [7]),
        put("visits", None, [1]),
    ):
        change(frame)
    with pytest.raises(InputError) as caught:
        Problem.from_table(frame, targets=[*TARGETS, "gone"], split="part", helpers=["nobody"])
    text = "\n".join(caught.value.problems)
    for words in ("'gone'", "'nobody'", "'score' holds text", "constant in the test rows", "'age' does", "'visits'"):
        assert words in text
    assert len(caught.value.problems) == 6


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "`data` must be a whole table."),
        ("t.csv", b'a,b\n1,2\n1,2,3,4\n"x', "`data` must be a whole table."),
        ("t.csv", b"a,\xff\xfe\n1,2\n", "`data` must be a whole table."),
        ("t.csv", b"a,b,a\n1,2,3\n", "`columns` must not repeat a name. Found 'a' 2 times."),
        ("t.parquet", b"PAR1 but not really", "`data` must be a whole table."),
        ("t.xlsx", b"", "`data` must be a table (.csv, .csv.gz, .tsv, .tsv.gz, .parquet, .pq). Found 't.xlsx'."),
    ],
)
def test_unfit_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        Problem.from_table(tmp_path / name, targets=["a"])
    assert str(caught.value).startswith(message)


def test_a_table_without_rows() -> None:
    with pytest.raises(InputError, match=r"`data` must have rows and columns. Found an empty table."):
        Problem.from_table(table().iloc[:0], targets=TARGETS)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"`data` must be a file. .* does not exist. Did you mean 'table.csv'\?"):
        Problem.from_table(tmp_path / "tabel.csv", targets=["a"])


def test_unusable_targets_are_dropped_on_request(caplog: pytest.LogCaptureFixture) -> None:
    frame = table()
    put("ill", "no", part(2))(frame)
    with pytest.raises(InputError, match="pass unusable='drop'"):
        Problem.from_table(frame, targets=TARGETS, split="part")
    with caplog.at_level(logging.WARNING):
        problem = Problem.from_table(frame, targets=TARGETS, split="part", unusable="drop")
    assert problem.names == ("ward", "score")
    assert "constant in the test rows. Found: 'ill'" in caplog.text
    with pytest.raises(InputError, match="must leave at least one usable target"):
        Problem.from_table(frame, targets=["ill"], ignore=["ward", "score"], split="part", unusable="drop")
