"""The estimators as scikit-learn and its users meet them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import cotrain
from cotrain.affinity import GradTAG
from cotrain.errors import InputError
from cotrain.grouping import AverageDensity
from cotrain.sklearn import TaskGroupingClassifier, TaskGroupingRegressor

QUICK = {"epochs": 30, "patience": 6, "learning_rate": 0.02}
CHEAP = GradTAG(bases=1, projection_dim=4, basis="khatri-rao", strength=1.0)
Estimator = TaskGroupingClassifier | TaskGroupingRegressor


def _checks() -> list[Any]:
    options: dict[str, Any] = {"method": CHEAP, "training": QUICK, "validation_fraction": 0.1}
    made = (TaskGroupingClassifier(**options), TaskGroupingRegressor(**options))
    pairs = [pair for estimator in made for pair in estimator_checks_generator(estimator)]
    return [
        pytest.param(*pair, id=f"{type(pair[0]).__name__}-{i}-{pair[1].func.__name__}") for i, pair in enumerate(pairs)
    ]


@pytest.mark.parametrize(("estimator", "check"), _checks())
def test_scikit_learn_accepts_it(estimator: Estimator, check: Any) -> None:
    check(estimator)


def _table(rows: int = 90) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three signals; two targets share one, the third is apart."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(rows, 3)), columns=list("uvw"), index=pd.RangeIndex(100, 100 + rows))
    levels = np.array(["low", "middle", "high"], dtype=object)
    third = levels[np.digitize(X["w"], [-0.5, 0.5])]
    Y = pd.DataFrame({"up": X["u"] > 0, "down": np.where(X["u"] < 0.1, "yes", "no"), "level": third}, index=X.index)
    return X, Y


def _numbers(rows: int = 90) -> tuple[pd.DataFrame, pd.DataFrame]:
    X, _ = _table(rows)
    return X, pd.DataFrame({"a": 5 + X["u"], "b": 100 * X["u"] - X["v"], "c": X["w"]}, index=X.index)


def _classifier(**options: Any) -> TaskGroupingClassifier:
    return TaskGroupingClassifier(**{"method": CHEAP, "training": QUICK, **options})


def _regressor(**options: Any) -> TaskGroupingRegressor:
    return TaskGroupingRegressor(**{"method": CHEAP, "training": QUICK, **options})


def test_pandas_in_pandas_out() -> None:
    X, Y = _table()
    fitted = _classifier(networks=2).fit(X, Y)
    predicted = fitted.predict(X.iloc[:5])
    assert list(predicted.columns) == ["up", "down", "level"]
    assert predicted.index.equals(X.index[:5])
    assert predicted["up"].dtype == bool
    assert [list(classes) for classes in fitted.classes_] == [
        [False, True], ["no", "yes"], ["high", "low", "middle"]
    ]  # fmt: skip
    assert [share.shape for share in fitted.predict_proba(X)] == [(90, 2), (90, 2), (90, 3)]
    assert list(fitted.feature_names_in_) == ["u", "v", "w"]
    assert fitted.score(X, Y) > 0.85
    assert len(fitted.grouping_.groups) <= 2
    assert fitted.affinity_.tasks == ("up", "down", "level")


def test_polars_in_polars_out() -> None:
    X, Y = _numbers()
    tables = pl.DataFrame(X.to_dict("list")), pl.DataFrame(Y.to_dict("list"))
    ours, theirs = _regressor().fit(*tables), _regressor().fit(X, Y)
    predicted = ours.predict(tables[0])
    assert isinstance(predicted, pl.DataFrame)
    assert predicted.columns == ["a", "b", "c"]
    np.testing.assert_array_equal(predicted.to_numpy(), theirs.predict(X).to_numpy())
    assert list(ours.feature_names_in_) == ["u", "v", "w"]


@pytest.mark.parametrize("make", [pd.Series, pl.Series], ids=["pandas", "polars"])
def test_a_series_stays_a_series(make: Any) -> None:
    X, Y = _numbers()
    fitted = _regressor().fit(X, make(name="c", **{"data" if make is pd.Series else "values": Y["c"].to_numpy()}))
    predicted = fitted.predict(X)
    assert isinstance(predicted, make)
    assert predicted.name == "c"
    assert fitted.grouping_.groups == (("c",),)


def test_values_are_predicted_in_their_own_unit() -> None:
    X, Y = _numbers()
    fitted = _regressor(training={**QUICK, "epochs": 100}).fit(X, Y)
    assert fitted.score(X, Y) > 0.9
    assert fitted.score(X, Y.to_numpy()) == fitted.score(X, Y)
    np.testing.assert_allclose(fitted.predict(X).mean(), Y.mean(), atol=5)


@pytest.mark.parametrize("gap", [np.nan, None, pd.NA])
def test_missing_labels_are_neither_learned_nor_scored(gap: Any) -> None:
    X, Y = _table()
    holes = Y.astype(object)
    holes.iloc[::7, 0] = gap
    holes.iloc[1::7, 2] = gap
    fitted = _classifier().fit(X, holes)
    assert list(fitted.classes_[0]) == [False, True]
    assert list(fitted.classes_[2]) == ["high", "low", "middle"]
    assert not fitted.predict(X).isna().any().any()
    predicted, seen = fitted.predict(X), holes.notna()
    right = [np.mean(predicted[name][seen[name]] == holes[name][seen[name]]) for name in Y]
    assert fitted.score(X, holes) == pytest.approx(np.mean(right))


def test_a_label_that_is_missing_changes_nothing_but_its_own_row() -> None:
    X, Y = _numbers()
    unlabelled = pd.DataFrame(np.nan, index=range(5), columns=Y.columns)
    more = pd.concat([Y, unlabelled])
    fitted = _regressor().fit(pd.concat([X, X.iloc[:5]]), more)
    assert np.isfinite(fitted.predict(X).to_numpy()).all()


def test_integers_with_gaps_keep_their_type() -> None:
    X, _ = _table()
    Y = pd.DataFrame({"count": pd.array(np.arange(90) % 3, dtype="Int64"), "odd": np.arange(90) % 2})
    Y.loc[0, "count"] = pd.NA
    fitted = _classifier(network={"hidden": ()}).fit(X.reset_index(drop=True), Y)
    assert fitted.predict(X)["count"].dtype == np.int64


def test_it_sits_in_a_pipeline_and_a_search() -> None:
    X, Y = _table(60)
    pipeline = make_pipeline(StandardScaler(), _classifier(training={"epochs": 2}))
    grid = {"taskgroupingclassifier__networks": [1, 3], "taskgroupingclassifier__network": [{"hidden": (8,)}]}
    search = GridSearchCV(pipeline, grid, cv=KFold(2)).fit(X, Y)
    assert search.best_score_ > 0
    assert list(search.predict(X).columns) == list(Y.columns)


def test_cross_validation_and_transformed_targets() -> None:
    X, Y = (frame.to_numpy() for frame in _numbers(60))
    predicted = cross_val_predict(_regressor(training={"epochs": 2}), X, Y, cv=2)
    assert predicted.shape == Y.shape
    shifted = TransformedTargetRegressor(_regressor(training={"epochs": 2}), transformer=StandardScaler())
    assert shifted.fit(X, Y).predict(X).shape == Y.shape


def test_sparse_inputs_are_those_of_the_dense_matrix() -> None:
    X, Y = (frame.to_numpy(copy=True) for frame in _numbers())
    X[np.abs(X) < 0.5] = 0
    sparse_fit = _regressor().fit(sparse.csr_matrix(X), Y)
    np.testing.assert_array_equal(sparse_fit.predict(sparse.csc_matrix(X)), _regressor().fit(X, Y).predict(X))


def test_a_verdict_from_rows_that_no_network_saw() -> None:
    X, Y = _numbers()
    fitted = _regressor(test_fraction=0.2, seeds=2, random_draws=1, networks=2).fit(X, Y)
    assert fitted.verdict_.tasks == ("a", "b", "c")
    assert fitted.verdict_.arms["chosen"].test_loss.shape == (2, 3)
    assert not hasattr(fitted.set_params(test_fraction=0.0).fit(X, Y), "verdict_")


@pytest.mark.parametrize("options", [{}, {"seeds": 2, "test_fraction": 0.2, "random_draws": 1, "networks": 2}])
def test_saved_and_loaded_without_pickle(options: dict[str, Any], tmp_path: Path) -> None:
    X, Y = _table()
    Y["same"] = 1
    fitted = _classifier(**options, grouper="average-density").fit(X, Y)
    fitted.save(tmp_path / "saved")
    loaded = TaskGroupingClassifier.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.predict(X), fitted.predict(X))
    for ours, theirs in zip(loaded.predict_proba(X), fitted.predict_proba(X), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.get_params() == fitted.get_params()
    assert loaded.grouping_ == fitted.grouping_
    assert list(loaded.feature_names_in_) == list(fitted.feature_names_in_)
    assert hasattr(loaded, "verdict_") == bool(options)
    assert {path.suffix for path in (tmp_path / "saved").iterdir()} == {".json", ".npz", ".safetensors"}


def test_objects_as_parameters_are_saved_and_cloned(tmp_path: Path) -> None:
    X, Y = _numbers()
    training = cotrain.problem.TrainingOptions(epochs=2)
    made = _regressor(grouper=AverageDensity(networks=2), training=training)
    copied = clone(made)
    assert copied.get_params() == made.get_params()
    copied.fit(X, Y).save(tmp_path / "saved")
    loaded = TaskGroupingRegressor.load(tmp_path / "saved")
    assert (loaded.method, loaded.grouper) == (made.method, made.grouper)
    pd.testing.assert_frame_equal(loaded.predict(X), copied.predict(X))


def test_a_folder_is_neither_overwritten_nor_misread(tmp_path: Path) -> None:
    X, Y = _numbers()
    fitted = _regressor(training={"epochs": 1}).fit(X, Y)
    fitted.save(tmp_path / "saved")
    with pytest.raises(InputError, match="exists already"):
        fitted.save(tmp_path / "saved")
    with pytest.raises(InputError, match="holds a TaskGroupingRegressor"):
        TaskGroupingClassifier.load(tmp_path / "saved")
    with pytest.raises(InputError, match="must hold a saved TaskGroupingRegressor"):
        TaskGroupingRegressor.load(tmp_path)
    (tmp_path / "saved" / "networks.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="damaged"):
        TaskGroupingRegressor.load(tmp_path / "saved")


def test_rare_classes_are_always_in_the_training_rows() -> None:
    X, _ = _table()
    rare = np.zeros(90, dtype=int)
    rare[[3, 50]] = [1, 2]
    fitted = _classifier().fit(X, pd.DataFrame({"rare": rare, "up": X["u"].to_numpy() > 0}))
    assert fitted.predict_proba(X)[0].shape == (90, 3)
    assert fitted.grouping_.tasks == ("rare", "up")


def test_too_few_labels_are_predicted_by_the_prior_with_a_warning() -> None:
    X, _ = _table()
    few: NDArray[np.float64] = np.full(90, np.nan)
    few[[0, 1, 2]] = [7, 9, 9]
    few[2] = np.nan
    Y = pd.DataFrame({"few": few, "up": X["u"].to_numpy() > 0, "same": 3})
    with pytest.warns(UserWarning, match="Too few labels to learn from in 'few'"):
        fitted = _classifier().fit(X, Y)
    assert fitted.grouping_.tasks == ("up",)
    assert (fitted.predict(X)["same"] == 3).all()
    assert fitted.predict_proba(X)[0][0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "`seeds` must be at least 1"),
        ({"networks": 0}, "`networks` must lie between 1 and 3"),
        ({"networks": 4}, "`networks` must lie between 1 and 3"),
        ({"validation_fraction": 0.0}, "`validation_fraction` must lie between"),
        ({"validation_fraction": 0.5, "test_fraction": 0.5}, "must leave rows to train on"),
        ({"method": "grad-tags"}, "Did you mean 'grad-tag'"),
        ({"grouper": "averge-density"}, "Did you mean 'average-density'"),
        ({"network": {"layers": 3}}, "`network` must be one of"),
        ({"training": {"epoch": 3}}, "Did you mean 'epochs'"),
    ],
)
def test_wrong_parameters_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    X, Y = _numbers(30)
    with pytest.raises(InputError, match=message):
        _regressor(**options).fit(X, Y)


@pytest.mark.parametrize(
    ("Y", "message"),
    [
        (np.full((30, 2), np.nan), "contains nothing but NaN"),
        (np.zeros((30, 0)), "not empty"),
        (np.array([["a", 1]] * 15 + [[2, "b"]] * 15, dtype=object), "mixes text and numbers"),
        (pd.DataFrame([[0, 1]] * 30, columns=["a", "a"]), "must not repeat a name"),
    ],
)
def test_wrong_labels_are_refused(Y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _classifier().fit(np.eye(30), Y)


def test_text_is_no_number() -> None:
    with pytest.raises(InputError, match="of kind regression must be numbers"):
        _regressor().fit(np.eye(30), np.array(["a", "b", "c"] * 10, dtype=object))
