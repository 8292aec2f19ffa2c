"""What people see on the way: on a terminal only, and never on stdout."""

import io
from types import SimpleNamespace

import pytest

from cotrain.cli.console import Console


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setattr("cotrain.cli.console.sys", SimpleNamespace(stderr=stream))
    return stream


def test_a_bar_moves_on_a_terminal(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress("verdict") as progress:
        assert progress is not None
        progress.advance("trained a, b (seed 3)")
    assert "verdict: trained a, b (seed 3)" in terminal.getvalue()
    assert "1 done" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_names_are_shown_as_they_are(terminal: Terminal) -> None:
    with Console().progress("verdict") as progress:
        assert progress is not None
        progress.advance("trained [bold]x[/] (seed 0)")
    assert "[bold]x[/]" in terminal.getvalue()


def test_no_bar_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress("verdict") as progress:
        assert progress is None
    assert capsys.readouterr() == ("", "")


def test_quiet_says_nothing(terminal: Terminal) -> None:
    console = Console(quiet=True)
    console.say("affinity: estimating")
    with console.progress("verdict") as progress:
        assert progress is None
    assert terminal.getvalue() == ""
