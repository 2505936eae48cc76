"""`kerasgan.metrics` against closed forms, golden values of other packages, and those packages where they are there.

The golden file is written by `scripts/make_golden_metrics.py`; "O4" and the like in comments number
the oracles.
"""

import importlib.util
import itertools

import numpy as np
import oracles
import pytest
import scipy.linalg
import scipy.stats

from kerasgan import datasets, metrics
from kerasgan.errors import NonFiniteError
from kerasgan.metrics import features as features_

PACKAGES = ("torch", "torch_fidelity", "torchmetrics", "prdc", "ot")


@pytest.fixture(scope="module")
def golden():
    with np.load(oracles.GOLDEN) as file:
        return dict(file)


def expected(name, case, golden):
    return golden[f"{name}/{case}"]


def subset_kernel(real, fake):
    """Mean and spread over the subsets that torch-fidelity draws."""
    random = np.random.RandomState(2020)
    draw = lambda features: features[random.choice(len(features), 40, replace=False)]
    values = [metrics.kernel_distance(draw(real), draw(fake)) for _ in range(20)]
    return np.mean(values), np.std(values)


def equal_kernel(real, fake):
    count = min(len(real), len(fake))
    return metrics.kernel_distance(real[:count], fake[:count])


def three_prdc(real, fake):
    return [list(metrics.prdc(real, fake, k).values()) for k in (1, 3, 5)]


def precision_recall(real, fake):
    values = metrics.prdc(real, fake, 3)
    return values["precision"], values["recall"]


# What we say, and how near to the oracle it has to be.
COMPARED = {
    "sqrtm": (metrics.frechet_distance, 1e-9),
    "torchmetrics_frechet": (metrics.frechet_distance, 1e-9),
    "torch_fidelity_frechet": (metrics.frechet_distance, 1e-6),
    "torch_fidelity_kernel": (subset_kernel, 1e-12),
    "torchmetrics_kernel": (equal_kernel, 1e-12),
    "torch_fidelity_inception": (lambda real, fake: metrics.inception_score(3.0 * fake, 7), 1e-12),
    "prdc": (three_prdc, 0),
    "torch_fidelity_precision_recall": (precision_recall, 1e-6),
    "pot_sliced": (
        lambda real, fake: metrics.sliced_wasserstein_distance(
            real, fake, directions=oracles.directions(real.shape[1])
        ),
        1e-12,
    ),
}


def test_every_oracle_is_compared():
    assert COMPARED.keys() == oracles.ORACLES.keys()


# Near zero the roots of torchmetrics and sqrtm are those of rounded eigenvalues.
@pytest.mark.parametrize("case", oracles.CASES, ids=str)
@pytest.mark.parametrize("name", oracles.ORACLES)
def test_golden_values_of_other_packages(name, case, golden):
    ours, tolerance = COMPARED[name]
    received = np.asarray(ours(*oracles.features(*case)))
    np.testing.assert_allclose(received, expected(name, case, golden), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_other_packages_on_fresh_features(name):
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing and name != "sqrtm":
        pytest.skip(f"not installed: {', '.join(missing)}")
    ours, tolerance = COMPARED[name]
    pair = oracles.features(np.random.SeedSequence().entropy % 2**32, 48, 300, 260)
    np.testing.assert_allclose(ours(*pair), oracles.ORACLES[name](*pair), rtol=tolerance, atol=tolerance)


# Frechet distance


def test_covariances_are_divided_by_n_minus_one():
    # compare_gan's case, O2. With n it would be 89.0.
    real, fake = np.ones((100, 2)), 9.0 * np.ones((100, 2))
    real[:50, 0], fake[50:, 0] = 2.0, 2.0
    assert metrics.frechet_distance(real, fake) == pytest.approx(89.0909090909, abs=1e-9)


def statistics(mean, covariance, count=1_000):
    given = metrics.GaussianStatistics()
    given.count, given.mean, given.scatter = count, np.asarray(mean), np.asarray(covariance) * (count - 1)
    return given


def test_gaussians_with_diagonal_covariances(rng):
    means, stds = rng.normal(size=(2, 12)), rng.uniform(0.2, 2.0, (2, 12))
    distance = np.sum((means[0] - means[1]) ** 2) + np.sum((stds[0] - stds[1]) ** 2)
    pair = [statistics(mean, np.diag(std**2)) for mean, std in zip(means, stds, strict=True)]
    assert metrics.frechet_distance(*pair) == pytest.approx(distance, rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(30, 40), (30, 200), (200, 30)])
def test_fewer_examples_than_dimensions(n, m, rng):
    # O4, in the nuclear norm of a product of centred features.
    real, fake = rng.normal(size=(n, 64)), 0.5 + 2.0 * rng.normal(size=(m, 64))
    x, y = ((a - a.mean(0)) / np.sqrt(len(a) - 1) for a in (real, fake))
    traces = np.sum(x**2) + np.sum(y**2)
    root = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    exact = np.sum((real.mean(0) - fake.mean(0)) ** 2) + traces - 2 * root
    assert metrics.frechet_distance(real, fake) == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("n", [40, 400])
def test_invariances(n, rng):
    real, fake = rng.normal(size=(n, 64)), 0.3 + 1.5 * rng.normal(size=(n, 64))
    distance = metrics.frechet_distance(real, fake)
    rotation = scipy.stats.ortho_group.rvs(64, random_state=0)
    assert metrics.frechet_distance(fake, real) == pytest.approx(distance, rel=1e-9)
    assert metrics.frechet_distance(real @ rotation, fake @ rotation) == pytest.approx(distance, rel=1e-8)
    assert metrics.frechet_distance(real + 1e3, fake + 1e3) == pytest.approx(distance, rel=1e-6)
    assert 0.0 <= metrics.frechet_distance(real, real) <= 1e-6 * np.trace(np.cov(real, rowvar=False))


def test_features_with_a_constant_and_a_repeated_column(rng):
    real, fake = rng.normal(size=(300, 8)), 1.0 + rng.normal(size=(300, 8))
    padded = [np.column_stack([x, np.full(300, 5.0), x[:, 0]]) for x in (real, fake)]
    x, y = ((a - a.mean(0)) / np.sqrt(299) for a in padded)
    root = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    exact = np.sum((padded[0].mean(0) - padded[1].mean(0)) ** 2) + np.sum(x**2) + np.sum(y**2) - 2 * root
    assert metrics.frechet_distance(*padded) == pytest.approx(exact, abs=1e-6)


def test_float32_sums_of_raw_moments_would_not_do(rng):
    """What the test of the offset above would not see otherwise."""
    x = (rng.normal(size=(400, 8)) + 1e3).astype(np.float32)
    raw = (x.T @ x - len(x) * np.outer(x.mean(0), x.mean(0))) / (len(x) - 1)
    exact = np.cov(x.astype(np.float64), rowvar=False)
    assert np.abs(raw - exact).max() > 1e-3
    np.testing.assert_allclose(metrics.GaussianStatistics(x).covariance, exact, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 7, 90])
def test_statistics_of_batches_in_any_order(batch, rng):
    x = rng.normal(size=(90, 6)) + 100.0
    gathered = metrics.GaussianStatistics()
    for start in rng.permutation(range(0, 90, batch)):
        gathered.update(x[start : start + batch])
    assert gathered.count == 90
    np.testing.assert_allclose(gathered.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(gathered.covariance, np.cov(x, rowvar=False), rtol=0, atol=1e-10)
    other = 1.2 * rng.normal(size=(80, 6)) + 100.0
    assert metrics.frechet_distance(gathered, other) == pytest.approx(metrics.frechet_distance(x, other), rel=1e-10)


def test_the_bias(rng):
    # O7: n E[FD] = d (d + 1) / 2 + 2 d for two samples of one Gaussian.
    d, n = 16, 800
    pairs = [rng.normal(size=(2, n, d)) for _ in range(100)]
    values = np.array([n * metrics.frechet_distance(*pair) for pair in pairs])
    assert abs(values.mean() - (d * (d + 1) / 2 + 2 * d)) < 3 * values.std() / 10


# Kernel distance


def test_the_kernel_distance_of_few_points_by_hand():
    # k = (x y + 1)^3 in one dimension. Within {0, 1}: k(0, 1) = 1. Within {2, 3, 4}: 343, 729, 2197. Across: 1 for 0,
    # 27, 64, 125 for 1.
    real, fake = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0], [4.0]])
    value = 1.0 + (343 + 729 + 2197) / 3 - 2 * (3 * 1 + 27 + 64 + 125) / 6
    assert metrics.kernel_distance(real, fake) == pytest.approx(value, rel=1e-12)


def test_the_kernel_distance_has_no_bias(rng):
    values = np.array([metrics.kernel_distance(*rng.normal(size=(2, 40, 8))) for _ in range(400)])
    assert abs(values.mean()) < 3 * values.std() / 20
    assert (values < 0).mean() > 0.2


def test_blocks_change_no_sum(monkeypatch, rng):
    real, fake = rng.normal(size=(70, 5)), rng.normal(size=(90, 5))
    whole = metrics.kernel_distance(real, fake), metrics.frechet_distance(real, fake)
    monkeypatch.setattr(features_, "BLOCK_BYTES", 8 * 5 * 11)
    assert metrics.kernel_distance(real, fake) == pytest.approx(whole[0], rel=1e-12)
    assert metrics.frechet_distance(real, fake) == pytest.approx(whole[1], rel=1e-12)


# Inception score


def test_scores_of_known_predictions():
    with pytest.warns(
        UserWarning, match=r"20 examples in 10 parts is too low: 2 in a part cannot show 5 classes. Take 50"
    ):
        metrics.inception_score(np.zeros((20, 5)))
    assert metrics.inception_score(np.zeros((20, 5)), 2) == pytest.approx((1.0, 0.0))
    sure = 1e3 * np.tile(np.eye(5), (20, 1))  # logits at which exp overflows
    assert metrics.inception_score(sure, 4, seed=None) == pytest.approx((5.0, 0.0))
    mean, _ = metrics.inception_score(np.random.default_rng(0).normal(size=(1003, 6)), 10)
    assert 1.0 < mean < 6.0


def test_probabilities_are_no_logits():
    with pytest.raises(ValueError, match=r"`logits`. Expected outputs before the softmax.*rows that sum to 1"):
        metrics.inception_score(np.full((20, 4), 0.25))


def test_fewer_examples_than_splits():
    with pytest.raises(ValueError, match=r"`logits`. Expected 10 or more examples. Received: 9"):
        metrics.inception_score(np.zeros((9, 2)))


# Precision and recall: see test_prdc.py


def test_the_edge_belongs_to_no_ball_or_to_every_one(rng):
    # O10: all the same; strict comparisons see nothing, as the package prdc does.
    same = np.ones((20, 3))
    assert set(metrics.prdc(same, same).values()) == {0.0}
    with_ties = metrics.prdc(same, same, inclusive=True)
    assert with_ties == {"precision": 1.0, "recall": 1.0, "density": 4.0, "coverage": 1.0}  # 20 / k


# Wasserstein distances


def test_one_direction_is_the_distance_on_a_line(rng):
    real, fake = rng.normal(size=(50, 4)), 1.0 + rng.normal(size=(70, 4))
    direction = np.eye(4)[:, :1]
    exact = scipy.stats.wasserstein_distance(real[:, 0], fake[:, 0])
    assert metrics.sliced_wasserstein_distance(real, fake, directions=direction) == pytest.approx(exact, rel=1e-12)
    equal = scipy.stats.wasserstein_distance(real[:, 0], fake[:50, 0])
    assert metrics.sliced_wasserstein_distance(real, fake[:50], directions=direction) == pytest.approx(equal, rel=1e-12)
    assert metrics.wasserstein_distance(real[:, :1], fake[:50, :1]) == pytest.approx(equal, rel=1e-12)


def test_the_mean_over_random_directions_of_a_shift(rng):
    # Of a unit vector in 8 dimensions the mean of one coordinate's size is Gamma(4) / (sqrt(pi) Gamma(4.5)) = 0.2910.
    real = rng.normal(size=(500, 8))
    shifted = real + 3.0 * np.eye(8)[0]
    assert metrics.sliced_wasserstein_distance(real, shifted, 20_000) == pytest.approx(3 * 0.2910, rel=0.01)


def test_the_best_assignment_is_that_of_all_permutations(rng):
    real, fake = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    lengths = np.linalg.norm(real[:, None] - fake[None], axis=-1)
    best = min(np.mean([lengths[i, j] for i, j in enumerate(order)]) for order in itertools.permutations(range(6)))
    assert metrics.wasserstein_distance(real, fake) == pytest.approx(best, rel=1e-12)
    assert metrics.wasserstein_distance(real, real[::-1]) == 0.0
    assert metrics.wasserstein_distance(real, real + np.array([3.0, 4.0, 0.0])) == pytest.approx(5.0)


# Copies


def test_copies_and_duplicates(rng):
    real, fresh = rng.normal(size=(2, 1_000, 8))
    assert metrics.copy_rate(real, real) == 1.0
    assert metrics.copy_rate(real, fresh) == pytest.approx(0.01, abs=0.015)
    assert metrics.copy_rate(real, np.concatenate([real[:250], fresh[:750]])) == pytest.approx(0.26, abs=0.02)
    assert metrics.duplicate_rate(real, fresh) == 0.0
    assert metrics.duplicate_rate(real, 0.6 * fresh) == 0.0  # as blurred ones are, and no duplicates
    few = np.tile(fresh[:10], (100, 1))
    assert metrics.duplicate_rate(real, few) == 1.0
    assert metrics.duplicate_rate(real, few + 0.01 * rng.normal(size=few.shape)) == 1.0
    assert metrics.duplicate_rate(real, np.concatenate([few[:250], fresh[:750]])) == pytest.approx(0.26, abs=0.01)
    assert metrics.duplicate_rate(np.repeat(real, 2, axis=0), few + 1e-3 * rng.normal(size=few.shape)) == 1.0
    line = np.array([[0.0], [1.0], [3.0], [7.0]])  # nearest distances 1, 1, 2, 4: a quarter of the median is 0.375
    assert metrics.duplicate_rate(line, np.array([[0.0], [0.3], [5.0], [9.0]])) == 0.5
    assert metrics.duplicate_rate(line, np.array([[0.0], [0.4], [5.0], [9.0]])) == 0.0
    repeating = np.repeat(fresh[:500], 2, axis=0)
    assert metrics.duplicate_rate(repeating, np.concatenate([few[:50], fresh[500:]])) == pytest.approx(50 / 550)


def test_the_nearest_other_example_in_every_block(monkeypatch, rng):
    x = rng.normal(size=(40, 3))
    whole = metrics.nearest_distances(x)
    monkeypatch.setattr(features_, "BLOCK_BYTES", 8 * 40 * 7)
    np.testing.assert_allclose(metrics.nearest_distances(x), whole, rtol=1e-9)
    assert whole.min() > 0


def test_the_nearest_are_found_where_rounding_would_hide_them(monkeypatch, rng):
    # 1e6 from zero, |x|^2 - 2 x . y + |y|^2 knows distances to about 0.1.
    grid = rng.permutation(np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)) / 64 + 1e6
    np.testing.assert_allclose(metrics.nearest_distances(grid), 1 / 64, rtol=1e-12)
    assert metrics.nearest_distances(grid[:50], grid).tolist() == [0.0] * 50
    assert metrics.nearest_distances(np.concatenate([grid, grid[:50]]))[-50:].tolist() == [0.0] * 50
    monkeypatch.setattr(features_, "BLOCK_BYTES", 8 * 216 * 5)  # the last block is one row
    np.testing.assert_allclose(metrics.nearest_distances(grid), 1 / 64, rtol=1e-12)


def test_nearest_distances_of_points_on_a_line():
    x = np.array([[0.0], [1.0], [3.0]])
    np.testing.assert_allclose(metrics.nearest_distances(x), [1.0, 1.0, 2.0], rtol=1e-12)
    np.testing.assert_allclose(metrics.nearest_distances(x, np.array([[2.5]])), [2.5, 1.5, 0.5], rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda x: metrics.copy_rate(x, x, 1.0), "quantile"),
        (lambda x: metrics.duplicate_rate(x, x, 0.0), "fraction"),
        (lambda x: metrics.nearest_distances(x, x.astype("uint8")), "others"),
        (lambda x: metrics.expected_coverage(0, 10), "num_real"),
        (lambda x: metrics.expected_coverage(10, 10, 0), "k"),
        (lambda x: metrics.sliced_wasserstein_distance(x, x, 0), "num_directions"),
        (lambda x: metrics.sliced_wasserstein_distance(x, x, directions=np.ones((2, 3))), "directions"),
        (lambda x: metrics.sliced_wasserstein_distance(x, x, directions=np.eye(3)), "directions"),
        (lambda x: metrics.mode_coverage(x, x, 0.1, radius=-1.0), "radius"),
        (lambda x: metrics.mode_coverage(x, x, np.inf), "std"),
        (lambda x: metrics.GaussianStatistics(x).update(x[:, :1]), "features"),
        (lambda x: metrics.GaussianStatistics(x[:1]).covariance, "features"),
    ],
)
def test_arguments_out_of_range(call, argument):
    with pytest.raises(ValueError, match=f"`{argument}`"):
        call(np.arange(8.0).reshape(4, 2))


# Modes


def test_a_perfect_sampler_of_the_ring_and_the_grid(rng):
    for name, centres, std in (("ring", datasets.ring_modes(), 0.01), ("grid", datasets.grid_modes(), 0.05)):
        points = centres[rng.integers(len(centres), size=2_500)] + std * rng.normal(size=(2_500, 2))
        values = metrics.mode_coverage(points, centres, std)
        assert values["modes"] == values["modes_held"] == len(centres), name
        assert values["high_quality"] == pytest.approx(1 - np.exp(-4.5), abs=0.008)
        assert values["kl"] == pytest.approx((len(centres) - 1) / 5_000, abs=0.01)
        assert values["radius_ratio"] == pytest.approx(1.0, abs=0.05)


def test_the_radius_is_that_of_a_gaussian_cut_off(rng):
    points = 0.05 * rng.normal(size=(200_000, 2))
    ratio = metrics.mode_coverage(points, np.zeros((1, 2)), 0.05)["radius_ratio"]
    assert ratio == pytest.approx(1.0, abs=0.005)  # without the cut it would be 0.974


def test_what_is_not_a_perfect_sampler(rng):
    centres = datasets.ring_modes()
    only = metrics.mode_coverage(np.tile(centres[:2], (50, 1)), centres, 0.01)
    assert (only["modes"], only["modes_held"], only["high_quality"], only["radius_ratio"]) == (2, 2, 1.0, 0.0)
    assert only["kl"] == pytest.approx(np.log(4))
    box = metrics.mode_coverage(rng.uniform(-1.1, 1.1, (2_500, 2)), centres, 0.01)
    assert box["modes"] >= 5
    assert box["modes_held"] == 0
    none = metrics.mode_coverage(np.full((9, 2), 50.0), centres, 0.01)
    assert (none["modes"], none["kl"]) == (0, pytest.approx(np.log(8)))
    assert np.isnan(none["radius_ratio"])


def test_modes_by_label(rng):
    values = metrics.mode_coverage_of_labels(rng.integers(1000, size=26_000), 1000)
    assert values["modes"] == values["modes_held"] == 1000
    assert values["kl"] == pytest.approx(values["kl_perfect"], abs=0.003)
    touched = metrics.mode_coverage_of_labels(np.array([0] * 5 + [1] * 4), 3)
    assert (touched["modes"], touched["modes_held"]) == (2, 1)
    half = metrics.mode_coverage_of_labels(np.arange(100) % 4, 8)
    assert (half["modes"], half["kl"]) == (4, pytest.approx(np.log(2)))
    with pytest.raises(ValueError, match=r"integers in \[0, 8\)"):
        metrics.mode_coverage_of_labels(np.array([8]), 8)


# What every metric refuses, O14

OF_PAIRS = (
    metrics.copy_rate,
    metrics.duplicate_rate,
    metrics.frechet_distance,
    metrics.kernel_distance,
    metrics.prdc,
    metrics.sliced_wasserstein_distance,
    metrics.wasserstein_distance,
)
GOOD = np.arange(40.0).reshape(10, 4)
BROKEN = np.where(np.arange(10)[:, None] % 4 == 3, np.nan, GOOD)
BAD = {
    "NaN": (BROKEN, NonFiniteError, r"NaN or infinity in 2 examples, first in row 3"),
    "infinity": (np.where(BROKEN == BROKEN, GOOD, np.inf), NonFiniteError, "first in row 3"),
    "none": (GOOD[:0], ValueError, "[126] or more examples.*Received: 0$"),
    "images": (GOOD.reshape(10, 2, 2, 1), ValueError, r"flatten images with `images.reshape"),
    "one dimension": (GOOD[:, 0], ValueError, r"reshape one feature with `x\[:, None\]`"),
    "unscaled": (GOOD.astype("uint8"), ValueError, r"both as floats on one scale.*uint8 with float64"),
    "words": (np.array([["a"] * 4] * 10), ValueError, "numbers of shape"),
    "other features": (GOOD[:, :3], ValueError, "4 features, like `real`. Received: 3"),
}


@pytest.mark.parametrize("metric", OF_PAIRS, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("case", BAD)
def test_what_no_metric_takes(metric, case):
    fake, kind, message = BAD[case]
    with pytest.raises(kind, match=f"(?s)`fake`.*{message}"):
        metric(GOOD, fake)


@pytest.mark.parametrize("metric", [metrics.frechet_distance, metrics.kernel_distance])
def test_one_example_has_no_spread(metric):
    with pytest.raises(ValueError, match=r"`fake`. Expected 2 or more examples. Received: 1$"):
        metric(GOOD, GOOD[:1])


def test_copies_are_found_among_real_examples_that_repeat_themselves():
    rng = np.random.default_rng(0)
    real = 100 + rng.normal(size=(300, 20)).astype("f4")
    real[:30] = real[30:60]  # more than the quantile, and no measure of how near another example may be
    assert metrics.copy_rate(real, real[100:200]) == 1.0
    assert metrics.copy_rate(real, real[100:200] + 1e-3) == 1.0
    fresh = 100 + rng.normal(size=(300, 20))
    assert metrics.copy_rate(real, fresh) == pytest.approx(0.01, abs=0.02)
    assert metrics.copy_rate(np.ones((10, 2)), np.ones((4, 2))) == 1.0
    # What a perfect sampler has, where a tenth of what there is are copies of 50 things.
    things = rng.normal(size=(50, 20))
    sampler = lambda n: np.where(rng.random((n, 1)) < 0.1, things[rng.integers(50, size=n)], rng.normal(size=(n, 20)))
    real, held_out, fake = sampler(2_000), sampler(1_000), sampler(1_000)
    perfect = metrics.copy_rate(real, None, 0.01, held_out)
    assert perfect == pytest.approx(0.11, abs=0.03)
    assert metrics.copy_rate(real, fake, 0.01, held_out) == pytest.approx(perfect, abs=0.04)
    assert metrics.copy_rate(real, None) == pytest.approx(0.11, abs=0.03)
    for measure in (held_out, None):
        assert metrics.copy_rate(real, real[:100] + 1e-3, 0.01, measure) == 1.0
    assert metrics.nearest_distances(real[:5], real).tolist() == [0.0] * 5


def test_copies_by_the_measure_of_held_out_examples():
    rng = np.random.default_rng(0)
    real, held_out, fake = (rng.normal(size=(n, 3)) for n in (2_000, 1_000, 1_000))
    assert metrics.copy_rate(real, held_out, 0.05, held_out) == pytest.approx(0.05, abs=1e-9)
    assert metrics.copy_rate(real, fake, 0.05, held_out) == pytest.approx(0.05, abs=0.03)
    assert metrics.copy_rate(real, real[:100] + 1e-4, 0.05, held_out) == 1.0


def test_directions_in_blocks_give_the_distance_of_all_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    for fake in (rng.normal(size=(50, 4)), rng.normal(size=(70, 4))):
        real = rng.normal(size=(50, 4))
        whole = metrics.sliced_wasserstein_distance(real, fake)
        with monkeypatch.context() as patched:
            patched.setattr("kerasgan.metrics.wasserstein._PROJECTIONS", 700)
            assert metrics.sliced_wasserstein_distance(real, fake) == pytest.approx(whole, rel=1e-12)
