"""Influence: what a little weight on one task's rows does to another task's validation loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import pandas as pd

from cotrain import checks
from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.design import singles_and_all
from cotrain.affinity.linear.linearised import linearise
from cotrain.affinity.linear.one_step import Around, OneStep
from cotrain.affinity.replicates import mean_over_seeds
from cotrain.cost import Cost, measure
from cotrain.gradients.choose_basis import BasisKind
from cotrain.problem.problem import Problem
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer


@dataclass(frozen=True)
class Influence:
    r"""Differentiate a task's validation loss by the weight of another task in its training.

    Around a base network trained on all tasks every row is linear in the update ``w``, as in
    :class:`~cotrain.affinity.grad_tag.GradTAG`, and one Newton step with the Gauss-Newton Hessian fits any weighting of
    the tasks. Influence is the relative fall of the loss per share of the weight that moves to task ``i``,

    .. math:: A_{ji} = -\frac{\partial \log L_j(w((1 - \varepsilon) a + \varepsilon e_i))}{\partial \varepsilon}
                     = \frac{\nabla L_j^\top H^{-1} (r_i - r)}{L_j}

    with :math:`r_i` the mean training gradient of task ``i`` after the step, ``r`` that of the weighting ``a``, and
    ``H`` the Hessian of ``a`` plus a ridge. Nothing is fitted per pair, and :meth:`rows` tells which training rows an
    influence comes from.

    It is a slope at one point: partners that help at first and crowd a task out later are not told apart.

    Parameters
    ----------
    bases
        Base networks (seeds) to average over; they give the standard errors.
    around
        The weighting ``a``: ``"alone"`` asks what the first rows of task ``i`` do to task ``j`` trained alone,
        ``"all"`` what more weight on task ``i`` does where all tasks train together.
    projection_dim, basis
        As in :class:`~cotrain.affinity.grad_tag.GradTAG`.
    strength
        Ridge strength relative to the mean curvature; chosen on validation rows by default.

    Notes
    -----
    The diagonal is zero: a task is no partner of itself.

    Cost: one training and one gradient per row, task and base; then one factorisation of a ``d x d`` matrix per task.
    Koh and Liang, "Understanding Black-box Predictions via Influence Functions", ICML 2017; between tasks: Tu, Liu, Ma
    and Tang, arXiv 2505.21438.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> estimator, trainer = Influence(bases=1, projection_dim=16), Trainer(problem)
    >>> estimator.estimate(problem, trainer).unit
    'gain per share'
    >>> estimator.rows(problem, trainer, source="loop", target="even").columns.tolist()
    ['row', 'label', 'influence']
    """

    name: ClassVar[str] = "influence"
    citation: ClassVar[str] = (
        "@inproceedings{koh2017understanding, title={Understanding Black-box Predictions via Influence Functions}, "
        "author={Koh, Pang Wei and Liang, Percy}, booktitle={ICML}, year={2017}}"
    )

    bases: int = 3
    around: Around = "alone"
    projection_dim: int = 200
    basis: BasisKind = "auto"
    strength: float | None = None

    def __post_init__(self) -> None:
        for name in ("bases", "projection_dim"):
            checks.at_least(name, getattr(self, name), 1)
        checks.one_of("around", self.around, get_args(Around))
        checks.one_of("basis", self.basis, get_args(BasisKind))
        if self.strength is not None:
            checks.at_least("strength", self.strength, 0.0)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return influences; base networks train with seeds ``seed, seed + 1, ...``."""
        by_name = problem.with_tasks(problem.subset(problem.names))
        once = np.ones((len(problem.tasks), len(problem.tasks)), dtype=np.int64)
        found, warnings, cost = [], list(cautions.about_data(problem)), Cost()
        for own in range(seed, seed + self.bases):
            base = trainer.fit(by_name.names, seed=own)
            with measure() as meter:
                step, warned = self._at_base(by_name, base)
                found.append((step.influences(self.around).cpu().numpy(), once))
            cost, warnings = cost + base.cost + meter.cost, warnings + warned
        aggregate, unique = mean_over_seeds(found), tuple(dict.fromkeys(warnings))
        result = Affinity(by_name.names, *aggregate, self.name, "gain per share", None, cost, unique, self.citation)
        return result.with_tasks(problem.names)

    def rows(self, problem: Problem, trainer: Trainer, *, source: str, target: str, seed: int = 0) -> pd.DataFrame:
        """Return the training rows of ``source`` by what they do to ``target``, the most harmful first.

        The influences of all rows add up to the influence of the task at the base of this seed.

        Parameters
        ----------
        problem, trainer
            As in :meth:`estimate`. A trainer with a folder does not train its base again.
        source, target
            Names of two tasks.
        seed
            Of the base network.

        Returns
        -------
        DataFrame
            ``row`` (its number in the training split), ``label`` and ``influence`` (negative: hurts).
        """
        for role, name in (("source", source), ("target", target)):
            checks.one_of(role, name, problem.names)
        by_name = problem.with_tasks(problem.subset(problem.names))
        step, _ = self._at_base(by_name, trainer.fit(by_name.names, seed=seed))
        row = step.train[source].sample.cpu()
        label = problem.gradient_rows("train").targets[row, problem.names.index(source)]
        influence = step.row_influences(source, target, self.around)
        table = pd.DataFrame({"row": row.numpy(), "label": label.numpy(), "influence": influence.cpu().numpy()})
        return table.sort_values("influence", kind="stable", ignore_index=True)

    def _at_base(self, problem: Problem, base: Fit) -> tuple[OneStep, list[str]]:
        model = linearise(problem, base, kind=self.basis, dim=self.projection_dim, seed=base.seed)
        if self.strength is not None:
            return OneStep.of(model.train, model.validation, strength=self.strength), []
        strength, at_edge = model.best_strength(singles_and_all(len(problem.tasks)))
        warnings = cautions.about_strength(strength, at_edge=at_edge)
        return OneStep.of(model.train, model.validation, strength=strength), warnings
