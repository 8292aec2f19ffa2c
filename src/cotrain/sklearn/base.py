"""What both estimators share: fitting groups of targets, predicting, saving without pickle."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from cotrain import api, checks
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.base import Estimator
from cotrain.checks import Findings
from cotrain.evaluation.verdict import Verdict
from cotrain.grouping.base import Grouper
from cotrain.grouping.grouping import Grouping
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.targets import Target
from cotrain.problem.validation import listed
from cotrain.sklearn import storage
from cotrain.sklearn.deployed import Deployed
from cotrain.sklearn.label_form import LabelForm
from cotrain.sklearn.outputs import Output
from cotrain.sklearn.samples import learnable, make_samples, split_rows
from cotrain.training.trainer import Trainer


class TaskGroupingEstimator(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Base of :class:`TaskGroupingClassifier` and :class:`TaskGroupingRegressor`; see there."""

    affinity_: Affinity
    grouping_: Grouping
    verdict_: Verdict

    def __init__(
        self,
        *,
        networks: int | None = None,
        method: str | Estimator = "grad-tag",
        grouper: str | Grouper = "average-density",
        network: NetworkOptions | Mapping[str, Any] | None = None,
        training: TrainingOptions | Mapping[str, Any] | None = None,
        seeds: int = 1,
        validation_fraction: float = 0.2,
        test_fraction: float = 0.0,
        random_draws: int = 10,
        random_state: Any = 0,
        device: str = "cpu",
    ) -> None:
        self.networks = networks
        self.method = method
        self.grouper = grouper
        self.network = network
        self.training = training
        self.seeds = seeds
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.random_draws = random_draws
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any) -> Self:
        """Group the columns of ``y`` and train one network per group and seed.

        Parameters
        ----------
        X
            ``(rows, features)`` of finite numbers: array, pandas or polars data frame, or sparse matrix (made dense).
        y
            ``(rows,)`` or ``(rows, targets)``; NaN, None or NA where a label is missing.

        Raises
        ------
        InputError
            When a parameter or the labels cannot be used.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        matrix = self._inputs(X, reset=True)
        check_consistent_length(matrix, y)
        self._form = LabelForm.of(y)
        self._check_parameters(len(self._form.names))
        seed = self._seed()
        named = zip(self._form.names, self._form.columns(y), strict=True)
        read = [self._read(name, column) for name, column in named]
        self._outputs = tuple(output for output, _ in read)
        self.n_outputs_ = len(read)
        fractions = [1 - self.validation_fraction - self.test_fraction, self.validation_fraction, self.test_fraction]
        split = split_rows([target for _, target in read], [share for share in fractions if share], seed)
        able = [target for _, target in read if learnable(target, split)]
        self._warn_of_prior({target.task.name for target in able})
        self._fit_groups(matrix, able, split, seed)
        return self

    def _fit_groups(
        self, matrix: NDArray[np.float64], targets: list[Target], split: NDArray[np.int8], seed: int
    ) -> None:
        self._deployed: Deployed | None = None
        self.__dict__.pop("verdict_", None)  # of an earlier fit
        names = tuple(target.task.name for target in targets)
        self.affinity_ = Affinity.from_matrix(names, np.zeros((len(names), len(names))))
        self.grouping_ = Grouping.from_groups([[name] for name in names], tasks=names)
        if not targets:
            return
        problem, standardiser, factory = make_samples(
            matrix, targets, split, network=self.network, training=self.training, name=type(self).__name__
        )
        if len(targets) > 1:
            self.affinity_ = api.estimate(problem, method=self.method, seed=seed, device=self.device)
            most = None if self.networks is None else min(self.networks, len(targets))
            self.grouping_ = api.group(self.affinity_, networks=most, method=self.grouper)
        networks = self._train(problem, range(seed, seed + self.seeds))
        self._deployed = Deployed(standardiser, problem.tasks, self.grouping_, factory, networks)

    def _train(self, problem: Problem, seeds: range) -> list[list[nn.Module]]:
        """Return one list of networks, in the order of the groups, for each seed."""
        if not self.test_fraction:
            jobs = [(group, seed) for seed in seeds for group in self.grouping_.groups]
            fits = iter(Trainer(problem, device=self.device).fit_many(jobs))
            return [[next(fits).network for _ in self.grouping_.groups] for _ in seeds]
        trained = api.train(
            problem,
            self.grouping_,
            seeds=self.seeds,
            first_seed=seeds.start,
            random_draws=self.random_draws,
            device=self.device,
        )
        self.verdict_ = trained.verdict
        return [[fit.network for fit in trained.fits[seed]] for seed in seeds]

    def _predicted(self, X: Any) -> list[NDArray[np.float64]]:
        """Return class probabilities or values of every output; the prior where no network serves it."""
        check_is_fitted(self)
        matrix = self._inputs(X, reset=False)
        found = self._deployed.predict(matrix) if self._deployed is not None else {}
        expected = (output.expected(len(matrix)) for output in self._outputs)
        return [found.get(output.name, prior) for output, prior in zip(self._outputs, expected, strict=True)]

    @abstractmethod
    def _read(self, name: str, column: NDArray[Any]) -> tuple[Output, Target]:
        """Return what a column of labels holds."""

    def save(self, path: str | Path) -> None:
        """Save parameters, networks, grouping, affinity and verdict in a new folder, without pickle.

        Raises
        ------
        InputError
            When the folder exists or a parameter is no plain value.
        """
        check_is_fitted(self)
        storage.save(self, Path(path), self._form, self._outputs, self._deployed)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load what :meth:`save` saved; the estimator predicts as the saved one did.

        Raises
        ------
        InputError
            When the folder holds no saved estimator of this class, or a file is damaged.
        """
        stored = storage.load(Path(path), cls.__name__)
        made = cls(**stored.parameters)
        made._form, made._outputs, made._deployed = stored.form, stored.outputs, stored.deployed
        for name, value in stored.attributes.items():
            setattr(made, name, value)
        return made

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_outputs")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags

    def _inputs(self, X: Any, *, reset: bool) -> NDArray[np.float64]:
        checked = validate_data(self, X, reset=reset, dtype=np.float64, accept_sparse="csr")
        dense: NDArray[np.float64] = checked.toarray() if hasattr(checked, "toarray") else checked
        return dense

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _check_parameters(self, targets: int) -> None:
        found = Findings()
        if self.networks is not None:
            with found.gather():
                checks.within("networks", self.networks, 1, targets)
        for name in ("seeds", "random_draws"):
            with found.gather():
                checks.at_least(name, getattr(self, name), 1)
        with found.gather():
            ReaderOptions(network=self.network, training=self.training)
        with found.gather():
            checks.within("validation_fraction", self.validation_fraction, 0.01, 0.9)
        with found.gather():
            checks.within("test_fraction", self.test_fraction, 0.0, 0.9)
        if self.validation_fraction + self.test_fraction > 0.95:
            found.append("`validation_fraction` and `test_fraction` must leave rows to train on.")
        found.refuse()

    def _warn_of_prior(self, able: set[str]) -> None:
        few = [one.name for one in self._outputs if one.name not in able and not one.constant]
        if few:
            warnings.warn(
                f"Too few labels to learn from in {listed(few)}: their most common class or mean is predicted.",
                UserWarning,
                stacklevel=3,
            )
