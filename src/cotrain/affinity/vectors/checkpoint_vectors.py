"""Weights that a task changed, from networks in memory or safetensors files, compared one tensor at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cotrain.checks import Findings
from cotrain.errors import InputError

Checkpoint: TypeAlias = str | Path | Mapping[str, Tensor]
"""A safetensors file, or named tensors such as a state dict."""
_DOWN, _UP = "lora_A", "lora_B"


@dataclass(frozen=True, eq=False)
class Weights:
    """Named tensors that may lie in a file until they are asked for."""

    shapes: Mapping[str, tuple[int, ...]]
    get: Callable[[str], Tensor]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Weights:
        """Wrap tensors in memory; those that are not floating-point numbers are no weights."""
        chosen = {name: value for name, value in tensors.items() if value.is_floating_point()}
        return cls({name: tuple(value.shape) for name, value in chosen.items()}, lambda name: chosen[name].detach())


@contextmanager
def open_checkpoints(
    checkpoints: Mapping[str, Checkpoint], base: Checkpoint | None
) -> Iterator[tuple[dict[str, Weights], Weights | None]]:
    """Open checkpoints by task, and their base; all that cannot be read are reported together. Nothing is unpickled."""
    with ExitStack() as stack:
        found, opened, start = Findings(), {}, None
        for name, checkpoint in checkpoints.items():
            with found.gather():
                opened[name] = _open("checkpoints", checkpoint, stack)
        with found.gather():
            start = None if base is None else _open("base", base, stack)
        found.refuse()
        yield opened, start


def cosines(tasks: Sequence[Weights], base: Weights | None, names: Iterable[str]) -> NDArray[np.float64]:
    """Return the cosines between the changes of all tasks, over the tensors ``names``.

    A pair of low-rank factors counts as their product, without forming it: factors themselves are arbitrary up to a
    change of basis. Other tensors count as their difference from the base, or as they are without one.

    Cost: ``tasks ** 2`` products of the length of the vectors; one tensor of every task is held at a time.
    """
    gram = torch.zeros(len(tasks), len(tasks), dtype=torch.float64)
    for name in names:
        if _is_low_rank(name, tasks):
            if _DOWN in name:
                gram += _low_rank_products([(task.get(name), task.get(name.replace(_DOWN, _UP))) for task in tasks])
        else:
            start = 0.0 if base is None else base.get(name).double()
            changes = torch.stack([(task.get(name).double() - start).flatten() for task in tasks])
            gram += changes @ changes.T
    lengths = gram.diagonal().sqrt()
    return (gram / torch.outer(lengths, lengths)).numpy()


def common_names(tasks: Mapping[str, Weights], base: Weights | None, exclude: Sequence[str]) -> list[str]:
    """Return the names of the tensors to compare: those that all tasks (and the base) have in the same shape.

    Raises
    ------
    InputError
        When there is none.
    """
    everyone = [*tasks.values(), *([] if base is None else [base])]
    first = everyone[0].shapes
    names = [name for name in first if all(other.shapes.get(name) == first[name] for other in everyone)]
    names += [name for name in first if name not in names and _is_low_rank(name, list(tasks.values()))]
    names = [name for name in names if not any(fnmatchcase(name, pattern) for pattern in exclude)]
    if not names:
        raise InputError(
            "`checkpoints` must have tensors of the same name and shape in common. Found none: are they of one network?"
        )
    return names


def _is_low_rank(name: str, tasks: Sequence[Weights]) -> bool:
    """Return whether all tasks hold both factors; their ranks may differ, and a base need not have them."""
    pair = (name.replace(_UP, _DOWN), name.replace(_DOWN, _UP))
    return pair[0] != pair[1] and all(factor in task.shapes for task in tasks for factor in pair)


def _low_rank_products(factors: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the inner products of ``up @ down`` of all tasks, from products of the size of the rank."""
    products = torch.zeros(len(factors), len(factors), dtype=torch.float64)
    for i, (down, up) in enumerate(factors):
        for j, (other_down, other_up) in enumerate(factors):
            ups = up.flatten(1).double().T @ other_up.flatten(1).double()
            products[i, j] = (ups * (down.flatten(1).double() @ other_down.flatten(1).double().T)).sum()
    return products


def _open(parameter: str, checkpoint: Checkpoint, stack: ExitStack) -> Weights:
    if isinstance(checkpoint, Mapping):
        return Weights.of(checkpoint)
    path = Path(checkpoint)
    if not path.is_file():
        raise InputError(f"`{parameter}` must name existing files. '{path}' does not exist.")
    try:
        file = stack.enter_context(safe_open(path, framework="pt"))
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"`{parameter}` must name safetensors files; pickles are never read. '{path}' is not one ({error}). "
            "Convert it with safetensors.torch.save_file."
        ) from None
    slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    weights = {key: part for key, part in slices.items() if part.get_dtype().startswith(("F", "BF"))}
    return Weights({key: tuple(part.get_shape()) for key, part in weights.items()}, file.get_tensor)
