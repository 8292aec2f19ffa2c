"""Which solver for which size: partition for few units, column generation for more, proven bounds for many."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from cotrain.errors import InputError
from cotrain.grouping.selection.bounded_pricing import BoundedPricer
from cotrain.grouping.selection.column_generation import Relaxation, relax
from cotrain.grouping.selection.enumerated_pricing import EnumeratedPricer
from cotrain.grouping.selection.enumeration import all_groups, choose_by_partition
from cotrain.grouping.selection.facility_location import choose_by_milp
from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.master import Columns, serve_above
from cotrain.grouping.selection.networks import Bools, Floats, Networks, Prices, Selection, select
from cotrain.grouping.selection.pricing import JointPricer, ListedPricer, Pricer
from cotrain.grouping.selection.restarts import descents
from cotrain.grouping.selection.semidefinite_bound import SemidefiniteBound
from cotrain.grouping.selection.terms import Terms
from cotrain.grouping.selection.toggle_search import ToggleSearch

_PARTITION_UNITS = 12  # up to here dynamic programming over served sets is fastest
_MILP_NETWORKS = 2500  # up to here an integer program takes a list as it is
_LISTED_TASKS = 16  # up to here all groups fit in a list, as a cost that is any function needs it
_ENUMERATED_TASKS = 24  # up to here all groups can be looked at
_BOUNDED_TASKS = 150  # up to here a bound is worth its time
_BRANCHED_TASKS = 60  # up to here branch-and-bound pricing is worth its time where the relaxation is loose
_CLOSE = 1e-5  # relative gap at which prices are good enough to finish by a MILP
_EXACT = 1e-8  # relative gap that counts as none
_SEARCH_ROUNDS = 60  # of column generation by local search
_BOUND_ROUNDS = 4  # of branch-and-bound pricing
_BOUND_NODES = 500_000  # most in one pricing
_NEAR = 400  # columns handed to a MILP that need not be exact
_FAVOURITES = 10  # networks for each unit that a list starts with
_CONSIDERED = 5  # networks for each unit where nothing is proven
_REGRET_GAP = 0.01  # of an integer program without proof, relative to what the units forgo
_LEFT = 20_000  # most networks handed to a MILP


@dataclass(frozen=True)
class Effort:
    """How long to try.

    Parameters
    ----------
    time_limit
        Seconds for each MILP.
    gap
        Relative gap at which bounding stops where optimality is out of reach.
    steps
        Most steps of the search for a bound.
    restarts
        Local searches from different starts.
    """

    time_limit: float
    gap: float
    steps: int
    restarts: int


def choose_among(networks: Networks, terms: Terms, effort: Effort) -> Selection | None:
    """Choose among listed networks, with proof; ``None`` when nothing is feasible."""
    _require_servable(networks, terms)
    if networks.values.shape[1] <= _PARTITION_UNITS and len(terms.limits) == 1:
        return choose_by_partition(networks, terms.networks)
    if len(networks) <= _MILP_NETWORKS:
        return choose_by_milp(networks, terms.limits, time_limit=effort.time_limit)
    return _finish(ListedPricer(networks), _start(_favourites(networks), terms), terms, effort)


def choose_groups(scores: GroupScores, terms: Terms, effort: Effort, *, seed: int) -> Selection | None:
    """Choose among all groups of the tasks; proven optimal up to 24 tasks, else with a bound where one is found."""
    tasks = len(terms.tasks)
    linear = terms.cost_budget is None or terms.cost_budget.is_linear
    members = all_groups(tasks) if tasks <= (_PARTITION_UNITS if linear else _LISTED_TASKS) else None
    if terms.cost_budget is not None:
        members = terms.cost_budget.named_groups(terms.tasks, otherwise=members)
    if members is not None:
        return choose_among(terms.evaluate(members, scores.of(members)), terms, effort)
    listed = _always_listed(scores, terms)
    reached = descents(scores, terms, restarts=effort.restarts, seed=seed)
    pool = reduce(operator.add, [listed, *reached]).distinct()
    enumerated = tasks <= _ENUMERATED_TASKS and linear
    if not enumerated and (tasks > _BOUNDED_TASKS or effort.steps == 0):
        return _without_bound(pool, reached[0], terms, effort)
    start = _start(pool, terms, choose_by_milp(pool, terms.limits, time_limit=effort.time_limit))
    search = ToggleSearch(scores, terms)
    if enumerated:
        start = relax(search, start, terms.limits, tolerance=_CLOSE)
        return _finish(JointPricer((ListedPricer(listed), EnumeratedPricer(scores, terms))), start, terms, effort)
    start = relax(search, start, terms.limits, tolerance=effort.gap / 4, rounds=_SEARCH_ROUNDS)
    return _bounded(scores, terms, listed, start, effort)


def _require_servable(networks: Networks, terms: Terms) -> None:
    served: Bools = np.isfinite(networks.values).max(axis=0, initial=False)
    lost = [terms.tasks[task] for unit, task in zip(*np.nonzero(terms.rules.units), strict=True) if not served[unit]]
    if lost:
        raise InputError(f"No network within the constraints and the budget serves {lost}. Loosen them.")


def _favourites(networks: Networks) -> Networks:
    """Keep the networks that serve some unit best: enough to begin with."""
    best = np.argsort(-networks.values, axis=0, kind="stable")[:_FAVOURITES]
    return networks.take(np.unique(best))


def _always_listed(scores: GroupScores, terms: Terms) -> Networks:
    """All tasks in one network, every task or unit alone, and the networks that exist."""
    everyone = np.ones((1, len(terms.tasks)), dtype=bool)
    members = np.concatenate([everyone, np.eye(len(terms.tasks), dtype=bool), terms.rules.units, terms.current])
    members = np.unique(members, axis=0)
    return terms.evaluate(members, scores.of(members))


def _start(pool: Networks, terms: Terms, found: Selection | None = None) -> Relaxation:
    """Begin with every network of the pool serving all it can, and with prices guessed from a solution."""
    units, limits = pool.values.shape[1], terms.limits
    everything = Prices(np.full(units, -np.inf), np.zeros(len(limits)))
    columns = serve_above(pool, everything).distinct()
    if found is None:
        return Relaxation(columns, Prices(np.zeros(units), np.zeros(len(limits))), np.inf)
    served = np.arange(len(found.networks))[:, None] == found.serving
    columns += Columns(found.networks, served)
    return Relaxation(columns, _central_prices(pool, found, limits), np.inf)


def _central_prices(pool: Networks, found: Selection, limits: Floats) -> Prices:
    """Split what the solution is worth beyond one network for all half to the networks, half to those they serve."""
    together = pool.values[pool.members.all(axis=1)]
    worst = np.where(np.isfinite(pool.values), pool.values, np.inf).min(axis=0)
    baseline = together[0] if len(together) and np.isfinite(together[0]).all() else worst
    served = found.networks.values.max(axis=0)
    price = max(0.5 * float((served - baseline).sum()) / limits[0], 0.0) if len(found.networks) >= limits[0] else 0.0
    size = np.bincount(found.serving, minlength=len(found.networks))
    resource = np.zeros(len(limits))
    resource[0] = price
    return Prices(served - (price + found.networks.charge[found.serving]) / size[found.serving], resource)


def _finish(pricer: Pricer, start: Relaxation, terms: Terms, effort: Effort) -> Selection | None:
    """Prove: exact bound, best choice among the columns, then among all networks that the bound leaves possible."""
    for tolerance in (_CLOSE, _EXACT):
        start = relax(pricer, start, terms.limits, tolerance=tolerance)
        if not start.is_feasible:
            return None
        pool = start.columns.networks.distinct()
        found = choose_by_milp(pool, terms.limits, time_limit=effort.time_limit)
        slack = np.inf if found is None else max(start.bound - found.value, 0.0)
        if found is not None and slack <= _EXACT * max(1.0, abs(start.bound)):
            return replace(found, bound=found.value, status="optimal by column generation")
        left = pricer.within(start.prices, slack, _LEFT)
        if left is not None:
            possible = (left if found is None else left + found.networks).distinct()
            return choose_by_milp(_thinned(possible, start.prices, slack), terms.limits, time_limit=effort.time_limit)
    return found and replace(found, bound=start.bound, status="stopped: too many networks within the gap")


def _thinned(networks: Networks, prices: Prices, slack: float) -> Networks:
    """Forbid serving so far below the price that no choice better than the one at hand contains it."""
    values = np.where(networks.values >= prices.unit - slack - 1e-9, networks.values, -np.inf)
    return replace(networks, values=values)


def _bounded(
    scores: GroupScores, terms: Terms, listed: Networks, start: Relaxation, effort: Effort
) -> Selection | None:
    """Choose among the columns and bound by semidefinite relaxations; where these are loose, by branch and bound."""
    found = _choose_near(start, terms, effort)
    if found is None:
        return None
    resource = np.concatenate([[0.0], start.prices.resource[1:]])
    units = terms.rules.units.astype(np.float64)
    price = (start.prices.unit / units.sum(axis=1)) @ units
    goal = found.value + 0.5 * effort.gap * abs(found.value)
    bound = SemidefiniteBound(scores, terms, listed, resource, effort.steps).bound(price, goal)
    if bound > found.value + effort.gap * abs(found.value) and len(terms.tasks) <= _BRANCHED_TASKS:
        proven = _branched(scores, terms, listed, start, effort.gap * abs(found.value))
        better = _choose_near(proven, terms, effort)
        found = better if better is not None and better.value > found.value else found
        bound = min(bound, proven.bound)
    return replace(found, bound=max(bound, found.value), status="near-optimal by local search and columns")


def _branched(scores: GroupScores, terms: Terms, listed: Networks, start: Relaxation, tolerance: float) -> Relaxation:
    """Improve columns and prices by branch-and-bound pricing until the bound is within ``tolerance`` of the columns."""
    pricer = BoundedPricer(scores, terms, 0.5 * tolerance / terms.networks, _BOUND_NODES)
    both = JointPricer((ListedPricer(listed), pricer))
    relative = 0.5 * tolerance / max(abs(start.value), 1e-12)
    return relax(both, replace(start, bound=np.inf), terms.limits, tolerance=relative, rounds=_BOUND_ROUNDS)


def _without_bound(pool: Networks, best: Networks, terms: Terms, effort: Effort) -> Selection | None:
    """Choose among the networks of all solutions, every unit looking at few; no worse than the best of them."""
    few = min(_CONSIDERED, len(pool))
    least = np.partition(pool.values, len(pool) - few, axis=0)[len(pool) - few]
    thin = replace(pool, values=np.where(pool.values >= least, pool.values, -np.inf))
    safe = len(terms.limits) == 1  # then the root is enough; the tree takes long where all is noise
    nodes = 1 if safe else None
    options = [choose_by_milp(thin, terms.limits, time_limit=effort.time_limit, gap=_REGRET_GAP, nodes=nodes)]
    options += [select(best)] if safe and np.isfinite(best.values).any(axis=0).all() else []
    found = max((option for option in options if option is not None), key=lambda option: option.value, default=None)
    found = found or choose_by_milp(pool, terms.limits, time_limit=effort.time_limit)
    return found and replace(found, bound=np.inf, status="local search, no bound")


def _choose_near(relaxed: Relaxation, terms: Terms, effort: Effort) -> Selection | None:
    """Choose among the columns that come nearest to being worth their price."""
    pool = relaxed.columns.networks.distinct()
    order = np.argsort(-pool.reduced_values(relaxed.prices), kind="stable")[:_NEAR]
    return choose_by_milp(pool.take(order), terms.limits, time_limit=effort.time_limit)
