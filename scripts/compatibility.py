"""Which TensorFlow, Keras, NumPy and Python kerasgan works with: the README's table, and that of docs/serving.md.

    python scripts/compatibility.py                    # an environment and a run of tests for each row without a result
    python scripts/compatibility.py --only=3.11-2.19   # the rows whose versions begin like this
    python scripts/compatibility.py --exports          # which TensorFlows load what this one has exported
    python scripts/compatibility.py --write README.md docs/serving.md  # the tables, between their two markers

Results are appended to docs/compatibility.jsonl, a line for each row; a row whose line is removed runs again. An
environment (1 to 2 GB) is deleted after its row. TensorFlow is its CPU build. A row takes about five CPU minutes.
Interpreters are looked for on PATH.
"""

import argparse
import configparser
import contextlib
import datetime
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/compatibility.jsonl"
# Python, TensorFlow, Keras, NumPy: minor versions. The oldest and the newest of each that exist together. Python 3.10
# has no `typing.Self`.
COLUMNS = ("python", "tensorflow", "keras", "numpy")
ROWS = [
    ("3.11", "2.18", "3.8", "1.26"),
    ("3.11", "2.19", "3.8", "1.26"),
    ("3.11", "2.19", "3.10", "1.26"),
    ("3.12", "2.19", "3.15", "2.1"),
    ("3.12", "2.20", "3.13", "1.26"),
    ("3.13", "2.20", "3.10", "2"),
    ("3.11", "2.21", "3.12", "1.26"),
    ("3.13", "2.21", "3.15", "2"),
]
LOADERS = [("3.11", version) for version in ("2.16", "2.17", "2.18", "2.19", "2.20")]
# The tests that are run: whole files, or tests by name.
BATTERY = [
    "test_private.py",
    "test_parity.py::test_three_steps_are_those_of_the_paper",
    "test_parity.py::test_moving_statistics_are_those_of_every_forward_pass",
    "test_parity.py::test_three_steps_of_the_vae_are_those_of_the_paper",
    "test_layers.py::test_second_order_gradient_of_a_projection_is_exact",
    "test_saving.py::test_weights_that_are_loaded_go_on_with_their_optimizers",
    "test_saving.py::test_what_a_user_has_made_goes_on_where_it_is_known",
    "test_saving.py::test_what_a_user_has_made_is_asked_for_where_it_is_not_known",
    "test_saving.py::test_code_in_a_file_is_not_run",
    "test_training.py::test_two_trainings_of_one_model_are_one_training",
    "test_training.py::test_dropout_goes_on",
    "test_training.py::test_replicas_go_on_exactly_with_a_dataset_of_ours",
    "test_keras_callbacks.py::test_hooks_are_called_in_keras_order",
    "test_serving.py::test_protocol_buffers_are_answered[conditional]",
    "test_serving.py::test_other_formats_make_the_same_images[conditional]",
    "test_quality.py::test_evaluate_and_validation_report_the_functions_values",
    "test_cli.py::test_a_run_directory_is_complete_and_readable",
    "test_cli.py::test_npz_folder_and_grid_hold_the_same_images",
]
# Asks every signature of exports (arguments: a file to write, then directories) for its numbers.
ASK = """
import sys
import numpy as np
import tensorflow as tf

def example(spec):
    values = np.random.default_rng(0).uniform(0.1, 1, [size or 8 for size in spec.shape])
    return tf.constant((9 * values if spec.dtype.is_integer else values).astype(spec.dtype.as_numpy_dtype))

answers = {}
for path in sys.argv[2:]:
    for name, signature in sorted(tf.saved_model.load(path).signatures.items()):
        inputs = {key: example(spec) for key, spec in signature.structured_input_signature[1].items()}
        for key, value in signature(**inputs).items():
            if value.dtype != tf.string:  # pictures: those of `generate`, encoded
                answers[f"{path} {name} {key}"] = value.numpy()
np.savez(sys.argv[1], **answers)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="VERSIONS", help="rows that begin like this")
    parser.add_argument("--exports", action="store_true", help="the rows of docs/serving.md instead of the README's")
    parser.add_argument(
        "--cache", type=pathlib.Path, default=tempfile.gettempdir(), help="directory of the environments"
    )
    parser.add_argument("--keep", action="store_true", help="leaves the environments in the cache")
    parser.add_argument("--write", nargs="+", type=pathlib.Path, metavar="FILE", help="runs nothing: writes the tables")
    arguments = parser.parse_args()
    if arguments.write:
        for path in arguments.write:
            path.write_text(with_tables(path.read_text(encoding="utf-8"), read()), encoding="utf-8")
        return
    done = {key(result) for result in read()}
    for row in LOADERS if arguments.exports else ROWS:
        if row not in done and "-".join(row).startswith(arguments.only):
            result = json.dumps(measured(row, arguments), ensure_ascii=False)
            print(result, flush=True)
            with open(RESULTS, "a", encoding="utf-8") as file:
                file.write(result + "\n")


def read():
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    return sorted(map(json.loads, lines), key=lambda result: [*map(version, key(result))])


def key(result):
    """A row of ROWS or LOADERS."""
    return tuple(result["row"])


def version(text):
    return [int(part) for part in text.split(".")]


# Environments


def measured(row, arguments):
    """The result of a row, with its date and the CPU seconds that it took."""
    seconds = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    start, measure = seconds(), load if arguments.exports else test
    print(" ".join(row), "...", file=sys.stderr, flush=True)
    with environment(row, arguments) as folder:
        result = {"row": row, "date": datetime.date.today().isoformat(), **measure(row, folder)}
    return result | {"cpu_seconds": round(seconds() - start)}


def test(row, folder):
    """What the battery shows in an environment."""
    _, tensorflow, keras, numpy = row
    under_test = [f"tensorflow-cpu=={tensorflow}.*", f"keras=={keras}.*", f"numpy=={numpy}.*"]
    install(folder, *under_test, *others(), "tensorboard", "pytest", "onnx")  # TensorFlow 2.21 brings no TensorBoard
    # Without what they require: tensorflow is there by another name, and the bounds of kerasgan are under test.
    alone = ["--no-deps", "--ignore-requires-python"]
    install(folder, *alone, f"tensorflow-serving-api=={tensorflow}.*", "tf2onnx", str(ROOT))
    report, tests = folder / "report.xml", [str(ROOT / "tests" / name) for name in BATTERY]
    command = [folder / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=folder, env=clean, stdout=sys.stderr)
    return {"versions": installed(folder), **outcome(report)}


def load(row, folder):
    """How far the answers of an environment are from those of this interpreter, for the exports of the checkout."""
    exports = [str(path.parent.relative_to(ROOT)) for path in sorted(ROOT.glob("saved_models/*/*/saved_model.pb"))]
    install(folder, f"tensorflow-cpu=={row[1]}.*")
    for interpreter, name in ((sys.executable, "ours.npz"), (folder / "bin/python", "theirs.npz")):
        command = [interpreter, "-c", ASK, folder / name, *exports]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            return {"versions": installed(folder), "failed": 1, "first": done.stderr.strip().splitlines()[-1]}
    return {"versions": installed(folder), "failed": 0, **difference(folder / "ours.npz", folder / "theirs.npz")}


def difference(ours, theirs):
    """The largest differences, in grey levels and in floats."""
    import numpy as np

    found = {"levels": 0.0, "floats": 0.0}
    with np.load(ours) as expected, np.load(theirs) as received:
        for name, values in expected.items():
            kind = "levels" if values.dtype == np.uint8 else "floats"
            found[kind] = max(found[kind], float(np.abs(values.astype(np.float64) - received[name]).max()))
    return found


@contextlib.contextmanager
def environment(row, arguments):
    """A virtual environment of the Python of a row; one that was kept is used again."""
    folder = arguments.cache / f"kerasgan-{'-'.join(row)}"
    try:
        if not (folder / "bin/pip").exists():
            subprocess.run([interpreter_of(row[0]), "-m", "venv", folder], check=True)
        yield folder
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def interpreter_of(python):
    for folder in os.get_exec_path():
        path = pathlib.Path(folder, f"python{python}")
        # pyenv has programs of this name that refuse to start.
        if path.exists() and not subprocess.run([path, "-c", ""], capture_output=True).returncode:
            return path
    sys.exit(f"There is no python{python} on PATH: install it, or add its directory.")


def others():
    """The requirements of setup.cfg without those whose bounds are under test."""
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = configuration["options"]["install_requires"].splitlines()
    tested = re.compile(r"keras|numpy|tensorboard|tensorflow(-serving-api)?")
    return [line for line in lines if line and line[0] != "#" and not tested.fullmatch(re.split("[<>=]", line)[0])]


def install(folder, *packages):
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-compile", *packages], check=True)


def installed(folder):
    """The versions of an environment."""
    code = (
        "import importlib.metadata as m, json, platform\n"
        "names = {'tensorflow': 'tensorflow-cpu', 'keras': 'keras', 'numpy': 'numpy'}\n"
        "versions = {'python': platform.python_version()} | {key: m.version(name) for key, name in names.items()}\n"
        "print(json.dumps(versions))"
    )
    return json.loads(subprocess.run([folder / "bin/python", "-c", code], capture_output=True, check=True).stdout)


def outcome(report):
    """How many tests have passed and failed, and the first that failed."""
    cases = [case for case in ET.parse(report).iter("testcase") if case.find("skipped") is None]
    failures = [(case, child) for case in cases for child in case if child.tag in ("failure", "error")]
    first = [f"{case.get('name')}: {child.get('message')}".splitlines()[0] for case, child in failures[:1]]
    return {"passed": len(cases) - len(failures), "failed": len(failures), "first": "".join(first)}


# Tables


def with_tables(text, results):
    """A page with the tables whose markers it has."""
    made = {"compatibility.py": table(results), "compatibility.py --exports": load_table(results)}
    for name, found in made.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        pattern = f"(?<={re.escape(begin)}).*?(?={re.escape(end)})"
        text = re.sub(pattern, lambda _, found=found: found, text, flags=re.DOTALL)
    return text


def table(results):
    """Markdown, the newest versions last."""
    rows = [
        [*map(result["versions"].get, COLUMNS), _tests(result), result["date"]]
        for result in results
        if key(result) in ROWS
    ]
    return _table(["Python", "TensorFlow", "Keras", "NumPy", "tests", "date"], rows)


def load_table(results):
    rows = []
    for result in results:
        if key(result) in LOADERS:
            if result["failed"]:
                found = ["✗", result["first"][:80], ""]
            else:
                found = ["✓", f"{result['levels']:.2g}", f"{result['floats']:.2g}"]
            rows.append([result["versions"]["tensorflow"], *found, result["date"]])
    return _table(["TensorFlow", "loads", "grey levels", "floats", "date"], rows)


def _table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', ' ') for cell in line)} |\n" for line in lines)


def _tests(result):
    if not result["failed"]:
        return f"✓ {result['passed']}"
    return f"✗ {result['failed']} of {result['passed'] + result['failed']}: {result['first'][:80]}"


if __name__ == "__main__":
    main()
