"""A process of a test: `python worker.py MODULE FUNCTION ARGUMENT...` calls the function, with strings."""

import importlib
import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1] / "scripts"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

if __name__ == "__main__":
    module, function, *arguments = sys.argv[1:]
    getattr(importlib.import_module(module), function)(*arguments)
