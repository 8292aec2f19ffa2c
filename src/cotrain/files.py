"""Files that are either whole or absent, never half written, never overwritten unasked, never pickled."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import InputError

_HEADER = "header"


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file through ``write`` so that a crash or a full disk leaves the old content or none at all.

    Raises
    ------
    OSError
        As the operating system reports it (a full disk, a missing permission); no partial file is left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_atomically(path, lambda stream: stream.write(text.encode()))


def refuse_overwriting(path: Path, *, overwrite: bool) -> None:
    """Refuse a path that exists unless told to overwrite it."""
    if path.exists() and not overwrite:
        raise InputError(f"`path` exists already: '{path}'. Choose another or pass overwrite=True.")


def save_archive(
    path: str | Path, kind: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, overwrite: bool
) -> None:
    """Save arrays and a JSON header as one NPZ archive that :func:`load_archive` reads back."""
    path = Path(path)
    refuse_overwriting(path, overwrite=overwrite)
    text = np.frombuffer(json.dumps({"kind": kind, **header}).encode(), dtype=np.uint8)
    content: dict[str, Any] = {_HEADER: text, **arrays}
    write_atomically(path, lambda stream: np.savez_compressed(stream, **content))


def load_archive(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Load what :func:`save_archive` saved; refuse anything else.

    Raises
    ------
    InputError
        When the file is missing, damaged, or holds another kind of object.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header: dict[str, Any] = json.loads(arrays.pop(_HEADER).tobytes())
    except FileNotFoundError:
        raise InputError(f"`path` must be a saved {kind}. '{path}' does not exist.") from None
    except (OSError, ValueError, KeyError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"`path` must be a saved {kind}. '{path}' is damaged or of another kind ({error}).") from None
    if header.pop("kind", None) != kind:
        raise InputError(f"`path` must be a saved {kind}. '{path}' holds something else.")
    return header, arrays
