"""How many groups are allowed and what each costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GroupCount:
    """Exactly ``most`` groups, or up to ``most``, each at a price.

    Parameters
    ----------
    most
        Number of groups.
    exact
        Whether exactly so many are wanted; otherwise any number up to ``most``.
    penalty
        What each group costs, in units of the objective.
    """

    most: int
    exact: bool = True
    penalty: float = 0.0

    def allows(self, groups: int) -> bool:
        """Whether a partition may have so many groups.

        Examples
        --------
        >>> GroupCount(3).allows(2), GroupCount(3, exact=False).allows(2)
        (False, True)
        """
        return groups == self.most if self.exact else 1 <= groups <= self.most
