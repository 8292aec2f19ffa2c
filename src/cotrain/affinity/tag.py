"""TAG: how much a step on one task's gradient lowers another task's loss, averaged over a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.shared_parameters import shared_parameters
from cotrain.affinity.watched.lookahead import Lookahead, Order
from cotrain.affinity.watched.watching import watch
from cotrain.errors import InputError
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer


@dataclass(frozen=True)
class TAG:
    r"""Watch one network train on all tasks, and ask what a step on one task alone would do to the others.

    At a training step with shared parameters :math:`\theta`, on its batch and with all heads as they are, the affinity
    of task :math:`j` for task :math:`i` is

    .. math:: Z_{ji} = 1 - \frac{L_j(\theta_i)}{L_j(\theta)}, \qquad \theta_i = \theta - \eta \nabla_\theta L_i(\theta)

    and the estimate is its mean over the steps up to the best epoch. To first order it is
    :math:`\eta \, \nabla L_i \cdot \nabla L_j / L_j`.

    Watching changes nothing: normalisation statistics, optimizer and random numbers stay the training's own. Entries
    are per step, not gains of a finished training, and published scores correlate poorly with true gains.

    Parameters
    ----------
    order
        ``"exact"`` (a forward pass per source) or ``"first"`` (one matrix product; gradients of all tasks are held).
    step
        ``"sgd"`` or ``"optimizer"``: what the training's own optimizer would do, from a copy of its state. Momentum and
        weight decay move the parameters whoever the source is, which would add the same number to a whole row; so
        there :math:`Z_{ji} = (L_j(\theta_0) - L_j(\theta_i)) / L_j(\theta)` with :math:`\theta_0` after a step of that
        optimizer on no gradient at all.
    learning_rate
        Of the ``"sgd"`` step; the training's by default. It scales all entries nearly alike.
    every
        Training steps from one look to the next.
    seeds
        Trainings to average over; they give the standard errors.

    Notes
    -----
    The diagonal is zero: how a task's own step serves itself says nothing about partners.

    Cost: one training per seed; at every look a backward pass per task and, if exact, a forward pass per task. Fifty,
    Amid, Zhao, Yu, Anil and Finn, "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> affinity = TAG(seeds=1, order="first").estimate(problem, Trainer(problem))
    >>> affinity.unit, affinity.cost.trainings
    ('lookahead', 1)
    """

    name: ClassVar[str] = "tag"
    citation: ClassVar[str] = (
        "@inproceedings{fifty2021efficiently, title={Efficiently Identifying Task Groupings for Multi-Task Learning}, "
        "author={Fifty, Chris and Amid, Ehsan and Zhao, Zhe and Yu, Tianhe and Anil, Rohan and Finn, Chelsea}, "
        "booktitle={NeurIPS}, year={2021}}"
    )

    order: Order = "exact"
    step: Literal["sgd", "optimizer"] = "sgd"
    learning_rate: float | None = None
    every: int = 10
    seeds: int = 3

    def __post_init__(self) -> None:
        checks.one_of("order", self.order, get_args(Order))
        checks.one_of("step", self.step, ("sgd", "optimizer"))
        for name in ("every", "seeds"):
            checks.at_least(name, getattr(self, name), 1)
        if self.learning_rate is None:
            return
        if self.step == "optimizer":
            raise InputError("`learning_rate` is that of the 'sgd' step; the optimizer has its own. Leave it out.")
        checks.at_least("learning_rate", self.learning_rate, 0.0)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return affinities per step, from trainings on all tasks with seeds ``seed, seed + 1, ...``."""
        looks = [self.lookahead(problem) for _ in range(self.seeds)]
        return watch(self, problem, trainer, looks, seed=seed, unit="lookahead")

    def lookahead(self, problem: Problem) -> Lookahead:
        """Return a callback that looks ahead during one training on all tasks."""
        rate = problem.training.learning_rate if self.learning_rate is None else self.learning_rate
        return Lookahead(
            shared_parameters(problem), order=self.order, rate=rate if self.step == "sgd" else None, every=self.every
        )
