"""Makes measured truth: trains subsets with several seeds and keeps all their losses, those on test rows too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cotrain import checks, files
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.cost import Cost
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """Losses of subsets that were trained, seed by seed.

    Parameters
    ----------
    tasks
        Task names, in column order.
    mask
        Boolean ``(subsets, tasks)``: who trained together.
    validation_loss, test_loss
        ``(seeds, subsets, tasks)``, lower is better; NaN where a task was not trained.
    test_metric
        ``(seeds, subsets, tasks)`` of each task's own metric.
    cost
        Of all trainings.
    """

    tasks: tuple[str, ...]
    mask: NDArray[np.bool_]
    validation_loss: Floats
    test_loss: Floats
    test_metric: Floats
    cost: Cost = field(default_factory=Cost)

    def __repr__(self) -> str:
        seeds, subsets, tasks = self.validation_loss.shape
        return f"Measured({subsets} subsets of {tasks} tasks, {seeds} seeds)"

    def losses(self, split: Literal["validation", "test"] = "validation") -> SubsetLosses:
        """Return the means over seeds with their standard errors (NaN for a single seed)."""
        loss = self.validation_loss if split == "validation" else self.test_loss
        return SubsetLosses.from_seeds(self.tasks, self.mask, loss)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save as an NPZ archive that :func:`cotrain.evaluation.truth.read_truth` reads."""
        checks.one_of("path", Path(path).suffix, (".npz",))
        files.refuse_overwriting(Path(path), overwrite=overwrite)
        arrays: dict[str, Any] = {
            "tasks": np.array(self.tasks), "mask": self.mask, "val_loss": self.validation_loss,
            "test_loss": self.test_loss, "test_metric": self.test_metric, "flops": np.float64(self.cost.flops),
            "seconds": np.float64(self.cost.seconds), "trainings": np.int64(self.cost.trainings),
        }  # fmt: skip
        files.write_atomically(Path(path), lambda stream: np.savez_compressed(stream, **arrays))


def measure_subsets(trainer: Trainer, mask: NDArray[np.bool_], *, seeds: Sequence[int] = range(5)) -> Measured:
    """Train every subset with every seed and return all losses: the truth that estimates are scored against.

    Small networks train many at once (see :meth:`Trainer.fit_many`). Where the trainer keeps a folder, a killed
    measurement goes on where it was.

    Parameters
    ----------
    trainer
        Of the problem that is measured.
    mask
        Boolean ``(subsets, tasks)`` in the problem's order of tasks.
    seeds
        Of the networks; the same for all subsets, so that differences between subsets are paired.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> measured = measure_subsets(Trainer(problem), np.eye(3, dtype=bool), seeds=[0])
    >>> measured, measured.cost.trainings
    (Measured(3 subsets of 3 tasks, 1 seeds), 3)
    """
    names = trainer.problem.names
    subsets = [trainer.problem.subset(np.array(names)[row].tolist()) for row in mask]
    shape = (len(seeds), *mask.shape)
    found = Measured(names, mask, np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan))
    jobs = [(subset, seed) for seed in seeds for subset in subsets]
    cost = Cost()
    for number, fit in enumerate(trainer.fit_many(jobs)):
        _enter(found, np.unravel_index(number, shape[:2]), trainer, fit)
        cost += fit.cost
    return Measured(names, mask, found.validation_loss, found.test_loss, found.test_metric, cost)


def _enter(found: Measured, place: tuple[np.intp, ...], trainer: Trainer, fit: Fit) -> None:
    columns = [found.tasks.index(name) for name in fit.subset]
    test = trainer.evaluate(fit, "test")
    found.validation_loss[place][columns] = fit.validation_loss
    found.test_loss[place][columns] = test.loss
    found.test_metric[place][columns] = test.metric
