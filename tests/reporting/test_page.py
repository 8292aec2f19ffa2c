"""The report: self-contained, escaped, the same every time, and true to what it reports."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.reporting.factory import HOSTILE, make_trained

from cotrain.errors import InputError
from cotrain.evaluation.trained import TrainedGroups
from cotrain.reporting.page import page, report
from cotrain.reporting.summary import summary


class _Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "xlink:href", "action"} or name.startswith("on"):
                self.loads.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    return reader


@pytest.mark.parametrize("tasks", [1, 2, 30])
def test_it_loads_nothing_and_stays_small(tasks: int) -> None:
    text = page(make_trained(tasks))
    reader = _read(text)
    assert all(load.startswith(("#", "data:image/png;base64,")) for load in reader.loads)
    assert not re.search(r"url\((?!#)", text)
    assert "script" not in reader.tags
    assert len(text) < 1_000_000
    assert len(reader.ids) == len(set(reader.ids))


def test_three_hundred_tasks_are_still_one_small_file() -> None:
    assert len(page(make_trained(300, networks=8))) < 2_000_000


def test_names_of_other_scripts_and_of_ids_are_drawn_as_they_are() -> None:
    names = ['id="a"', 'href="#b"', "日本語", "#010203"]
    drawn = page(make_trained(names, seeds=1)).split("<figure>")[1]
    text = " ".join(_read(drawn.partition("</figure>")[0]).text)
    assert all(name in text for name in names)


def test_hostile_names_are_text() -> None:
    trained = make_trained([HOSTILE, '"><img src=x onerror=alert(1)>', "c"])
    trained = replace(trained, name="<b>bold</b>", settings={"<i>": "</pre><script>alert(1)</script>"})
    reader = _read(page(trained))
    assert not {"script", "b", "i"} & set(reader.tags)
    assert reader.tags.count("img") == 0
    assert not [load for load in reader.loads if "alert" in load]
    assert any("<b>bold</b>" in text for text in reader.text)


def test_the_same_outcome_gives_the_same_bytes() -> None:
    assert page(make_trained(3)) == page(make_trained(3))


def test_it_says_what_was_found() -> None:
    trained = make_trained(6)
    text = " ".join(_read(page(trained)).text)
    assert trained.verdict.sentence in text
    assert "The base model had not converged." in text
    assert "k chosen on held-out subsets." in text
    for arm in trained.verdict.arms.values():
        assert f"{arm.test_loss.mean():.4g}" in text
    for task in trained.verdict.tasks:
        assert task in text


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds(seeds: int) -> None:
    text = page(make_trained(4, seeds=seeds))
    assert ("no interval" in text) == (seeds == 1)


def test_metrics_of_different_kinds_are_not_averaged() -> None:
    trained = replace(make_trained(2, seeds=1), estimate=None)
    mixed = replace(trained, verdict=replace(trained.verdict, metrics=("auc", "rmse")))
    assert "<th>mean auc</th>" in page(trained)
    assert "<th>mean auc</th>" not in page(mixed)


def test_nothing_to_compare_is_said_instead_of_drawn() -> None:
    text = page(make_trained(1, seeds=1))
    assert "A single task has no one to help it." in text
    assert "there is nothing to compare" in text
    assert text.count("<figure>") == 3


def test_helpers_are_told_apart_from_served_tasks() -> None:
    helping, alone = page(make_trained(4, networks=2, seeds=1)), page(make_trained(4, networks=1, seeds=1))
    assert helping.count('<span class="chip helper"') == 1
    assert helping.count('<span class="chip">') == 4
    assert "Dashed: helpers" in helping
    assert "Dashed: helpers" not in alone


def test_without_an_estimate_and_with_gaps() -> None:
    trained = make_trained(4)
    assert "Who helps whom" not in page(replace(trained, estimate=None))
    estimate = trained.estimate
    assert estimate is not None
    matrix = np.where(np.arange(16).reshape(4, 4) % 3 == 1, np.nan, estimate.matrix)
    assert "Who helps whom" in page(replace(trained, estimate=replace(estimate, matrix=matrix)))


def test_files_are_not_overwritten_unasked(tmp_path: Path) -> None:
    trained, path = replace(make_trained(1), estimate=None), tmp_path / "report.html"
    assert report(trained, path) == path
    with pytest.raises(InputError, match="exists already"):
        report(trained, path)
    report(trained, path, overwrite=True)
    with pytest.raises(InputError, match="`path` must be one of"):
        report(trained, tmp_path / "report.txt")
    with pytest.raises(InputError, match="must lie in an existing folder"):
        report(trained, tmp_path / "absent" / "report.html")


@pytest.mark.parametrize("trained", [make_trained(5), make_trained(1), replace(make_trained(3), estimate=None)])
def test_the_summary_is_plain(trained: TrainedGroups) -> None:
    content = json.loads(json.dumps(summary(trained), default=float))
    assert content["sentence"] == trained.verdict.sentence
    assert len(content["tasks"]) == len(trained.verdict.tasks)
    assert {row["arm"] for row in content["arms"]} == set(trained.verdict.arms)
