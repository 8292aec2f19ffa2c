"""A grouping after training: its networks and the verdict on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from cotrain import checks, files
from cotrain.affinity.affinity import Affinity
from cotrain.cost import Cost
from cotrain.errors import InputError
from cotrain.evaluation.verdict import Verdict
from cotrain.grouping.grouping import Grouping
from cotrain.problem.problem import Problem
from cotrain.problem.task import Subset, Task
from cotrain.training.fit import Fit
from cotrain.training.ledger import Ledger
from cotrain.training.serving import Service
from cotrain.training.untrained import untrained

_ABOUT, _GROUPING, _VERDICT, _AFFINITY = "trained.json", "grouping.json", "verdict.npz", "affinity.npz"


@dataclass(frozen=True, eq=False)
class TrainedGroups:
    """The outcome of :func:`cotrain.train`.

    Parameters
    ----------
    name
        The problem's name.
    grouping
        Who trained with whom.
    verdict
        Whether it paid off, on test data.
    fits
        Seed -> one fit per group, in the order of ``grouping.groups``.
    estimate
        The affinity the grouping came from, where there was one.
    cost
        What all arms cost together.
    settings
        Everything needed to replay the run, as plain values: options, seeds, versions, device, data fingerprint.
    """

    name: str
    grouping: Grouping
    verdict: Verdict
    fits: Mapping[int, tuple[Fit, ...]]
    estimate: Affinity | None = None
    cost: Cost = field(default_factory=Cost)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"TrainedGroups({self.name!r}: {len(self.grouping.groups)} groups, {self.verdict.advice})"

    def _repr_html_(self) -> str:
        html: str = self.to_frame().to_html(index=False, escape=True, float_format="{:.4g}".format)
        return f"<p>{escape(self.verdict.sentence)}</p>{html}"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per task: loss and metric of every arm; see :meth:`Verdict.to_frame`."""
        return self.verdict.to_frame()

    def service(self, problem: Problem, *, seed: int | None = None) -> Service:
        """Return the networks of one seed (the first by default) as one, to call, save or export.

        Parameters
        ----------
        problem
            The one that was trained: its tasks say what outputs mean.
        seed
            One of those trained.
        """
        chosen = next(iter(self.fits)) if seed is None else seed
        checks.one_of("seed", str(chosen), tuple(map(str, self.fits)))
        groups = [problem.tasks_of(fit.subset) for fit in self.fits[chosen]]
        return Service(groups, [fit.network for fit in self.fits[chosen]], self.grouping.serving)

    def predict(self, problem: Problem, rows: Any, *, seed: int | None = None) -> pd.DataFrame:
        """Return predictions for new rows, one column per task, each from the network that serves it.

        Probabilities of a 1, names of classes (their codes where the data had none), values in their own unit.

        Parameters
        ----------
        problem
            The one that was trained.
        rows
            As the problem's reader took them (a table with the same columns, say); tensors where it had no encoder.
        seed
            As in :meth:`service`.
        """
        inputs = rows if problem.encoder is None else torch.from_numpy(problem.encoder.transform(rows))
        service = self.service(problem, seed=seed)
        found = service.predict(inputs)
        return pd.DataFrame({task.name: _column(task, found[task.name]) for task in service.tasks})

    def save(self, folder: str | Path, problem: Problem) -> None:
        """Save verdict, grouping, estimate and the networks (as safetensors) in a new folder.

        Parameters
        ----------
        folder
            Must not exist.
        problem
            The one that was trained; the files of the networks name it.
        """
        folder = Path(folder)
        files.refuse_overwriting(folder, overwrite=False)
        folder.mkdir(parents=True)
        ledger = Ledger(folder, problem)
        for seed, fits in self.fits.items():
            for fit in fits:
                fresh = untrained(problem, (fit.subset, seed), torch.device("cpu"))
                ledger.record(fit, ledger.origin(fit.subset, seed, fresh))
        self.grouping.save(folder / _GROUPING)
        self.verdict.save(folder / _VERDICT)
        if self.estimate is not None:
            self.estimate.save(folder / _AFFINITY)
        about = {"name": self.name, "seeds": list(self.fits), "cost": self.cost.to_dict(), "settings": self.settings}
        files.write_text(folder / _ABOUT, json.dumps(about, indent=2, default=str))

    @classmethod
    def load(cls, folder: str | Path, problem: Problem) -> TrainedGroups:
        """Load what :meth:`save` saved; ``problem`` builds the networks again.

        Raises
        ------
        InputError
            When the folder does not hold trained groups, or a file is damaged.
        MismatchError
            When the networks belong to another problem.
        """
        folder = Path(folder)
        try:
            about = json.loads((folder / _ABOUT).read_text())
            name, seeds, cost, settings = (about[key] for key in ("name", "seeds", "cost", "settings"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"`folder` must hold saved trained groups. '{folder}' does not ({error}).") from None
        grouping = Grouping.load(folder / _GROUPING)
        fits = {seed: tuple(_fit(folder, problem, group, seed) for group in grouping.groups) for seed in seeds}
        estimate = Affinity.load(folder / _AFFINITY) if (folder / _AFFINITY).exists() else None
        return cls(name, grouping, Verdict.load(folder / _VERDICT), fits, estimate, Cost(**cost), settings)


def _column(task: Task, predicted: Tensor) -> Any:
    if task.kind != "multiclass":
        return predicted.cpu().numpy()
    codes = predicted.argmax(dim=1).tolist()
    return [task.labels[code] for code in codes] if task.labels else codes


def _fit(folder: Path, problem: Problem, group: Subset, seed: int) -> Fit:
    fit = Ledger(folder, problem).recall(group, seed, untrained(problem, (group, seed), torch.device("cpu")))
    if fit is None:
        raise InputError(f"`folder` must hold the network of {', '.join(group)} (seed {seed}). '{folder}' does not.")
    return fit
