"""A fitted estimator in a folder: JSON, NPZ and safetensors, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cotrain import files
from cotrain._version import __version__
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.registry import ESTIMATORS
from cotrain.errors import InputError
from cotrain.evaluation.verdict import Verdict
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.registry import GROUPERS
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.sklearn.deployed import Deployed
from cotrain.sklearn.label_form import LabelForm
from cotrain.sklearn.outputs import Output

if TYPE_CHECKING:
    from cotrain.sklearn.base import TaskGroupingEstimator

_ABOUT, _NETWORKS, _VERDICT = "estimator.json", "networks.safetensors", "verdict.npz"
_GROUPING, _AFFINITY = "grouping.json", "affinity.npz"
_BY_NAME: dict[str, Mapping[str, Any]] = {"method": ESTIMATORS, "grouper": GROUPERS}
_OPTIONS: dict[str, type[Any]] = {"network": NetworkOptions, "training": TrainingOptions}


@dataclass(frozen=True, eq=False)
class Stored:
    """What a folder held: parameters of the constructor, private state, fitted attributes by name."""

    parameters: Mapping[str, Any]
    form: LabelForm
    outputs: tuple[Output, ...]
    deployed: Deployed | None
    attributes: Mapping[str, Any]


def save(
    estimator: TaskGroupingEstimator,
    folder: Path,
    form: LabelForm,
    outputs: tuple[Output, ...],
    deployed: Deployed | None,
) -> None:
    """Save a fitted estimator in a new folder."""
    files.refuse_overwriting(folder, overwrite=False)
    about = {
        "kind": type(estimator).__name__,
        "cotrain": __version__,
        "parameters": {name: _plain(name, value) for name, value in estimator.get_params(deep=False).items()},
        "form": asdict(form),
        "outputs": [_plain_output(output) for output in outputs],
        "features": estimator.n_features_in_,
        "feature_names": list(getattr(estimator, "feature_names_in_", [])),
    }
    folder.mkdir(parents=True)
    estimator.grouping_.save(folder / _GROUPING)
    estimator.affinity_.save(folder / _AFFINITY)
    if hasattr(estimator, "verdict_"):
        estimator.verdict_.save(folder / _VERDICT)
    if deployed is not None:
        deployed.save(folder / _NETWORKS)
    files.write_text(folder / _ABOUT, json.dumps(about, indent=2))


def load(folder: Path, kind: str) -> Stored:
    """Load what :func:`save` saved of an estimator of class ``kind``."""
    try:
        about = json.loads((folder / _ABOUT).read_text())
        if about["kind"] != kind:
            raise ValueError(f"it holds a {about['kind']}")
        parameters = {name: _restored(name, value) for name, value in about["parameters"].items()}
        form = LabelForm(about["form"]["library"], about["form"]["flat"], tuple(about["form"]["names"]))
        outputs = tuple(_restored_output(fields) for fields in about["outputs"])
        attributes: dict[str, Any] = {"n_features_in_": about["features"], "n_outputs_": len(outputs)}
        names = about["feature_names"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"`path` must hold a saved {kind}. '{folder}' does not ({error}).") from None
    if names:
        attributes["feature_names_in_"] = np.array(names, dtype=object)
    attributes["grouping_"] = grouping = Grouping.load(folder / _GROUPING)
    attributes["affinity_"] = Affinity.load(folder / _AFFINITY)
    if (folder / _VERDICT).exists():
        attributes["verdict_"] = Verdict.load(folder / _VERDICT)
    deployed = Deployed.load(folder / _NETWORKS, grouping) if grouping.groups else None
    return Stored(parameters, form, outputs, deployed, attributes)


def _plain(name: str, value: Any) -> Any:
    """Return a parameter as JSON holds it; an estimator or grouper as its name and fields."""
    known = getattr(value, "name", None)
    if known in _BY_NAME.get(name, ()) and is_dataclass(value):
        value = {"name": known, "fields": {one.name: getattr(value, one.name) for one in fields(value)}}
    elif name in _OPTIONS and isinstance(value, _OPTIONS[name]):
        value = value.to_dict()
    try:
        json.dumps(value)
    except TypeError:
        raise InputError(
            f"`{name}` must be a name, a number or an object of plain values to be saved. Found {value!r}."
        ) from None
    return value


def _restored(name: str, value: Any) -> Any:
    if name in _BY_NAME and isinstance(value, dict):
        return _BY_NAME[name][value["name"]](**value["fields"])
    return value


def _plain_output(output: Output) -> dict[str, Any]:
    classes = None if output.classes is None else output.classes.tolist()
    dtype = "" if output.classes is None else output.classes.dtype.str
    plain = {"name": output.name, "prior": output.prior.tolist(), "constant": output.constant}
    return {**plain, "classes": classes, "dtype": dtype}


def _restored_output(found: Mapping[str, Any]) -> Output:
    classes = None if found["classes"] is None else np.array(found["classes"], dtype=found["dtype"])
    return Output(found["name"], classes, np.array(found["prior"]), found["constant"])
