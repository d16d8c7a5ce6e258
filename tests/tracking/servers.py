"""Small HTTP servers that stand where MLflow should, and fail in ways of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server that answers every request in this way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    for method in ("POST", "PUT", "PATCH"):
        setattr(Handler, f"do_{method}", Handler.do_GET)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def internal_error(request: BaseHTTPRequestHandler) -> None:
    """A proxy's page of many lines, as one sees it where the program behind it is broken."""
    body = (
        b"<html>\n<head><title>500</title></head>\n<body>\n"
        + b"<p>Internal Server Error</p>\n" * 40
        + b"</body></html>"
    )
    request.send_response(500)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def silence(request: BaseHTTPRequestHandler) -> None:
    """Takes the request and never answers."""
    time.sleep(600)


def trickle(request: BaseHTTPRequestHandler) -> None:
    """A byte now and then, so that no time limit on a single read ever strikes."""
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    try:
        while True:
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.2)
    except OSError:  # the other side has left
        pass


def nonsense(request: BaseHTTPRequestHandler) -> None:
    """A web page of something else."""
    body = b"<html>\n<body>Welcome to the printer</body>\n</html>\n"
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
