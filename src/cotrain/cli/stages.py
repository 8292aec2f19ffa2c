"""The stages of a run: each is recalled where its folder holds it finished, else done and kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cotrain.cli.console import Console
from cotrain.cli.results import as_json
from cotrain.cli.run_folder import RunFolder
from cotrain.cli.run_settings import RunSettings

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity
    from cotrain.evaluation.trained import TrainedGroups
    from cotrain.grouping.grouping import Grouping
    from cotrain.problem.problem import Problem

AFFINITY, GROUPING, VERDICT, SUMMARY, REPORT = (
    "affinity.npz", "grouping.json", "verdict.npz", "report.json", "report.html",
)  # fmt: skip


@dataclass(frozen=True)
class Stages:
    """The stages of one run, in an opened folder."""

    problem: Problem
    settings: RunSettings
    folder: RunFolder
    console: Console

    def finish(self) -> dict[str, Any]:
        """Bring the run to its end from wherever it stands; return what report.json holds."""
        affinity = None if self.settings.groups else self.affinity()
        grouping = self.grouping(affinity)
        judged = self._recalled(VERDICT)
        summarised = judged and self._recalled(SUMMARY)
        if not (summarised and self.folder.has(REPORT)):
            self._judge(grouping, affinity, judged=judged, summarised=summarised)
        content: dict[str, Any] = json.loads((self.folder.path / SUMMARY).read_text())
        return content

    def affinity(self) -> Affinity:
        """Estimate affinities."""
        from cotrain import api
        from cotrain.affinity.affinity import Affinity

        if self._recalled(AFFINITY):
            return Affinity.load(self.folder.path / AFFINITY)
        settings = self.settings
        self.console.say(f"affinity: estimating by {settings.estimator}")
        with self.console.progress("affinity") as progress:
            affinity = api.estimate(
                self.problem, method=settings.estimator, seed=settings.seed, folder=self.folder.path,
                device=settings.device, progress=progress,
            )  # fmt: skip
        self.folder.keep(AFFINITY, lambda path: affinity.save(path, overwrite=True))
        return affinity

    def grouping(self, affinity: Affinity | None) -> Grouping:
        """Choose groups, or take those given by hand."""
        from cotrain import api
        from cotrain.grouping.grouping import Grouping

        if self._recalled(GROUPING):
            return Grouping.load(self.folder.path / GROUPING)
        if affinity is None:
            grouping = self.settings.given_grouping()
        else:
            self.console.say(f"grouping: choosing by {self.settings.grouper}")
            grouping = api.group(affinity, networks=self.settings.networks, method=self.settings.grouper)
        self.folder.keep(GROUPING, lambda path: grouping.save(path, overwrite=True))
        return grouping

    def trained(self, grouping: Grouping, affinity: Affinity | None) -> TrainedGroups:
        """Train the groups beside their alternatives; networks that are finished are recalled."""
        from cotrain import api

        settings = self.settings
        with self.console.progress("verdict") as progress:
            trained = api.train(
                self.problem, grouping, seeds=settings.seeds, first_seed=settings.seed,
                random_draws=settings.random_draws, estimate=affinity, folder=self.folder.path,
                device=settings.device, progress=progress,
            )  # fmt: skip
        return replace(trained, settings=self.folder.record)

    def _judge(self, grouping: Grouping, affinity: Affinity | None, *, judged: bool, summarised: bool) -> None:
        from cotrain import api, files
        from cotrain.reporting.summary import summary

        self.console.say("verdict: training the groups beside their alternatives")
        trained = self.trained(grouping, affinity)
        if not judged:
            self.folder.keep(VERDICT, lambda path: trained.verdict.save(path, overwrite=True))
        if not summarised:
            self.folder.keep(SUMMARY, lambda path: files.write_text(path, as_json(summary(trained))))
        self.folder.keep(REPORT, lambda path: api.report(trained, path, overwrite=True))

    def _recalled(self, name: str) -> bool:
        finished = self.folder.has(name)
        if finished:
            self.console.say(f"{name.partition('.')[0]}: recalled from {name}")
        return finished
