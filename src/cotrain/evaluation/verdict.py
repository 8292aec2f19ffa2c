"""The verdict on a grouping: trained beside its obvious alternatives, judged on test data, over paired seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cotrain import files
from cotrain.cost import Cost

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ArmName: TypeAlias = Literal["chosen", "all-in-one", "one-per-task", "random"]
Advice: TypeAlias = Literal["group so", "train all together", "train alone", "no difference beyond noise"]


@dataclass(frozen=True, eq=False)
class Arm:
    """One way to train all tasks, as measured.

    Parameters
    ----------
    name
        ``"chosen"``, ``"all-in-one"``, ``"one-per-task"`` or ``"random"`` (mean over draws of the same group sizes).
    networks
        Networks that serve the tasks.
    test_loss
        ``(seeds, tasks)``: mean test loss of each task.
    test_metric
        ``(seeds, tasks)``: the task's own metric on test rows.
    cost
        FLOPs and seconds of one deployment: the mean over seeds (and draws) of training its networks once.
    """

    name: ArmName
    networks: float
    test_loss: NDArray[np.float64]
    test_metric: NDArray[np.float64]
    cost: Cost


@dataclass(frozen=True)
class Comparison:
    """Mean gain of one arm over another, paired over seeds: ``mean over tasks of 1 - loss / baseline loss``.

    Parameters
    ----------
    arm, baseline
        Names of the arms.
    gain
        Mean over seeds; 0.05 means 5 % less loss.
    low, high
        95 % interval of that mean (Student's t over seeds).
    """

    arm: ArmName
    baseline: ArmName
    gain: float
    low: float
    high: float

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, eq=False)
class Verdict:
    """What training the chosen groups brought.

    Parameters
    ----------
    tasks
        Served task names, in the order of the columns of every arm.
    metrics
        Metric name of each task.
    arms
        By name.
    comparisons
        Of ``chosen`` with each alternative, and of ``all-in-one`` with ``one-per-task``.
    advice
        One of four recommendations.
    sentence
        The advice in one plain sentence with its figures.
    """

    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    arms: Mapping[ArmName, Arm]
    comparisons: tuple[Comparison, ...]
    advice: Advice
    sentence: str

    def __repr__(self) -> str:
        return f"Verdict({self.advice}: {self.sentence})"

    def gains(self, baseline: ArmName, arm: ArmName = "chosen") -> NDArray[np.float64]:
        """Return ``1 - loss / baseline loss`` as ``(seeds, tasks)``."""
        return 1.0 - self.arms[arm].test_loss / self.arms[baseline].test_loss

    def comparison(self, baseline: ArmName, arm: ArmName = "chosen") -> Comparison:
        """Return the comparison of two arms."""
        return next(found for found in self.comparisons if (found.arm, found.baseline) == (arm, baseline))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per task: metric name, then loss and metric of every arm, means over seeds."""
        columns: dict[str, object] = {"task": self.tasks, "metric": self.metrics}
        for name, arm in self.arms.items():
            columns[f"loss {name}"] = arm.test_loss.mean(axis=0)
            columns[f"metric {name}"] = arm.test_metric.mean(axis=0)
        return pd.DataFrame(columns)

    def arms_frame(self) -> pd.DataFrame:
        """Return one row per arm: networks, mean loss and metric over tasks, gain over both baselines, cost."""
        rows = [
            {
                "arm": name,
                "networks": arm.networks,
                "mean loss": arm.test_loss.mean(),
                "mean metric": pd.Series(arm.test_metric.ravel()).mean(),
                "gain over all-in-one": self.gains("all-in-one", name).mean(),
                "gain over one-per-task": self.gains("one-per-task", name).mean(),
                "GFLOPs": arm.cost.flops / 1e9,
                "seconds": arm.cost.seconds,
            }
            for name, arm in self.arms.items()
        ]
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw every task's gain over both baselines; see :func:`cotrain.reporting.figures.gain_per_task`."""
        from cotrain.reporting.figures import gain_per_task

        return gain_per_task(self, ax=ax)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save as one NPZ archive without pickles."""
        arms = {name: {"networks": arm.networks, "cost": arm.cost.to_dict()} for name, arm in self.arms.items()}
        header = {
            "tasks": self.tasks,
            "metrics": self.metrics,
            "arms": arms,
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "advice": self.advice,
            "sentence": self.sentence,
        }
        arrays = {f"{name}/loss": arm.test_loss for name, arm in self.arms.items()}
        arrays |= {f"{name}/metric": arm.test_metric for name, arm in self.arms.items()}
        files.save_archive(path, "Verdict", header, arrays, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Verdict:
        """Load what :meth:`save` saved."""
        header, arrays = files.load_archive(path, "Verdict")
        arms: dict[ArmName, Arm] = {
            name: Arm(name, arm["networks"], arrays[f"{name}/loss"], arrays[f"{name}/metric"], Cost(**arm["cost"]))
            for name, arm in header["arms"].items()
        }
        comparisons = tuple(Comparison(**comparison) for comparison in header["comparisons"])
        names = (tuple(header["tasks"]), tuple(header["metrics"]))
        return cls(*names, arms, comparisons, header["advice"], header["sentence"])
