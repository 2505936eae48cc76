"""Precision, recall, density, coverage against closed forms and the authors' own package."""

import numpy as np
import pytest

from kerasgan import metrics
from kerasgan.metrics import distances, features


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_prdc_equals_the_authors_package_exactly(k, dtype, rng):
    reference = pytest.importorskip("prdc")
    real, fake = rng.normal(size=(120, 8)), 1.2 * rng.normal(size=(150, 8)) + 0.3
    if dtype == "uint8":  # few levels: many distances are equal, and strict comparison matters
        real, fake = (np.clip(np.rint(2 * x + 4), 0, 8).astype(dtype) for x in (real, fake))
    expected = reference.compute_prdc(real.astype("float64"), fake.astype("float64"), nearest_k=k)
    assert metrics.prdc(real, fake, k) == expected
    assert len(set(expected.values())) > 1


def test_blocks_change_nothing(monkeypatch, rng):
    real, fake = rng.normal(size=(60, 3)), rng.normal(size=(50, 3))
    whole = metrics.prdc(real, fake)
    monkeypatch.setattr(features, "BLOCK_BYTES", 7 * 8 * 60)
    assert sum(1 for _ in distances.distances_in_blocks(real, real)) == 9  # seven rows each
    assert metrics.prdc(real, fake) == whole


def by_integers(real, fake, k, inclusive):
    """The definitions, with squares of distances between integer vectors, which are exact."""

    def squares(x, y):
        return ((x[:, None] - y[None]) ** 2).sum(axis=-1)

    compare = np.less_equal if inclusive else np.less
    real_radii, fake_radii = (np.sort(squares(x, x), axis=1)[:, k] for x in (real, fake))  # each row begins with itself
    within = compare(squares(real, fake), real_radii[:, None])
    recalled = compare(squares(real, fake), fake_radii)
    means = within.any(axis=0).mean(), recalled.any(axis=1).mean(), within.sum(axis=0).mean() / k
    return dict(zip(("precision", "recall", "density", "coverage"), (*means, within.any(axis=1).mean()), strict=True))


def lattice(rng):
    return rng.integers(0, 3, (80, 3)), rng.integers(0, 3, (90, 3)), 3.0


def copies(rng):
    real = rng.integers(-(10**6), 10**6, (60, 8))
    return real, real[rng.permutation(60)], 7e5


def duplicates(rng):
    real = rng.integers(0, 256, (40, 5))
    return np.concatenate([real, real[:20]]), np.concatenate([real[:30]] * 2), 127.5


def far_from_zero(rng):
    return rng.integers(0, 9, (50, 4)) + 10**7, rng.integers(0, 9, (50, 4)) + 10**7, 1.0


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("examples", [lattice, copies, duplicates, far_from_zero])
def test_ties_are_decided_as_exact_distances_decide_them(examples, inclusive, k, rng):
    real, fake, scale = examples(rng)
    expected = by_integers(real, fake, k, inclusive)
    assert metrics.prdc(real / scale, fake / scale, k, inclusive) == pytest.approx(expected, abs=1e-12)


def test_four_points_on_a_line():
    # Radii of the real points are 1, of the fake ones 1 too. 0 and 1 lie within 1 only of themselves, strictly.
    real = np.array([[0.0], [1.0], [2.0], [3.0]])
    expected = {"precision": 1.0, "recall": 0.5, "density": 1.0, "coverage": 0.5}
    assert metrics.prdc(real, real[:2], k=1) == expected


def test_narrow_fakes_within_wide_reals_are_precise_and_recall_little(rng):
    real, fake = rng.normal(size=(400, 2)), 0.1 * rng.normal(size=(400, 2))
    values = metrics.prdc(real, fake)
    assert values["precision"] > 0.99
    assert values["recall"] < 0.2
    assert values["coverage"] < 0.2
    swapped = metrics.prdc(fake, real)
    assert swapped["precision"] < 0.2
    assert swapped["recall"] > 0.99


def test_missing_modes_lower_coverage_and_recall_but_not_precision(rng):
    centres = np.array([[0.0, 0.0], [100.0, 0.0]])
    real = (centres[:, None] + rng.normal(size=(2, 200, 2))).reshape(-1, 2)
    values = metrics.prdc(real, rng.normal(size=(400, 2)))
    assert values["precision"] > 0.9
    assert values["coverage"] <= 0.5
    assert values["recall"] <= 0.5


@pytest.mark.parametrize(("n", "m", "k"), [(100, 100, 5), (100, 300, 3)])
def test_a_perfect_sampler_has_density_one_and_the_expected_coverage(n, m, k, rng):
    # Closed form: 1 - prod_{i<k} (n - 1 - i) / (n + m - 1 - i). 3 standard errors of 60 repetitions.
    runs = [metrics.prdc(rng.normal(size=(n, 4)), rng.normal(size=(m, 4)), k) for _ in range(60)]
    for name, expected in (("coverage", metrics.expected_coverage(n, m, k)), ("density", 1.0)):
        values = np.array([run[name] for run in runs])
        assert abs(values.mean() - expected) < 3 * values.std() / np.sqrt(len(values)), name


def test_expected_coverage_by_hand():
    # One neighbour: 1 - (n - 1) / (n + m - 1).
    assert metrics.expected_coverage(3, 2, k=1) == pytest.approx(1 - 2 / 4)
    assert metrics.expected_coverage(3, 2, k=2) == pytest.approx(1 - 2 / 4 * 1 / 3)
    assert metrics.expected_coverage(10_000, 10_000, k=5) == pytest.approx(1 - 0.5**5, abs=1e-4)


@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (np.zeros((10, 2, 2)), np.zeros((10, 4)), 5, "flatten images"),
        (np.zeros((10, 2)), np.zeros((10, 3)), 5, "2 features, like `real`"),
        (
            np.zeros((5, 2)),
            np.zeros((10, 2)),
            5,
            "`real`. Expected 6 or more examples, to have a neighbour number k=5. Received: 5",
        ),
        (np.zeros((10, 2)), np.full((10, 2), np.nan), 5, "NaN or infinity in 10 examples, first in row 0"),
        (np.zeros((10, 2)), np.zeros((10, 2)), 0, "`k`. Expected a positive integer"),
        (np.zeros((0, 2)), np.zeros((10, 2)), 5, "`real`"),
    ],
)
def test_what_cannot_be_compared_is_refused(real, fake, k, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace("`k`.", "`k`.")):
        metrics.prdc(real, fake, k)
