"""``cotrain measure`` and what ``cotrain evaluate`` makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cotrain.cli.main import main

QUICK = ["--targets", "a,b,c", "--epochs", "2", "--hidden", "4", "--quiet"]


def test_an_affinity_is_scored_against_what_was_measured(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, affinity, fits = tmp_path / "truth.npz", tmp_path / "affinity.npz", tmp_path / "fits"
    measure = ["measure", str(table), *QUICK, "--seeds", "2", "--folder", str(fits), "--out", str(truth), "--json"]
    assert main(measure) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["subsets"], found["seeds"], found["cost"]["trainings"]) == (7, 2, 14)
    before = truth.read_bytes()
    assert main([*measure, "--overwrite"]) == 0
    assert truth.read_bytes() == before
    capsys.readouterr()
    assert main(["estimate", str(table), *QUICK, "--out", str(affinity)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(affinity), str(truth), "--min-size", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["subsets"] == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pairs", "-1"], "`pairs` must be at least 0"),
        (["--larger", "-1"], "`larger` must be at least 0"),
        (["--seeds", "0"], "`seeds` must be at least 1"),
        (["--device", "nowhere"], "`device`"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], message: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", str(table), *QUICK, "--out", str(tmp_path / "truth.npz"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "truth.npz").exists()
