"""Subset fits against scikit-learn: time per subset and distance from the optimum.

Run ``python benchmarks/fits.py``; it writes ``benchmarks/results/fits.json`` and ``fits.md``. Times are CPU seconds of
one thread (``process_time``, best of two), so ratios within one run are the result. The rows are gradients of a
multilayer perceptron trained on ten synthetic tasks, randomly projected. scikit-learn's estimators take no offset, so
they solve the problem without offsets; cotrain solves the real one, and in the rows that say so the same as
scikit-learn. The error is the largest ``|w - w*| / |w*|`` over the checked subsets, ``w*`` from Newton's method in
float64 on the problem that the method was given.
"""

from __future__ import annotations

import itertools
import json
import math
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

import sklearn
from cotrain.affinity.linear.linear_fits import SubsetFits, fit_subsets
from cotrain.gradients.task_gradients import TaskGradients

RESULTS = Path(__file__).parent / "results"
TASKS, ROWS, DIMENSION, SIZE = 10, 10_000, 200, 5
CHECKED = 4
STRENGTHS = (0.1, 0.01)


def task_rows(tasks: int, rows: int, seed: int = 0) -> dict[str, TaskGradients]:
    """Train a network on synthetic tasks of three families and project the gradients of its margins."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 40, generator=generator)
    families = torch.stack([torch.tanh(x @ torch.randn(40, 32, generator=generator) / 6).mean(dim=1) for _ in range(3)])
    logits = 20 * torch.randn(tasks, 3, generator=generator) @ families
    labels = (torch.rand(tasks, rows, generator=generator) < torch.sigmoid(logits)).float().T
    network = train(x, labels, generator)
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    basis = {
        name: torch.randn(value.numel(), DIMENSION, generator=generator) / math.sqrt(DIMENSION)
        for name, value in parameters.items()
    }
    with torch.no_grad():
        margins = (2 * labels - 1) * network(x)
    result = {}
    for task in range(tasks):
        features = projected(network, parameters, basis, x, task) * (2 * labels[:, task : task + 1] - 1)
        result[f"t{task:03d}"] = TaskGradients(features, margins[:, task], torch.arange(rows), "logistic")
    return result


def train(x: Tensor, labels: Tensor, generator: torch.Generator) -> nn.Module:
    network = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, labels.shape[1]))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.12, generator=generator)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(300):
        batch = torch.randint(len(x), (256,), generator=generator)
        loss = nn.functional.binary_cross_entropy_with_logits(network(x[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def projected(
    network: nn.Module, parameters: dict[str, Tensor], basis: dict[str, Tensor], x: Tensor, task: int
) -> Tensor:
    def output(values: dict[str, Tensor], row: Tensor) -> Tensor:
        result: Tensor = functional_call(network, values, (row,))[task]
        return result

    blocks = []
    for part in x.split(1000):
        gradients = vmap(grad(output), in_dims=(None, 0))(parameters, part)
        blocks.append(torch.stack([gradients[name].flatten(1) @ basis[name] for name in basis]).sum(dim=0))
    return torch.cat(blocks)


def without_offsets(rows: dict[str, TaskGradients]) -> dict[str, TaskGradients]:
    return {
        name: TaskGradients(task.features, torch.zeros_like(task.offset), task.sample, task.loss)
        for name, task in rows.items()
    }


def cpu_seconds(work: Callable[[], object], repeats: int = 2) -> float:
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def newton(features: NDArray[np.float64], offset: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """Minimise the mean logistic loss plus ridge in float64."""
    w = np.zeros(features.shape[1])
    for _ in range(30):
        u = offset + features @ w
        slope = -features.T @ expit(-u) / len(u) + ridge * w
        curvature = (features * (expit(u) * expit(-u))[:, None]).T @ features / len(u) + ridge * np.eye(len(w))
        step = np.linalg.solve(curvature, slope)
        w = w - step
        if np.linalg.norm(step) < 1e-12 * np.linalg.norm(w):
            break
    return w


def relative_error(found: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    return float((np.linalg.norm(found - reference, axis=1) / np.linalg.norm(reference, axis=1)).max())


def members(rows: dict[str, TaskGradients], subset: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    chosen = [task for task, inside in zip(rows.values(), subset.tolist(), strict=True) if inside]
    return torch.cat([task.features for task in chosen]).numpy(), torch.cat([task.offset for task in chosen]).numpy()


def ours(rows: dict[str, TaskGradients], mask: Tensor, strength: float, corrections: int) -> tuple[SubsetFits, float]:
    """Fit all subsets; the seconds include task statistics and, unless there are no corrections, the certificate."""
    fits = fit_subsets(rows, mask, strength=strength, corrections=corrections)
    seconds = cpu_seconds(lambda: fit_subsets(rows, mask, strength=strength, corrections=corrections))
    return fits, seconds / len(mask)


def compare(rows: dict[str, TaskGradients], strength: float) -> list[dict[str, object]]:
    """Return one line per method: ms per subset of five tasks, and its error."""
    subsets = [set(chosen) for chosen in itertools.combinations(range(TASKS), SIZE)]
    mask = torch.tensor([[task in subset for task in range(TASKS)] for subset in subsets])
    checked = torch.linspace(0, len(mask) - 1, CHECKED).long()
    bare = without_offsets(rows)
    lines = sklearn_lines(bare, mask[checked], fit_subsets(bare, mask, strength=strength, corrections=0).ridge)
    for corrections in (0, 1, 2, 3):
        lines.append(our_line(rows, mask, checked, strength, corrections))
    for corrections in (2, 3):
        line = our_line(bare, mask, checked, strength, corrections)
        lines.append({**line, "method": f"{line['method']}, without offsets"})
    return [{"strength": strength, **line} for line in lines]


def sklearn_lines(rows: dict[str, TaskGradients], subsets: Tensor, ridge: float) -> list[dict[str, object]]:
    reference = references(rows, subsets, ridge)
    lines: list[dict[str, object]] = []
    for solver in ("lbfgs", "newton-cholesky"):
        fits = [sklearn_fit(members(rows, subset)[0], ridge, solver) for subset in subsets]
        found, times = zip(*fits, strict=True)
        error = relative_error(np.stack(found), reference)
        lines.append({"method": f"scikit-learn {solver}", "ms": 1e3 * float(np.mean(times)), "error": error})
    return lines


def our_line(
    rows: dict[str, TaskGradients], mask: Tensor, checked: Tensor, strength: float, corrections: int
) -> dict[str, object]:
    fits, seconds = ours(rows, mask, strength, corrections)
    coefficients = fits.coefficients[checked].double().numpy()
    return {
        "method": f"cotrain, corrections={corrections}",
        "ms": 1e3 * seconds,
        "error": relative_error(coefficients, references(rows, mask[checked], fits.ridge)),
        "certificate": float((fits.gradient_norm / fits.ridge / fits.coefficients.norm(dim=1)).max()),
    }


def references(rows: dict[str, TaskGradients], subsets: Tensor, ridge: float) -> NDArray[np.float64]:
    data = [members(rows, subset) for subset in subsets]
    return np.stack([newton(x.astype(np.float64), b.astype(np.float64), ridge) for x, b in data])


def sklearn_fit(features: NDArray[np.float32], ridge: float, solver: str) -> tuple[NDArray[np.float64], float]:
    """Fit the same objective: rows come with signs folded in, so half of them are turned back into negatives."""
    sign = np.where(np.arange(len(features)) % 2 == 0, 1, -1).astype(np.float32)
    x = features * sign[:, None]
    model = LogisticRegression(C=1 / (ridge * len(x)), fit_intercept=False, solver=solver)
    seconds = cpu_seconds(lambda: model.fit(x, sign))
    return model.coef_[0].astype(np.float64), seconds


def many_tasks() -> list[dict[str, object]]:
    """Return CPU seconds of 2,000 subsets of ten of 100 tasks of 1,000 rows."""
    rows = task_rows(100, 1000)
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(2000, 100, dtype=torch.bool)
    mask.scatter_(1, torch.rand(2000, 100, generator=generator).topk(10).indices, True)
    lines: list[dict[str, object]] = []
    for corrections in (0, 2):
        _, seconds = ours(rows, mask, 0.1, corrections)
        lines.append({"corrections": corrections, "seconds": seconds * len(mask), "ms": 1e3 * seconds})
    return lines


def markdown(result: dict[str, list[dict[str, object]]]) -> str:
    text = [
        "# Subset fits",
        "",
        f"{TASKS} tasks x {ROWS:,} rows x d = {DIMENSION}; all 252 subsets of five tasks.",
        "CPU time of one thread per subset, task statistics included. Written by `python benchmarks/fits.py`.",
        "",
        "| strength | method | ms a subset | times lbfgs | times newton-cholesky | error | certificate |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in result["comparison"]:
        ratios = " | ".join(f"{line[name]:.1f}" for name in ("over_lbfgs", "over_newton"))
        bound = f"{line['certificate']:.1e}" if "certificate" in line else ""
        text.append(
            f"| {line['strength']} | {line['method']} | {line['ms']:.2f} | {ratios} | {line['error']:.1e} | {bound} |"
        )
    text += ["", "2,000 subsets of ten of 100 tasks (1,000 rows each, d = 200, strength 0.1):", ""]
    text += ["| corrections | CPU seconds in all | ms a subset |", "|---|---|---|"]
    text += [f"| {line['corrections']} | {line['seconds']:.2f} | {line['ms']:.2f} |" for line in result["many_tasks"]]
    return "\n".join([*text, ""])


def with_ratios(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    baseline = {str(line["method"]): float(str(line["ms"])) for line in lines}
    for line in lines:
        own = float(str(line["ms"]))
        line["over_lbfgs"] = baseline["scikit-learn lbfgs"] / own
        line["over_newton"] = baseline["scikit-learn newton-cholesky"] / own
    return lines


def main() -> None:
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = task_rows(TASKS, ROWS)
        comparison = [line for strength in STRENGTHS for line in with_ratios(compare(rows, strength))]
        result = {"comparison": comparison, "many_tasks": many_tasks()}
    versions = {"torch": torch.__version__, "scikit-learn": sklearn.__version__, "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fits.json").write_text(json.dumps({**result, "versions": versions}, indent=2) + "\n")
    (RESULTS / "fits.md").write_text(markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
