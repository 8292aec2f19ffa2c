"""What the README and the documentation say works: Python blocks run, commands parse, links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from cotrain.cli.main import parser
from cotrain.problem import defaults

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
COMMAND = re.compile(r"^ {4}(cotrain [a-z].*?)(?: {2,}#.*)?$", re.MULTILINE)


def _ids(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=_ids)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(defaults, "STEPS", 1)  # the fewest epochs: that it runs matters here, not what comes out
    code = "\n".join(BLOCK.findall(page.read_text()))
    exec(compile(code, page.name, "exec"), {})  # noqa: S102 - our own documentation


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_commands_parse(page: Path) -> None:
    for command in COMMAND.findall(page.read_text()):
        parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not broken
