"""Which path takes which parameter: rules where they hold, proven on a few rows, and slower paths for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cotrain.errors import InputError
from cotrain.gradients.backward import first_without_backward
from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.bases.identity import Identity
from cotrain.gradients.layers.attention import ExplicitAttention
from cotrain.gradients.layers.rule import rule_for
from cotrain.gradients.parameters import Shapes
from cotrain.gradients.paths.general import GeneralPath
from cotrain.gradients.paths.loop import LoopPath
from cotrain.gradients.paths.path import MarginFunction, Path
from cotrain.gradients.paths.structured import StructuredPath
from cotrain.gradients.paths.watch import Watched, explicit_attention, taken_apart
from cotrain.gradients.row_gradient import RowGradient
from cotrain.gradients.survey import survey
from cotrain.problem.losses import Outputs
from cotrain.problem.rows import Rows

PathName: TypeAlias = Literal["structured", "general", "loop", "forward"]
PROBES = 3
_ROW_WEIGHTS = (1.0, 1.4, 0.7)


@dataclass(frozen=True, eq=False)
class Plan:
    """How gradients of a network's parameters are taken.

    Parameters
    ----------
    paths
        Parameter name -> path.
    reasons
        Parameter name -> why it is not on the structured path.
    layers
        What the structured path watches.
    twins
        Attention modules, taken apart.
    activations
        Numbers the watched layers produce for a row.
    """

    paths: dict[str, PathName]
    reasons: dict[str, str]
    layers: tuple[Watched, ...]
    twins: dict[nn.Module, ExplicitAttention]
    activations: int

    def names(self, path: PathName) -> tuple[str, ...]:
        """Return the parameters on one path."""
        return tuple(name for name, taken in self.paths.items() if taken == path)

    def open(self, network: nn.Module, basis: Basis, margins: MarginFunction) -> list[Path]:
        """Return the paths, ready to run."""
        opened: list[Path] = []
        if self.names("structured"):
            opened.append(StructuredPath(network, basis, margins, self.layers, self.twins))
        if self.names("general"):
            opened.append(GeneralPath(network, basis, margins, self.names("general")))
        if self.names("loop"):
            opened.append(LoopPath(network, basis, margins, self.names("loop")))
        return opened


def make_plan(network: nn.Module, shapes: Shapes, margins: MarginFunction, rows: Rows) -> Plan:
    """Choose the fastest path that gives every parameter's gradient as a loop over single rows does.

    Three rows are run through the loop and through the candidates, so what holds is known, not assumed: a weight that
    is also used outside its layer, or an operation that hides it, sends the parameter to a slower path.

    Parameters
    ----------
    network
        In eval mode, parameters frozen.
    shapes
        The parameters.
    margins
        From outputs to margins.
    rows
        Some rows of the data.

    Raises
    ------
    InputError
        When rows influence each other, so that a row has no gradient of its own, or an operation has no backward pass.
    """
    _refuse_batch_statistics(network)
    trial = _Trial(network, shapes, margins, rows.take(torch.arange(PROBES) % len(rows)))
    trial.refuse_mixed_rows()
    twins = explicit_attention(network)
    layers, activations = _watched_layers(network, twins, shapes, trial.rows)
    structured = StructuredPath(network, trial.basis, trial.margins, layers, twins)
    reasons = trial.failures(structured, _by_rule(layers, shapes))
    failed = [name for name in shapes if name in reasons]
    general = GeneralPath(network, trial.basis, trial.margins, failed)
    hopeless = trial.failures(general, dict.fromkeys(failed)) if failed else {}
    paths: dict[str, PathName] = {
        name: "structured" if name not in reasons else "general" if name not in hopeless else "loop" for name in shapes
    }
    for name, reason in hopeless.items():
        reasons[name] += f"; {reason}"
    return Plan(paths, reasons, _kept(layers, paths), twins, activations)


def uses_batch_statistics(network: nn.Module) -> tuple[str, ...]:
    """Return the names of layers that, in eval mode, normalise by statistics of the batch."""
    return tuple(name for name, m in network.named_modules() if isinstance(m, _BatchNorm) and m.running_mean is None)


def _refuse_batch_statistics(network: nn.Module) -> None:
    mixing = uses_batch_statistics(network)
    stubborn = tuple(name for name, m in network.named_modules() if isinstance(m, _BatchNorm) and m.training)
    if mixing or stubborn:
        raise InputError(
            f"Layers {[*mixing, *stubborn]} normalise by statistics of the batch, so a row has no gradient of its own. "
            "Use `track_running_stats=True` and eval mode, or GroupNorm."
        )


class _Trial:
    """A few rows and their true gradients, to hold paths against."""

    def __init__(self, network: nn.Module, shapes: Shapes, margins: MarginFunction, rows: Rows) -> None:
        self.network, self.rows, self.basis = network, rows, _Mixed(shapes, _ROW_WEIGHTS)
        weights = torch.randn(rows.targets.shape[1], generator=torch.Generator().manual_seed(0)).tolist()
        self.margins = mixture(margins, weights)
        self._precision = next(network.parameters()).dtype
        self._tolerance = tolerance(next(network.parameters()))
        self._truth, self._alone = self._run_loop(tuple(shapes))

    def _run_loop(self, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        raw, margins = self._nothing(), []
        try:
            for row, weight in enumerate(_ROW_WEIGHTS):
                alone = LoopPath(self.network, _Mixed(self.basis.shapes, [weight]), self.margins, names)
                margins.append(self._run(alone, self.rows.take(torch.tensor([row])), raw))
        except (RuntimeError, NotImplementedError) as error:
            layer = first_without_backward(self.network, names, self.rows.inputs)
            if layer is None:
                raise
            raise InputError(
                f"No backward pass runs through what leads to the output of `{layer}`, so its gradients do not exist: "
                f"{str(error).strip().splitlines()[0]} Use differentiable operations there, or choose `parameters` "
                "that come after it."
            ) from error
        return raw, torch.cat(margins)

    def _run(self, path: Path, rows: Rows, raw: Tensor) -> Tensor:
        started = path.start(rows.inputs, rows.targets, several=False)
        started.add(raw, 0)
        return started.margin(0)

    def _nothing(self) -> Tensor:
        dtype = torch.promote_types(self._precision, torch.float32)
        return torch.zeros(1, self.basis.dimension, dtype=dtype, device=self.rows.targets.device)

    def _far(self, found: Tensor, true: Tensor, scale: Tensor) -> bool:
        return not bool((found - true).norm() <= self._tolerance * (true.norm() + 1e-2 * scale))

    def refuse_mixed_rows(self) -> None:
        with torch.no_grad():
            together = self.margins(self.network(self.rows.inputs), self.rows.targets)[0]
        if self._far(together, self._alone, self._alone.norm() + 1):
            raise InputError(
                "Rows of a batch influence each other in eval mode, so a row has no gradient of its own. Run "
                "`cotrain doctor` to see the layer where it starts."
            )

    def failures(self, path: Path, candidates: Mapping[str, str | None]) -> dict[str, str]:
        """Return the parameters that ``path`` does not get right, and why.

        Candidates come with a reason why the path cannot take them, or none.
        """
        found = self._nothing()
        try:
            self._run(path, self.rows, found)
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            return dict.fromkeys(candidates, f"{path.name} path: {str(error).strip().splitlines()[0]}")
        scale = self._truth.norm()
        reasons = {}
        for name, reason in candidates.items():
            part = self.basis.columns[name]
            if reason is not None:
                reasons[name] = reason
            elif self._far(found[:, part], self._truth[:, part], scale):
                reasons[name] = f"the {path.name} path misses a use of it"
        return reasons


class _Mixed(Identity):
    """One weighted sum of the rows' gradients in place of all: a network's size, however many rows are looked at."""

    def __init__(self, shapes: Shapes, weights: Sequence[float]) -> None:
        super().__init__(shapes)
        self._weights = weights

    def add(self, raw: Tensor, name: str, gradient: RowGradient) -> None:
        """Add the weighted sum of one parameter's gradients."""
        entries = gradient.dense().flatten(1)
        raw[:, self.columns[name]] += torch.tensor([self._weights]).to(entries) @ entries


def tolerance(parameter: Tensor) -> float:
    """Return the largest relative difference of gradients that rounding explains, for a network with ``parameter``."""
    exact = 1e-4 if parameter.device.type == "cpu" else 1e-2
    return max(exact, 10 * torch.finfo(parameter.dtype).eps)


def mixture(margins: MarginFunction, weights: Sequence[float]) -> MarginFunction:
    """Return one margin in place of all: their sum with these weights."""

    def mixed(outputs: Outputs, targets: Tensor) -> list[Tensor]:
        columns = zip(margins(outputs, targets), weights, strict=True)
        return [torch.stack([weight * column for column, weight in columns]).sum(dim=0)]

    return mixed


def _watched_layers(
    network: nn.Module, twins: dict[nn.Module, ExplicitAttention], shapes: Shapes, rows: Rows
) -> tuple[tuple[Watched, ...], int]:
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    projections = [module for twin in twins.values() for module in twin.modules()]
    candidates = [module for module in [*network.modules(), *projections] if rule_for(module) is not None]
    with taken_apart(twins):
        seen = survey(network, candidates, rows.inputs)
    layers = []
    for layer, sight in seen.items():
        rule = rule_for(layer)
        if rule is None or sight.layout is None:
            continue
        own = {local: names.get(id(getattr(layer, local, None)), "") for local in rule.parameters}
        chosen = {local: name for local, name in own.items() if name in shapes}
        layers.append(Watched(layer, rule, chosen, sight.layout))
    return tuple(layers), sum(sight.outputs for sight in seen.values())


def _by_rule(layers: Sequence[Watched], shapes: Shapes) -> dict[str, str | None]:
    watched = {name for layer in layers for name in layer.names.values()}
    return {name: None if name in watched else "no layer rule covers it" for name in shapes}


def _kept(layers: Sequence[Watched], paths: Mapping[str, PathName]) -> tuple[Watched, ...]:
    kept = []
    for watched in layers:
        names = {local: name for local, name in watched.names.items() if paths[name] == "structured"}
        if names:
            kept.append(replace(watched, names=names))
    return tuple(kept)
