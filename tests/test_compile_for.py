"""Train steps compile for TPUs and GPUs that are not there, and run under JAX alone as under TensorFlow."""

import json
import pathlib
import subprocess
import sys

import compile_for
import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "scripts"

ROW = {
    **dict.fromkeys(("arguments", "temporaries", "peak", "code"), 2_500_000),
    **{"flop": 4.38e9, "bytes": 3.7e8, "estimate": 0.00048, "host": 0, "dynamic": 0, "collectives": 6, "seconds": 13.4},
}


def refused(monkeypatch, capsys, *options):
    monkeypatch.setattr(sys, "argv", ["compile_for.py", *options])
    with pytest.raises(SystemExit) as caught:
        compile_for.options()
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "the following arguments are required: --target"),
        (["--target=v5e"], "expected --target=tpu:TOPOLOGY, e.g. tpu:v5e:2x2, or cuda:NAME; received 'v5e'"),
        (["--target=cuda:b3"], "expected one of a100, h100 after cuda:, or --target_config; received 'cuda:b3'"),
        (
            ["--target=cuda:x", "--target_config=none.txtpb"],
            "expected a file for --target_config; received 'none.txtpb'",
        ),
        (["--target=tpu:v5e:2x2", "--model=vgg"], "received 'vgg'"),
        (["--target=tpu:v5e:2x2", "--replicas=three"], "expected integers, e.g. 1,4; received 'three'"),
        (["--target=tpu:v5e:2x2", "--replicas=3"], "a multiple of --replicas, received 64 and 3"),
        (["--target=tpu:v5e:2x2", "--batch=0"], "a multiple of --replicas, received 0 and 1"),
    ],
)
def test_a_wrong_option_is_refused_with_what_was_expected(options, message, monkeypatch, capsys):
    assert message in refused(monkeypatch, capsys, *options)


def test_a_missing_compiler_is_named_with_the_extra_that_has_it(monkeypatch, capsys):
    monkeypatch.setattr(compile_for, "_version", lambda package: None)
    error = refused(monkeypatch, capsys, "--target=cuda:h100")
    assert 'jax-cuda13-plugin is not installed, which compiles for cuda:h100: pip install -e ".[gpu]"' in error


def test_a_row_has_megabytes_and_an_error_its_first_line():
    task = ("tpu:v5e:2x2", "mlp8", "float32", "train_step", 64, 4)
    text = compile_for.table({task: ROW, ("cuda:h100", *task[1:]): {"error": "XlaRuntimeError: no\nmore"}})
    head, rule, row, failed = (line.strip("| ").split(" | ") for line in text.splitlines())
    assert len(head) == len(rule) == len(row) == 16
    assert row[:5] == ["tpu:v5e:2x2", "mlp8", "float32", "4", "train_step"]
    assert row[5:] == ["2.5", "2.5", "2.5", "2.5", "4.38", "0.370", "0.480", "0", "0", "6", "13"]
    assert failed[5:] == ["XlaRuntimeError: no"]


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), *map(str, arguments)], capture_output=True, text=True, timeout=3600
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("target", "package"), [("tpu:v5e:2x2", "libtpu"), ("cuda:h100", "jax_cuda13_plugin")])
def test_a_whole_step_compiles_ahead_of_time_and_replicas_share_its_work(target, package, tmp_path):
    pytest.importorskip(package, reason="needs the extras `tpu` and `gpu`")
    command = ("compile_for.py", f"--target={target}", "--model=mlp8", "--precision=float32", f"--out={tmp_path}")
    printed = run(*command)
    assert run(*command) == printed  # from results.json
    rows = list(json.loads((tmp_path / "results.json").read_text())["values"].values())
    assert len(rows) == 2
    for row in rows:
        assert not row.get("error")
        assert (row["host"], row["host_bytes"], row["dynamic"], row["donated"]) == (0, 0, 0, 62)
        assert row["products"] + row["fusions"] > 100
    assert [row["collectives"] > 0 for row in rows] == [False, True]
    if "flop" in rows[0]:
        assert rows[1]["flop"] == pytest.approx(rows[0]["flop"] / 4, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "moved"), [(["--sgd"], 29), (["--steps=1"], 59)], ids=["SGD", "Adam"])
def test_an_exported_step_under_jax_equals_that_of_tensorflow(tmp_path, flags, moved):
    pytest.importorskip("jax", reason="needs the extra `tpu` or `gpu`")
    run("export_step.py", tmp_path / "bundle", "mlp8", *flags)
    lines = [json.loads(line) for line in run("run_step.py", tmp_path / "bundle", "--repeats=2").splitlines()]
    assert [line["products"] for line in lines] == ["default", "float32"]
    for line in lines:
        assert (line["steps"], line["weights_moved"], line["moved_here_alone"]) == (1 if moved == 59 else 3, moved, [])
        assert line["log_error"] < 1e-6
        # The first steps of Adam are signs: where a gradient is nearly 0, its rounding turns them round.
        assert line["weights_worst_error"] < (1e-2 if moved == 59 else 1e-3)
        assert line["weights_median_error"] < 1e-6
        assert line["images_per_second"] == pytest.approx(320 * line["steps_per_second"])
