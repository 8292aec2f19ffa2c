from dataclasses import replace

import numpy as np
import torch
from tests.training.problems import QUICK, problem_for

from cotrain.problem.task import Task
from cotrain.training.balancing.selective import SelectiveBackward, grouped
from cotrain.training.optimizer import optimizer_of
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer

TASKS = tuple(Task(name, "regression") for name in "abc")


def test_blocks_of_affinity_become_groups() -> None:
    block = np.kron(np.eye(2), np.ones((3, 3)))
    labels = grouped(block - 0.5 * (1 - block))
    assert len(set(labels[:3])) == len(set(labels[3:])) == 1
    assert labels[0] != labels[3]


def test_a_step_of_each_task_and_what_it_did_to_all() -> None:
    problem = problem_for(TASKS, missing=0.0, training=replace(QUICK, optimizer="sgd"))
    data = SubsetData.of(problem, ("a", "b", "c"), torch.device("cpu"))
    network = problem.build(data.tasks)
    backward, optimizer = SelectiveBackward(3), optimizer_of(network.parameters(), problem.training)
    backward.attach(optimizer)
    start = data.loss(network(data.train.inputs), data.train.targets)
    loss = backward(network, data, data.train)
    optimizer.step()
    assert torch.allclose(loss, start)
    noted = (backward.affinity != 0).any(dim=0)
    assert int(noted.sum()) == 2  # the last group's effect is not looked at
    assert bool((backward.affinity.diagonal()[noted] > 0).all())  # a small step lowers the task's own loss
    assert float(data.loss(network(data.train.inputs), data.train.targets).detach()) < float(start.detach())


def test_fewer_groups_cost_less() -> None:
    problem = problem_for(TASKS, missing=0.0, training=replace(QUICK, aggregation="selective"))
    plain = problem_for(TASKS, missing=0.0, training=QUICK)
    one, other = (Trainer(each).fit(("a", "b", "c")) for each in (problem, plain))
    assert 1.0 < (one.cost.flops / len(one.curve)) / (other.cost.flops / len(other.curve)) < 3.0
