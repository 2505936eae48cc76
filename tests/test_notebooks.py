"""The notebooks in `examples`: their form, and that they run."""

import ast
import json
import pathlib
import re
import subprocess
import sys

import pytest

NOTEBOOKS = sorted(pathlib.Path(__file__).parents[1].glob("examples/*.ipynb"))


def code_of(notebook):
    """The code of a notebook's cells, without its shell commands."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [re.sub(r"^( *)!.*", r"\1pass", text, flags=re.MULTILINE) for text in code]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_valid_and_hold_no_outputs(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["name"]) == (4, "python3")
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        code = {"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {}
        assert (
            cell == {"id": cell["id"], "cell_type": cell["cell_type"], "metadata": {}, "source": cell["source"]} | code
        )
    assert "find_spec" in code_of(path)[0]
    for text in code_of(path):
        ast.parse(text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path):
    small = {"EPOCHS": 2, "STEPS_PER_EPOCH": 2, "STEPS": 4, "FILTERS": 4}
    code = "\n".join(code_of(path))
    code = re.sub(r"^([A-Z_]+) = \d+$", lambda line: f"{line[1]} = {small.get(line[1], 16)}", code, flags=re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
