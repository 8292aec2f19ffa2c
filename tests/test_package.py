"""What a user installs: a wheel with types, a light import, every public name in its place."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import cotrain

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_types_and_licence_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "cotrain/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "test" in Path(name).parts[0]]


def test_the_wheel_holds_every_source_file(wheel: Path) -> None:
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    assert files <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_alone_can_be_imported(wheel: Path, tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import cotrain; print(cotrain.__file__); cotrain.Problem"
    command = [sys.executable, "-c", code, str(wheel)]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert wheel.name in done.stdout


@pytest.mark.parametrize("name", cotrain.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(cotrain, name) is not None
    assert name in dir(cotrain)


def test_rooms_are_reached_from_the_package() -> None:
    assert cotrain.grouping.__name__ == "cotrain.grouping"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'grup'"):
        getattr(cotrain, "grup")  # noqa: B009 - the literal name is the point
