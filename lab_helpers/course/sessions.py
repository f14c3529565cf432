"""A learner's session with a lab: the one object a notebook needs.

``Lab("l3-l4-policies")`` sets the kernel's environment (so that ``!kubectl`` and ``%%bash`` work in any front end),
connects, brings the cluster to the lab's start and shows a card. It is safe to run again and after a kernel restart:
work in the lab that the cluster was last prepared for is kept until ``lab.reset()``.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_helpers.course import notebooks, offline, shopping
from lab_helpers.course.answering import Answer, Answers
from lab_helpers.course.api import Api
from lab_helpers.course.betting import Bets, ShownBoard, board_widgets
from lab_helpers.course.catalogue import find_lab
from lab_helpers.course.checking import SETTLING, CheckResult, check_task
from lab_helpers.course.counting_down import Countdown
from lab_helpers.course.errors import StageError, UnknownTask
from lab_helpers.course.hinting import hints_so_far, solution_of
from lab_helpers.course.limitations import limitations
from lab_helpers.course.noediting import refuse_editors
from lab_helpers.course.observing import FlowSource, HubbleFlows
from lab_helpers.course.obstacles import obstacle_of, other_lab
from lab_helpers.course.predicting import Predictions, Question
from lab_helpers.course.probing import Probe, Prober
from lab_helpers.course.reading import read_lab
from lab_helpers.course.records import Records, progress_file
from lab_helpers.course.reporting import learner_progress
from lab_helpers.course.staging import CILIUM_VERSION, Stager
from lab_helpers.course.surveying import agent_version, flood, flow_table, identity_table, reachability
from lab_helpers.course.tasks import Stage, Task
from lab_helpers.course.tooling import Tools
from lab_helpers.course.workloads import Workload
from lab_helpers.views.attempts import Attempt
from lab_helpers.views.bets.boards import Board
from lab_helpers.views.cards import LabCard
from lab_helpers.views.display import Tones, View
from lab_helpers.views.flows import FlowTable
from lab_helpers.views.identities import IdentityTable
from lab_helpers.views.matrices import Matrix
from lab_helpers.views.panels import Detail, Panel
from lab_helpers.views.verdicts import Outcome

if TYPE_CHECKING:
    from lab_helpers.clusters import Cluster
    from lab_helpers.views.explorer.widget import FlowExplorer
    from lab_helpers.views.identities.widget import IdentityWidget
    from lab_helpers.views.map.widget import MapWidget
    from lab_helpers.views.plots.widget import LivePlot

__all__ = ["Lab"]


class Lab(View):
    """One lab on one cluster. Every method returns a value that shows itself; none raises for a denied connection."""

    def __init__(
        self, name: str, *, cluster: Cluster | None = None, labs: Path | None = None, flows: FlowSource | None = None
    ) -> None:
        self.outline = read_lab(find_lab(name, labs))
        self._place = notebooks.place()
        self._given_flows = flows
        self._use(cluster if cluster is not None else _connect())
        self.records = Records(progress_file(Path(self.cluster.state_dir)))
        self._predictions = Predictions(self.outline, self.records)
        widgets = board_widgets(lambda: self.cluster) if notebooks.attended() else None
        self._bets = Bets(self.outline.name, self.records, lambda: reachability(self.api), widgets)
        self._last_task = next(iter(self.outline.tasks), "")
        self._applied_at = float("-inf")
        self._given: dict[str, Answer] = {}
        self._prepare()
        self._install_magics()
        self._place.show(self.card())

    # --- trying and looking -----------------------------------------------------------------------------------------

    def try_(self, source: str, command: str, *, settles: str = "") -> Attempt:
        """Run a command in a pod of ``source`` ("shop/frontend"); what became of it, with the flows that explain it.

        ``settles`` names a prediction that this attempt decides.
        """
        attempt = Prober(self.api, self._flows).run(Probe(Workload.parse(source), command))
        if settles and attempt.outcome is not Outcome.NOT_RUN:
            line = self._predictions.verdict(settles, attempt.outcome.value)
            attempt = dataclasses.replace(attempt, settled=line)
        return attempt

    def flows(self, last: int = 50, **filters: Any) -> FlowTable:
        """The last flows through Relay. Filters: ``namespace``, ``pod``, ``to_pod``, ``from_pod``, ``verdict``,
        ``label``, ``port``, ``kind`` ("drop", "trace", "policy-verdict", "l7"), ``node``.
        """
        return flow_table(self._flows, last, filters)

    def flood(self, source: str, url: str, requests: int = 800) -> Panel:
        """Keep a pod busy with many short requests, one after the other (to fill Hubble's buffers, for example)."""
        return flood(self.api, source, url, requests)

    def identities(self, *namespaces: str) -> IdentityTable:
        """Which pods share which security identity."""
        return identity_table(self.api, namespaces or shopping.NAMESPACES)

    def explorer(self, command: str = "") -> FlowExplorer:
        """Flows as they happen, filtered in the words of ``hubble observe``; ``command`` may be such a command."""
        from lab_helpers.views.explorer.widget import FlowExplorer
        from lab_helpers.views.live.following import follower_of

        return FlowExplorer(follower_of(self.cluster), command)

    def identity_browser(self, *namespaces: str) -> IdentityWidget:
        """Identities, live: labels, pods, addresses, the rules about them, what a change of labels would do, and who
        held which address. (Without namespaces: those of the shop.)
        """
        from lab_helpers.views.identities.following import endpoints_of
        from lab_helpers.views.identities.widget import IdentityWidget

        return IdentityWidget(endpoints_of(self.cluster), namespaces or shopping.NAMESPACES)

    def map(self, *namespaces: str, window: float = 60.0) -> MapWidget:
        """Who speaks to whom, live: workloads, names outside, world and nodes, with verdicts, ports and rates over
        ``window`` seconds. (Without namespaces: those of the shop.)
        """
        from lab_helpers.views.live.following import follower_of
        from lab_helpers.views.map.widget import MapWidget

        return MapWidget(follower_of(self.cluster), namespaces or shopping.NAMESPACES, window=window)

    def matrix(self, before: Matrix | None = None) -> Matrix:
        """Measure who reaches whom in the shop, by real connections; with ``before``, marks what changed."""
        measured = reachability(self.api)
        return measured.since(before) if before is not None else measured

    def plot(self, kind: str = "verdicts", command: str = "") -> LivePlot:
        """A figure of live flows: "verdicts" over time, "drops" by reason, HTTP "latency"; ``command`` filters in the
        words of ``hubble observe``.
        """
        from lab_helpers.views.live.following import follower_of
        from lab_helpers.views.plots.widget import LivePlot

        return LivePlot(follower_of(self.cluster), kind, command)

    def wait(self, seconds: float, reason: str = "") -> Panel:
        """Let ``seconds`` of the cluster's time pass: the twin's clock jumps, on a real cluster this waits and says how
        long it still takes.
        """
        title = f"{seconds:g} seconds" + (f", for {reason}" if reason else "")
        waited = self.cluster.wait(seconds, progress=Countdown(title, seconds).tick)
        how = "the twin's clock was moved" if waited.jumped else "waited in real time"
        return Panel(title, Tones.GOOD.value, "passed", (how,))

    # --- tasks ------------------------------------------------------------------------------------------------------

    def check(self, task: str = "") -> CheckResult:
        """Does the cluster behave as the task wants? (Without a name: the task worked on last.)"""
        wanted = self._task(task)
        left = self._applied_at + SETTLING - time.monotonic()
        given = self._given.get(wanted.name)
        result = check_task(
            self.api,
            self._flows,
            wanted,
            settling=max(0.0, left),
            output=given.ran.output if given else None,
            obstacle=other_lab(self.records.current(self._incarnation), self.outline.name)
            or (obstacle_of(given, wanted.kind) if given else None),
        )
        self.records.checked(self.outline.name, wanted.name, passed=result.passed)
        return result

    def hint(self, task: str = "") -> Panel:
        """The next hint; each says more than the one before."""
        wanted = self._task(task)
        shown = self.records.hinted(self.outline.name, wanted.name, most=len(wanted.hints))
        return hints_so_far(wanted, shown)

    def solution(self, task: str = "") -> Panel:
        """One answer that passes; copy it into the task's cell and run that."""
        wanted = self._task(task)
        self.records.saw_solution(self.outline.name, wanted.name)
        return solution_of(wanted)

    # --- predictions ------------------------------------------------------------------------------------------------

    def predict(self, name: str, answer: str = "") -> Question:
        """Ask the learner to commit to an outcome before it is seen; ``answer`` commits by typing."""
        given = answer or notebooks.parameters().predictions.get(name, "")
        return self._predictions.ask(name, given)

    def reveal(self, name: str) -> Panel:
        """Let the cluster prove the answer to a prediction, and explain it."""
        return self._predictions.reveal(name, self.api, self._flows)

    # --- bets -------------------------------------------------------------------------------------------------------

    def bets(
        self, name: str, question: str = "", *, outcomes: Sequence[str] = (), bets: Mapping[str, str] | None = None
    ) -> ShownBoard:
        """Measure who reaches whom, and let the learner bet on every connection before a policy changes it.

        ``outcomes`` are what can be bet on ("answered" and "timeout" unless told); ``bets`` commits by typing:
        ``{"shop/frontend -> backend:8080": "timeout"}``.
        """
        return self._bets.open(name, question or "who reaches whom then?", tuple(outcomes), bets)

    def settle(self, name: str) -> Board:
        """Measure again: connections before and after, the bets, and the score."""
        return self._bets.settle(name)

    # --- the lab as a whole -----------------------------------------------------------------------------------------

    def reset(self) -> LabCard:
        """Back to the lab's start: everything applied since is gone, the shop is as it was. Progress stays."""
        self._place = notebooks.place()
        self._stage()
        card = self.card()
        self._place.show(Panel("The lab is at its start again.", Tones.GOOD.value, "reset"))
        return card

    def close(self) -> None:
        """Let go of the connections to the cluster."""
        self.api.close()

    def progress(self) -> View:
        """Tasks and predictions of this lab so far."""
        return learner_progress(self.outline, self.records)

    def export(self, file: str = "progress.json") -> Panel:
        """Write the progress of all labs to a file (for Binder, where nothing stays)."""
        target = Path(file).absolute()
        target.write_text(self.records.export(), encoding="utf-8")
        return Panel(f"Progress written to {target}", Tones.GOOD.value, "exported")

    def card(self) -> LabCard:
        """What this lab is about, and what it runs on."""
        outline = self.outline
        cilium = agent_version(self.api)
        running = f"Cilium {cilium}" if cilium else "no network plug-in yet"
        facts = [("cluster", f"{self.cluster.name} ({self.cluster.backend})")]
        facts += [("Kubernetes", self.api.version()), ("network", running)]
        if outline.start is Stage.SHOP:
            pods = sum(len(self.api.list("Pod", namespace)) for namespace in shopping.NAMESPACES)
            facts.append(("shop", f"{pods} pods in {' and '.join(shopping.NAMESPACES)}"))
        for limit in limitations(outline.number, self.cluster.backend):
            facts.append(("not decided on this cluster", str(limit)))
        if outline.start is Stage.BARE and self._chart:
            facts.append(("without internet", offline.advice(self._chart)))
        applied = self.records.applied(self._incarnation, outline.name)
        kept = [item.name for item in applied if self.api.get(item.kind, item.name, item.namespace)]
        if kept:
            facts.append(("kept from last time", f"{', '.join(dict.fromkeys(kept))} (lab.reset() starts over)"))
        tasks = tuple(
            (task.title, self.records.task(outline.name, task.name).passed) for task in outline.tasks.values()
        )
        return LabCard(outline.number, outline.title, outline.goals, outline.minutes, tuple(facts), tasks)

    def text(self) -> str:
        """The card."""
        return self.card().text()

    def body(self) -> str:
        """The card."""
        return self.card().body()

    # --- cells ------------------------------------------------------------------------------------------------------

    def answer(self, task: str, text: str) -> Panel:
        """What ``%%task`` does: apply an answer. In an unattended run that is ``solved``, the solution takes its
        place.
        """
        wanted = self._task(task)
        solved = bool(notebooks.parameters().solved)
        given = self._answers.give(wanted, wanted.solution if solved else text)
        self._remember(given)
        self._last_task = wanted.name
        self._given[wanted.name] = given
        return given.panel(wanted.title, put_in_place=solved)

    def apply(self, text: str) -> Panel:
        """What ``%%apply`` does: ``kubectl apply`` of the cell."""
        given = self._answers.apply(text)
        self._remember(given)
        names = ", ".join(f"{item.kind} {item.name}" for item in given.objects)
        return given.panel(names or "kubectl apply")

    def stage(self, task: str) -> Panel:
        """Apply what a task begins with, and show it."""
        manifest = self._task(task).begins_with
        given = self._answers.apply(manifest)
        self._remember(given)
        panel = given.panel(", ".join(f"{item.kind} {item.name}" for item in given.objects))
        return dataclasses.replace(panel, details=(*panel.details, Detail("What was applied", manifest, folded=True)))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _use(self, cluster: Cluster) -> None:
        """Work on this cluster from now on, here and in shell cells."""
        environment = cluster.environment()
        os.environ.update(environment)
        refuse_editors(os.environ)
        self.cluster = cluster
        client = cluster.api()
        self.api = Api(client)
        self.tools = Tools(environment)
        self._flows: FlowSource = self._given_flows or HubbleFlows(cluster)
        version = self.outline.cilium or str(cluster.facts.get("cilium_version") or CILIUM_VERSION)
        self._chart = offline.chart_here(cluster, version)
        self._stager = Stager(
            self.api,
            self.tools,
            own=cluster.backend != "existing",
            say=self._say,
            version=version,
            needed=bool(self.outline.cilium),
            parts=self.outline.parts,
            chart=self._chart,
            sleep=lambda seconds: cluster.wait(seconds, client=client),
        )
        own = cluster.backend != "existing"
        self._answers = Answers(self.api, self.tools, everywhere=own or bool(cluster.facts.get("cluster_wide")))
        self._incarnation = self._stager.identity()

    def _renew(self) -> None:
        """A cluster that had Cilium is never bare again, one that was newer never old: a fresh one takes its place."""
        from lab_helpers.clusters import ClusterError, renew

        self._say("starting a fresh cluster")
        self.close()
        try:
            self._use(renew(self.cluster))
        except ClusterError as error:
            before = (
                f"that never ran anything newer than {self.outline.cilium}" if self.outline.cilium else "without Cilium"
            )
            what = f"this lab starts on a cluster {before}: {error.what}"
            raise StageError(what, where=error.where, try_=error.try_) from None

    def _prepare(self) -> None:
        """Bring the cluster to the lab's start, unless it was prepared for this lab already."""
        if self.records.current(self._incarnation) == self.outline.name and self._at_start_or_beyond():
            return
        self._stage()

    def _stage(self) -> None:
        past = self._stager.is_past() or self._stager.is_misplaced()
        if past or (self.outline.start is Stage.BARE and not self._stager.is_bare()):
            self._renew()
        self._stager.reach(self.outline.start, leftovers=self.records.applied(self._incarnation))
        self.records.cleaned(self._incarnation)
        self.records.enter(self._incarnation, self.outline.name)
        self._applied_at = time.monotonic()

    def _at_start_or_beyond(self) -> bool:
        if self.outline.start is Stage.SHOP:
            return all(self.api.get("Deployment", name.partition("/")[2], name.partition("/")[0]) for name in _SHOP)
        return self.outline.start is Stage.BARE or self.api.get("DaemonSet", "cilium", "kube-system") is not None

    def _remember(self, given: Answer) -> None:
        self._applied_at = time.monotonic()
        if given.objects:
            self.records.apply(self._incarnation, self.outline.name, list(given.objects))

    def _task(self, name: str) -> Task:
        chosen = name or self._last_task
        if chosen not in self.outline.tasks:
            known = ", ".join(self.outline.tasks) or "none"
            raise UnknownTask(f'this lab has no task "{chosen}"', where=self.outline.name, try_=f"one of: {known}")
        return self.outline.tasks[chosen]

    def _install_magics(self) -> None:
        notebooks.register_magic("task", self.answer)
        notebooks.register_magic("apply", lambda _line, text: self.apply(text))
        if notebooks.parameters().unattended:
            notebooks.watch_shell_cells(
                lambda cell, code, line: self.records.shell(self.outline.name, cell, code, line)
            )

    def _say(self, text: str) -> None:
        self._place.show(Panel(f"Lab {self.outline.number} · {self.outline.title}", lines=(text + " …",)))


_SHOP = (*shopping.CLIENTS, "shop/backend", "shop/redis")


def _connect() -> Cluster:
    from lab_helpers.clusters import ClusterError, connect

    try:
        return connect()
    except ClusterError as error:
        raise StageError(error.what, where=error.where, try_=error.try_) from None
