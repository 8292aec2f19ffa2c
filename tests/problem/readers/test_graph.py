"""Problems made of graphs: every form of data, masks, splits, models, and what is refused."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from numpy.typing import NDArray
from torch import Tensor

import cotrain
from cotrain.affinity import GradTAG
from cotrain.errors import InputError, MissingExtraError
from cotrain.gradients import collect, make_basis
from cotrain.models import graph as graph_models
from cotrain.problem import Problem
from cotrain.problem.graphs import Graph, propagate, structural_features
from cotrain.problem.readers.toml import read_recipe
from cotrain.training.trainer import Trainer

NODES = 60
SHUFFLED = np.random.default_rng(0).permutation(NODES)


def _edges() -> NDArray[np.int64]:
    """Two rings with chords, one link between them; the last node is isolated."""
    ring = np.arange(29)
    half = np.concatenate([np.stack([ring, (ring + step) % 29], axis=1) for step in (1, 2, 5)])
    return np.concatenate([half, half + 29, [[0, 30]]])


def _labels() -> NDArray[np.float64]:
    nodes = np.arange(NODES)
    return np.stack([nodes < 29, nodes % 2 == 0, nodes % 3 == 0], axis=1).astype(float)


def _read(**options: Any) -> Problem:
    data = {"edges": _edges(), "Y": _labels(), **options.pop("data", {})}
    settings: dict[str, Any] = {"structural_dim": 6, "training": {"epochs": 2}, "name": "rings"}
    return Problem.from_graph(data, **{**settings, **options})


def _inputs(problem: Problem) -> Tensor:
    return torch.cat([_tensor(problem, split) for split in ("train", "validation", "test")])


def _tensor(problem: Problem, split: Any) -> Tensor:
    inputs = problem.splits[split].inputs
    assert isinstance(inputs, Tensor)
    return inputs


def test_every_node_is_a_row_of_propagated_features() -> None:
    problem = _read(tasks=["half", "even", "third"], hops=2)
    assert problem.names == ("half", "even", "third")
    assert _inputs(problem).shape == (NODES, 18)
    assert problem.recipe["graph"]["hops"] == 2


def test_own_features_are_propagated_and_standardised() -> None:
    X = np.random.default_rng(0).normal(size=(NODES, 2)).astype(np.float32)
    split = SHUFFLED % 3
    problem = _read(data={"X": X, "split": split}, hops=1)
    expected = propagate(Graph.of(_edges(), nodes=NODES), X, hops=1)
    assert problem.encoder is not None
    np.testing.assert_array_equal(_tensor(problem, "train"), problem.encoder.transform(expected[split == 0]))


def test_without_features_those_of_the_structure_stand_in() -> None:
    made = structural_features(Graph.of(_edges(), nodes=NODES), dim=6)
    with_them, without = _read(data={"X": made}), _read()
    np.testing.assert_array_equal(_inputs(with_them), _inputs(without))


def test_pytorch_geometric_data_is_read_as_it_is() -> None:
    data_module = pytest.importorskip("torch_geometric.data")
    index = torch.from_numpy(np.concatenate([_edges(), _edges()[:, ::-1]]).T.copy())
    masks = {
        name: torch.from_numpy(i == SHUFFLED % 4) for i, name in enumerate(("train_mask", "val_mask", "test_mask"))
    }
    data = data_module.Data(edge_index=index, y=torch.from_numpy(_labels()), num_nodes=NODES, **masks)
    problem = Problem.from_graph(data, structural_dim=6)
    assert [len(problem.splits[split]) for split in ("train", "validation", "test")] == [15, 15, 15]
    same = _read(data={"split": np.where(SHUFFLED % 4 == 3, -1, SHUFFLED % 4)})
    assert torch.equal(_inputs(problem), _inputs(same))
    assert torch.equal(problem.splits["train"].targets, same.splits["train"].targets)


def test_an_npz_file_with_packed_labels_is_read(tmp_path: Path) -> None:
    bits = np.packbits(_labels().astype(np.uint8), axis=0)
    names = np.array(["half", "even", "third"])
    np.savez(tmp_path / "rings.npz", edges=_edges(), n_nodes=NODES, Y=bits, n_rows=NODES, tasks=names)
    problem = Problem.from_graph(tmp_path / "rings.npz", structural_dim=6)
    assert problem.name == "rings"
    assert problem.names == tuple(names)
    assert torch.equal(problem.splits["train"].targets, _read().splits["train"].targets)


def _saved(folder: Path) -> Path:
    names = np.array(["half", "even", "third"])
    np.savez(folder / "rings.npz", edges=_edges(), Y=_labels(), split=SHUFFLED % 3, tasks=names)
    return folder / "rings.npz"


@pytest.mark.parametrize("section", [{"hops": 1}, {"model": "sage", "fanouts": [2, 2]}])
def test_a_problem_file_reads_a_graph(section: dict[str, Any], tmp_path: Path) -> None:
    path = _saved(tmp_path)
    graph = {"structural_dim": 6, **section}
    described = {"data": "rings.npz", "targets": ["even", "third"], "graph": graph, "network": {"hidden": [8, 8]}}
    (tmp_path / "problem.toml").write_text(tomli_w.dumps(described))
    problem = Problem.from_toml(tmp_path / "problem.toml")
    own: dict[str, Any] = {**graph, "fanouts": tuple(graph["fanouts"])} if "fanouts" in graph else graph
    told = Problem.from_graph(path, network={"hidden": [8, 8]}, **own).with_tasks(["even", "third"])
    assert problem.fingerprint == told.fingerprint
    again = read_recipe(problem.recipe, Path("elsewhere"))
    assert (again.fingerprint, again.recipe) == (problem.fingerprint, problem.recipe)
    assert str(again.build(again.tasks)) == str(problem.build(problem.tasks))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph": {"hops": -1}}, "`hops` must be at least 0"),
        ({"graph": {"fanouts": [2]}}, "`fanouts` must be one positive number for each hop, and model='sage'"),
        ({"graph": {"hop": 1}}, "`graph.hop` is no known key. Did you mean 'hops'"),
        ({"graph": 2}, r"`graph` must be a section, \[graph\]"),
        ({"targets": ["odd"]}, "`targets`"),
        ({"split": "part"}, "`split` is no known key"),
    ],
)
def test_problem_files_of_graphs_are_checked(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    _saved(tmp_path)
    with pytest.raises(InputError, match=message):
        read_recipe({"data": "rings.npz", "graph": {"structural_dim": 6}, **changes}, tmp_path)


def test_files_of_torch_are_read_without_letting_code_in(tmp_path: Path) -> None:
    parts = {"edge_index": torch.from_numpy(_edges().T.copy()), "y": torch.from_numpy(_labels())}
    torch.save(parts, tmp_path / "rings.pt")
    told = _read(tasks=["half", "even", "third"])
    names: dict[str, Any] = {"tasks": ["half", "even", "third"], "structural_dim": 6}
    read = Problem.from_graph(tmp_path / "rings.pt", name="rings", training={"epochs": 2}, **names)
    assert read.fingerprint == told.fingerprint
    torch.save({**parts, "more": Path("x")}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="nothing else is unpickled"):
        Problem.from_graph(tmp_path / "other.pt", **names)


def test_a_file_of_pytorch_geometric_is_read(tmp_path: Path) -> None:
    data = pytest.importorskip("torch_geometric.data")
    parts = {"edge_index": torch.from_numpy(_edges().T.copy()), "y": torch.from_numpy(_labels())}
    torch.save(data.Data(**parts, num_nodes=NODES), tmp_path / "rings.pt")
    read = Problem.from_graph(tmp_path / "rings.pt", structural_dim=6, training={"epochs": 2})
    assert read.fingerprint == _read().fingerprint


def test_a_task_has_labels_where_its_mask_says() -> None:
    mask = np.ones((NODES, 3), dtype=bool)
    mask[::4, 1] = False
    by_name = {"even": mask[:, 1]}
    names = ["half", "even", "third"]
    problems = [_read(task_masks=mask, tasks=names, seed=1), _read(task_masks=by_name, tasks=names, seed=1)]
    missing = [sum(int((~rows.observed[:, 1]).sum()) for rows in one.splits.values()) for one in problems]
    assert missing == [15, 15]
    assert all(bool(one.splits["train"].observed[:, 0].all()) for one in problems)


def test_isolated_nodes_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _read()
    assert "2 of 60 nodes have no edge" in caplog.text


def test_a_task_without_positives_in_a_split_is_refused_or_left_out() -> None:
    labels, split = _labels(), SHUFFLED % 3
    labels[:, 2] = 0
    labels[split == 0, 2] = np.arange(20) % 2
    labels[split == 2, 2] = np.arange(20) % 2
    with pytest.raises(InputError, match=r"must not be constant in the validation rows\. Found: 'task2'"):
        _read(data={"Y": labels, "split": split})
    assert _read(data={"Y": labels, "split": split}, unusable="drop").names == ("task0", "task1")


@pytest.mark.parametrize("model", ["gcn", "sage"])
def test_convolutions_are_ordinary_models(model: Any) -> None:
    pytest.importorskip("torch_geometric")
    problem = _read(model=model, network={"hidden": (4, 4)}, tasks=["half", "even", "third"])
    affinity = cotrain.estimate(problem, method=GradTAG(bases=1, projection_dim=4, strength=1.0))
    assert np.isfinite(affinity.matrix).all()
    fit = Trainer(problem).fit(("even", "half"))
    assert np.isfinite(Trainer(problem).evaluate(fit, "test").loss).all()


def test_sampled_neighbourhoods_train_and_are_estimated_row_by_row() -> None:
    problem = _read(model="sage", fanouts=(3, 2), network={"hidden": (4, 4)})
    assert _inputs(problem).shape == (NODES, 1 + 3 + 6)
    affinity = cotrain.estimate(problem, method=GradTAG(bases=1, projection_dim=4, strength=1.0))
    assert np.isfinite(affinity.matrix).all()


def test_gradients_of_convolutions_are_those_of_autograd() -> None:
    pytest.importorskip("torch_geometric")
    problem = _read(model="gcn", network={"hidden": (3,)}, tasks=["half", "even", "third"])
    fit = Trainer(problem).fit(("even", "half"))
    basis = make_basis("identity", problem, fit.network, fit.subset)
    found = collect(problem, fit.network, fit.subset, "train", basis)["half"]
    parameters = [value for name, value in fit.network.named_parameters() if name in basis.shapes]
    row = int(found.sample[5])
    label = problem.splits["train"].targets[row, problem.names.index("half")]
    for parameter in parameters:
        parameter.requires_grad_(True)
    margin = (2 * label - 1) * fit.network(_tensor(problem, "train")[[row]])[0, fit.subset.index("half")]
    gradients = torch.autograd.grad(margin, parameters)
    assert found.features[5].norm() == pytest.approx(float(sum(g.square().sum() for g in gradients) ** 0.5), rel=1e-4)


def test_another_graph_makes_another_network(tmp_path: Path) -> None:
    pytest.importorskip("torch_geometric")
    problem = _read(model="gcn", network={"hidden": (3,)})
    other = _read(model="gcn", network={"hidden": (3,)}, data={"edges": _edges()[:-1]})
    Trainer(problem, folder=tmp_path).fit(("task0",))
    with pytest.raises(InputError, match="was written for another `network`"):
        Trainer(other, folder=tmp_path).fit(("task0",))


def test_convolutions_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_models, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cotrain\[graph\]'"):
        _read(model="sage")


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in {"edges": _edges(), "Y": _labels()}.items() if key != name}


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (_without("edges"), {}, "must be a PyTorch Geometric graph"),
        (_without("Y"), {}, "must be a PyTorch Geometric graph"),
        (3, {}, "Found int"),
        ({**_without(""), "n_nodes": 61}, {}, "one row for each of 61 nodes. Found 60"),
        ({**_without(""), "X": np.zeros((3, 2))}, {}, "one row for each of 60 nodes. Found 3"),
        ({**_without(""), "X": np.full((60, 2), np.nan)}, {}, "`inputs` must be finite"),
        ({**_without(""), "train_mask": np.ones(60), "val_mask": np.ones(60), "test_mask": np.ones(60)}, {}, "overlap"),
        (
            {**_without(""), **dict.fromkeys(("train_mask", "val_mask", "test_mask"), np.ones((60, 2)))},
            {},
            "choose one",
        ),
        (_without(""), {"task_masks": np.ones((60, 2), dtype=bool)}, r"`task_masks` must be \(nodes, 3\)"),
        (_without(""), {"task_masks": {"task0": np.ones(60)}}, "must be 60 booleans"),
        (_without(""), {"task_masks": {"task7": np.ones(60, dtype=bool)}}, "Did you mean"),
        (_without(""), {"tasks": ["a"]}, "`tasks` must name the 3 columns"),
        (_without(""), {"model": "gat"}, "`model` must be one of"),
        (_without(""), {"hops": -1}, "`hops` must be at least 0"),
        (_without(""), {"fanouts": (3,)}, "and model='sage'"),
        (_without(""), {"model": "sage", "fanouts": (3, 0)}, "one positive number for each hop"),
        (_without(""), {"model": "sage", "fanouts": (3,), "network": {"hidden": (4, 4)}}, "each of the 2 widths"),
        (_without(""), {"structural_dim": 1}, "`structural_dim` must be at least 2"),
    ],
)
def test_what_is_no_graph_is_refused(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Problem.from_graph(data, **options)


def test_renumbered_nodes_make_the_same_rows() -> None:
    order = np.random.default_rng(0).permutation(NODES)
    place = np.argsort(order)
    X = np.random.default_rng(1).normal(size=(NODES, 2))
    split = SHUFFLED % 3
    plain = _read(data={"X": X, "split": split})
    moved = _read(data={"edges": place[_edges()], "X": X[order], "Y": _labels()[order], "split": split[order]})
    key: Callable[[Tensor], NDArray[np.int64]] = lambda rows: np.lexsort(rows.numpy().T.round(4))  # noqa: E731
    one, other = _tensor(plain, "train"), _tensor(moved, "train")
    np.testing.assert_allclose(one[key(one)], other[key(other)], atol=1e-4)
