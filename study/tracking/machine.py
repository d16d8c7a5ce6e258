"""Load of the driver's machine while a study runs, as MLflow's system metrics of a run of its own."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from study.tracking.mlflow_store import KEY_TAG, settle_environment
from study.tracking.owner import Owner, own_experiment

if TYPE_CHECKING:
    from study.tracking import Tracker

MACHINE = "machine"  # level of its run
INTERVAL_S = 10.0  # unless MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL says otherwise
CLOSING_S = 5.0


class MachineTracker:
    """Another tracker, and beside it a thread that measures this machine: processors, memory, disk, network, GPUs.

    A view of the moment, kept by MLflow alone: what is measured while the store is away is lost.
    """

    def __init__(self, tracker: Tracker, owner: Owner, address: str) -> None:
        self.uri: str | None = tracker.uri
        self._tracker, self._owner, self._address = tracker, owner, address
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="machine", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._tracker.wake()

    def close(self, say: Callable[[str], None] = lambda text: None) -> str | None:
        self._closing.set()
        problem = self._tracker.close(say)
        self._thread.join(CLOSING_S)
        return problem

    def _measure(self) -> None:
        settle_environment()
        interval = float(os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL") or INTERVAL_S)
        client: Any = None
        monitor: Any = None
        began, step = time.time(), 0
        while not self._closing.wait(interval):
            with suppress(Exception):  # whatever a store can raise: this sample is lost
                if monitor is None:
                    client, monitor = self._begin(began)
                monitor.collect_metrics()
                self._log(client, monitor, step)
                step += 1
        if monitor is not None:
            with suppress(Exception):
                client.set_terminated(monitor._run_id)

    def _begin(self, began: float) -> tuple[Any, Any]:
        import mlflow
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        client = mlflow.MlflowClient(tracking_uri=self._address)
        experiment = own_experiment(client, self._owner)
        if experiment is None:
            raise LookupError("the view has not made it yet")
        run = client.create_run(
            experiment.experiment_id,
            start_time=int(began * 1000),
            run_name=f"machine · {platform.node()}",
            tags={KEY_TAG: f"machine {began:.3f}", "study.level": MACHINE},
        )
        return client, SystemMetricsMonitor(run.info.run_id, tracking_uri=self._address)

    @staticmethod
    def _log(client: Any, monitor: Any, step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        found = {f"system/{name}": value for name, value in monitor.aggregate_metrics().items()}
        for each in monitor.monitors:
            each.clear_metrics()
        client.log_batch(monitor._run_id, metrics=[Metric(name, value, now, step) for name, value in found.items()])
