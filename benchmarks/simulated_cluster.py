"""A Ray cluster of many nodes on this machine: each a raylet with its agents, with cores that need not be there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

STORE_BYTES = 78_643_200  # of each node's object store, the least that Ray takes
SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(16),
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "5000",
}


@contextmanager
def simulated_cluster(cpus: Sequence[int]) -> Iterator[Any]:
    """A head without cores and a node for each number of `cpus`, as Ray's own `Cluster`; Ray is not imported before."""
    os.environ.update({name: value for name, value in SETTINGS.items() if name not in os.environ})
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
    try:
        for offered in cpus:
            cluster.add_node(wait=False, num_cpus=offered, **small)
        cluster.wait_for_nodes(timeout=600)
        yield cluster
    finally:
        cluster.shutdown()
