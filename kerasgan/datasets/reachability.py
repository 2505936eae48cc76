"""Whether a download can begin: known within seconds, where downloaders retry for minutes."""

import queue
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable

_PORTS = {"http": 80, "https": 443, "ftp": 21}
_SECONDS = 6.0  # a slow network opens a connection within one


def unreachable(urls: Iterable[str]) -> dict[str, str]:
    """The reason for each host of the URLs if none can be reached, itself or its proxy; empty if one can.

    Nothing is sent: a TCP connection is opened, and closed.
    """
    targets = {target for target in map(_target, urls) if target}
    results: queue.Queue[tuple[str, str | None]] = queue.Queue()
    for target in targets:
        # A name server may take longer than we wait: nobody waits for these threads.
        threading.Thread(target=_connect, args=(*target, results), daemon=True).start()
    reasons = {host: f"no answer in {_SECONDS:g} s" for host, _ in targets}
    deadline = time.monotonic() + _SECONDS
    for _ in targets:
        try:
            host, reason = results.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if reason is None:
            return {}
        reasons[host] = reason
    return reasons


def _target(url):
    """Host and port that a request of this URL connects to; None where that is unknown."""
    parts = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    port = parts.port or _PORTS.get(parts.scheme)
    return (parts.hostname, port) if parts.hostname and port else None


def _connect(host, port, results):
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
        results.put((host, None))
    except OSError as error:
        results.put((host, error.strerror or str(error)))
