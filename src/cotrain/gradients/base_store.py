"""A base network and the gradients of tasks around it: tasks come and go at the cost of their own rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from cotrain import checks, files
from cotrain.cost import Cost, measure
from cotrain.errors import InputError, MismatchError
from cotrain.gradients.bases import Basis
from cotrain.gradients.choose_basis import BasisKind, make_basis
from cotrain.gradients.collect_into import collect_into
from cotrain.gradients.manifest import StoreSpec
from cotrain.gradients.store import BASIS, GradientStore
from cotrain.gradients.trunk import OnTrunk, trunk_of
from cotrain.problem.problem import Problem, Split
from cotrain.problem.task import Subset
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

RECORD = "base.json"
_SPLITS: tuple[Split, ...] = ("train", "validation")


@dataclass(frozen=True)
class Added:
    """Tasks whose rows are stored now.

    Parameters
    ----------
    tasks
        Their names.
    gradients
        Gradients that were taken for them, those of rows that were not stored yet.
    cost
        Of training and of taking these gradients; nothing where all was stored.
    """

    tasks: Subset
    gradients: int
    cost: Cost


@dataclass(frozen=True)
class BaseStore:
    """A base network with the gradients of tasks around it, which tasks join and leave.

    The base network is trained once, on the tasks the store begins with. Gradients are those of its trunk: all that a
    network has in common whatever its tasks are. A task that comes later gets a head of its own, trained on the frozen
    trunk, and its rows; no other task's file is touched. Whatever is finished is recalled, so that a killed process
    starts again where it was.

    Use :meth:`open_or_create` rather than the constructor.

    Parameters
    ----------
    path
        Its folder.
    base
        The tasks that the base network is trained on.
    basis, projection_dim
        As for :func:`~cotrain.gradients.make_basis`.
    seed
        Of the base network, the heads and the basis.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from cotrain.problem.demo import digits
    >>> from cotrain.problem.options import TrainingOptions
    >>> problem = replace(digits().with_tasks(["even", "prime", "loop"]), training=TrainingOptions(epochs=1))
    >>> with TemporaryDirectory() as folder:
    ...     store = BaseStore.open_or_create(folder, base=("even", "prime"), projection_dim=8)
    ...     [added.tasks for added in store.add(problem, problem.names)], store.gradients.tasks
    ([('even', 'prime'), ('loop',)], ('even', 'loop', 'prime'))
    """

    path: Path
    base: Subset
    basis: BasisKind = "auto"
    projection_dim: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        checks.one_of("basis", self.basis, get_args(BasisKind))
        checks.at_least("projection_dim", self.projection_dim, 1)
        checks.at_least("seed", self.seed, 0)
        if len(self.base) < 2:
            raise InputError(f"`base` must name at least two tasks, to tell the trunk by. Found {list(self.base)}.")

    @classmethod
    def open(cls, path: str | Path) -> BaseStore:
        """Open the store at ``path``.

        Raises
        ------
        InputError
            When there is none, or it is damaged.
        """
        path = Path(path)
        try:
            content = json.loads((path / RECORD).read_text())
            return cls(path, **{**content, "base": tuple(content["base"])})
        except OSError:
            raise InputError(f"`store` must be the folder of a store. '{path}' holds none.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"`store` is damaged: '{path / RECORD}' ({error}). Choose a new folder.") from None

    @classmethod
    def open_or_create(
        cls,
        path: str | Path,
        *,
        base: Iterable[str] = (),
        basis: BasisKind | None = None,
        projection_dim: int | None = None,
        seed: int | None = None,
    ) -> BaseStore:
        """Open the store at ``path``, or make it there.

        Parameters
        ----------
        path
            Its folder; new or empty where there is no store yet.
        base
            Tasks of a new store's base network.
        basis, projection_dim, seed
            A new store has the defaults where they are not given; an existing one must have been made with what is.

        Raises
        ------
        InputError
            When the folder holds other files.
        MismatchError
            When the store was made with other options, naming them.
        """
        path = Path(path)
        options = {"basis": basis, "projection_dim": projection_dim, "seed": seed}
        given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        if not (path / RECORD).exists():
            return cls._created(path, given, tuple(sorted(set(base))))
        store = cls.open(path)
        for name, value in given.items():
            if value != getattr(store, name):
                raise MismatchError(
                    f"The store '{path}' was made with another `{name}`: {getattr(store, name)!r}, not {value!r}. "
                    "Leave it out, or choose a new folder."
                )
        return store

    @classmethod
    def _created(cls, path: Path, given: Mapping[str, Any], base: Subset) -> BaseStore:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"`store` must be a folder that holds a store, or a new one. '{path}' holds other files.")
        store = cls(path, base, **given)
        path.mkdir(parents=True, exist_ok=True)
        record = {name: value for name, value in asdict(store).items() if name != "path"}
        files.write_text(path / RECORD, json.dumps(record, indent=2) + "\n")
        return store

    @property
    def gradients(self) -> GradientStore:
        """The rows of all tasks, training and validation."""
        return GradientStore.open(self.path / "gradients")

    def add(self, problem: Problem, tasks: Iterable[str], *, device: str = "cpu") -> Iterator[Added]:
        """Store the rows of ``tasks`` as far as they are not, those of the base together and then one by one.

        Raises
        ------
        InputError
            When the problem lacks a task of the base.
        MismatchError
            When network or data are not those of the store; names what differs.
        """
        wanted = problem.subset(tasks)
        for name in self.base:
            checks.one_of("base", name, problem.names)
        base = Trainer(problem.with_tasks(self.base), folder=self.path, device=device).fit(self.base, seed=self.seed)
        trunk = trunk_of(problem, base)
        store, basis = self._coordinates(problem, base, trunk)
        own = tuple(name for name in wanted if name in self.base)
        if own:
            yield _collected(store, problem, base, basis, own)
        for name in wanted:
            if name not in self.base:
                head = self._with_head(problem, name, trunk, device)
                yield _collected(store, problem, head, basis, (name,))

    def drop(self, task: str) -> None:
        """Remove the rows of one task."""
        self.gradients.drop_task(task)

    def _coordinates(self, problem: Problem, base: Fit, trunk: Mapping[str, Tensor]) -> tuple[GradientStore, Basis]:
        path = self.path / "gradients"
        if (path / BASIS).exists():
            return self.gradients, self.gradients.basis
        names = [
            name for name, parameter in base.network.named_parameters() if name in trunk and parameter.requires_grad
        ]
        basis = make_basis(
            self.basis, problem, base.network, base.subset, dim=self.projection_dim, seed=self.seed, parameters=names
        )
        store = GradientStore.open_or_create(path, StoreSpec.of(base.network, basis))
        store.keep_basis(basis)
        return store, basis

    def _with_head(self, problem: Problem, task: str, trunk: Mapping[str, Tensor], device: str) -> Fit:
        alone = replace(problem.with_tasks([task]), build=OnTrunk(problem.build, trunk))
        fit = Trainer(alone, folder=self.path, device=device).fit((task,), seed=self.seed)
        fit.network.load_state_dict(trunk, strict=False)  # statistics of batch normalisation move without gradients
        return fit


def _collected(store: GradientStore, problem: Problem, fit: Fit, basis: Basis, tasks: Subset) -> Added:
    left = sum(_missing(store, problem, split, name) for split in _SPLITS for name in tasks)
    with measure() as meter:
        for split in _SPLITS:
            collect_into(store, problem, fit.network, fit.subset, split, basis, tasks=tasks)
    return Added(tasks, left, fit.cost + meter.cost if left else Cost())


def _missing(store: GradientStore, problem: Problem, split: Split, task: str) -> int:
    rows = int(problem.gradient_rows(split).observed[:, problem.names.index(task)].sum())
    return sum(map(len, store.missing(split, task, total=rows)))
