"""`metrics.verdict`: each sentence on the numbers that it is about, and nothing bad said of real examples."""

import re

import numpy as np
import pytest

from kerasgan import metrics
from kerasgan.callbacks import problems
from kerasgan.cli import verdicts

REAL = {"coverage": 0.97, "density": 1.0, "precision": 0.64, "recall": 0.7, "FD": 2.0, "duplicates": 0.0, "modes": 8.0}
NOTHING_GOOD, NOTHING_BAD = "nothing yet", "nothing that the numbers show"


def judged(values, n=2_000, real=REAL, **kwargs):
    """Good, not good and next, without these words."""
    sentences = metrics.verdict(values, real, n, **kwargs)
    begins = ("Good: ", "Not good: ", "Next: ")
    assert all(sentence.startswith(begin) for sentence, begin in zip(sentences, begins, strict=True))
    assert all(sentence.endswith(".") for sentence in sentences)
    return [sentence.removeprefix(begin)[:-1] for sentence, begin in zip(sentences, begins, strict=True)]


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ({"coverage": 0.95}, "95% of real examples have a generated one near them (coverage; 97% for perfect ones)"),
        ({"density": 0.93}, "generated examples lie among real ones (density 0.93; 1.00 for perfect ones)"),
        ({"FD": 2.4}, "FD is about that of real examples"),
        ({"modes": 8.0}, "8 of 8 modes are reached"),
    ],
)
def test_what_is_good(values, good):
    assert judged(values) == [good, NOTHING_BAD, "look at the images, which show what no number does"]


@pytest.mark.parametrize(
    ("values", "bad", "advice"),
    [
        ({"coverage": 0.85}, "only 85% of real examples have a generated one near them", "train longer or a larger"),
        ({"density": 0.5}, "many generated examples lie apart from real examples (density 0.50;", "train longer or"),
        ({"density": 8.6}, "generated examples crowd among real examples (density 8.60;", "look at the images, and"),
        (
            {"precision": 0.97},
            "precision is 0.97, above the 0.64 of real examples, as it can be for",
            "look at the",
        ),
        (
            {"recall": 0.2},
            "only 20% of real examples lie among generated ones (recall; 70% for perfect",
            "train longer",
        ),
        (
            {"duplicates": 0.3},
            "30% of generated examples nearly repeat another (0% of real ex",
            "use another of WGANGP, R3GAN and",
        ),
        ({"copies": 0.3}, "30% of generated examples nearly repeat a training example (1% of", "use more images, or"),
        ({"FD": 9.0}, "FD is 4.5 times that of real examples", "train longer or a larger network, with a learning"),
        ({"modes": 5.0}, "5 of 8 modes are reached", "use another of WGANGP, R3GAN and packs"),
    ],
)
def test_what_is_not_good_and_what_to_try(values, bad, advice):
    good, not_good, to_try = judged(values, steps=50_000)
    assert good == NOTHING_GOOD
    assert not_good.startswith(bad)
    assert "," not in not_good or "precision" in values or "density" in values
    assert to_try.startswith(advice)


@pytest.mark.parametrize(
    "values", [{"FD": 3.0}, {"recall": 0.5}, {"precision": 0.7}, {"duplicates": 0.09}, {"SWD": 9.0}]
)
def test_a_value_in_between_and_an_unknown_one_are_neither_good_nor_bad(values):
    assert judged(values)[:2] == [NOTHING_GOOD, NOTHING_BAD]


@pytest.mark.parametrize("flattered", [{"density": 8.6}, {"precision": 0.97}])
def test_noise_on_pixels_is_not_praised_for_its_coverage(flattered):
    good, bad, _ = judged({"coverage": 0.95, **flattered})
    assert good == NOTHING_GOOD
    assert re.search("blurred (ones|images) and noise", bad)


def test_of_several_features_the_worst_counts():
    real = {f"coverage[{space}]": 0.97 for space in ("pixels", "classifier")}
    good, bad, _ = judged({"coverage[pixels]": 0.95, "coverage[classifier]": 0.1}, real=real)
    assert good == NOTHING_GOOD
    assert "only 10%" in bad
    assert "pixels" not in bad
    _, bad, _ = judged({"FD[pixels]": 2.5, "FD[classifier]": 30.0}, real={"FD[pixels]": 1.0, "FD[classifier]": 1.0})
    assert "FD[classifier] is 30.0 times" in bad
    assert judged({"coverage": 0.95, "density[a]": 2.0, "density[b]": 0.1}, real={"coverage": 0.97})[0] == NOTHING_GOOD
    assert "94%" in judged({"coverage[pixels]": 0.95, "coverage[classifier]": 0.94}, real=real)[0]


def test_the_advice_is_that_of_the_problem_in_training_then_time_then_that_of_the_value():
    values = {"coverage": 0.1}
    advice = "Lower the learning rate from 0.05 to 0.0001"
    _, bad, to_try = judged(values, steps=160, problems={"collapse": advice})
    assert bad.startswith("the training had a problem (collapse), only 10%")
    assert to_try == "lower the learning rate from 0.05 to 0.0001"
    assert judged(values, steps=160)[2] == "train longer, because 160 steps are few"
    assert (
        judged(values, steps=3_000)[2]
        == judged(values)[2]
        == "train longer or a larger network, by class where " + ("there are labels")
    )
    assert judged({"copies": 0.5}, steps=160)[2].startswith("use more images")  # which time does not mend


def test_problems_in_training_are_listed_and_so_is_all_that_is_not_good():
    values = {"coverage": 0.0, "density": 0.1, "recall": 0.0, "duplicates": 0.9}
    _, bad, _ = judged(values, problems={"learning rate": "Lower it", "collapse": "", "gradient norm": ""})
    assert bad.startswith("the training had problems (learning rate, collapse, gradient norm), 90% of generated")
    assert bad.count("hardly any real examples") == 2


def test_few_examples_are_given_the_benefit_of_chance():
    assert judged({"coverage": 0.75}, n=40)[1] == NOTHING_BAD
    assert judged({"coverage": 0.75}, n=200)[1] != NOTHING_BAD
    assert judged({"density": 0.4}, n=20)[1] == NOTHING_BAD


@pytest.mark.parametrize("n", [40, 200])
@pytest.mark.parametrize("dimensions", [2, 64])
def test_nothing_bad_is_said_of_real_examples(n, dimensions):
    rng = np.random.default_rng(n)
    for _ in range(400 // n):
        real, fake = rng.normal(size=(2, n, dimensions))
        values = {**metrics.prdc(real, fake), "duplicates": metrics.duplicate_rate(real, fake)}
        values["copies"] = metrics.copy_rate(real, fake)
        good, bad, _ = judged(values, n, {"coverage": metrics.expected_coverage(n, n)})
        assert bad == NOTHING_BAD
        assert "real examples have a generated one near them" in good
        assert "generated examples lie among real ones" in good


def test_what_it_does_not_take():
    with pytest.raises(ValueError, match=r"`real`. Expected 'coverage' of real examples, e.g. of .*expected_coverage"):
        metrics.verdict({"coverage": 0.9}, {}, 10)
    with pytest.raises(ValueError, match="`generated\\['density'\\]`"):
        metrics.verdict({"density": float("nan")}, {}, 10)
    for name, value in (("num_examples", 0), ("steps", -1), ("steps", "many")):
        with pytest.raises(ValueError, match=f"`{name}`"):
            metrics.verdict({}, {}, **{"num_examples": 10, name: value})


@pytest.mark.parametrize("values", [{"coverage": 0.0}, {"density": 0.0}])
@pytest.mark.parametrize("n", [2, 12])
def test_nothing_is_not_good_however_few_there_are(values, n):
    good, bad, *_ = metrics.verdict(values, {"coverage": 0.67}, n)
    assert good == "Good: nothing yet."
    assert "real examples" in bad


def test_every_row_of_the_table_of_problems_has_evidence_and_advice():
    for row in problems.PROBLEMS.values():
        assert row.evidence[0].islower() or row.evidence[0] == "{"
        assert row.advice[0].isupper()
        assert not (row.evidence + row.advice).endswith(".")


# In the command


def test_the_command_ends_with_the_verdict_and_says_that_pixels_flatter_noise(capsys):
    values, real = {"precision[pixels]": 0.97, "FD[pixels]": None}, {"precision[pixels]": 0.64, "FD[pixels]": 2.0}
    evaluation = {"values": values, "real_against_real": real, "num_fake": 200}
    said = verdicts.of_evaluation(evaluation, {"steps": 50})
    note, printed = capsys.readouterr().out.strip().split("\n\n")
    assert note.startswith("note       pixels flatter blur and noise")
    lines = printed.splitlines()
    assert [line[:11].strip() for line in lines] == ["verdict"] + [""] * (len(lines) - 1)
    assert " ".join(line[11:] for line in lines) == " ".join(said)
    assert max(map(len, lines)) <= 120
    summary = {
        "coverage": 0.2,
        "perfect_coverage": 0.97,
        "num_fake": 200,
        "steps": 50,
        "problems": {"collapse": "Rest"},
    }
    assert verdicts.of_training(summary)[1:] == [
        "Not good: the training had a problem (collapse), only 20% of real examples have a generated one near them "
        "(coverage; 97% for perfect ones).",
        "Next: rest.",
    ]
    assert "note" not in capsys.readouterr().out


def test_real_examples_that_are_all_the_same_do_not_flatter():
    floors = {"coverage": 0.0, "density": 0.0, "FD[pixels]": 0.0}
    good, bad, _ = metrics.verdict({"coverage": 0.0, "density": 0.0, "FD[pixels]": 62.0}, floors, 100)
    assert good == "Good: nothing yet."
    assert bad == "Not good: FD[pixels] is 62, and that of real examples 0."


def test_examples_that_repeat_each_other_after_few_steps_are_trained_longer():
    assert judged({"duplicates": 0.9}, steps=2)[2] == "train longer, because 2 steps are few"
    advice = "use another of WGANGP, R3GAN and packs, or a smaller learning rate"
    assert judged({"duplicates": 0.9}, steps=5_000)[2] == advice


def test_what_flatters_is_named_though_another_row_is_worse():
    values = {"density[pixels]": 8.6, "density[x]": 0.2, "coverage": 1.0}
    good, bad, _ = metrics.verdict(values, {"coverage": 1.0}, 1_000)
    assert good == "Good: nothing yet."
    assert "crowd among real examples (density[pixels] 8.60" in bad


def test_what_few_examples_cannot_tell_is_neither_good_nor_bad():
    good, bad, _ = metrics.verdict({"coverage": 0.25, "density": 0.27}, {"coverage": 0.99}, 12)
    assert (good, bad) == ("Good: nothing yet.", "Not good: nothing that the numbers show.")
    assert "92% of" in metrics.verdict({"coverage": 0.92, "density": 0.9}, {"coverage": 0.99}, 12)[0]
