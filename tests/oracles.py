"""What other packages say about the same features; imported where they are installed."""

import importlib
import importlib.util
import pathlib
import sys
from unittest import mock

import numpy as np
import scipy.linalg

GOLDEN = pathlib.Path(__file__).parent / "golden" / "metrics.npz"
# Seed, dimension, real and generated examples.
CASES = [(seed, *sizes) for seed in (0, 1, 2) for sizes in ((8, 50, 60), (64, 500, 700), (192, 1000, 800))]


def features(seed, dimension, num_real, num_fake):
    """Two Gaussians that share some of their directions."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dimension, dimension)) / np.sqrt(dimension)
    real = rng.normal(size=(num_real, dimension)) @ mixing + 1.0
    return real, 1.2 * rng.normal(size=(num_fake, dimension)) @ mixing.T + 1.1


def sqrtm(real, fake):
    root = scipy.linalg.sqrtm(np.cov(real, rowvar=False) @ np.cov(fake, rowvar=False))
    traces = np.trace(np.cov(real, rowvar=False)) + np.trace(np.cov(fake, rowvar=False))
    return np.sum((real.mean(0) - fake.mean(0)) ** 2) + traces - 2 * np.trace(root).real


def _torch_fidelity(name):
    """A module of torch-fidelity; its feature extractors, which are not used here, import torchvision."""
    stubs = {}
    if not importlib.util.find_spec("torchvision"):
        names = ("", ".datasets", ".transforms", ".transforms.functional")
        stubs = {f"torchvision{one}": mock.MagicMock() for one in names}
    sys.modules.update(stubs)
    try:
        return importlib.import_module(f"torch_fidelity.{name}")
    finally:
        for one in stubs:
            del sys.modules[one]


def torch_fidelity_frechet(real, fake):
    import torch

    metric_fid = _torch_fidelity("metric_fid")

    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(x)) for x in (real, fake)]
    return metric_fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def torchmetrics_frechet(real, fake):
    import torch
    from torchmetrics.image.fid import _compute_fid

    moments = [torch.from_numpy(moment) for x in (real, fake) for moment in (x.mean(0), np.cov(x, rowvar=False))]
    return float(_compute_fid(*moments))


def torch_fidelity_kernel(real, fake):
    import torch

    metric_kid = _torch_fidelity("metric_kid")

    values = metric_kid.kid_features_to_metric(
        torch.from_numpy(real), torch.from_numpy(fake), kid_subsets=20, kid_subset_size=40, verbose=False
    )
    return np.array([values["kernel_inception_distance_mean"], values["kernel_inception_distance_std"]])


def torchmetrics_kernel(real, fake):
    import torch
    from torchmetrics.image.kid import poly_mmd

    count = min(len(real), len(fake))
    return float(poly_mmd(torch.from_numpy(real[:count]), torch.from_numpy(fake[:count])))


def torch_fidelity_inception(real, fake):
    import torch

    metric_isc = _torch_fidelity("metric_isc")

    values = metric_isc.isc_features_to_metric(torch.from_numpy(3.0 * fake), splits=7, shuffle=True, rng_seed=2020)
    return np.array([values["inception_score_mean"], values["inception_score_std"]])


def prdc(real, fake):
    import prdc as package

    values = [package.compute_prdc(real, fake, nearest_k=k) for k in (1, 3, 5)]
    return np.array([[value[name] for name in ("precision", "recall", "density", "coverage")] for value in values])


def torch_fidelity_precision_recall(real, fake):
    import torch

    metric_prc = _torch_fidelity("metric_prc")

    values = metric_prc.prc_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), verbose=False)
    return np.array([values["precision"], values["recall"]])


def directions(dimension):
    columns = np.random.default_rng(7).normal(size=(dimension, 20))
    return columns / np.linalg.norm(columns, axis=0)


def pot_sliced(real, fake):
    import ot

    return float(ot.sliced_wasserstein_distance(real, fake, p=1, projections=directions(real.shape[1])))


ORACLES = {
    "sqrtm": sqrtm,
    "torch_fidelity_frechet": torch_fidelity_frechet,
    "torchmetrics_frechet": torchmetrics_frechet,
    "torch_fidelity_kernel": torch_fidelity_kernel,
    "torchmetrics_kernel": torchmetrics_kernel,
    "torch_fidelity_inception": torch_fidelity_inception,
    "prdc": prdc,
    "torch_fidelity_precision_recall": torch_fidelity_precision_recall,
    "pot_sliced": pot_sliced,
}
