"""``cotrain doctor``: what is known of a network before a long run."""

import json
from pathlib import Path

import pytest

from cotrain.cli.main import main
from cotrain.gradients import doctor
from cotrain.gradients.diagnosis import Diagnosis, Finding


def test_a_healthy_network(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["doctor", str(table), "--targets", "a,b,c"]
    assert main(command) == 0
    assert "gradients in about" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["estimate"]["gradients"] > 0
    assert set(content["paths"].values()) == {"structured"}


def test_a_refused_network(table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    refused = Diagnosis((Finding("refused", ("trunk.0",), "mixes rows."),), {}, {}, None)
    monkeypatch.setattr(doctor, "examine", lambda _: refused)
    assert main(["doctor", str(table), "--targets", "a,b,c"]) == 2
    assert "[refused] trunk.0: mixes rows." in capsys.readouterr().err
