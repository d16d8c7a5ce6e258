"""A cluster that runs already, as a launch sees it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil

from study.errors import StudyError
from study.records.paths import Home
from study.running.cluster.code import travelling_modules
from study.running.cluster.head import Head, find_head
from study.running.cluster.node import Node, check_room, titles
from study.running.processes import is_alive
from study.running.site import RAY_ENVIRONMENT, Cargo, join_ray, last_line, settle
from study.running.stop import StopRequest
from study.running.watch import Watch
from study.spec import StudySpec
from study.spec.running import ResourcesSpec
from trainables.own import TRAVELLED
from trainables.storage import Storage

FOLLOW_EVERY_S = 1.0
CONNECT_S = 2.0
HEAD_S = 10.0  # for which a head may be silent
ERRAND_S = 20.0
NODE_CACHE = "~/.cache/loss-study"  # where nodes share no folder, and STUDY_CACHE names none


class RunningCluster:
    """The cluster at `address`, `host:port` or `auto`, which is joined and left, never ended.

    Stop files and words of hangs lie in a temporary folder of each node, and are brought there and fetched by errands:
    of what a launch needs, nodes share the study's folder alone, or a storage in its place.
    """

    shared = True

    def __init__(self, address: str, most: int | None = None) -> None:
        self._address, self._most = address, most
        self._head: Head | None = None
        self._wanted: ResourcesSpec | None = None
        self._nodes: dict[str, Node] = {}
        self._names: dict[str, str] = {}
        self._news: list[str] = []
        self._told_to_leave: set[str] = set()
        self._silent_s = 0.0
        self._raylet: psutil.Process | None = None
        self._stop_file = ""
        self._lock = threading.Lock()

    @property
    def beginning(self) -> str:
        """What is said while it is connected to."""
        return f"joining the Ray cluster at {self.head.address} ({len(self._nodes)} nodes)"

    @property
    def head(self) -> Head:
        """Its head, found when it is first needed."""
        if self._head is None:
            self._head = find_head(self._address)
            self._take_in(list(self._head.nodes))
        return self._head

    def settle(self) -> None:
        """Ray's settings, without those that keep it on one machine."""
        settle(RAY_ENVIRONMENT)

    def check(self, spec: StudySpec) -> None:
        """StudyError where it is not there, or none of its nodes has what a trial asks for."""
        self._wanted = spec.resources
        check_room(spec.resources, self.head.nodes, self.head.address)

    def connect(self, scratch: Path, cargo: Cargo) -> None:
        """Join it; our code and the user's modules are sent along."""
        import ray

        self._stop_file = str(scratch / "stop")
        modules = travelling_modules(cargo.own, scratch / "modules")
        try:
            join_ray(address=self.head.address, runtime_env={"py_modules": modules})
        except Exception as problem:  # whatever keeps one from joining
            raise StudyError(
                f"the Ray cluster at {self.head.address} cannot be joined: {last_line(problem)}; 'ray status' says how "
                "it is"
            ) from None
        _silence()
        self._raylet = _raylet_of(ray.get_runtime_context().get_node_id())

    def look(
        self, spec: StudySpec, home: Home, cargo: Cargo, say: Callable[[str], None], storage: Storage | None
    ) -> None:
        """StudyError, with the node's name, where one cannot run a study's trials."""
        from study.running.cluster.errands import living_nodes
        from study.running.cluster.probe import Needs, check_nodes

        self._take_in(living_nodes())
        useful = [node for node in self._nodes.values() if node.room(spec.resources)]
        say(f"looking at {len(useful)} nodes")
        place = Storage(str(home.root)) if storage is None else storage
        cache = str(home.cache) if storage is None else NODE_CACHE
        check_nodes(useful, Needs(place.below(spec.name), cache, cargo), say)

    def processes(self, spec: StudySpec) -> int:
        """As many as fit on the nodes that live, at least one, which then waits for a node."""
        with self._lock:
            room = sum(node.room(spec.resources) for node in self._nodes.values())
        return max(1, room if self._most is None else min(room, self._most))

    def most_on_a_machine(self, spec: StudySpec) -> int:
        """How many fit on the largest node."""
        return max(1, *(node.room(spec.resources) for node in self._nodes.values()))

    def bound(self) -> int | None:
        """How many trials may run at a time whatever there is room for, if that was said."""
        return self._most

    def settings(self, run: dict[str, Any]) -> dict[str, Any]:
        """What a user's modules are is sent by Ray; folders of this machine mean nothing elsewhere.

        But the studies' home does, where no storage takes its place.
        """
        here = {"import_from": [TRAVELLED], "stop_file": self._stop_file}
        if run.get("storage"):
            own = Path(self._stop_file).parent / "checkpoints" / Path(run["store"]).name
            here |= {"store": str(own), "cache": NODE_CACHE}
        return run | here

    def following(self, stop: StopRequest) -> AbstractContextManager[Any]:
        """Follows which nodes there are, and tells all of them to stop when this machine is told."""
        return Following(self, stop)

    def news(self) -> list[str]:
        """Sentences on nodes that came and went."""
        with self._lock:
            told, self._news = self._news, []
        return told

    def lost(self) -> str | None:
        """Whether the head, or this machine's node, is gone."""
        if self._raylet is not None and not is_alive(self._raylet):
            return f"the node of the Ray cluster at {self.head.address} on this machine died"
        if _answers(self.head.address):
            self._silent_s = 0.0
            return None
        self._silent_s += FOLLOW_EVERY_S
        if self._silent_s < HEAD_S:
            return None
        return f"the head of the Ray cluster at {self.head.address} does not answer any more"

    def departed(self, actor: str) -> str | None:
        """The node of an actor where that is marked dead, or its Ray does not answer, which comes before the mark."""
        import ray

        node = self._node_of(actor)
        found = next((each for each in ray.nodes() if each["NodeID"] == node), None)
        if found is None:
            return None
        port = found["NodeManagerPort"]
        if found["Alive"] and _answers(f"{found['NodeManagerAddress']}:{port}"):
            return None
        return self._names.get(node, found["NodeName"])

    def texts(self, pattern: str, actor: str) -> list[str]:
        """What files hold that lie on an actor's node, where that still answers."""
        from study.running.cluster.errands import run_on
        from study.running.site import taken_texts

        node = self._node_of(actor)
        if not node or self.departed(actor):
            return []
        found = run_on([node], taken_texts, pattern, timeout_s=ERRAND_S)[node]
        return found if isinstance(found, list) else []

    def kill(self, pid: int, actor: str) -> None:
        """End a process on an actor's node."""
        from study.running.cluster.errands import kill, run_on

        if node := self._node_of(actor):
            run_on([node], kill, pid, timeout_s=ERRAND_S)

    def leave(self, scratch: Path) -> None:
        """Remove what the launch wrote into the nodes' temporary folders, and go; where the head is gone, just go."""
        import ray

        from study.running.cluster.errands import clean_up, run_on

        used = [node.id for node in self._nodes.values() if self._wanted and node.room(self._wanted)]
        if ray.is_initialized() and _answers(self.head.address):
            run_on(used, clean_up, str(scratch), timeout_s=ERRAND_S)
        ray.shutdown()

    def end(self) -> None:
        """Nothing of it was started for this launch."""

    def follow(self, *, stopping: bool) -> None:
        """See which nodes there are; tell those that were not told that the launch ends."""
        from study.running.cluster.errands import ask_to_leave, living_nodes, run_on

        self._take_in(living_nodes())
        untold = set(self._nodes) - self._told_to_leave if stopping else set()
        self._told_to_leave |= untold
        run_on(untold, ask_to_leave, self._stop_file, timeout_s=ERRAND_S)

    def _take_in(self, nodes: list[Node]) -> None:
        with self._lock:
            now = {node.id: node for node in nodes}
            first = not self._names
            self._names |= titles(nodes)
            if not first:
                self._news += [f"node {self._names[key]} joined the cluster" for key in now if key not in self._nodes]
                self._news += [f"node {self._names[key]} left the cluster" for key in self._nodes if key not in now]
            self._nodes = now

    def _node_of(self, actor: str) -> str:
        from ray._private.state import actors  # the public way asks the dashboard, which a cluster may lack

        found = actors(actor) or {}
        return str(found.get("Address", {}).get("NodeID", ""))


class Following(Watch):
    """Looks at the nodes of a cluster now and then."""

    def __init__(self, cluster: RunningCluster, stop: StopRequest) -> None:
        super().__init__("cluster-watch")
        self._cluster, self._stop = cluster, stop

    def _look(self) -> None:
        while not self._done.wait(FOLLOW_EVERY_S):
            self._cluster.follow(stopping=bool(self._stop))


def _silence() -> None:
    """Keep Ray from printing on standard output that a node died: it is an event here, and `--json` is for programs."""
    from ray._private import worker

    worker.print_to_stdstream = lambda *_, **__: None


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except OSError:
        return False
    return True


def _raylet_of(node: str) -> psutil.Process | None:
    """The process of a node on this machine."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "raylet" and any(node in word for word in process.info["cmdline"] or ()):
            return process
    return None
