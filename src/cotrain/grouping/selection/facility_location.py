"""The best choice among listed networks as a facility location problem, solved by HiGHS."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import coo_array, csr_array, hstack, vstack

from cotrain.errors import SolverError
from cotrain.grouping.selection.networks import Floats, Networks, Selection, select

_INFEASIBLE = 2
_NO_LIMIT = 2**31 - 1
_SPREAD = 1e3  # objective coefficients span this much, so that HiGHS's absolute tolerances do not matter


def choose_by_milp(
    networks: Networks,
    limits: Floats,
    *,
    time_limit: float = float("inf"),
    gap: float = 0.0,
    nodes: int | None = None,
) -> Selection | None:
    """Choose networks within ``limits`` so that every unit is served, with proof (to ``gap`` of what is forgone).

    ``max sum v_ct x_ct - sum charge_c y_c``, ``sum_c x_ct = 1``, ``x_ct <= y_c``, ``usage^T y <= limits``, ``y``
    binary (the x are then integral by themselves).

    Returns
    -------
    Selection or None
        ``None`` when no choice is feasible, or none was found within ``nodes`` of the search tree.

    Raises
    ------
    SolverError
        When HiGHS stops without an answer.
    """
    network, unit = np.nonzero(np.isfinite(networks.values))
    best = networks.values.max(axis=0, initial=-np.inf)
    if not np.isfinite(best).all():
        return None
    regret = best[unit] - networks.values[network, unit]
    largest = max(float(regret.max()), float(np.abs(networks.charge).max()))
    scale = _SPREAD / largest if largest > 0 else 1.0
    answer = milp(
        scale * np.concatenate([networks.charge, regret]),
        integrality=np.concatenate([np.ones(len(networks)), np.zeros(len(unit))]),
        bounds=Bounds(0, 1),
        constraints=_constraints(networks, limits, network, unit),
        options={"mip_rel_gap": gap, "time_limit": time_limit, "node_limit": _NO_LIMIT if nodes is None else nodes},
    )
    if answer.status == _INFEASIBLE or (answer.x is None and nodes is not None):
        return None
    if answer.x is None:
        raise SolverError(f"HiGHS found no grouping (status {answer.status}): {answer.message}")
    return _selection(networks, answer, float(best.sum()), scale)


def _constraints(networks: Networks, limits: Floats, network: np.ndarray, unit: np.ndarray) -> list[LinearConstraint]:
    count, links, units = len(networks), len(unit), networks.values.shape[1]
    ones, rows = np.ones(links), np.arange(links)
    served = hstack([csr_array((units, count)), coo_array((ones, (unit, rows)), shape=(units, links))])
    opened = hstack([coo_array((-ones, (rows, network)), shape=(links, count)), coo_array((ones, (rows, rows)))])
    used = hstack([csr_array(networks.usage.T), csr_array((len(limits), links))])
    return [
        LinearConstraint(csr_array(served), 1, 1),
        LinearConstraint(csr_array(vstack([opened, used])), -np.inf, np.concatenate([np.zeros(links), limits])),
    ]


def _selection(networks: Networks, answer: OptimizeResult, offset: float, scale: float) -> Selection:
    opened = np.flatnonzero(answer.x[: len(networks)] > 0.5)
    bound = offset - answer.mip_dual_bound / scale
    found = select(networks.take(opened), status=str(answer.message))
    proven = found.value if answer.status == 0 else bound
    return select(networks.take(opened), bound=proven, status=str(answer.message))
