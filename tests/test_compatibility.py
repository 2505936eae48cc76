"""What is said of versions is what scripts/compatibility.py has found."""

import configparser
import pathlib

import compatibility
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = pathlib.Path(__file__).resolve().parents[1]

OPTIONS = configparser.ConfigParser()
OPTIONS.read(ROOT / "setup.cfg", encoding="utf-8")
OPTIONS = OPTIONS["options"]
LINES = [line for line in OPTIONS["install_requires"].splitlines() if line and line[0] != "#"]
BOUNDS = {one.name: one.specifier for one in map(Requirement, LINES)} | {
    "python": SpecifierSet(OPTIONS["python_requires"])
}


@pytest.mark.parametrize("page", ["README.md", "docs/serving.md"])
def test_pages_have_the_tables_of_the_results(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert compatibility.with_tables(text, compatibility.read()) == text
    assert "<!-- compatibility.py" in text


@pytest.mark.parametrize("name", compatibility.COLUMNS)
def test_the_bounds_of_the_package_are_the_ends_of_what_has_passed(name):
    column = compatibility.COLUMNS.index(name)
    results = [one for one in compatibility.read() if compatibility.key(one) in compatibility.ROWS]
    assert {compatibility.key(one) for one in results} == set(compatibility.ROWS), "run scripts/compatibility.py"
    passed = sorted(compatibility.version(one["row"][column]) for one in results if not one["failed"])
    (lowest,) = [one.version for one in BOUNDS[name] if one.operator == ">="]
    (beyond,) = [one.version for one in BOUNDS[name] if one.operator == "<"]
    assert compatibility.version(lowest) == passed[0]
    newest = passed[-1][:1] if name == "numpy" else passed[-1]
    assert compatibility.version(beyond) == [*newest[:-1], newest[-1] + 1]


def test_what_follows_tensorflow_has_its_bounds():
    for name in ("tensorboard", "tensorflow-serving-api"):
        assert BOUNDS[name] == BOUNDS["tensorflow"], name


def test_what_is_not_under_test_is_installed_within_its_bounds():
    tested = {"keras", "numpy", "tensorboard", "tensorflow", "tensorflow-serving-api"}
    assert compatibility.others() == [line for line in LINES if Requirement(line).name not in tested]
    assert tested <= BOUNDS.keys()
