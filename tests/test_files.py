"""Files that appear whole, whoever else writes them."""

import os
import subprocess
import sys

import pytest

from kerasgan import files

WRITER = "import sys, time; from kerasgan import files\nwith files.replacing(sys.argv[1]) as t: t.write_text('half'); "


def test_of_two_writers_of_one_file_each_leaves_it_whole(tmp_path):
    path = tmp_path / "grid.png"
    with files.replacing(path) as one:
        one.write_text("A" * 100)
        with files.replacing(path) as other:
            assert other.suffix == ".png"
            other.write_text("B" * 10)
        assert path.read_text() == "B" * 10
    assert path.read_text() == "A" * 100
    assert [left.name for left in tmp_path.iterdir()] == ["grid.png"]


@pytest.mark.slow
def test_what_a_killed_writer_has_left_is_swept_by_the_next_and_a_living_ones_is_not(tmp_path):
    killed = subprocess.run([sys.executable, "-c", WRITER + "import os; os._exit(9)", tmp_path / "a.txt"])
    assert killed.returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    with files.replacing(tmp_path / "b.txt") as living, files.replacing(tmp_path / "c.txt") as other:
        other.write_text("c")
        living.write_text("b")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.name, other.name])
    assert sorted(os.listdir(tmp_path)) == ["b.txt", "c.txt"]


def test_what_another_machine_has_left_is_swept_after_a_day(tmp_path):
    left = [tmp_path / f".tmp.00000000.1.0000000{k}.x.png" for k in range(2)]
    for path in left:
        path.touch()
    os.utime(left[0], (0, 0))
    with files.replacing(tmp_path / "x.png") as temporary:
        temporary.touch()
    assert [path.exists() for path in left] == [False, True]


def test_the_longest_name_that_a_file_may_have_can_be_written(tmp_path):
    path = tmp_path / ("x" * 250 + ".png")
    with files.replacing(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"
