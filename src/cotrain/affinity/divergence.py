"""Divergence between the data of tasks: a look at inputs and labels before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.divergences.data_samples import Embedding, Parts, data_samples, has_own_rows
from cotrain.affinity.divergences.sample_divergences import DIVERGENCES, Measure
from cotrain.affinity.replicates import mean_over_seeds
from cotrain.cost import measure as measured
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

Compare: TypeAlias = Literal["auto", "inputs", "classes"]
_SAME_INPUTS = (
    "Tasks share their inputs, so the distributions of inputs do not differ and say nothing about partners. Use "
    "compare='classes'."
)


@dataclass(frozen=True)
class DataDivergence:
    r"""Compare tasks by their data alone: a cheap first look, to leave out pairs that are not worth an estimate.

    Tasks with rows of their own are compared by the distributions of their inputs. Where tasks share their inputs,
    these cannot differ; then the inputs *of each class* are compared, regression targets cut into thirds, and two
    tasks are as far apart as their classes are on average from the nearest class of the other,

    .. math:: D_{ij} = \frac{1}{2 C_i} \sum_c \min_{c'} d(P_{ic}, P_{jc'})
                     + \frac{1}{2 C_j} \sum_{c'} \min_c d(P_{ic}, P_{jc'})

    so that neither the names of the classes nor their sizes matter. The affinity is :math:`-D_{ij}`.

    It knows nothing of the network. A task without any signal has classes that all look like the inputs at large: not
    near to a task with a signal, but not as far from it as another task with a signal of another kind.

    Parameters
    ----------
    measure
        ``"mmd"``: squared maximum mean discrepancy, Gaussian kernel of median width, random Fourier features, without
        bias (two samples of one distribution have zero on average); ``"wasserstein"``: mean Wasserstein-1 distance
        over random directions; ``"proxy-a"``: :math:`2 (1 - 2\,\text{error})` of a held-out logistic regression that
        tells the samples apart, one per pair of classes.
    compare
        ``"inputs"`` or ``"classes"``; ``"auto"`` compares inputs where most rows have the label of one task only.
    embedding
        Maps the inputs of a problem to features ``(rows, k)``, such as those of a pre-trained encoder; by default
        inputs are taken as they are.
    rows
        Training rows of each task that are looked at, at most.
    draws
        Random draws of rows, features and directions to average over; they give the standard errors.

    Notes
    -----
    The diagonal is zero: a task is no partner of itself.

    Cost: ``"mmd"`` takes a product of the rows with 256 random features, ``"wasserstein"`` a sort of the rows along 64
    directions, whatever the number of pairs. Gretton et al., "A Kernel Two-Sample Test", JMLR 2012; Bonneel et al.,
    "Sliced and Radon Wasserstein Barycenters of Measures", 2015; Ben-David et al., "A Theory of Learning from Different
    Domains", 2010; to choose among tasks: Pugantsov and McCreadie, arXiv 2302.05735.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["is 0", "loop", "ink"])
    >>> affinity = DataDivergence().estimate(problem, Trainer(problem))
    >>> affinity.unit, bool((affinity.matrix == affinity.matrix.T).all())
    ('negative squared MMD between classes', True)
    """

    name: ClassVar[str] = "divergence"
    citation: ClassVar[str] = (
        "@article{gretton2012kernel, title={A Kernel Two-Sample Test}, author={Gretton, Arthur and Borgwardt, Karsten "
        'M. and Rasch, Malte J. and Sch{\\"o}lkopf, Bernhard and Smola, Alexander}, journal={Journal of Machine '
        "Learning Research}, volume={13}, year={2012}}"
    )

    measure: Measure = "mmd"
    compare: Compare = "auto"
    embedding: Embedding | None = None
    rows: int = 1000
    draws: int = 3

    def __post_init__(self) -> None:
        checks.one_of("measure", self.measure, get_args(Measure))
        checks.one_of("compare", self.compare, get_args(Compare))
        checks.at_least("rows", self.rows, 4)
        checks.at_least("draws", self.draws, 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:  # noqa: ARG002 - no training
        """Return symmetric affinities from training rows alone.

        Raises
        ------
        InputError
            When inputs are not numbers that can be compared and there is no ``embedding``.
        """
        by_name = problem.with_tasks(problem.subset(problem.names))
        own_rows = has_own_rows(by_name)
        parts: Parts = "classes" if self.compare == "classes" or (self.compare == "auto" and not own_rows) else "inputs"
        once = np.ones((len(problem.tasks), len(problem.tasks)), dtype=np.int64)
        with measured() as meter:
            found = [(-self._distances(by_name, parts, own), once) for own in range(seed, seed + self.draws)]
        unit = f"negative {DIVERGENCES[self.measure].unit} between {parts}"
        warnings = () if own_rows or parts == "classes" else (_SAME_INPUTS,)
        aggregate, cost = mean_over_seeds(found), meter.cost
        result = Affinity(by_name.names, *aggregate, self.name, unit, None, cost, warnings, self.citation)
        return result.with_tasks(problem.names)

    def _distances(self, problem: Problem, parts: Parts, seed: int) -> NDArray[np.float64]:
        samples = data_samples(problem, parts, rows=self.rows, embedding=self.embedding, seed=seed)
        between = DIVERGENCES[self.measure].of(samples, seed)
        return nearest_classes(between, samples.task)


def nearest_classes(between: NDArray[np.float64], task: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distances of tasks from those of all their classes: the mean distance to the nearest, both ways.

    Examples
    --------
    >>> nearest_classes(np.array([[0.0, 3.0, 1.0], [3.0, 0.0, 2.0], [1.0, 2.0, 0.0]]), np.array([0, 0, 1]))
    array([[0.  , 1.25],
           [1.25, 0.  ]])
    """
    starts = np.flatnonzero(np.diff(task, prepend=-1))
    nearest = np.minimum.reduceat(between, starts, axis=1)
    means = np.add.reduceat(nearest, starts, axis=0) / np.diff(starts, append=len(task))[:, None]
    distances: NDArray[np.float64] = (means + means.T) / 2
    return distances
