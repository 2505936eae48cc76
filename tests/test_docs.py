"""The code of documentation pages does what they say."""

import pathlib
import re
import subprocess
import sys

from PIL import Image

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def test_the_tutorial_runs_from_data_to_a_served_model(tmp_path):
    code = "\n".join(blocks("tutorial.md", "python"))
    assert code.count("EPOCHS = 30") == code.count("steps_per_epoch=100") == 1
    code = code.replace("EPOCHS = 30", "EPOCHS = 2").replace("steps_per_epoch=100", "steps_per_epoch=5")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "saved_models/tutorial/1" in done.stdout
    assert re.search(r"^prdc_coverage +\d", done.stdout, re.MULTILINE)
    for name in ("real.png", "generated.png", "curves.png"):
        assert Image.open(tmp_path / name).width > 200, name


def test_the_commands_of_the_tutorial_run(tmp_path):
    (commands,) = blocks("tutorial.md", "sh")
    commands = commands.replace("kerasgan ", f"{sys.executable} -m kerasgan ")
    commands = commands.replace("--conditional", "--conditional --steps=4 --units=16,16 --latent_dim=4")
    done = subprocess.run(["bash", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
    for name in ("walk.gif", "sevens.png", "saved_models/tutorial/1/saved_model.pb"):
        assert (tmp_path / name).is_file(), name


def test_the_pictures_of_every_page_are_there():
    for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
