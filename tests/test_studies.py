"""Every study of `scripts/` runs in its quick form, keeps its results, and draws its figure."""

import json
import pathlib
import runpy
import sys

import pytest
from PIL import Image
from selection import each

SCRIPTS = sorted((pathlib.Path(__file__).parents[1] / "scripts").glob("study_*.py"))


# The one that is run twice.
QUICKEST = next(script for script in SCRIPTS if script.stem == "study_vanishing_gradients")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_study_finds_all_that_it_imports(script, monkeypatch):
    monkeypatch.syspath_prepend(script.parent)
    assert callable(runpy.run_path(str(script))["main"])


@pytest.mark.parametrize("script", each(SCRIPTS, []), ids=lambda path: path.stem)
def test_a_study_runs_and_goes_on_from_what_is_there(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script.name, "--quick", f"--out={tmp_path}"])
    monkeypatch.syspath_prepend(script.parent)
    printed = []
    for _ in range(2 if script == QUICKEST else 1):
        runpy.run_path(str(script), run_name="__main__")
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[-1]
    assert "| --- |" in printed[0]
    assert json.loads((tmp_path / "results.json").read_text())
    (figure,) = tmp_path.glob("*.png")
    Image.open(figure).load()
