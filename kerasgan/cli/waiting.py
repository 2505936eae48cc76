"""What a command says where it takes longer than a few seconds."""

import contextlib
import sys
import threading
from collections.abc import Iterator

_SECONDS = 2.0


@contextlib.contextmanager
def announced(what: str) -> Iterator[None]:
    """Says on standard error what a block does, where it is not done within two seconds."""

    def say():
        print(f"{what} ...", file=sys.stderr, flush=True)

    timer = threading.Timer(_SECONDS, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
