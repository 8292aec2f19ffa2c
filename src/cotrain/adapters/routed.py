"""One frozen model, an adapter per group: every task is answered by the group that serves it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from cotrain import checks
from cotrain.adapters.routes import Routes
from cotrain.adapters.saving import HEADS
from cotrain.errors import InputError, MismatchError
from cotrain.models.text.adapted import sharing
from cotrain.models.text.backbone import Backbone
from cotrain.models.text.encoder import EncoderNetwork
from cotrain.problem.losses import split_outputs
from cotrain.problem.readers.text_data import Text
from cotrain.problem.readers.text_models import load_backbone, load_tokenizer, require_text_extra
from cotrain.problem.readers.tokens import prompt_tokens, read_tokens, source_tokens
from cotrain.problem.task import Task


class RoutedAdapters:
    """Predicts with the adapters that :func:`save_adapters` saved; only the group's adapter is switched on.

    Parameters
    ----------
    routes
        Who serves whom.
    model
        A ``peft.PeftModel`` with all adapters.
    tokenizer
        The model's.
    heads
        Weights of the heads, by group, where labels are predicted.

    Examples
    --------
    ::

        routed = RoutedAdapters.load("adapters", model="path/of/the/model")
        routed.predict("sentiment", ["a film to remember"])
    """

    def __init__(self, routes: Routes, model: Any, tokenizer: Any, heads: Sequence[Mapping[str, Tensor]] = ()) -> None:
        self.routes, self.model, self.tokenizer = routes, model.eval(), tokenizer
        self._networks = [self._network(position, weights) for position, weights in enumerate(heads)]

    def __repr__(self) -> str:
        return f"RoutedAdapters({len(self.routes.serving)} tasks, {len(self.routes.groups)} adapters)"

    @classmethod
    def load(
        cls, folder: str | Path, *, model: Any, tokenizer: Any = None, device: torch.device | str = "cpu"
    ) -> RoutedAdapters:
        """Load saved adapters onto their model, which itself stays as it is.

        Parameters
        ----------
        folder
            Written by :func:`save_adapters`.
        model, tokenizer
            As in ``Problem.from_texts``.
        device
            Where to predict.

        Raises
        ------
        InputError
            When the folder holds no adapters.
        MismatchError
            When they belong to another model.
        """
        require_text_extra()
        folder = Path(folder)
        routes = Routes.load(folder)
        backbone = load_backbone(model, None, labels=routes.form == "labels")
        if backbone.adapter is None:
            raise InputError("`model` must be the bare model, without an adapter. Found a PeftModel.")
        if backbone.digest != routes.digest:
            raise MismatchError(
                f"`model` must be the one that the adapters in '{folder}' were trained on. It is another."
            )
        adapted = _with_adapters(backbone, folder, routes).to(device)
        heads = []
        if routes.form == "labels":
            heads = [load_file(folder / routes.adapter(position) / HEADS) for position in range(len(routes.groups))]
        return cls(routes, adapted, load_tokenizer(model, tokenizer), heads)

    def predict(self, task: str, texts: Sequence[Text]) -> NDArray[Any]:
        """Return the labels (or numbers) that the task's group predicts for texts.

        Raises
        ------
        InputError
            When the task is unknown or its answers are texts.
        """
        position = self._route(task)
        if not self._networks:
            raise InputError(f"Task '{task}' is answered by texts. Use `generate`.")
        network = self._networks[position]
        inputs = read_tokens(self.tokenizer, texts, self.routes.max_length)
        tasks = self.routes.tasks_of(position)
        with torch.no_grad():
            outputs = network({name: part.to(self.model.device) for name, part in inputs.items()})
        return _decoded(self.routes.tasks[task], split_outputs(tasks, outputs)[task])

    def generate(self, task: str, prompts: Sequence[Text], **options: Any) -> list[str]:
        """Return the answers that the task's group generates.

        Parameters
        ----------
        task
            Whose prompts these are.
        prompts
            As the texts of the problem.
        **options
            For the model's own ``generate``: ``max_new_tokens``, say.

        Raises
        ------
        InputError
            When the task is unknown or its answers are labels.
        """
        self._route(task)
        if self._networks:
            raise InputError(f"Task '{task}' is answered by labels. Use `predict`.")
        causal = self.routes.form == "causal"
        read = prompt_tokens if causal else source_tokens
        inputs = read(self.tokenizer, prompts, self.routes.max_length)
        inputs = {name: part.to(self.model.device) for name, part in inputs.items()}
        with torch.no_grad():
            found = self.model.generate(**inputs, **options)
        answers = found[:, inputs["input_ids"].shape[1] :] if causal else found
        return [text.strip() for text in self.tokenizer.batch_decode(answers, skip_special_tokens=True)]

    def _route(self, task: str) -> int:
        """Switch on the adapter that serves a task and return its group's position."""
        checks.one_of("task", task, tuple(self.routes.serving))
        position = self.routes.serving[task]
        self.model.set_adapter(self.routes.adapter(position))
        return position

    def _network(self, position: int, weights: Mapping[str, Tensor]) -> EncoderNetwork:
        network = EncoderNetwork(self.model, self.routes.digest, self.routes.tasks_of(position), self.routes.pooling)
        network.heads.load_state_dict(dict(weights))
        return network.to(self.model.device).eval()


def _with_adapters(backbone: Backbone, folder: Path, routes: Routes) -> Any:
    from peft import PeftModel

    bare = copy.deepcopy(backbone.model, sharing(backbone.model.parameters()))
    first, *others = (routes.adapter(position) for position in range(len(routes.groups)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft asks of transformers
        adapted = PeftModel.from_pretrained(bare, str(folder / first), adapter_name=first)
    for name in others:
        adapted.load_adapter(str(folder / name), adapter_name=name)
    return adapted


def _decoded(task: Task, outputs: Tensor) -> NDArray[Any]:
    """Return labels as the data had them, or numbers in their own unit."""
    values = outputs.double().cpu().numpy()
    if task.kind == "regression":
        numbers: NDArray[np.float64] = task.center + task.scale * values[:, 0]
        return numbers
    codes = values.argmax(axis=1) if task.kind == "multiclass" else (values[:, 0] > 0).astype(int)
    labels: NDArray[Any] = np.array(task.labels)[codes]
    return labels
