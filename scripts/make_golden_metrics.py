"""Writes `tests/golden/metrics.npz`: features, and what other packages say about them.

    pip install --no-deps torch==2.13.0 torch-fidelity==0.4.0 torchmetrics==1.9.0 lightning-utilities prdc POT
    python scripts/make_golden_metrics.py

The tests compare `kerasgan.metrics` with these values, so that they need none of the packages, and with the packages
themselves where they are installed. Versions are written beside the values.
"""

import importlib.metadata
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

import oracles

PACKAGES = ("numpy", "scipy", "torch", "torch-fidelity", "torchmetrics", "prdc", "POT")


def main():
    values = {"versions": [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]}
    for case in oracles.CASES:
        real, fake = oracles.features(*case)
        for name, oracle in oracles.ORACLES.items():
            values[f"{name}/{case}"] = oracle(real, fake)
    path = pathlib.Path(oracles.GOLDEN)
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **values)
    print(f"{path}: {len(values)} values of {', '.join(values['versions'])}")


if __name__ == "__main__":
    main()
