"""What users hand over as texts, brought into one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import InputError
from cotrain.problem.problem import SPLITS

Text: TypeAlias = str | tuple[str, str]
"""A text, or two that belong together."""


@dataclass(frozen=True, eq=False)
class OwnTexts:
    """Texts of one task, what is to be predicted of each and, where given, split codes."""

    texts: list[Text]
    labels: list[Any]
    split: NDArray[np.int8] | None


def read_own_texts(name: str, part: Any, columns: tuple[str, str]) -> OwnTexts:
    """Return one task's data.

    Raises
    ------
    InputError
        When it has another form, or a text is none.
    """
    if not (isinstance(part, Mapping) and set(part) & set(SPLITS)):
        texts, labels = _texts_and_labels(name, part, columns)
        return OwnTexts(texts, labels, None)
    if set(part) != set(SPLITS):
        raise InputError(f"`data` of task '{name}' must hold {', '.join(SPLITS)}. Found {sorted(map(str, part))}.")
    pairs = [_texts_and_labels(name, part[split], columns) for split in SPLITS]
    codes = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [len(texts) for texts, _ in pairs])
    return OwnTexts([text for texts, _ in pairs for text in texts], [one for _, own in pairs for one in own], codes)


def _texts_and_labels(name: str, part: Any, columns: tuple[str, str]) -> tuple[list[Text], list[Any]]:
    if isinstance(part, tuple | list):
        if len(part) != 2:
            raise InputError(f"`data` of task '{name}' must be (texts, labels). Found {len(part)} parts.")
        texts, labels = (list(each) for each in part)
    else:
        texts, labels = (_column(name, part, column) for column in columns)
    if len(texts) != len(labels):
        raise InputError(
            f"`data` of task '{name}' must have as many labels as texts. Found {len(labels)} and {len(texts)}."
        )
    return [_text(name, row, text) for row, text in enumerate(texts)], labels


def _column(name: str, part: Any, column: str) -> list[Any]:
    try:
        return list(part[column])
    except (KeyError, TypeError, ValueError, IndexError):
        known = getattr(part, "column_names", None) or getattr(part, "columns", None) or sorted(map(str, part))
        raise InputError(
            f"`data` of task '{name}' must be (texts, labels) or have a column '{column}'. Found {list(known)}. "
            "Name yours in `columns`."
        ) from None


def _text(name: str, row: int, text: Any) -> Text:
    if isinstance(text, str):
        return text
    if isinstance(text, Sequence) and len(text) == 2 and all(isinstance(part, str) for part in text):
        return text[0], text[1]
    raise InputError(
        f"`data` of task '{name}' must hold texts, or pairs of two. Found {type(text).__name__} in row {row + 1}."
    )
