"""The README's support matrix: the results of tests/test_support_matrix.py, as a table.

    python scripts/support_matrix.py                    # runs them, and prints the table
    python scripts/support_matrix.py --write README.md  # puts it between its two markers
    python scripts/support_matrix.py --check README.md  # exit status 1 if the page has another table
    python scripts/support_matrix.py --report=R.xml     # reads a report of `pytest --junitxml=R.xml`, runs nothing

A report of the default tests holds some of the combinations: the printed table has a cell for each model that has run,
and `--check` takes those that have not from the page. The script itself runs every combination.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

TESTS = "tests/test_support_matrix.py"
BEGIN, END = f"<!-- {pathlib.Path(__file__).name}: begin -->", f"<!-- {pathlib.Path(__file__).name}: end -->"
# Columns; rows, by label, with the tests that show them.
MODELS = ["GAN", "WGAN", "WGANGP", "WGANLP", "DRAGAN", "LSGAN", "R3GAN", "VAE"]
PRECISIONS = ["float32", "mixed_bfloat16", "mixed_float16"]
# For each strategy its test, and the precisions tested with XLA, too; `pytest -m slow` tests all of them.
STRATEGIES = {
    "one device": ("one_device", PRECISIONS),
    "MirroredStrategy": ("mirrored", ["float32"]),
    "MultiWorkerMirroredStrategy": ("multiworker", []),
}
ROWS = {
    "`fit`, `evaluate`, validation": ["fit_and_evaluate[{}]"],
    "`predict`, `generate`": ["predict_and_generate[{}]"],
    "`save`, `load_model`, then `fit`: bit for bit": ["save_load_and_fit[{}]"],
    "`save_weights`, `load_weights`, then `fit`: bit for bit": ["save_weights_load_and_fit[{}]"],
    "stop and resume: bit for bit": ["stop_and_resume[{}]"],
    "`export`, then `tf.saved_model.load`": ["export[{}]"],
    "`steps_per_execution`": ["steps_per_execution[{}]"],
    "`run_eagerly`": ["run_eagerly[{}]"],
} | {
    f"{strategy}, {precision}, without {'and with ' if precision in with_xla else ''}XLA": [
        f"{test}[{{}}-{precision}-{xla}]" for xla in ("plain", "xla")[: 1 + (precision in with_xla)]
    ]
    for strategy, (test, with_xla) in STRATEGIES.items()
    for precision in PRECISIONS
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=pathlib.Path, help="a JUnit file of a run of the tests")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--check", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    results = read(arguments.report) if arguments.report else run()
    print(table(results))
    ran = [
        _cell([results.get(test.format(model)) for test in tests], "") for tests in ROWS.values() for model in MODELS
    ]
    print(f"{sum(map(bool, ran))} of {len(ran)} cells are shown by this run.")
    if arguments.write:
        before, _, _, after = shown(arguments.write)
        arguments.write.write_text(before + table(results) + after, encoding="utf-8")
    if path := arguments.check:
        _, found, cells, _ = shown(path)
        missing = {test.format(model) for tests in ROWS.values() for test in tests for model in MODELS} - existing()
        if missing:
            sys.exit(f"{TESTS} has no test_{min(missing)}.")
        if table(results, cells) != found:
            sys.exit(f"The support matrix in {path} is not what the tests show: run {sys.argv[0]} --write {path}.")
    if any(outcome == "failed" for outcome in results.values()):
        sys.exit("Some of the tests have failed.")


def run():
    """The outcome of each test by its name, without `test_`."""
    with tempfile.TemporaryDirectory() as directory:
        report = pathlib.Path(directory) / "report.xml"
        everything = ["-m", "slow or not slow", f"--junitxml={report}"]
        subprocess.run([sys.executable, "-m", "pytest", "-q", TESTS, *everything], stdout=sys.stderr)
        return read(report)


def existing():
    """Names of all tests, without `test_`."""
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", "slow or not slow", TESTS]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return {line.split("::test_")[1] for line in lines if "::test_" in line}


def shown(path):
    """A page's text before the table, the table, its cells by label, and the text after it."""
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text:
        sys.exit(f"{path} has no line {BEGIN}")
    before, found, after = re.split(f"(?<={re.escape(BEGIN)}\n)|(?={re.escape(END)})", text)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]
    return before, found, {label: cells for label, *cells in rows}, after


def read(report):
    cases = [case for case in ET.parse(report).iter("testcase") if case.get("classname", "").endswith("support_matrix")]
    if not cases:
        sys.exit(f"{report} holds no run of {TESTS}.")
    return {case.get("name").removeprefix("test_"): _outcome(case) for case in cases}


def _outcome(case):
    kinds = {child.tag for child in case}
    return "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"


def table(results, known_cells=None):
    """Markdown. The cell of a skipped test is empty; `known_cells` fill in for tests that did not run."""
    known = {test.format(model) for tests in ROWS.values() for test in tests for model in MODELS}
    for test, _ in STRATEGIES.values():  # those with XLA that are slow too
        known |= {f"{test}[{model}-{precision}-xla]" for model in MODELS for precision in PRECISIONS}
    for name in results:
        if any(f"[{model}" in name for model in MODELS) and name not in known and "reference" not in name:
            sys.exit(f"{TESTS}::test_{name} has no place in the table: add its row or its column to {__file__}.")
    lines = [f"| | {' | '.join(MODELS)} |", f"| --- |{' :-: |' * len(MODELS)}"]
    for label, tests in ROWS.items():
        before = (known_cells or {}).get(label, [""] * len(MODELS))
        outcomes = ([results.get(test.format(model)) for test in tests] for model in MODELS)
        cells = map(_cell, outcomes, before)
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(outcomes, before):
    if "failed" in outcomes:
        return "✗"
    if "skipped" in outcomes:
        return ""
    return before if None in outcomes else "✓"


if __name__ == "__main__":
    main()
