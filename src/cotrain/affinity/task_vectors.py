"""Task vectors: whether training for one task moves the shared weights the way training for another does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.replicates import mean_over_seeds
from cotrain.affinity.shared_parameters import shared_parameters
from cotrain.affinity.vectors.checkpoint_vectors import Checkpoint, Weights, common_names, cosines, open_checkpoints
from cotrain.affinity.vectors.fine_tuning import fine_tune
from cotrain.cost import Cost
from cotrain.errors import InputError
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer
from cotrain.training.untrained import untrained

_CITATION = (
    "@inproceedings{ilharco2023editing, title={Editing Models with Task Arithmetic}, author={Ilharco, Gabriel and "
    "Ribeiro, Marco Tulio and Wortsman, Mitchell and Gururangan, Suchin and Schmidt, Ludwig and Hajishirzi, Hannaneh "
    "and Farhadi, Ali}, booktitle={ICLR}, year={2023}}"
)
_UNIT = "cosine"


@dataclass(frozen=True)
class TaskVectors:
    r"""Compare what short fine-tunings on single tasks do to the weights that tasks share.

    Copies of one network are trained for a few epochs, each on one task alone. The task vector is what that changed,
    :math:`\tau_i = \theta_i - \theta_0` over shared parameters, and

    .. math:: A_{ij} = \frac{\tau_i \cdot \tau_j}{\|\tau_i\| \|\tau_j\|}.

    It sees where tasks want the shared weights to go, momentum, batches and curvature included. It is symmetric: who
    gains from whom is out of sight. The network they start from must not have learned the tasks already: at one trained
    on all of them the pulls of all tasks sum to about zero, and even the best of partners point apart. Networks that
    were fine-tuned elsewhere are compared without any training, with ``checkpoints`` or :func:`compare_checkpoints`.

    Parameters
    ----------
    bases
        Networks to start from (seeds) to average over; they give the standard errors.
    epochs
        Of each fine-tuning, at most: the weights at the best validation loss count.
    start
        ``"built"``: the network of all tasks as the problem builds it, untrained or with a pre-trained encoder;
        ``"all-in-one"``: that network trained on all tasks.
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

    Cost: for each base and task ``epochs`` passes over the task's rows, all tasks at once where networks are small;
    with ``start="all-in-one"`` one training per base besides. Ilharco et al., "Editing Models with Task Arithmetic",
    ICLR 2023.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> affinity = TaskVectors(bases=1, epochs=1).estimate(problem, Trainer(problem))
    >>> affinity.unit, affinity.cost.trainings
    ('cosine', 3)
    """

    name: ClassVar[str] = "task-vectors"
    citation: ClassVar[str] = _CITATION

    bases: int = 3
    epochs: int = 3
    start: Literal["built", "all-in-one"] = "built"
    checkpoints: Mapping[str, str | Path] | None = None
    base: str | Path | None = None
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks.at_least("bases", self.bases, 1)
        checks.at_least("epochs", self.epochs, 1)
        checks.one_of("start", self.start, ("built", "all-in-one"))
        if self.base is not None and self.checkpoints is None:
            raise InputError("`base` is the file that `checkpoints` started from. Found no `checkpoints`: give both.")

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return cosines; networks start and train with seeds ``seed, seed + 1, ...``.

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
        once = np.ones((len(problem.tasks), len(problem.tasks)), dtype=np.int64)
        found, cost = [], Cost()
        for own in range(seed, seed + self.bases):
            matrix, spent = self._from_base(by_name, trainer, own)
            found.append((matrix, once))
            cost += spent
        result = Affinity(by_name.names, *mean_over_seeds(found), self.name, _UNIT, None, cost, (), self.citation)
        return result.with_tasks(problem.names)

    def _from_base(self, problem: Problem, trainer: Trainer, seed: int) -> tuple[NDArray[np.float64], Cost]:
        start, cost = untrained(problem, (problem.names, seed), trainer.device), Cost()
        if self.start == "all-in-one":
            fit = trainer.fit(problem.names, seed=seed)
            start, cost = fit.network, fit.cost
        label = f"fine-tuned-{self.epochs}-epochs-from-{self.start}/seed-{seed}"
        fits = fine_tune(problem, trainer, start, problem.names, epochs=self.epochs, seed=seed, label=label)
        base, *moved = (Weights.of(dict(each.named_parameters())) for each in (start, *(fit.network for fit in fits)))
        return cosines(moved, base, shared_parameters(problem)), sum((fit.cost for fit in fits), cost)


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
