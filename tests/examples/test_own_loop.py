"""The example with a training loop of one's own runs, and every network comes from that loop."""

from pathlib import Path
from runpy import run_path

import pytest

from cotrain.training.trainer import Trainer

SCRIPT = Path(__file__).parents[2] / "examples" / "own_loop" / "loaders.py"


def test_it_ends_in_a_verdict(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fit", "fit_many"):
        monkeypatch.delattr(Trainer, name)
    run_path(str(SCRIPT))["main"](["--epochs", "1", "--seeds", "1", "--random-draws", "1"])
    shown = capsys.readouterr().out
    assert "Problem('clinics': 4 tasks; rows: 480 train, 240 validation, 240 test)" in shown
    assert all(arm in shown for arm in ("chosen", "all-in-one", "one-per-task"))
