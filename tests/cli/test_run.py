"""``cotrain run``: from data to verdict, in a folder that resumes and replays."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.cli.main import main
from cotrain.evaluation.verdict import Verdict
from cotrain.grouping.grouping import Grouping


def _figures(folder: Path) -> list[list[float]]:
    arms = Verdict.load(folder / "verdict.npz").arms
    return [arm.test_loss.ravel().tolist() for arm in arms.values()]


def _texts(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    printed = capsys.readouterr()
    return printed.out, printed.err


def test_a_run_leaves_every_stage_and_a_report(finished: Path) -> None:
    assert Affinity.load(finished / "affinity.npz").tasks == ("a", "b", "c")
    assert len(Grouping.load(finished / "grouping.json").groups) <= 2
    assert set(Verdict.load(finished / "verdict.npz").arms) == {"chosen", "all-in-one", "one-per-task", "random"}
    assert "<html" in (finished / "report.html").read_text()
    assert not [path for path in finished.rglob("*") if path.suffix == ".part"]


def test_the_record_holds_every_choice(finished: Path) -> None:
    record = tomllib.loads((finished / "run.toml").read_text())
    settings = record["settings"]
    assert (settings["networks"], settings["seeds"], settings["seed"], settings["device"]) == (2, 2, 0, "cpu")
    assert settings["problem"]["kinds"] == {"a": "binary", "b": "regression", "c": "binary"}
    assert settings["problem"]["training"]["epochs"] == 3
    assert set(record["versions"]) == {"cotrain", "python", "torch", "numpy"}
    assert {"data", "started"} <= set(record)


def test_a_finished_run_prints_its_result_again(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file() and path.name != ".lock"}
    assert main(["run", str(finished / "run.toml")]) == 0
    out, err = _texts(capsys)
    assert Verdict.load(finished / "verdict.npz").sentence in out
    assert [line.partition(":")[0] for line in err.splitlines()] == ["affinity", "grouping", "verdict", "report"]
    assert err.count("recalled") == 4
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_json_is_for_machines(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(finished / "run.toml"), "--json", "--quiet"]) == 0
    out, err = _texts(capsys)
    content = json.loads(out)
    assert err == ""
    assert content["advice"] == Verdict.load(finished / "verdict.npz").advice
    assert {arm["arm"] for arm in content["arms"]} == {"chosen", "all-in-one", "one-per-task", "random"}
    assert {task["task"] for task in content["tasks"]} == {"a", "b", "c"}


def test_a_replay_elsewhere_gives_the_same_figures(finished: Path, tmp_path: Path) -> None:
    assert main(["run", str(finished / "run.toml"), "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert _figures(tmp_path / "again") == _figures(finished)
    assert (tmp_path / "again/grouping.json").read_text() == (finished / "grouping.json").read_text()


def test_a_replay_with_changes_is_another_run(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replay = ["run", str(finished / "run.toml"), "--seeds", "1", "--epochs", "2", "--quiet"]
    assert main(replay) == 2
    assert "`seeds` (there: 2, now: 1); `training.epochs` (there: 3, now: 2)" in _texts(capsys)[1]
    assert main([*replay, "--out", str(tmp_path / "changed")]) == 0


def test_other_data_are_no_replay(
    finished: Path, tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = (finished / "run.toml").read_text()
    old = tomllib.loads(record)["settings"]["problem"]["data"]
    table.write_text(table.read_text().replace("0.1", "0.2"))
    (finished / "run.toml").write_text(record.replace(old, str(table)))
    assert main(["run", str(finished / "run.toml"), "--out", str(tmp_path / "again")]) == 2
    assert "the data, tasks or training options have changed" in _texts(capsys)[1]
    assert not (tmp_path / "again").exists()


def test_other_versions_are_mentioned(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = (finished / "run.toml").read_text()
    (finished / "run.toml").write_text(record.replace('cotrain = "0.1.0"', 'cotrain = "0.0.9"'))
    assert main(["run", str(finished / "run.toml")]) == 0
    assert "made with cotrain 0.0.9" in _texts(capsys)[1]


@pytest.mark.parametrize("name", ["affinity.npz", "grouping.json", "verdict.npz"])
def test_a_damaged_stage_is_refused_and_done_again_once_deleted(
    name: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _figures(finished)
    damaged = finished / name
    damaged.write_bytes(damaged.read_bytes()[:-20])
    assert main(["run", str(finished / "run.toml")]) == 2
    assert f"{name}' is not as this run left it" in _texts(capsys)[1]
    damaged.unlink()
    assert main(["run", str(finished / "run.toml")]) == 0
    assert f"{name.partition('.')[0]}: recalled" not in _texts(capsys)[1]
    assert _figures(finished) == before


def test_networks_trained_again_among_others_come_out_the_same_up_to_rounding(finished: Path) -> None:
    before = _figures(finished)
    (finished / "verdict.npz").unlink()
    base, *others = sorted((finished / "fits").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for network in others[::2]:
        network.unlink()
    assert main(["run", str(finished / "run.toml"), "--quiet"]) == 0
    for arm, as_before in zip(_figures(finished), before, strict=True):
        np.testing.assert_allclose(arm, as_before, rtol=1e-5)
    assert base.exists()


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_or_foreign_network_is_refused(
    damage: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (finished / "verdict.npz").unlink()
    networks = sorted((finished / "fits").iterdir())
    for network, other in zip(networks, networks[1:] + networks[:1], strict=True):
        content = network.read_bytes()[:-40] if damage == "cut" else other.read_bytes()
        network.with_suffix(".new").write_bytes(content)
    for network in networks:
        network.with_suffix(".new").replace(network)
    assert main(["run", str(finished / "run.toml"), "--quiet"]) == 2
    message = _texts(capsys)[1]
    assert ".safetensors" in message
    assert "Traceback" not in message


def test_a_disk_that_fills_up_costs_nothing_that_was_finished(
    table: Path,
    tmp_path: Path,
    run_in: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = 0

    def fill_up(_: int) -> None:
        nonlocal written
        written += 1
        if written > 4:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fill_up)
        assert run_in(table, tmp_path / "run") == 2
    message = _texts(capsys)[1]
    assert "No space left on device" in message
    assert "Traceback" not in message
    assert not list((tmp_path / "run").rglob("*.part"))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/fits").iterdir()}
    assert kept
    assert run_in(table, tmp_path / "run") == 0
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


def test_the_report_of_a_run_can_be_written_again(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["report", str(finished), "--out", str(page)]) == 0
    assert _texts(capsys)[0].strip() == str(page)
    assert main(["report", str(finished), "--out", str(page)]) == 2
    assert "--overwrite" in _texts(capsys)[1]


def test_an_unfinished_run_has_no_report(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (finished / "verdict.npz").unlink()
    assert main(["report", str(finished), "--out", str(tmp_path / "page.html")]) == 2
    assert "must hold a finished run" in _texts(capsys)[1]


def test_the_steps_one_by_one(finished: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    affinity, grouping = tmp_path / "affinity.npz", tmp_path / "grouping.json"
    problem = [str(table), "--targets", "a,b,c", "--epochs", "3", "--hidden", "4"]
    assert main(["estimate", *problem, "--out", str(affinity)]) == 0
    assert main(["group", str(affinity), "--networks", "2", "--out", str(grouping)]) == 0
    out = ["--out", str(tmp_path / "run"), "--seeds", "2", "--random-draws", "1", "--quiet"]
    assert main(["train", *problem, "--grouping", str(grouping), *out]) == 0
    np.testing.assert_allclose(_figures(tmp_path / "run"), _figures(finished), rtol=1e-5)
    assert not (tmp_path / "run/affinity.npz").exists()
    assert "network 1: " in _texts(capsys)[0]
