"""Gain models among the arrays of an archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from cotrain.affinity.surrogates.gain_model import GainModel
from cotrain.affinity.surrogates.gain_process import GainProcess
from cotrain.affinity.surrogates.indicator_models import KernelSurrogate, RidgeSurrogate

_KINDS: dict[str, type[GainModel]] = {
    GainProcess.kind: GainProcess,
    KernelSurrogate.kind: KernelSurrogate,
    RidgeSurrogate.kind: RidgeSurrogate,
}
_PREFIX = "model_"


def model_arrays(model: GainModel | None) -> dict[str, NDArray[Any]]:
    """Return a model's arrays under names of their own."""
    return {} if model is None else {f"{_PREFIX}{name}": array for name, array in model.to_arrays().items()}


def model_of(kind: str | None, arrays: Mapping[str, NDArray[Any]]) -> GainModel | None:
    """Return the model that an archive holds."""
    if kind is None:
        return None
    own = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)}
    return _KINDS[kind].from_arrays(own)
