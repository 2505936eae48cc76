"""Breaks metrics, Health and packs on purpose, one line at a time, and checks that a test fails each time.

    python scripts/mutate_metrics.py            # all mutants, or the named ones

Works on a copy of the source tree.
"""

import multiprocessing
import os
import pathlib
import shutil
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# Imported once, and before any operation: each run of the tests is a fork.
import keras  # noqa: F401
import pytest
import tensorflow as tf  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Module in `kerasgan`, its original code, which must occur once, and the mutated code.
MUTANTS = {
    "covariance divided by n": ("metrics/frechet", "self.scatter / (self.count - 1)", "self.scatter / self.count"),
    "centred rows divided by n": ("metrics/frechet", "np.sqrt(len(rows) - 1)", "np.sqrt(len(rows))"),
    "root of the trace once": ("metrics/frechet", "- 2.0 * _trace_of_root", "- 1.0 * _trace_of_root"),
    "mean difference not squared": (
        "metrics/frechet",
        "np.sum((x.mean - y.mean) ** 2)",
        "np.sum(abs(x.mean - y.mean))",
    ),
    "batches without their means": ("metrics/frechet", "self.count * len(rows) / total", "0.0 * len(rows) / total"),
    "sums of float32": ("metrics/features", "np.float64", "np.float32"),
    "biased kernel distance": (
        "metrics/kernel",
        "- diagonal) / (len(features) * (len(features) - 1))",
        ") / len(features) ** 2",
    ),
    "kernel of degree 2": ("metrics/kernel", "+ 1.0) ** 3", "+ 1.0) ** 2"),
    "kernel not divided by d": ("metrics/kernel", "products / dimension + 1.0", "products + 1.0"),
    "kernel without offset": ("metrics/kernel", "products / dimension + 1.0", "products / dimension"),
    "score of the reverse divergence": (
        "metrics/inception",
        "p * (log_p - log_marginal)",
        "marginal * (log_marginal - log_p)",
    ),
    "score in splits of ceil(n / splits)": (
        "metrics/inception",
        "len(log_p) * i // splits",
        "min(-(-len(log_p) // splits) * i, len(log_p))",
    ),
    "precision and recall swapped": ("metrics/prdc", '"precision": float((reached > 0)', '"precision": float(recalled'),
    "density not divided by k": ("metrics/prdc", "1.0 / k * reached", "1.0 * reached"),
    "neighbour k - 1": (
        "metrics/prdc",
        "np.partition(distances.squares, k, axis=1)[:, k]",
        "np.partition(distances.squares, k, axis=1)[:, k - 1]",
    ),
    "edges inside": ("metrics/distances", "        if inclusive:", "        if True:"),
    "coverage by generated radii": (
        "metrics/prdc",
        "covered[rows] = within",
        "covered[rows] = distances.within(fake_radii, inclusive)",
    ),
    "ties decided by rounding": ("metrics/distances", "np.nonzero(near)", "np.nonzero(near & False)"),
    "squared projections": (
        "metrics/wasserstein",
        "np.abs(one - other).mean(axis=0)",
        "((one - other) ** 2).mean(axis=0)",
    ),
    "nearest including oneself": ("metrics/copies", "np.fill_diagonal(distances.squares[:, rows], np.inf)", "pass"),
    "modes touched counted as held": (
        "metrics/modes",
        """(counts >= enough).sum()),
        "high_quality\"""",
        """(counts >= 1).sum()),
        "high_quality\"""",
    ),
    "labels touched counted as held": (
        "metrics/modes",
        """(counts >= enough).sum()),
        "kl\"""",
        """(counts >= 1).sum()),
        "kl\"""",
    ),
    "radius as if nothing were cut off": ("metrics/modes", "* _truncated_variance(radius, points.shape[1])", ""),
    "directions of any length": ("metrics/wasserstein", "directions /= np.linalg.norm(directions, axis=0)", "pass"),
    "oneself left out in the first block alone": (
        "metrics/copies",
        "distances.squares[:, rows], np.inf",
        "distances.squares, np.inf",
    ),
    "duplicates by the smallest distance": (
        "metrics/copies",
        "np.median(_nearest_among_distinct(real))",
        "np.min(_nearest_among_distinct(real))",
    ),
    "repeated held-out examples as a measure": ("metrics/copies", "others[others > 0]", "others"),
    "repeated real examples as a measure": (
        "metrics/copies",
        "_nearest_among_distinct(np.asarray(real)) if",
        "nearest_distances(real) if",
    ),
    "real images known before they are seen": ("metrics/quality", "[], None\n", "[], key\n"),
    "no n in a title": ("metrics/quality", 'if self.compares else f"{self.num_fake}"', 'if self else ""'),
    "collapse by nearness alone": (
        "callbacks/problems",
        " or duplicates > _COLLAPSED_DUPLICATES",
        "",
    ),
    "problem that comes and goes": ("callbacks/health", "+ 1 if sign else 0", "+ bool(sign)"),
    "norm above one alone": ("callbacks/problems", "_NO_NORM < norm < _NORMS[0]", "False"),
    "a dead critic by its score of real images": ("callbacks/problems", "real_scores - fake_scores", "real_scores"),
    "a verdict without chance": ("metrics/verdict", "return max(least, _DEVIATIONS", "return max(least, 0.0"),
    "coverage of noise praised": ("metrics/verdict", "row.good and not flattered", "row.good"),
    "means of all steps since the beginning": (
        "callbacks/health",
        "self._sums, self._counted, self._looked = {}, 0, self._training.step",
        "self._looked = self._training.step",
    ),
    "packs of every other image": (
        "batching",
        "tf.reshape(images, (-1, pack, *shape))",
        "tf.stack(tf.split(images, pack), axis=1)",
    ),
    "KL of all points": ("metrics/modes", "nearest[good]", "nearest"),
}


# Tests of modules other than the functions.
TESTS = {
    "metrics/quality": ["tests/test_quality.py"],
    "callbacks/health": ["tests/test_health.py"],
    "callbacks/problems": ["tests/test_health.py"],
    "metrics/verdict": ["tests/test_verdict.py"],
    "batching": ["tests/test_pack.py"],
}


def main():
    for name, (module, original, _) in MUTANTS.items():
        count = (ROOT / f"kerasgan/{module}.py").read_text().count(original)
        if count != 1:
            sys.exit(f"{name}: {original!r} occurs {count} times in {module}.py")
    mutants = {name: MUTANTS[name] for name in sys.argv[1:] or MUTANTS}
    for tests in {tuple(tests_of(module)) for module, _, _ in mutants.values()}:
        if failed(tests):
            sys.exit(f"{' '.join(tests)} fail without a mutant")
    survivors = []
    for name, (module, original, mutant) in mutants.items():
        killed = failed(tests_of(module), module, original, mutant)
        print(f"{'killed' if killed else 'SURVIVED':8}  {name}", flush=True)
        survivors += [] if killed else [name]
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} killed")
    return 1 if survivors else 0


def tests_of(module):
    return TESTS.get(module, ["tests/test_metrics.py", "tests/test_prdc.py"])


def failed(tests, module=None, original=None, mutant=None):
    """Whether a test fails in a copy of the source tree with a mutant, if any."""
    with tempfile.TemporaryDirectory() as directory:
        for part in ("kerasgan", "tests", "setup.cfg"):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, pathlib.Path(directory) / part)
        if module:
            path = pathlib.Path(directory) / f"kerasgan/{module}.py"
            path.write_text(path.read_text().replace(original, mutant))
        process = multiprocessing.get_context("fork").Process(target=run, args=(directory, tests))
        process.start()
        process.join()
    if process.exitcode not in (0, 1):
        sys.exit(f"pytest ended with status {process.exitcode}")
    return process.exitcode == 1


def run(directory, tests):
    """Runs tests in a directory, and exits with their status."""
    os.chdir(directory)
    os.environ["PYTHONPATH"] = directory
    sys.path.insert(0, directory)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    sys.exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow", *tests])))


if __name__ == "__main__":
    sys.exit(main())
