"""Tune's controller with room by the number of trials, and with failures that are no trial's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ray.air.execution.resources.fixed import FixedAcquiredResources
from ray.air.execution.resources.request import AcquiredResources, ResourceRequest
from ray.air.execution.resources.resource_manager import ResourceManager
from ray.exceptions import RayActorError
from ray.tune import tune as tune_module
from ray.tune.execution.tune_controller import TuneController


class CountedRoom(ResourceManager):
    """Room for as many trials as `places()` says at the time; each gets what `place` makes of its request."""

    def __init__(self, places: Callable[[], int], place: Callable[[ResourceRequest], AcquiredResources]) -> None:
        self.places, self.place = places, place
        self.requested, self.used = list[ResourceRequest](), 0

    def request_resources(self, resource_request: ResourceRequest) -> None:
        self.requested.append(resource_request)

    def cancel_resource_request(self, resource_request: ResourceRequest) -> None:
        self.requested.remove(resource_request)

    def has_resources_ready(self, resource_request: ResourceRequest) -> bool:
        return resource_request in self.requested and self.used < self.places()

    def acquire_resources(self, resource_request: ResourceRequest) -> AcquiredResources | None:
        if not self.has_resources_ready(resource_request):
            return None
        self.requested.remove(resource_request)
        self.used += 1
        return self.place(resource_request)

    def free_resources(self, acquired_resource: AcquiredResources) -> None:
        self.used -= 1

    def clear(self) -> None:
        self.requested.clear()
        self.used = 0


def anywhere(request: ResourceRequest) -> AcquiredResources:
    """What a trial asked for, on any node that has it."""
    return FixedAcquiredResources(resource_request=request, bundles=request.bundles)


class Controller(TuneController):
    """Tune's, with two changes.

    No trial is charged with a failure that `excused` knows another reason for. And a process that becomes free goes to
    a trial that has none on its way: Tune would end the one that is starting, so that where trials are shorter than a
    start, a node that joined would never be used.
    """

    def __init__(self, *arguments: Any, excused: Callable[[Any, Exception], bool], **settings: Any) -> None:
        self._excused = excused
        super().__init__(*arguments, **settings)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        state.pop("_excused")  # nothing of ours goes along where Tune keeps its state
        return state

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        if not self._has_one_coming(trial):
            return bool(super()._maybe_reuse_cached_actor(trial))
        staged = self._pending_trials & self._staged_trials
        waiting = (each for each in self._scheduler_alg.in_turn() if each in staged)
        other = next((each for each in waiting if not self._has_one_coming(each)), None)
        if other is None:  # what is on its way may be waiting for the cores that the free process holds
            return bool(super()._maybe_reuse_cached_actor(trial))
        super()._maybe_reuse_cached_actor(other)
        return False

    def _has_one_coming(self, trial: Any) -> bool:
        actor = self._trial_to_actor.get(trial)
        return actor is not None and bool(self._actor_manager.is_actor_started(actor))

    def _process_trial_failure(self, trial: Any, exception: Exception) -> None:
        preempted = isinstance(exception, RayActorError) and exception.preempted  # which Ray counts for nothing
        if self._excused(trial, exception) and not preempted:
            trial.run_metadata.num_failures -= 1  # before it is added, and compared with what is allowed
        super()._process_trial_failure(trial, exception)


@contextmanager
def controlled(excused: Callable[[Any, Exception], bool], room: CountedRoom | None) -> Iterator[None]:
    """Within it, Tune runs trials in this room, or where there is room by Ray's own count.

    `tune.run` has no setting for its controller.
    """
    before = tune_module.TuneController
    managed = {"resource_manager_factory": lambda: room} if room else {}
    tune_module.TuneController = partial(Controller, excused=excused, **managed)
    try:
        yield
    finally:
        tune_module.TuneController = before
