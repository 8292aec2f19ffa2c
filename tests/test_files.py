"""Files are whole or absent, and never overwritten unasked."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from cotrain import files
from cotrain.errors import InputError


def test_a_failing_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fail(stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_archives_keep_arrays_and_header(tmp_path: Path) -> None:
    arrays = {"x": np.arange(6).reshape(2, 3), "names": np.array(["é", "b"])}
    files.save_archive(tmp_path / "a.npz", "Thing", {"n": 3, "texts": ["<b>"]}, arrays, overwrite=False)
    header, loaded = files.load_archive(tmp_path / "a.npz", "Thing")
    assert header == {"n": 3, "texts": ["<b>"]}
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_truncated_archives_are_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.npz"
    files.save_archive(path, "Thing", {}, {"x": np.arange(100)}, overwrite=False)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged or of another kind"):
        files.load_archive(path, "Thing")


def test_existing_files_stay_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    files.save_archive(path, "Thing", {"n": 1}, {}, overwrite=False)
    with pytest.raises(InputError, match="overwrite=True"):
        files.save_archive(path, "Thing", {"n": 2}, {}, overwrite=False)
    assert files.load_archive(path, "Thing")[0] == {"n": 1}
    files.save_archive(path, "Thing", {"n": 2}, {}, overwrite=True)
    assert files.load_archive(path, "Thing")[0] == {"n": 2}
