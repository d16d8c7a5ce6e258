"""An S3 server of the tests' own, in this process, and what a program needs to reach it."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

BUCKET = "studies"
KEYS = {"AWS_ACCESS_KEY_ID": "of-the-tests", "AWS_SECRET_ACCESS_KEY": "of-the-tests", "AWS_REGION": "us-east-1"}


@contextmanager
def s3_server() -> Iterator[Mapping[str, str]]:
    """With an empty bucket; the variables that name it and its keys."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        for method, path in (("POST", "moto-api/reset"), ("PUT", BUCKET)):  # servers of one process share all
            request = urllib.request.Request(f"{address}/{path}", method=method)
            urllib.request.urlopen(request, timeout=30).close()
        yield {**KEYS, "AWS_ENDPOINT_URL": address}
    finally:
        server.stop()
