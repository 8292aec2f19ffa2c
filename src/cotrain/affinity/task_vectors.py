"""Task vectors: whether training for one task moves the shared weights the way training for another does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.checkpoint_vectors import Checkpoint, Weights, common_names, cosines, open_checkpoints
from cotrain.affinity.fine_tuning import fine_tune
from cotrain.affinity.replicates import mean_over_seeds
from cotrain.affinity.shared_parameters import shared_parameters
from cotrain.cost import Cost
from cotrain.errors import InputError
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

_CITATION = (
    "@inproceedings{ilharco2023editing, title={Editing Models with Task Arithmetic}, author={Ilharco, Gabriel and "
    "Ribeiro, Marco Tulio and Wortsman, Mitchell and Gururangan, Suchin and Schmidt, Ludwig and Hajishirzi, Hannaneh "
    "and Farhadi, Ali}, booktitle={ICLR}, year={2023}}"
)
_UNIT = "cosine"


@dataclass(frozen=True)
class TaskVectors:
    r"""Compare what short fine-tunings on single tasks do to the weights that tasks share.

    From a base network trained on all tasks, a copy is trained further on each task alone. The task vector is what that
    changed, :math:`\tau_i = \theta_i - \theta_0` over shared parameters, and

    .. math:: A_{ij} = \frac{\tau_i \cdot \tau_j}{\|\tau_i\| \|\tau_j\|}.

    It sees where tasks want the shared weights to go, momentum, batches and curvature included. It is symmetric: who
    gains from whom is out of sight. Networks that were fine-tuned elsewhere are compared without any training, with
    ``checkpoints`` or :func:`compare_checkpoints`.

    Parameters
    ----------
    bases
        Base networks (seeds) to average over; they give the standard errors.
    epochs
        Of each fine-tuning, at most: the weights at the best validation loss count.
    checkpoints
        By task, safetensors files of fine-tuned networks or adapters; then nothing is trained. Pickles are never read.
    base
        The file they all started from; without one, tensors are taken as changes already, as adapters are.
    exclude
        Patterns of names in the files that are left out, such as ``("classifier.*",)``: heads that happen to have one
        shape are not shared.

    Notes
    -----
    The diagonal is zero: a task is no partner of itself.

    Cost: per base one training and, for each task, ``epochs`` passes over its rows; small networks fine-tune all at
    once. Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> affinity = TaskVectors(bases=1, epochs=1).estimate(problem, Trainer(problem))
    >>> affinity.unit, affinity.cost.trainings
    ('cosine', 4)
    """

    name: ClassVar[str] = "task-vectors"
    citation: ClassVar[str] = _CITATION

    bases: int = 3
    epochs: int = 3
    checkpoints: Mapping[str, str | Path] | None = None
    base: str | Path | None = None
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks.at_least("bases", self.bases, 1)
        checks.at_least("epochs", self.epochs, 1)
        if self.base is not None and self.checkpoints is None:
            raise InputError("`base` is the file that `checkpoints` started from. Found no `checkpoints`: give both.")

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return cosines; base networks train with seeds ``seed, seed + 1, ...``.

        Raises
        ------
        InputError
            When ``checkpoints`` lack a task, cannot be read, or have nothing in common.
        """
        if self.checkpoints is not None:
            _refuse_missing(self.checkpoints, problem.names)
            chosen = {name: self.checkpoints[name] for name in problem.names}
            return compare_checkpoints(chosen, self.base, exclude=self.exclude)
        by_name = problem.with_tasks(problem.subset(problem.names))
        names = shared_parameters(by_name)
        once = np.ones((len(problem.tasks), len(problem.tasks)), dtype=np.int64)
        found, cost = [], Cost()
        for own in range(seed, seed + self.bases):
            base = trainer.fit(by_name.names, seed=own)
            fits = fine_tune(by_name, trainer, base, epochs=self.epochs)
            start, *moved = (Weights.of(dict(fit.network.named_parameters())) for fit in (base, *fits))
            found.append((cosines(moved, start, names), once))
            cost = sum((fit.cost for fit in fits), cost + base.cost)
        aggregate = mean_over_seeds(found)
        result = Affinity(by_name.names, *aggregate, self.name, _UNIT, None, cost, (), self.citation)
        return result.with_tasks(problem.names)


def compare_checkpoints(
    checkpoints: Mapping[str, Checkpoint], base: Checkpoint | None = None, *, exclude: Sequence[str] = ()
) -> Affinity:
    """Return the cosines between the task vectors of networks or adapters that exist already.

    Parameters
    ----------
    checkpoints
        By task: safetensors files or state dicts. Pairs of tensors named ``lora_A`` and ``lora_B`` count as their
        product.
    base
        What they all started from; without one, tensors are taken as changes already.
    exclude
        Patterns of names that are left out.

    Raises
    ------
    InputError
        When a checkpoint cannot be read, they have nothing in common, or one does not differ from the base.

    Examples
    --------
    >>> import torch
    >>> base, right, up = torch.zeros(2), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])
    >>> affinity = compare_checkpoints({"a": {"w": right}, "b": {"w": up}}, {"w": base})
    >>> affinity.matrix.round(2).tolist()
    [[0.0, 0.71], [0.71, 0.0]]
    """
    if not checkpoints:
        raise InputError("`checkpoints` must hold at least one task. Found none.")
    tasks = tuple(checkpoints)
    with open_checkpoints(checkpoints, base) as (opened, start):
        matrix = cosines(list(opened.values()), start, common_names(opened, start, exclude))
    still = [name for name, value in zip(tasks, matrix.diagonal(), strict=True) if np.isnan(value)]
    if still:
        raise InputError(f"`checkpoints` must differ from the base. Found no difference for {still}.")
    aggregate = mean_over_seeds([(matrix, np.ones(matrix.shape, dtype=np.int64))])
    return Affinity(tasks, *aggregate, TaskVectors.name, _UNIT, citation=_CITATION)


def _refuse_missing(checkpoints: Mapping[str, str | Path], names: Sequence[str]) -> None:
    missing = [name for name in names if name not in checkpoints]
    if missing:
        raise InputError(f"`checkpoints` must hold a file for every task. Missing: {missing}.")
