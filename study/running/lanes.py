"""Ray Tune's trials as lanes: where Tune would start an actor for a trial, the trial gets a lane of a host instead.

Tune asks a resource manager for room and lets it say how an actor is started there. Ours has room for so many trials
on every host (`control.py`), and what it starts is a handle whose calls go to the host's actor: Tune, its schedulers
and its retries see trials as ever.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.air.execution.resources.request import AcquiredResources
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from study.planning.preflight import memory_share, num_lanes, places
from study.running.control import CountedRoom
from study.running.site import Site
from study.spec import StudySpec
from trainables.hosting import TrialHost
from trainables.own import import_folders
from trainables.watchdog import hung_in

ANSWER_S = 5.0  # for which the driver waits for a host that may have died
EXCUSED = 2  # deaths of a host among many that count as no failure of a trial's


@dataclass(frozen=True)
class HostSettings:
    """What a host is and has.

    At most `lanes` of an array train at a time, with `found` as many as pay; `places` trials are open at most, those
    that wait for a lane among them. `share` of its device's free memory is for it.
    """

    places: int
    share: float
    cpus: float
    gpus: float
    lanes: int
    found: bool
    timeout_s: float
    markers: Path
    import_from: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """What a host trains on."""
        return "cuda" if self.gpus else "cpu"


def host_settings(spec: StudySpec, scratch: Path, site: Site) -> HostSettings:
    """The processes that train a study's trials in lanes."""
    wanted = spec.resources
    own = site.settings({"import_from": import_folders()})
    return HostSettings(
        places=places(spec),
        share=memory_share(spec, site.most_on_a_machine(spec)),
        cpus=wanted.cpus,
        gpus=wanted.gpus,
        lanes=num_lanes(spec),
        found=wanted.lanes == "auto",
        timeout_s=wanted.timeout_s,
        markers=scratch,
        import_from=tuple(own["import_from"]),
    )


class Host:
    """A host's actor, and the keys of the trials that are open there."""

    def __init__(self, settings: HostSettings, number: int, site: Site) -> None:
        self.site, self.marker = site, settings.markers / f"lane-{number}"
        remote = ray.remote(num_cpus=settings.cpus, num_gpus=settings.gpus, max_concurrency=2 * settings.places + 2)
        self.actor = remote(TrialHost).remote(
            settings.lanes, settings.found, settings.device, str(self.marker), list(settings.import_from),
            settings.share, settings.timeout_s,
        )  # fmt: skip
        self.end = self.actor.live.remote()
        self.keys: dict[int, str] = {}
        self.asked, self.asked_at = self.actor.facts.remote(), math.inf  # it may begin as late as it likes
        self.begun = False
        self.pid: int | None = None
        self.ended_after_s: float | None = None

    @property
    def is_up(self) -> bool:
        """Whether its process has begun."""
        self.begun = self.begun or bool(ray.wait([self.asked], timeout=0)[0])
        return self.begun

    @property
    def name(self) -> str:
        """What Ray calls its actor."""
        return str(self.actor._actor_id.hex())

    def is_dead(self, *, ask: bool = False) -> bool:
        """Whether its process is gone, as far as Ray has told; or, with `ask`, as it answers. None is no death."""
        if ask:
            try:
                ray.get(self.actor.ping.remote(), timeout=ANSWER_S)
            except GetTimeoutError:
                pass
            except RayActorError:
                return True
        return bool(ray.wait([self.end], timeout=0)[0])

    def silent_s(self) -> float:
        """Seconds since it was asked for a word that it still owes; it is asked again when it gave one."""
        now = time.monotonic()
        if ray.wait([self.asked], timeout=0)[0]:
            with suppress(RayError):
                self.pid = ray.get(self.asked)["pid"]
            self.asked, self.asked_at = self.actor.facts.remote(), now
        return max(0.0, now - self.asked_at)

    def end_it(self, silent_s: float) -> None:
        """End its process, which was silent for so long."""
        self.ended_after_s = silent_s
        ray.kill(self.actor)
        if self.pid is not None:
            self.site.kill(self.pid, self.name)  # Ray asks the process to end itself, which a stopped one does not

    def marked(self) -> set[str]:
        """The open trial that trained alone when it died, if one did."""
        return set(self.site.texts(str(self.marker), self.name)) & set(self.keys.values())

    def where_it_hung(self) -> str | None:
        """What it was doing when it ended itself, or was ended for its silence; None where neither happened."""
        if self.ended_after_s is not None:
            return "with no answer from its process, as one that was stopped"
        texts = self.site.texts(f"{self.marker}.hang", self.name)
        return next((where for text in texts if (where := hung_in(text)) is not None), None)


class Hosts:
    """All hosts, as many as the site has room for. One that died is replaced when its trials are tried again.

    A trial answers for a death that came while it trained alone. One that came while many trained is nobody's fault
    `EXCUSED` times, then everybody's: each of them is tried again in an array of its own, for the length of a
    checkpoint interval after the first time, to its end after another. A host that left with its node is nobody's.
    """

    def __init__(self, settings: HostSettings, spec: StudySpec, site: Site) -> None:
        self.settings, self.spec, self.site = settings, spec, site
        self.started, self.opened = 0, 0
        self.hosts: list[Host] = []
        self.excused: set[str] = set()
        self.hung: dict[str, str] = {}  # trials whose process ended itself, and where it hung
        self.unexplained: Counter[str] = Counter()  # deaths of a trial's hosts
        self._mutex = threading.RLock()  # Tune's thread and the watch look for the dead
        self._settle()

    @property
    def places(self) -> int:
        """How many trials are open at most: on hosts that have begun, and one that waits for the first of them."""
        begun = sum(host.is_up or not self.site.shared for host in self.hosts)
        most, bound = max(1, begun * self.settings.places), self.site.bound()
        return most if bound is None else min(most, bound)

    def room(self) -> CountedRoom:
        """The same, as Tune asks for it."""
        return CountedRoom(lambda: self.places, lambda request: LaneSlot(request, self))

    def open(self, config: dict[str, Any]) -> Lane:
        """A lane for the trial of this config."""
        self.look()
        key, deaths = config["key"], self.unexplained[config["key"]]
        alone_s = config["run"]["checkpoint_interval_s"] if deaths < EXCUSED else math.inf
        run = config["run"] | {"alone": deaths > 0, "alone_s": alone_s}
        wanted = {"key": key, "trial": config["trial"], "run": run}  # what Tune adds only Tune reads
        host = min(self.hosts, key=lambda host: (not host.is_up, len(host.keys)))
        self.opened += 1
        host.keys[self.opened] = key
        return Lane(host, self.opened, wanted)

    def excuses(self, key: str) -> bool:
        """Whether the last failure of a trial was its host's death, for which another trial is to blame."""
        self.look(key)
        excused = key in self.excused
        self.excused.discard(key)
        return excused

    def explain(self, trial: Any) -> str | None:
        """Where a trial's process hung, if that is why it ended."""
        self.look(trial.config["key"])
        return self.hung.pop(trial.config["key"], None)

    def look(self, failed: str = "") -> None:
        """Replace the hosts that died; that of trial `failed` may have, though Ray has not told yet."""
        with self._mutex:
            dead = [host for host in self.hosts if host.is_dead(ask=failed in host.keys.values())]
            for host in dead:
                self.hosts.remove(host)
                if self.site.departed(host.name) is None:
                    self._blame(host)
            self._settle()

    def _blame(self, host: Host) -> None:
        marked, others = host.marked(), set(host.keys.values())
        if (where := host.where_it_hung()) is not None:
            self.hung |= dict.fromkeys(others, where)
        if marked:
            others -= marked
        else:
            self.unexplained.update(others)
            others = {key for key in others if self.unexplained[key] <= EXCUSED}
        self.excused |= others

    def _settle(self) -> None:
        """Start as many hosts as there is room for; of those that wait for more than that, none that is needed."""
        wanted = self.site.processes(self.spec)
        while len(self.hosts) < wanted:
            self.started += 1
            self.hosts.append(Host(self.settings, self.started, self.site))
        for host in [host for host in self.hosts if not host.is_up and not host.keys][: len(self.hosts) - wanted]:
            self.hosts.remove(host)
            ray.kill(host.actor)

    def watch(self) -> None:
        """End the processes that are silent, and take in nodes that came; called now and then."""
        self.end_silent()
        self.look()

    def end_silent(self) -> None:
        """End the processes that have not answered for `timeout_s`: one that is stopped runs no watchdog."""
        for host in list(self.hosts):
            if host.ended_after_s is None and (silent_s := host.silent_s()) > self.settings.timeout_s:
                host.end_it(silent_s)


class Lane:
    """What Tune takes for the handle of a trial's actor: the calls it makes, each with a future for an answer.

    It refers to nothing that refers to it, so that its futures are gone with it, before Ray is.
    """

    def __init__(self, host: Host, number: int, config: dict[str, Any]) -> None:
        self.host, self.number = host, number
        self.opened = host.actor.open.remote(number, config)

    @property
    def __ray_ready__(self) -> Method:
        return Method(lambda: self.opened)

    @property
    def train(self) -> Method:
        return Method(lambda: self.host.actor.train.remote(self.number))

    @property
    def get_auto_filled_metrics(self) -> Method:
        return Method(lambda **kind: self.host.actor.facts.remote())

    @property
    def stop(self) -> Method:
        return Method(self._close)

    __ray_terminate__ = stop

    def _close(self) -> Any:
        self.host.keys.pop(self.number, None)
        return self.host.actor.close.remote(self.number)


@dataclass(frozen=True)
class Method:
    """A method of a handle: `.remote(...)` gives the future of its result."""

    call: Any

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return self.call(*args, **kwargs)


@dataclass
class LaneSlot(AcquiredResources):
    """Room for a trial."""

    hosts: Hosts

    def annotate_remote_entities(self, entities: list[Any]) -> list[Any]:
        return [Method(lambda config, **settings: self.hosts.open(config)) for _ in entities]
