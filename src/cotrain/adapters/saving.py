"""Save trained groups as standard PEFT adapters."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import cast

from safetensors.torch import save_file

from cotrain import files
from cotrain.adapters.routes import Routes
from cotrain.errors import InputError
from cotrain.evaluation.trained import TrainedGroups
from cotrain.models.text import AdaptedNetwork, TextFactory
from cotrain.models.text.encoder import EncoderNetwork
from cotrain.problem.problem import Problem

HEADS = "heads.safetensors"


def save_adapters(trained: TrainedGroups, problem: Problem, folder: str | Path, *, seed: int | None = None) -> Path:
    """Save one adapter per group in a new folder, as peft and whatever reads its adapters know them.

    Every group becomes a folder ``group-0``, ``group-1``, ... with ``adapter_config.json`` and
    ``adapter_model.safetensors``, and ``heads.safetensors`` where labels are predicted; ``routes.json`` tells which
    group serves a task. The frozen model is not saved.

    Parameters
    ----------
    trained
        What :func:`cotrain.train` returned.
    problem
        The one that was trained, read by ``Problem.from_texts``.
    folder
        Must not exist; it appears when all of it has been written.
    seed
        Whose networks; the first by default.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        When the folder exists, the problem is not one of texts, or nothing was trained with that seed.
    """
    folder = Path(folder)
    files.refuse_overwriting(folder, overwrite=False)
    factory = problem.build
    if not isinstance(factory, TextFactory):
        raise InputError("`problem` must be one that Problem.from_texts read: only its networks have adapters.")
    seed = next(iter(trained.fits)) if seed is None else seed
    if seed not in trained.fits:
        raise InputError(f"`seed` must be one of {list(trained.fits)}, the seeds that were trained. Found {seed}.")
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        for position, fit in enumerate(trained.fits[seed]):
            _save_group(cast(AdaptedNetwork, fit.network), unfinished / Routes.adapter(position))
        _routes(trained, problem, factory).save(unfinished)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _save_group(network: AdaptedNetwork, folder: Path) -> None:
    network.backbone.save_pretrained(str(folder), save_embedding_layers=False)  # type: ignore[operator]
    if isinstance(network, EncoderNetwork):
        heads = {name: value.detach().cpu().contiguous() for name, value in network.heads.state_dict().items()}
        save_file(heads, folder / HEADS)


def _routes(trained: TrainedGroups, problem: Problem, factory: TextFactory) -> Routes:
    return Routes(
        form=factory.backbone.form,
        max_length=problem.recipe["max_length"],
        pooling=factory.pooling,
        digest=factory.backbone.digest,
        groups=trained.grouping.groups,
        serving=dict(trained.grouping.serving),
        tasks={task.name: task for task in problem.tasks},
    )
