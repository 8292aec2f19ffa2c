"""One folder, one run, one process."""

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cotrain.cli.run_folder import RunFolder, differences, read_record
from cotrain.errors import InputError, MismatchError


def _record(**settings: Any) -> dict[str, Any]:
    data = {"fingerprint": "f", "network": "n"}
    return {"settings": {"networks": 3, "problem": {"targets": ["a", "b"]}, **settings}, "data": data}


def _folder(path: Path, **settings: Any) -> RunFolder:
    return RunFolder(path / "run", _record(**settings))


def test_a_new_folder_holds_the_record_of_its_run(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with folder.opened():
        assert read_record(folder.path / "run.toml") == folder.record


def test_looking_at_a_folder_writes_nothing(tmp_path: Path) -> None:
    _folder(tmp_path).refuse_unfit()
    assert not list(tmp_path.iterdir())


def test_the_same_run_goes_on(tmp_path: Path) -> None:
    with _folder(tmp_path).opened():
        pass
    with _folder(tmp_path, problem={"targets": ["a", "b"], "data": "moved.csv"}).opened():
        pass


def test_another_run_is_refused_by_naming_what_differs(tmp_path: Path) -> None:
    with _folder(tmp_path).opened():
        pass
    other = _folder(tmp_path, networks=4, seeds=2, problem={"targets": ["a"]})
    with pytest.raises(MismatchError, match=r"`networks` \(there: 3, now: 4\).*`seeds` \(there: not set.*`targets`"):
        other.refuse_unfit()


@pytest.mark.parametrize(("name", "phrase"), [("fingerprint", "the data"), ("network", "the network")])
def test_changed_data_are_named(name: str, phrase: str) -> None:
    changed = _record() | {"data": _record()["data"] | {name: "other"}}
    assert phrase in differences(_record(), changed)[0]
    assert not differences(_record(), _record())


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.path.mkdir()
    (folder.path / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds other files"), folder.opened():
        pass
    assert [path.name for path in folder.path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.path.touch()
    with pytest.raises(InputError, match="is a file"):
        folder.refuse_unfit()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with folder.opened(), pytest.raises(InputError, match="in use"), _folder(tmp_path).opened():
        pass


def test_the_lock_of_a_killed_process_does_not_hold(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.path.mkdir()
    (folder.path / ".lock").touch()
    (folder.path / ".run.toml.99.part").touch()
    with folder.opened():
        assert FileLock(folder.path / ".lock").lock_file
    assert not list(folder.path.glob(".*.part"))


def test_a_stage_is_finished_once_kept(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with folder.opened():
        assert not folder.has("grouping.json")
        (folder.path / "grouping.json").write_text("killed before it was noted")
        assert not folder.has("grouping.json")
        folder.keep("grouping.json", lambda path: path.write_text("{}"))
        assert folder.has("grouping.json")
        (folder.path / "grouping.json").unlink()
        assert not folder.has("grouping.json")


def test_a_damaged_stage_is_refused_by_name(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with folder.opened():
        folder.keep("grouping.json", lambda path: path.write_text("{}"))
        (folder.path / "grouping.json").write_text("{} ")
        with pytest.raises(MismatchError, match=r"grouping\.json' is not as this run left it.*Delete it"):
            folder.has("grouping.json")


@pytest.mark.parametrize("content", ["[]", "not json", "3"])
def test_damaged_notes_are_refused_by_name(tmp_path: Path, content: str) -> None:
    folder = _folder(tmp_path)
    with folder.opened():
        (folder.path / "stages.json").write_text(content)
        with pytest.raises(MismatchError, match=r"stages\.json' is damaged"):
            folder.has("grouping.json")


@pytest.mark.parametrize("content", ["= nonsense", "[settings]\n", "\x00\xff"])
def test_a_damaged_record_is_refused_by_name(tmp_path: Path, content: str) -> None:
    folder = _folder(tmp_path)
    folder.path.mkdir()
    (folder.path / "run.toml").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"run\.toml"):
        folder.refuse_unfit()


def test_a_full_disk_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"), _folder(tmp_path).opened():
        pass
    assert not list(tmp_path.iterdir())
