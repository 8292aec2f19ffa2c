"""The readers as constructors of a problem; each is imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from cotrain.problem.options import TrainingOptions

if TYPE_CHECKING:
    from cotrain.problem.problem import NetworkFactory, Problem
    from cotrain.problem.readers.options import ReaderKeywords
    from cotrain.problem.task import Task


class Constructors:
    """Every way to make a :class:`~cotrain.problem.problem.Problem` from data."""

    @classmethod
    def from_table(
        cls,
        data: Any,
        *,
        targets: Sequence[str],
        inputs: Sequence[str] | None = None,
        ignore: Sequence[str] = (),
        missing_inputs: Literal["refuse", "impute"] = "refuse",
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read a table: some columns are predicted from others.

        Numeric inputs are standardised and text inputs become one column per category, both learned on training rows;
        ``problem.encoder`` encodes new rows the same way.

        Parameters
        ----------
        data
            A pandas or polars data frame, a mapping of columns, or a CSV or Parquet file.
        targets
            Columns to predict; an empty cell is a missing label.
        inputs
            Columns to predict from: by default all but the targets, the split column and those of ``ignore``.
        ignore
            Columns that are neither.
        missing_inputs
            Whether empty cells of inputs are refused, or imputed: the median of the training rows and, where those
            have gaps too, a further column that marks them; in text, a category of their own.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``split`` names a column.

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"age": range(50), "colour": ["red", "blue"] * 25, "ill": ["no", "yes"] * 25})
        >>> from cotrain.problem import Problem
        >>> problem = Problem.from_table(table, targets=["ill"], name="visits")
        >>> problem, problem.tasks[0].labels
        (Problem('visits': 1 tasks; rows: 30 train, 10 validation, 10 test), ('no', 'yes'))
        """
        from cotrain.problem.readers.options import ReaderOptions
        from cotrain.problem.readers.table import read_table

        return read_table(
            data,
            ReaderOptions(**options),
            targets=targets,
            inputs=inputs,
            ignore=ignore,
            missing_inputs=missing_inputs,
        )

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        Y: Any,
        *,
        tasks: Sequence[str] | None = None,
        standardise: bool = True,
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read one matrix of inputs that all tasks share, and one of labels.

        Parameters
        ----------
        X
            ``(rows, features)``: array, tensor, data frame of numbers, or SciPy sparse matrix (made dense: rows x
            features x 4 bytes). NaN and infinity are refused.
        Y
            ``(rows, tasks)``; NaN (or None) where a label is missing.
        tasks
            Names of the columns of ``Y``; by default its column names, or ``task0``, ``task1``, ...
        standardise
            Shift and scale inputs to mean 0 and deviation 1 over training rows and hold them within ten deviations,
            columns of zeros and ones excepted.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``split`` is an array of codes.

        Examples
        --------
        >>> import numpy as np
        >>> from cotrain.problem import Problem
        >>> X = np.random.default_rng(0).normal(size=(50, 3))
        >>> Problem.from_arrays(X, X[:, :2] > 0, tasks=["a", "b"], name="signs")
        Problem('signs': 2 tasks; rows: 30 train, 10 validation, 10 test)
        """
        from cotrain.problem.readers.arrays import read_arrays
        from cotrain.problem.readers.options import ReaderOptions

        return read_arrays(X, Y, ReaderOptions(**options), tasks=tasks, standardise=standardise)

    @classmethod
    def from_npz(
        cls,
        path: str | Path,
        *,
        targets: Sequence[str] | None = None,
        standardise: bool = True,
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read an NPZ file (never unpickled).

        It holds ``tasks`` (names), the inputs ``X`` (rows, features), or ``X_packed`` (bits packed along axis 1) with
        ``n_features``, and one of:

        * ``Y`` (rows, tasks), NaN where a label is missing; packed along axis 0 where ``n_rows`` is there;
        * ``y`` (rows,) and ``task_id`` (rows,): every task has rows of its own.

        ``split`` (0, 1, 2), ``n_classes`` by task and ``features`` (names) are used when there. Without ``n_classes``,
        a target of two values is binary, other integers are classes if few, other floats are a regression.

        Parameters
        ----------
        path
            The file.
        targets
            The tasks to use; all by default.
        standardise
            As in :meth:`from_arrays`.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``split`` is the name of an array.
        """
        from cotrain.problem.readers.npz import read_npz
        from cotrain.problem.readers.options import ReaderOptions

        return read_npz(path, ReaderOptions(**options), targets=targets, standardise=standardise)

    @classmethod
    def from_datasets(
        cls,
        data: Mapping[str, Any],
        *,
        build: NetworkFactory | None = None,
        standardise: bool = True,
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read a data set per task: no row is shared, inputs have one shape.

        Parameters
        ----------
        data
            By task name: a pair (inputs, labels), a torch data set that yields such pairs, or
            ``{"train": ..., "validation": ..., "test": ...}`` of either. Data sets are read into memory.
        build
            Builds networks, as in :meth:`from_module`; needed where inputs are not rows of features.
        standardise
            As in :meth:`from_arrays`; over the training rows of all tasks together.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; without given splits, a seeded one within
            each task.

        Examples
        --------
        >>> import numpy as np
        >>> from cotrain.problem import Problem
        >>> X = np.random.default_rng(0).normal(size=(50, 3))
        >>> Problem.from_datasets({"east": (X, X[:, 0] > 0), "west": (X[:40], X[:40, 1])}, name="fields")
        Problem('fields': 2 tasks; rows: 54 train, 18 validation, 18 test)
        """
        from cotrain.problem.readers.datasets import read_datasets
        from cotrain.problem.readers.options import ReaderOptions

        return read_datasets(data, ReaderOptions(**options), build=build, standardise=standardise)

    @classmethod
    def from_graph(
        cls,
        data: Any,
        *,
        tasks: Sequence[str] | None = None,
        task_masks: Any = None,
        model: Literal["sign", "gcn", "sage"] = "sign",
        hops: int = 2,
        structural_dim: int = 64,
        fanouts: tuple[int, ...] | None = None,
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read a graph: every node is a row, and every column of labels a task.

        By default features are propagated along the edges once, ahead of training, and a shared perceptron learns from
        them (SIGN); nothing but SciPy is needed for that. Graph convolutions (extra ``graph``) run over the whole graph
        in every step. The split is over nodes; training sees all edges but the labels of training nodes only.

        Parameters
        ----------
        data
            A PyTorch Geometric ``Data``, a mapping of arrays, an NPZ or ``.pt`` file of one: ``edge_index`` (2, edges)
            or ``edges`` (edges, 2), once or in both directions; labels ``y`` or ``Y`` (nodes, tasks), NaN where
            missing; optionally ``x`` or ``X`` (nodes, features), ``edge_weight``, ``tasks``, and ``split`` (-1: in no
            split) or ``train_mask``, ``val_mask`` and ``test_mask``. Without features, those of the structure are used
            (:func:`~cotrain.problem.graphs.structural_features`). Nodes without edges keep their own features.
        tasks
            Names of the columns of labels.
        task_masks
            Where each task's labels count: booleans (nodes, tasks), or by task name. Others are missing.
        model
            ``"sign"``, or networks of ``"gcn"`` or ``"sage"`` convolutions, one for each width of
            ``network["hidden"]``. For models of your own use :meth:`from_module` with node numbers as inputs.
        hops
            How far ``"sign"`` looks along edges.
        structural_dim
            Number of structural features.
        fanouts
            With ``model="sage"``: neighbours that a node sees at each hop, drawn once. Rows then know their own
            neighbourhood, so that batches and gradients of rows cost what they see, not the whole graph.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``split`` is an array of codes. A task without
            positives in a split is refused, or left out with ``unusable="drop"``.

        Examples
        --------
        >>> import numpy as np
        >>> from cotrain.problem import Problem
        >>> ring = np.stack([np.arange(60), (np.arange(60) + 1) % 60], axis=1)
        >>> labels = np.stack([np.arange(60) < 30, np.arange(60) % 2 == 0], axis=1)
        >>> Problem.from_graph({"edges": ring, "Y": labels}, tasks=["half", "even"], structural_dim=8, name="ring")
        Problem('ring': 2 tasks; rows: 36 train, 12 validation, 12 test)
        """
        from cotrain.problem.readers.graph import GraphOptions, read_graph
        from cotrain.problem.readers.options import ReaderOptions

        own = GraphOptions(model, hops, structural_dim, fanouts)
        return read_graph(data, ReaderOptions(**options), own, tasks=tasks, task_masks=task_masks)

    @classmethod
    def from_texts(
        cls,
        data: Mapping[str, Any],
        *,
        model: Any,
        tokenizer: Any = None,
        adapter: Any = None,
        max_length: int | None = None,
        pooling: Literal["mean", "first", "last"] = "mean",
        gradient_tokens: int = 2000,
        columns: tuple[str, str] = ("text", "label"),
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read a data set of texts per task, for one frozen transformer with adapters (extra ``text``).

        A model that generates text learns to produce answers: tasks are of kind ``"sequence"``, their loss is the mean
        cross-entropy of the answers' tokens. Any other model predicts labels, with a head per task on its pooled hidden
        states. Only adapters and heads are trained.

        Parameters
        ----------
        data
            By task name: a pair (texts, labels), a data frame, a ``datasets.Dataset`` or anything else with two such
            columns, or ``{"train": ..., "validation": ..., "test": ...}`` of either. A text may be a pair of texts. For
            models that generate, texts are prompts and labels are answers.
        model
            A ``transformers`` model, the folder of one, or a ``peft.PeftModel`` whose adapter, trained by whatever
            trainer, every network starts from.
        tokenizer
            The model's; by default loaded from where the model is.
        adapter
            A ``peft.PeftConfig``; by default LoRA of rank 8 on the layers that peft chooses for the model.
        max_length
            Tokens of a row, beyond which it is cut; by default 256, or the model's positions where it has fewer.
        pooling
            How hidden states become one vector for the heads: their ``"mean"`` or the ``"first"`` or ``"last"`` one.
        gradient_tokens
            Tokens of a task, in training and in validation, whose gradients an estimator takes; more are drawn from.
        columns
            Names of the columns with texts and labels.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``kinds="sequence"`` or a kind of label decides
            what a model that can do both is used for.
        """
        from cotrain.problem.readers.options import ReaderOptions
        from cotrain.problem.readers.texts import TextOptions, read_texts

        text = TextOptions(max_length, pooling, gradient_tokens, columns)
        return read_texts(data, model, tokenizer, adapter, text, ReaderOptions(**options))

    @classmethod
    def from_module(
        cls,
        build: NetworkFactory,
        tasks: Sequence[Task],
        data: Any,
        *,
        split: Any = None,
        fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
        seed: int = 0,
        unusable: Literal["refuse", "drop"] = "refuse",
        training: TrainingOptions | Mapping[str, Any] | None = None,
        name: str = "problem",
    ) -> Problem:
        """Use any network of your own, with a loss per task where the kind's loss is not the right one.

        Parameters
        ----------
        build
            Called with some of the tasks; returns an untrained module whose ``forward(inputs)`` returns one tensor
            ``(rows, sum of widths)`` in their order, or a tensor by task name. It is tried on two rows at once.
        tasks
            In the order of the columns of the targets.
        data
            A pair (inputs, targets), or one for each of ``"train"``, ``"validation"``, ``"test"``. Inputs are a tensor
            or tensors by name, rows first, and reach the network as they are. Targets are ``(rows, tasks)``, NaN where
            missing; regression targets without a loss of their own are standardised.
        split, fractions, seed, unusable, training
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``split`` is an array of codes.
        name
            Shown in reports.

        Examples
        --------
        >>> import torch
        >>> from torch import nn
        >>> from cotrain.problem import Problem, Task
        >>> class Own(nn.Module):
        ...     def __init__(self, tasks):
        ...         super().__init__()
        ...         self.trunk, self.heads = nn.Conv1d(1, 4, 3), nn.Linear(4, len(tasks))
        ...
        ...     def forward(self, inputs):
        ...         return self.heads(self.trunk(inputs).amax(dim=2))
        >>> signals = torch.randn(50, 1, 8, generator=torch.Generator().manual_seed(0))
        >>> levels = signals.mean(dim=2).expand(50, 2)
        >>> tasks = [Task("mean", "regression"), Task("twice", "regression")]
        >>> Problem.from_module(Own, tasks, (signals, levels)).names
        ('mean', 'twice')
        """
        from cotrain.problem.readers.module import read_module
        from cotrain.problem.readers.options import ReaderOptions

        options = ReaderOptions(
            split=split, fractions=fractions, seed=seed, unusable=unusable, training=training, name=name
        )
        return read_module(build, tasks, data, options)

    @classmethod
    def from_toml(cls, path: str | Path) -> Problem:
        """Read a TOML file that names the data and how to read it.

        Its keys are the parameters of :meth:`from_table`, of :meth:`from_npz` for an NPZ file, or of
        :meth:`from_graph` where it has a section ``[graph]``, and ``data``::

            data = "wine.csv"                   # CSV, Parquet or NPZ; relative paths start beside this file
            targets = ["cultivar", "alcohol"]   # columns to predict
            ignore = ["bottle"]                 # or inputs = [...]: by default all other columns
            kinds = { cultivar = "multiclass" } # the rest is inferred
            metrics = { alcohol = "rmse" }
            weights = { alcohol = 0.5 }         # of the loss in training
            helpers = ["alcohol"]               # may join groups, need not be served
            missing_inputs = "impute"           # or "refuse"
            unusable = "drop"                   # or "refuse": targets that are constant or empty in a split
            split = "part"                      # a column of 0, 1, 2; or a seeded split:
            fractions = [0.6, 0.2, 0.2]
            seed = 0

            [network]                           # fields of NetworkOptions
            hidden = [64]

            [training]                          # fields of TrainingOptions
            epochs = 100

            [graph]                             # only where the data is a graph: hops, structural_dim, model, fanouts
            hops = 2

        Raises
        ------
        InputError
            With everything wrong in the file and in the data it names.
        """
        from cotrain.problem.readers.toml import read_toml

        return read_toml(path)
