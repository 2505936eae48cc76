"""TensorFlow without its greetings."""

import os
import subprocess
import sys

import pytest

from kerasgan import quiet


@pytest.mark.parametrize(
    ("level", "kept"),
    [("0", "nIWEx"), ("1", "WEx"), ("2", "Ex"), ("3", "x"), ("high", "nIWEx")],
)
def test_lines_below_the_level_are_dropped_and_others_kept(level, kept, capfd):
    lines = {
        "n": "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        **{severity: f"{severity}0000 00:00:1795806545.612388   23860 port.cc:153] said" for severity in "IWE"},
        "x": "UserWarning: of Python",
    }
    with quiet._filtered(level):
        for line in lines.values():
            os.write(2, f"{line}\n".encode())
    assert capfd.readouterr().err.splitlines() == [lines[name] for name in kept]


def test_what_was_said_before_an_error_is_kept(capfd):
    def fail():
        with quiet._filtered("2"):
            os.write(2, b"E0000 said\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert capfd.readouterr().err == "E0000 said\n"


def test_importing_kerasgan_prints_nothing():
    code = "import os, kerasgan; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert (done.stderr, done.stdout) == ("", "2\n")


def test_a_training_says_nothing_on_standard_error(tmp_path):
    command = [sys.executable, "-m", "kerasgan", "train", "--steps=2", "--units=8", f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    others = [line for line in done.stderr.splitlines() if not line.endswith(" ...")]  # of what takes long, it says so
    assert (done.returncode, others) == (0, [])


def test_a_level_that_is_set_stays(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    quiet.import_tensorflow("2")
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"
