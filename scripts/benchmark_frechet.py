"""The Frechet distance of 2,048 features of 50,000 examples: time against `scipy.linalg.sqrtm`, and memory.

    python scripts/benchmark_frechet.py --pairs=3

Both methods get the same two covariances, in turn. The features come in batches of 1,000, float32, as from a network.
The memory is what the process needs beyond that of the imports.
"""

import argparse
import resource
import statistics
import time

import numpy as np
import scipy.linalg

from kerasgan import metrics


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="rounds of timing")
    parser.add_argument("--examples", type=int, default=50_000)
    parser.add_argument("--dimension", type=int, default=2_048)
    arguments = parser.parse_args()

    before = peak_memory()
    begun = time.perf_counter()
    real, fake = (accumulated(arguments.examples, arguments.dimension, seed) for seed in (0, 1))
    moments = time.perf_counter() - begun
    begun = time.perf_counter()
    metrics.frechet_distance(real, fake)
    distance = time.perf_counter() - begun
    print(f"moments of 2 x {arguments.examples:,}, with drawing them: {moments:.1f} s; the distance: {distance:.1f} s")
    print(f"memory beyond that of the imports: {(peak_memory() - before) / 1e6:.0f} MB")
    ratios = []
    for _ in range(arguments.pairs):
        ours, value = timed(metrics.frechet_distance, real, fake)
        theirs, reference = timed(by_sqrtm, real, fake)
        ratios.append(theirs / ours)
        print(
            f"ours {ours:.1f} s, sqrtm {theirs:.1f} s; relative difference {abs(value / reference - 1):.1e}", flush=True
        )
    print(f"sqrtm takes {statistics.median(ratios):.1f} times as long (median)")


def accumulated(examples, dimension, seed):
    rng = np.random.default_rng(seed)
    scales = np.random.default_rng(9).uniform(0.1, 1.0, dimension).astype("float32")
    gathered = metrics.GaussianStatistics()
    for start in range(0, examples, 1_000):
        rows = rng.standard_normal((min(1_000, examples - start), dimension), dtype=np.float32)
        gathered.update(scales * np.maximum(rows + 0.1 * seed, 0.0))
    return gathered


def by_sqrtm(real, fake):
    root = scipy.linalg.sqrtm(real.covariance @ fake.covariance)
    traces = np.trace(real.covariance) + np.trace(fake.covariance)
    return np.sum((real.mean - fake.mean) ** 2) + traces - 2 * np.trace(root).real


def timed(function, *arguments):
    begun = time.perf_counter()
    value = function(*arguments)
    return time.perf_counter() - begun, value


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
