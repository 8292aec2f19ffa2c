"""Examine a network before a long run: whether every row has a gradient of its own, how it is taken, at what cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from cotrain.errors import InputError
from cotrain.gradients.bases import KhatriRao
from cotrain.gradients.diagnosis import Diagnosis, Estimate, Finding
from cotrain.gradients.engine import Engine
from cotrain.gradients.inference import inference
from cotrain.gradients.margins import margin_columns
from cotrain.gradients.parameters import Patterns, parameter_shapes
from cotrain.gradients.plan import PathName, uses_batch_statistics
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Inputs, Rows, select
from cotrain.problem.task import Task
from cotrain.seeding import seeded

_ROWS = 3


def examine(
    problem: Problem,
    network: nn.Module | None = None,
    *,
    parameters: Patterns = "*",
    dim: int = 200,
) -> Diagnosis:
    """Examine a network on a few training rows; nothing is trained and nothing is changed.

    Looks for rows that depend on their batch mates or on padding, for dropout and BatchNorm, for parameters that no
    task reaches, and for parameters that need a slow path; then times a micro-batch.

    Parameters
    ----------
    problem
        Holds rows and tasks.
    network
        Returns outputs for all tasks, sorted by name; an untrained one of the problem by default.
    parameters
        Name patterns of the parameters whose gradients are wanted.
    dim
        Coordinates to keep, for the estimate of time and disk.

    Examples
    --------
    >>> rows = Rows(torch.randn(8, 3), torch.tensor([[0.0], [1.0]]).repeat(4, 1))
    >>> splits = dict.fromkeys(("train", "validation", "test"), rows)
    >>> problem = Problem((Task("a"),), splits, lambda _: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
    >>> examine(problem).to_frame().path.unique().tolist()
    ['structured']
    """
    subset = problem.subset(problem.names)
    tasks = problem.tasks_of(subset)
    if network is None:
        with seeded(0, "doctor"):
            network = problem.build(tasks)
    rows = problem.gradient_rows("train").columns([problem.names.index(name) for name in subset])
    few = rows.take(torch.arange(_ROWS) % len(rows)).to(next(network.parameters()).device)
    findings = [*_state(network), *_padding(network, few.inputs)]
    shapes = parameter_shapes(network, parameters)
    try:
        engine = Engine(network, tasks, KhatriRao(shapes, dimension=dim), few)
    except InputError as error:
        mixing = uses_batch_statistics(network) or _first_mixing_layer(network, few.inputs)
        refused = Finding("refused", mixing, str(error))
        return Diagnosis((refused, *findings), {}, {}, None)
    findings += _unreached(network, tasks, few)
    plan, block = engine.plan, _block(engine, rows)
    if engine.takes_forward(block):
        paths: dict[str, PathName] = dict.fromkeys(shapes, "forward")
        findings.append(Finding("note", (), f"forward mode serves the tasks of shared rows: {engine.comparison}."))
        return Diagnosis(tuple(findings), paths, {}, _estimate(engine, problem, block, dim))
    slow = [Finding("slow", (name,), f"takes the {plan.paths[name]} path: {why}") for name, why in plan.reasons.items()]
    return Diagnosis((*slow, *findings), plan.paths, plan.reasons, _estimate(engine, problem, block, dim))


def _block(engine: Engine, rows: Rows) -> Rows:
    """Return a micro-batch of rows with the first row's labels, or of any rows where that one has too few."""
    alike = (rows.observed == rows.observed[0]).all(dim=1).nonzero()[:, 0]
    index = alike if len(alike) * 2 > len(rows) else torch.arange(len(rows))
    return rows.take(index[: engine.micro_batch]).to(engine.device)


def _state(network: nn.Module) -> list[Finding]:
    """Look at dropout, BatchNorm and frozen parameters."""
    modules = dict(network.named_modules())
    dropout = tuple(name for name, m in modules.items() if isinstance(m, _DropoutNd) and m.p > 0)
    norms = tuple(name for name, m in modules.items() if isinstance(m, _BatchNorm) and m.running_mean is not None)
    frozen = tuple(name for name, parameter in network.named_parameters() if not parameter.requires_grad)
    texts = (
        (dropout, "dropout is switched off while gradients are taken."),
        (norms, "BatchNorm uses its running statistics while gradients are taken, as in eval mode."),
        (frozen, "does not require gradients and is left out."),
    )
    return [Finding("note", where, text) for where, text in texts if where]


def _unreached(network: nn.Module, tasks: tuple[Task, ...], rows: Rows) -> list[Finding]:
    """Find trainable parameters whose gradient is zero for every task."""
    trainable = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    with inference(network), torch.enable_grad():
        for parameter in trainable.values():
            parameter.requires_grad_()
        columns = margin_columns(tasks, network(rows.inputs), rows.targets)
        total = torch.stack([column * (position + 1) for position, column in enumerate(columns)]).sum()
        gradients = torch.autograd.grad(total, list(trainable.values()), allow_unused=True)
    none = tuple(n for n, g in zip(trainable, gradients, strict=True) if g is None or not bool(g.any()))
    return [Finding("note", none, f"has no gradient on {len(rows)} rows. Is it used?")] if none else []


def _padding(network: nn.Module, inputs: Inputs) -> list[Finding]:
    """See whether one more padding token changes outputs, where inputs look like padded tokens."""
    longer = _padded(network, inputs)
    if longer is None:
        return []
    with inference(network), torch.no_grad():
        try:
            plain, padded = network(inputs), network(longer)
        except (RuntimeError, IndexError):
            return [Finding("note", (), "rows of another length are not accepted, so padding was not examined.")]
    if all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(_values(plain), _values(padded), strict=True)):
        return []
    return [Finding("note", (), "outputs change with padding: a row's gradient depends on how far it is padded.")]


def _padded(network: nn.Module, inputs: Inputs) -> Inputs | None:
    if isinstance(inputs, Mapping):
        masked = any("mask" in name for name in inputs)
        tokens = {name: part for name, part in inputs.items() if part.dim() == 2 and not part.is_floating_point()}
        return {**inputs, **{n: nn.functional.pad(t, (0, 1)) for n, t in tokens.items()}} if masked and tokens else None
    codes = [m.padding_idx for m in network.modules() if isinstance(m, nn.Embedding) and m.padding_idx is not None]
    if not codes or inputs.is_floating_point() or inputs.dim() != 2:
        return None
    return nn.functional.pad(inputs, (0, 1), value=codes[0])


def _first_mixing_layer(network: nn.Module, inputs: Inputs) -> tuple[str, ...]:
    """Return the first layer whose output for a row changes with the row's batch mates."""
    together, alone = (_outputs(network, select(inputs, torch.arange(count))) for count in (_ROWS, 1))
    for name, output in together.items():
        single = alone.get(name, output)
        comparable = len(single) * _ROWS == len(output)
        if comparable and not torch.allclose(output[: len(single)], single, rtol=1e-3, atol=1e-4):
            return (name,)
    return ()


def _outputs(network: nn.Module, inputs: Inputs) -> dict[str, Tensor]:
    """Return the last output of every innermost layer, in the order of the calls."""
    seen: dict[str, Tensor] = {}
    hooks = []
    for name, module in network.named_modules():
        if not list(module.children()):

            def note(_module: nn.Module, _args: Any, output: Any, name: str = name) -> None:
                if isinstance(output, Tensor) and output.dim():
                    seen[name] = output

            hooks.append(module.register_forward_hook(note))
    with inference(network), torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    return seen


def _estimate(engine: Engine, problem: Problem, block: Rows, dim: int) -> Estimate:
    count = sum(int(problem.gradient_rows(split).observed.sum()) for split in ("train", "validation"))
    served = int(block.observed.all(dim=0).sum()) if engine.takes_forward(block) else 1
    engine.run(block, range(served))
    start = time.perf_counter()
    engine.run(block, range(served))
    seconds = (time.perf_counter() - start) * count / (len(block) * served)
    return Estimate(count, seconds, engine.micro_batch, engine.row_bytes * engine.micro_batch, count * (dim + 1) * 4)


def _values(outputs: Any) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs.values())
