"""The graph example runs on the real graphs, with as little training as there can be."""

from pathlib import Path
from runpy import run_path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "graph" / "communities.py"
QUICK = ["--epochs", "1", "--seeds", "1", "--random-draws", "1", "--bases", "1"]


@pytest.mark.parametrize(("graph", "positives"), [("com-youtube", "200"), ("com-dblp", "200"), ("blogcatalog", "600")])
def test_it_ends_in_a_verdict(graph: str, positives: str, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared / "graph" / f"{graph}.npz"
    run_path(str(SCRIPT))["main"]([str(path), "--positives", positives, *QUICK])
    shown = capsys.readouterr().out
    assert f"Problem('{graph}'" in shown
    assert all(arm in shown for arm in ("chosen", "all-in-one", "one-per-task", "random"))
