"""Every study of `scripts/` runs in its quick form, keeps its results, and draws its figure."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

SCRIPTS = sorted((pathlib.Path(__file__).parents[1] / "scripts").glob("study_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_study_runs_and_goes_on_from_what_is_there(script, tmp_path):
    command = [sys.executable, script, "--quick", f"--out={tmp_path}"]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    printed = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300).stdout
        for _ in range(2 if script == SCRIPTS[0] else 1)
    ]
    assert printed[0] == printed[-1]
    assert "| --- |" in printed[0]
    assert json.loads((tmp_path / "results.json").read_text())
    (figure,) = tmp_path.glob("*.png")
    Image.open(figure).load()
