"""The verbs: estimate, group, train, report, measure, evaluate. Each picks what does it, returns a plain result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cotrain import checks
from cotrain._version import __version__
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.base import Estimator
from cotrain.affinity.design import truth_design
from cotrain.affinity.registry import ESTIMATORS
from cotrain.errors import InputError
from cotrain.evaluation.judge import judge
from cotrain.evaluation.measured import Measured, measure_subsets
from cotrain.evaluation.scores import evaluate
from cotrain.evaluation.trained import TrainedGroups
from cotrain.grouping.base import Grouper
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.registry import AUTO, GROUPERS, default_grouper
from cotrain.grouping.suggest import suggest
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cotrain.training.callbacks import Callback
    from cotrain.training.progress import Progress

__all__ = ["environment", "estimate", "evaluate", "group", "measure", "report", "suggest", "train"]


def estimate(
    problem: Problem,
    *,
    method: str | Estimator = "calibrated",
    seed: int = 0,
    folder: str | Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Affinity:
    """Estimate how much each task helps or hurts each other task, from training and validation rows.

    Parameters
    ----------
    problem
        What is learned.
    method
        Name of an estimator, or an estimator with parameters of your own.
    seed
        Same seed, same result.
    folder
        Where finished networks are kept, so that a killed run resumes; nothing is kept by default.
    device
        Where networks train.
    progress
        Told about each step done.

    Examples
    --------
    >>> import cotrain
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> estimator = cotrain.affinity.GradTAG(bases=1, projection_dim=16)
    >>> cotrain.estimate(problem, method=estimator).tasks
    ('even', 'prime', 'loop')
    """
    if isinstance(method, str):
        checks.one_of("method", method, tuple(ESTIMATORS))
        method = ESTIMATORS[method]()
    trainer = Trainer(problem, folder=_path(folder), device=device, progress=progress)
    return method.estimate(problem, trainer, seed=seed)


def group(affinity: Affinity, *, networks: int | None = None, method: str | Grouper = "auto") -> Grouping:
    """Choose which tasks train together.

    Parameters
    ----------
    affinity
        Who helps whom.
    networks
        How many networks may be deployed at most; by default as many as tasks. Average density takes fewer where
        held-out subset losses favour them; clusterers take it as their number of clusters.
    method
        Name of a grouper, or a grouper with parameters of your own (then ``networks`` is the grouper's business).
        ``"auto"``: network selection where the affinity predicts the gains of any subset, else average density.

    Examples
    --------
    >>> import cotrain
    >>> affinity = cotrain.Affinity.from_matrix("abc", [[0, 0.2, -0.1], [0.1, 0, -0.2], [-0.1, -0.3, 0]])
    >>> cotrain.group(affinity, networks=2).groups
    (('a', 'b'), ('c',))
    """
    if networks is not None:
        checks.within("networks", networks, 1, len(affinity.tasks))
    if method == AUTO:
        return default_grouper(affinity, networks).group(affinity)
    if isinstance(method, str):
        checks.one_of("method", method, (AUTO, *GROUPERS))
        return GROUPERS[method](networks=networks).group(affinity)
    if networks is not None:
        raise InputError("`networks` belongs in the constructor of a grouper that you pass as `method`. Give it there.")
    return method.group(affinity)


def train(
    problem: Problem,
    grouping: Grouping,
    *,
    seeds: int = 5,
    first_seed: int = 0,
    random_draws: int = 10,
    estimate: Affinity | None = None,
    folder: str | Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    watchers: Sequence[Callback] = (),
) -> TrainedGroups:
    """Train the groups beside all-in-one, one network per task and random groups, and judge them on test rows.

    Parameters
    ----------
    problem
        What is learned.
    grouping
        The chosen groups; must serve every task that is not a helper.
    seeds
        Networks per group, paired over the alternatives; five give an interval worth reading.
    first_seed
        The seeds are ``first_seed, first_seed + 1, ...``.
    random_draws
        Random groupings of the same sizes, each trained with every seed.
    estimate
        The affinity the grouping came from; the report sets it beside what was measured.
    folder, device, progress
        As in :func:`estimate`.
    watchers
        Hear of every training, such as :class:`cotrain.training.TensorBoardWriter`.

    Examples
    --------
    >>> import cotrain
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> grouping = cotrain.Grouping.from_groups([["even", "prime"], ["loop"]])
    >>> trained = cotrain.train(problem, grouping, seeds=2, random_draws=1)
    >>> sorted(trained.verdict.arms)
    ['all-in-one', 'chosen', 'one-per-task', 'random']
    """
    checks.at_least("seeds", seeds, 1)
    checks.at_least("random_draws", random_draws, 1)
    refuse_unserved(problem, grouping)
    trainer = Trainer(problem, folder=_path(folder), device=device, progress=progress, watchers=watchers)
    chosen = range(first_seed, first_seed + seeds)
    judged = judge(trainer, grouping, seeds=chosen, random_draws=random_draws)
    settings = {**environment(problem, device), "seeds": list(chosen), "random_draws": random_draws}
    return TrainedGroups(problem.name, grouping, judged.verdict, judged.fits, estimate, judged.cost, settings)


def measure(
    problem: Problem,
    *,
    pairs: int | None = 100,
    larger: int = 100,
    seeds: int = 8,
    first_seed: int = 100,
    folder: str | Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Measured:
    """Train many subsets with many seeds: the truth to judge estimates by, with :func:`evaluate`.

    Parameters
    ----------
    problem
        What is learned.
    pairs
        Most pairs; None: all of them.
    larger
        Subsets of three tasks or more. Every task alone and all together come on top.
    seeds
        Networks per subset. Gains of small data sets hardly repeat from seed to seed: eight are few.
    first_seed
        Far from the seeds of estimates by default, so that nothing is scored against itself.
    folder, device, progress
        As in :func:`estimate`; a killed measurement goes on from its folder.

    Examples
    --------
    >>> import cotrain
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> cotrain.measure(problem, pairs=0, seeds=1)
    Measured(4 subsets of 3 tasks, 1 seeds)
    """
    checks.at_least("seeds", seeds, 1)
    checks.at_least("larger", larger, 0)
    if pairs is not None:
        checks.at_least("pairs", pairs, 0)
    mask = truth_design(problem.names, pairs=pairs, larger=larger, seed=first_seed)
    trainer = Trainer(problem, folder=_path(folder), device=device, progress=progress)
    return measure_subsets(trainer, mask, seeds=range(first_seed, first_seed + seeds))


def report(trained: TrainedGroups, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write one self-contained HTML page that opens offline; see :func:`cotrain.reporting.page.report`."""
    from cotrain.reporting.page import report as write

    return write(trained, path, overwrite=overwrite)


def environment(problem: Problem, device: str) -> dict[str, Any]:
    """Return what a result depends on besides its options: versions, device, data."""
    return {
        "cotrain": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": device,
        "data": problem.fingerprint,
        "training": problem.training.to_dict(),
    }


def _path(folder: str | Path | None) -> Path | None:
    return None if folder is None else Path(folder)


def refuse_unserved(problem: Problem, grouping: Grouping) -> None:
    """Refuse a grouping that leaves a task of the problem out or holds others."""
    unserved = sorted(set(problem.served) - set(grouping.serving))
    unknown = sorted(set(grouping.tasks) - set(problem.names))
    if unserved or unknown:
        raise InputError(
            "`grouping` must serve every task of the problem and know no others. "
            f"Not served: {unserved or 'none'}; unknown: {unknown or 'none'}."
        )
