import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from torch import nn

from cotrain.errors import InputError, MismatchError
from cotrain.training import trainer as trainer_module
from cotrain.training.ledger import network_digest
from cotrain.training.tensor_file import load_tensors, save_tensors
from cotrain.training.trainer import Trainer

from .damage import DAMAGES
from .problems import QUICK, identical, problem_for

SUBSET = ("a", "c")


def refuse_training(*_: object) -> NoReturn:
    raise AssertionError("trained again")


def test_a_finished_fit_is_recalled_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Trainer(problem_for(), folder=tmp_path).fit(SUBSET, seed=4)
    monkeypatch.setattr(trainer_module, "train", refuse_training)
    recalled = Trainer(problem_for(), folder=tmp_path).fit(SUBSET, seed=4)
    assert identical(first, recalled)
    assert (recalled.cost, recalled.converged, recalled.subset, recalled.seed) == (
        first.cost,
        first.converged,
        first.subset,
        first.seed,
    )
    assert not recalled.network.training


def test_other_subsets_and_seeds_have_files_of_their_own(tmp_path: Path) -> None:
    trainer = Trainer(problem_for(), folder=tmp_path)
    for subset, seed in [(("a",), 0), (("a",), 1), (("a", "c"), 0), (("c",), 0)]:
        trainer.fit(subset, seed=seed)
    assert len(list((tmp_path / "fits").iterdir())) == 4


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_fit_is_refused_by_name(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    Trainer(problem_for(), folder=tmp_path).fit(SUBSET)
    path = next((tmp_path / "fits").iterdir())
    damage(path)
    with pytest.raises(InputError, match="is damaged or not a file of cotrain's"):
        Trainer(problem_for(), folder=tmp_path).fit(SUBSET)


def test_a_fit_of_another_problem_is_refused(tmp_path: Path) -> None:
    Trainer(problem_for(), folder=tmp_path).fit(SUBSET)
    with pytest.raises(MismatchError, match="another `problem`"):
        Trainer(problem_for(training=replace(QUICK, epochs=7)), folder=tmp_path).fit(SUBSET)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(_: int) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InputError, match=f"cannot be written: {os.strerror(code)}. Free some space or choose"):
        Trainer(problem_for(), folder=tmp_path).fit(SUBSET)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Trainer(problem_for(), folder=tmp_path / "taken").fit(SUBSET)


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    weight = torch.randn(3, 4)
    tensors = {
        "tied": weight,
        "transposed": weight.T,
        "half": torch.ones(2, dtype=torch.bfloat16),
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 2),
        "flags": torch.tensor([True, False]),
    }
    save_tensors(tmp_path / "deep" / "file", {"kind": "x", "list": [1, 2]}, tensors)
    found = load_tensors(tmp_path / "deep" / "file", {"kind": "x"})
    assert found is not None
    assert found[0] == {"kind": "x", "list": [1, 2]}
    assert all(torch.equal(found[1][name], value) for name, value in tensors.items())
    assert load_tensors(tmp_path / "absent", {}) is None


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "plain")
    save_file({"a": torch.zeros(1)}, tmp_path / "theirs", metadata={"header": json.dumps({}), "format": "pt"})
    for name in ("plain", "theirs"):
        with pytest.raises(InputError, match="not a file of cotrain's"):
            load_tensors(tmp_path / name, {})
    with pytest.raises(InputError, match="not a file of cotrain's"):
        load_tensors(tmp_path, {})


class Scaled(nn.Linear):
    """Not what its parent is."""


def test_a_digest_tells_structures_and_weights_apart() -> None:
    def network(make: type[nn.Linear] = nn.Linear, activation: nn.Module | None = None, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(make(2, 3), activation or nn.ReLU(), make(3, 1))

    networks = [network(), network(Scaled), network(activation=nn.Tanh()), network(seed=1)]
    assert len({network_digest(each) for each in networks}) == len(networks)
    assert network_digest(network()) == network_digest(network())


def test_a_recalled_curve_can_be_used(tmp_path: Path) -> None:
    trainer = Trainer(problem_for(), folder=tmp_path)
    trainer.fit(SUBSET)
    assert np.isfinite(trainer.fit(SUBSET).curve).all()
