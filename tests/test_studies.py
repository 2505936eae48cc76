"""Every study of `scripts/` runs in its quick form, keeps its results, and draws its figure."""

import json
import pathlib
import runpy
import sys

import pytest
from PIL import Image

SCRIPTS = sorted((pathlib.Path(__file__).parents[1] / "scripts").glob("study_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_study_runs_and_goes_on_from_what_is_there(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script.name, "--quick", f"--out={tmp_path}"])
    monkeypatch.syspath_prepend(script.parent)
    printed = []
    for _ in range(2 if script == SCRIPTS[0] else 1):
        runpy.run_path(str(script), run_name="__main__")
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[-1]
    assert "| --- |" in printed[0]
    assert json.loads((tmp_path / "results.json").read_text())
    (figure,) = tmp_path.glob("*.png")
    Image.open(figure).load()
