"""Pictures below a notebook's cell. IPython is used where it is running, and never needed."""

import sys
from typing import Any

from PIL import Image


def is_running() -> bool:
    """Whether this process is the kernel of a notebook: Jupyter, Colab, VS Code, ..."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    # A terminal's IPython has another shell; that of Colab is derived from this one.
    return any(base.__name__ == "ZMQInteractiveShell" for base in type(shell).__mro__)


class Output:
    """A picture below the cell that runs, replaced by each new one instead of filling the page."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, picture: Image.Image) -> None:
        """Shows a picture in place of the last one; outside of a notebook does nothing."""
        if not is_running():
            return
        from IPython.display import display

        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)
