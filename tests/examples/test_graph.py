"""The graph example runs on a part of every real graph, with as little training as there can be."""

import logging
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "graph" / "communities.py"
QUICK = ["--epochs", "1", "--seeds", "1", "--random-draws", "1", "--bases", "1", "--positives", "5"]
NODES, COMMUNITIES = 500, 3


@pytest.fixture(autouse=True)
def _quiet_for_itself_only() -> Iterator[None]:
    """The script silences a logger, as a script of its own may."""
    logger = logging.getLogger("cotrain")
    level = logger.level
    yield
    logger.setLevel(level)


def _part(source: Path, target: Path) -> None:
    """Keep the nodes with most edges and the communities that about half of them belong to."""
    with np.load(source, allow_pickle=False) as whole:
        edges, split, tasks, features = (whole[name] for name in ("edges", "split", "tasks", "X"))
        labels = np.unpackbits(whole["Y"], axis=0)[: int(whole["n_rows"])]
    nodes = np.argsort(-np.bincount(edges.ravel(), minlength=len(labels)), kind="stable")[:NODES]
    number = np.full(len(labels), -1)
    number[nodes] = np.arange(NODES)
    kept = number[edges.astype(np.int64)]
    even = np.argsort(np.abs(labels[nodes].mean(axis=0) - 0.5), kind="stable")[:COMMUNITIES]
    parts = {"edges": kept[(kept >= 0).all(axis=1)], "X": features[nodes], "split": split[nodes]}
    np.savez(target, Y=labels[np.ix_(nodes, even)], tasks=tasks[even], **parts)


@pytest.mark.parametrize("graph", ["com-youtube", "com-dblp", "blogcatalog"])
def test_it_ends_in_a_verdict(graph: str, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _part(shared / "data" / "graph" / f"{graph}.npz", tmp_path / f"{graph}.npz")
    run_path(str(SCRIPT))["main"]([str(tmp_path / f"{graph}.npz"), *QUICK])
    shown = capsys.readouterr().out
    assert f"Problem('{graph}': 3 tasks" in shown
    assert all(arm in shown for arm in ("chosen", "all-in-one", "one-per-task", "random"))
