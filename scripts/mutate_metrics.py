"""Breaks the metrics on purpose, one line at a time, and sees that a test fails each time.

    python scripts/mutate_metrics.py

Works on a copy of the source tree; about ten seconds a mutant.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
# File of `kerasgan/metrics`, what stands there, and what stands there instead.
MUTANTS = {
    "covariance divided by n": ("frechet", "self.scatter / (self.count - 1)", "self.scatter / self.count"),
    "centred rows divided by n": ("frechet", "np.sqrt(len(rows) - 1)", "np.sqrt(len(rows))"),
    "root of the trace once": ("frechet", "- 2.0 * _trace_of_root", "- 1.0 * _trace_of_root"),
    "mean difference not squared": (
        "frechet",
        "np.sum((real.mean - fake.mean) ** 2)",
        "np.sum(abs(real.mean - fake.mean))",
    ),
    "merge without the means": ("frechet", "self.count * count / total", "0.0 * count / total"),
    "sums of float32": ("features", "np.float64", "np.float32"),
    "biased kernel distance": (
        "kernel",
        "- diagonal) / (len(features) * (len(features) - 1))",
        ") / len(features) ** 2",
    ),
    "kernel of degree 2": ("kernel", "+ 1.0) ** 3", "+ 1.0) ** 2"),
    "kernel not divided by d": ("kernel", "products / dimension + 1.0", "products + 1.0"),
    "kernel without offset": ("kernel", "products / dimension + 1.0", "products / dimension"),
    "sample standard deviation of subsets": ("kernel", "np.std(values)", "np.std(values, ddof=1)"),
    "score of the reverse divergence": ("inception", "p * (log_p - log_marginal)", "marginal * (log_marginal - log_p)"),
    "score in splits of ceil(n / splits)": (
        "inception",
        "len(log_p) * i // splits",
        "min(-(-len(log_p) // splits) * i, len(log_p))",
    ),
    "precision and recall swapped": ("prdc", '"precision": float((reached > 0)', '"precision": float(recalled'),
    "density not divided by k": ("prdc", "1.0 / k * reached", "1.0 * reached"),
    "neighbour k - 1": (
        "prdc",
        "np.partition(distances, k, axis=1)[:, k]",
        "np.partition(distances, k, axis=1)[:, k - 1]",
    ),
    "edges inside": ("prdc", "if inclusive else np.less", "if inclusive else np.less_equal"),
    "coverage by generated radii": ("prdc", "covered[rows] = within", "covered[rows] = compare(distances, fake_radii)"),
    "squared projections": ("wasserstein", "np.abs(one - other).mean(axis=0)", "((one - other) ** 2).mean(axis=0)"),
    "enlarged without gain": ("wasserstein", "4.0 * image", "image"),
    "patches of one scale for all channels": (
        "wasserstein",
        "std = patches.std(axis=(0, 2, 3)",
        "std = patches.std(axis=(0, 1, 2, 3)",
    ),
    "nearest including oneself": ("copies", "np.fill_diagonal(distances[:, rows], np.inf)", "pass"),
    "memorisation by generated rows": (
        "copies",
        "axis=1) for rows in features_.blocks(real",
        "axis=0) for rows in features_.blocks(real",
    ),
    "modes touched counted as held": ("modes", "counts >= enough", "counts >= 1"),
    "KL of all points": ("modes", "nearest[good]", "nearest"),
}


def main():
    for name, (module, original, _) in MUTANTS.items():
        if original not in (ROOT / f"kerasgan/metrics/{module}.py").read_text():
            sys.exit(f"{name}: {original!r} is not in {module}.py")
    survivors, mutants = [], {name: MUTANTS[name] for name in sys.argv[1:] or MUTANTS}
    for name, (module, original, mutant) in mutants.items():
        with tempfile.TemporaryDirectory() as directory:
            for part in ("kerasgan", "tests", "setup.cfg"):
                source = ROOT / part
                (shutil.copytree if source.is_dir() else shutil.copy)(source, pathlib.Path(directory) / part)
            path = pathlib.Path(directory) / f"kerasgan/metrics/{module}.py"
            path.write_text(path.read_text().replace(original, mutant))
            tests = ["tests/test_metrics.py", "tests/test_prdc.py"]
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
            environment = {**os.environ, "PYTHONPATH": directory}
            killed = (
                subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=False).returncode
                == 1
            )
        print(f"{'killed' if killed else 'SURVIVED':8}  {name}", flush=True)
        survivors += [] if killed else [name]
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
