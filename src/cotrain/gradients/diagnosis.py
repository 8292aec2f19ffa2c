"""What an examination of a network found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

    from cotrain.gradients.plan import PathName

Severity: TypeAlias = Literal["refused", "slow", "note"]


@dataclass(frozen=True)
class Finding:
    """Something to know before a long run.

    Parameters
    ----------
    severity
        ``"refused"`` (gradients cannot be collected), ``"slow"`` (they can, at a price) or ``"note"``.
    where
        Names of layers or parameters.
    what
        What was found and what to do about it.
    """

    severity: Severity
    where: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        shown = ", ".join(self.where[:4]) + (f" and {len(self.where) - 4} more" if len(self.where) > 4 else "")
        return f"[{self.severity}] {shown + ': ' if shown else ''}{self.what}"


@dataclass(frozen=True)
class Estimate:
    """What collecting all training and validation rows takes.

    Parameters
    ----------
    gradients
        Pairs of a row and a task with an observed label.
    seconds
        Extrapolated from one micro-batch.
    micro_batch
        Rows at a time.
    memory
        Bytes that a micro-batch takes at most, estimated.
    disk
        Bytes of coordinates and offsets in a store.
    """

    gradients: int
    seconds: float
    micro_batch: int
    memory: int
    disk: int

    def __str__(self) -> str:
        return (
            f"{self.gradients:,} gradients in about {self.seconds:.1f} s, {self.micro_batch} rows at a time; "
            f"about {self.memory / 2**20:.0f} MiB of memory, {self.disk / 2**20:.1f} MiB on disk"
        )


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Findings about a network, the path of every parameter, and what a collection takes.

    Parameters
    ----------
    findings
        The worst first.
    paths
        Parameter name -> path; empty where the network is refused.
    reasons
        Parameter name -> why it is not on the structured path.
    estimate
        Cost of a collection; none where the network is refused.
    """

    findings: tuple[Finding, ...]
    paths: dict[str, PathName]
    reasons: dict[str, str]
    estimate: Estimate | None

    @property
    def healthy(self) -> bool:
        """Whether gradients can be collected."""
        return all(finding.severity != "refused" for finding in self.findings)

    @property
    def text(self) -> str:
        """The whole diagnosis, for people."""
        lines = [str(finding) for finding in self.findings]
        for path in dict.fromkeys(self.paths.values()):
            names = [name for name, taken in self.paths.items() if taken == path]
            lines.append(f"{path} path: {len(names)} parameters, {', '.join(names[:6])}{', ...' * (len(names) > 6)}")
        if self.estimate is not None:
            lines.append(str(self.estimate))
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per parameter: its path, and why it is not a faster one."""
        import pandas as pd

        rows = [(name, path, self.reasons.get(name, "")) for name, path in self.paths.items()]
        return pd.DataFrame(rows, columns=["parameter", "path", "reason"])
