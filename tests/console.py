"""Runs a console script several times in one process, which imports TensorFlow once: python console.py COMMANDS.

COMMANDS is JSON: a list of commands, lists of strings, that all begin with the path of the script.
"""

import json
import pathlib
import runpy
import sys

for command in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    sys.argv = command
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
