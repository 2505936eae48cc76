"""`kerasgan compare`: what it prints against what the two run directories hold."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasgan.cli import comparison, main

SMALL = ("--units=16,16", "--latent_dim=4", "--steps=20")
EVALUATION = {
    "num_real": 100,
    "num_fake": 100,
    "seed": 0,
    "k": 5,
    "values": {
        "coverage[pixels]": 0.5,
        "FD[pixels]": 4.0,
        "IS[classifier-1]": 3.0,
        "copies": 0.02,
        "radius_ratio": 2.0,
    },
    "real_against_real": {
        "coverage[pixels]": 0.97,
        "FD[pixels]": 0.5,
        "IS[classifier-1]": 9.0,
        "copies": 0.01,
        "radius_ratio": 1.0,
    },
    "classifier": {"name": "classifier-1", "accuracy": 0.99},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two run directories, of a WGAN-GP and of a GAN."""
    root = tmp_path_factory.mktemp("trained")
    for name, *chosen in (("penalty", "--model=wgan_gp", "--n_critic=2"), ("plain", "--model=gan")):
        assert main(["train", *SMALL, *chosen, f"--workdir={root / name}"]) == 0
    return root


@pytest.fixture
def runs(trained, tmp_path, monkeypatch):
    """Copies of them, beside which the pictures are written."""
    for name in ("penalty", "plain"):
        shutil.copytree(trained / name, tmp_path / name, ignore=shutil.ignore_patterns("checkpoints", "*.keras"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare(capsys, *arguments):
    """What is printed, and the report of `--json`."""
    capsys.readouterr()
    assert main(["compare", *arguments, "--json"]) == 0
    printed = capsys.readouterr()

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return printed.err, json.loads(printed.out, parse_constant=refuse)


def refused(capsys, *arguments):
    capsys.readouterr()
    assert main(["compare", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def table(printed, title):
    """The cells of the table with this title, by the names of the rows."""
    head, *lines = printed.split(f"\n{title}  ")[1].split("\n\n")[0].splitlines()
    rows = [re.split(r"  +", line) for line in (f"{title}  {head}", *lines) if re.search(r"\S  +\S", line)]
    return {name: cells for name, *cells in rows}


def read(path):
    return json.loads(path.read_text())


def change(path, **values):
    path.write_text(json.dumps({**read(path), **values}))


def evaluated(run, values=None, **changes):
    evaluation = EVALUATION | changes
    evaluation["values"] = EVALUATION["values"] | (values or {})
    change(run / "metrics.json", evaluation=evaluation)


def last_rows(runs):
    rows = []
    for name in ("penalty", "plain"):
        with open(runs / name / "metrics.csv", newline="") as file:
            rows.append(list(csv.DictReader(file))[-1])
    return rows


@pytest.mark.slow
def test_the_settings_that_differ_are_those_of_the_files(runs, capsys):
    change(runs / "plain/config.json", versions=read(runs / "plain/config.json")["versions"] | {"numpy": "1.0"})
    printed, report = compare(capsys, "penalty", "plain")
    a, b = (read(runs / name / "config.json") for name in ("penalty", "plain"))
    assert [a.pop(name) for name in ("data", "places")] == [b.pop(name) for name in ("data", "places")]
    numpy = [configuration.pop("versions")["numpy"] for configuration in (a, b)]
    differ = {name: [a[name], b[name]] for name in a if a[name] != b[name]}
    assert report["differences"] == differ
    assert {"model", "n_critic", "learning_rate", "beta_1"} <= set(differ)
    assert report["versions"] == {"numpy": [np.__version__, "1.0"]}
    shown = table(printed, "settings that differ")
    assert shown["model"] == ["wgan_gp", "gan"]
    assert shown["learning_rate"] == ["0.0005", "0.0002"]
    assert shown["version of numpy"] == numpy
    assert len(shown) == len(differ) + 2  # the head, and one version
    assert report["common"] == {name: a[name] for name in a if a[name] == b[name]}
    assert (
        f"\nboth       dataset digits, network mlp, units 16x16, latent_dim 4, batch_size {a['batch_size']}" in printed
    )


def test_the_tables_have_the_values_of_the_files(runs, capsys):
    printed, report = compare(capsys, "penalty", "plain")
    a, b = (read(runs / name / "metrics.json") for name in ("penalty", "plain"))
    shown = table(printed, "quality after training")
    for name in ("precision", "recall", "density", "coverage"):
        assert report["quality"]["values"][name] == {
            "a": a[name],
            "b": b[name],
            "better": None if a[name] == b[name] else "ab"[b[name] > a[name]],
        }
        assert shown[name][:2] == [f"{a[name]:.4g}", f"{b[name]:.4g}"]
        assert shown[name][2:] in ([], ["AB"[b[name] > a[name]]])
    assert report["quality"]["values"]["seconds"] == {"a": a["seconds"], "b": b["seconds"], "better": None}
    assert shown["steps"] == ["20", "20"]
    last = last_rows(runs)
    shown = table(printed, "last in the log")
    assert shown["last in the log"] == ["A", "B"]
    assert set(shown) == {"last in the log", *last[0], *last[1]} - {"step", "epoch", "seconds"}
    for name in ("d_loss", "g_loss"):
        assert shown[name] == [f"{float(row[name]):.4g}" for row in last]
        assert report["logged"][name] == {"a": float(last[0][name]), "b": float(last[1][name])}
    assert shown["wasserstein"] == [f"{float(last[0]['wasserstein']):.4g}", "-"]
    assert report["logged"]["wasserstein"]["b"] is None
    assert "\nevaluation  " not in printed


@pytest.mark.slow
def test_the_picture_is_where_it_is_said_and_nothing_else_is_written(runs, capsys):
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    printed, report = compare(capsys, "penalty", "plain")
    assert report["picture"] == "compare-penalty-plain.png"
    assert "\npicture    compare-penalty-plain.png\n" in printed
    after = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    assert after.pop(runs / "compare-penalty-plain.png")
    assert after == before
    picture = Image.open("compare-penalty-plain.png")
    assert picture.width == 1800
    assert 1500 < picture.height < 1900  # samples, and three rows for five quantities
    pixels = np.asarray(picture.convert("RGB"))
    for colour in ((0x1F, 0x5A, 0x93), (0xD1, 0x49, 0x5B)):
        assert (pixels == colour).all(axis=-1).sum() > 1000
    samples = np.asarray(picture.convert("L"))[200:500, 100:800]
    assert samples.std() > 50  # black and white digits
    compare(capsys, "penalty", "plain", "--out=new/pair.jpg")
    assert Image.open("new/pair.jpg").format == "JPEG"


def test_runs_of_one_name_are_told_apart(runs, capsys):
    shutil.copytree("penalty", "old/penalty")
    printed, report = compare(capsys, "old/penalty", str(runs / "penalty"))
    assert report["picture"] == f"compare-old_penalty-{runs.name}_penalty.png"
    assert Image.open(report["picture"]).width == 1800
    assert "\ndiffer     in no setting or version\n" in printed
    assert report["differences"] == report["versions"] == {}


def test_an_evaluation_has_the_values_of_real_examples_and_the_better_ones(runs, capsys):
    evaluated(runs / "penalty")
    evaluated(runs / "plain", {"coverage[pixels]": 0.6, "FD[pixels]": 5.0, "IS[classifier-1]": 2.0, "copies": 0.01})
    printed, report = compare(capsys, "penalty", "plain")
    shown = table(printed, "evaluation")
    assert shown["evaluation"] == ["A", "B", "real", "better"]
    assert shown["coverage[pixels]"] == ["0.5", "0.6", "0.97", "B"]
    assert shown["FD[pixels]"] == ["4", "5", "0.5", "A"]
    assert shown["IS[classifier-1]"] == ["3", "2", "9", "A"]
    assert shown["copies"] == ["0.02", "0.01", "0.01", "B"]
    assert shown["radius_ratio"] == ["2", "2", "1"]
    assert report["evaluation"]["values"]["FD[pixels]"] == {
        "a": 4.0,
        "b": 5.0,
        "real_a": 0.5,
        "real_b": 0.5,
        "better": "a",
    }
    assert report["evaluation"]["not_comparable"] == []
    assert "measured on: k 5, num_real 100, num_fake 100, seed 0\n" in printed
    assert "classifiers differ" not in printed


def test_which_way_is_better_is_known_by_name(runs, capsys):
    higher = ("precision[x]", "recall[x]", "density[x]", "coverage[x]", "IS[x]", "modes", "modes_held", "high_quality")
    lower = ("FD[x]", "KD[x]", "SWD[x]", "W1", "copies", "duplicates", "kl")
    names = (*higher, *lower, "radius_ratio", "other[x]")
    real = dict.fromkeys(higher, 9.0) | dict.fromkeys(lower, 0.0)
    for run, value in (("penalty", 1.0), ("plain", 2.0)):
        evaluation = EVALUATION | {"values": dict.fromkeys(names, value), "real_against_real": real}
        change(runs / run / "metrics.json", evaluation=evaluation)
    _, report = compare(capsys, "penalty", "plain")
    better = {name: row["better"] for name, row in report["evaluation"]["values"].items()}
    expected = dict.fromkeys(higher, "b") | dict.fromkeys(lower, "a")
    assert better == expected | {"radius_ratio": None, "other[x]": None}


def test_neither_is_better_where_both_are_no_worse_than_real_examples(runs, capsys):
    evaluated(runs / "penalty", {"coverage[pixels]": 0.98, "FD[pixels]": 0.3})
    evaluated(runs / "plain", {"coverage[pixels]": 0.99, "FD[pixels]": 0.6})
    _, report = compare(capsys, "penalty", "plain")
    better = {name: row["better"] for name, row in report["evaluation"]["values"].items()}
    assert (better["coverage[pixels]"], better["FD[pixels]"]) == (None, "a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_real": 50, "num_fake": 50}, "num_real 100 and 50; num_fake 100 and 50"),
        ({"seed": 1}, "seed 0 and 1"),
        ({"other_real": "held-out examples"}, "other_real - and held-out examples"),
        (
            {"real_against_real": EVALUATION["real_against_real"] | {"FD[pixels]": 0.7}},
            "real examples against real ones have other values, so the data are others",
        ),
    ],
)
def test_values_that_were_measured_otherwise_have_no_better_one(changes, message, runs, capsys):
    evaluated(runs / "penalty")
    evaluated(runs / "plain", {"FD[pixels]": 1.0}, **changes)
    printed, report = compare(capsys, "penalty", "plain")
    assert f"A and B cannot be compared by these values, they were measured on: {message}\n" in printed
    assert report["evaluation"]["not_comparable"] == message.split("; ")
    assert {row["better"] for row in report["evaluation"]["values"].values()} == {None}


@pytest.mark.slow
def test_quality_on_other_data_cannot_be_compared(runs, capsys):
    change(runs / "plain/config.json", dataset="letters")
    change(runs / "plain/metrics.json", num_real=60, coverage=1.0)
    _, report = compare(capsys, "penalty", "plain")
    assert report["quality"]["not_comparable"] == ["dataset digits and letters", "num_real 1,797 and 60"]
    assert report["quality"]["values"]["coverage"]["better"] is None


def test_classifiers_that_differ_are_named(runs, capsys):
    evaluated(runs / "penalty")
    evaluated(
        runs / "plain",
        {"FD[pixels]": 1.0, "IS[classifier-2]": 2.0},
        real_against_real=EVALUATION["real_against_real"] | {"IS[classifier-2]": 8.0},
        classifier={"name": "classifier-2", "accuracy": 0.5},
    )
    evaluation = read(runs / "plain/metrics.json")["evaluation"]
    for part in ("values", "real_against_real"):
        del evaluation[part]["IS[classifier-1]"]
    change(runs / "plain/metrics.json", evaluation=evaluation)
    printed, _ = compare(capsys, "penalty", "plain")
    assert "the classifiers differ, classifier-1 and classifier-2: their values cannot be compared\n" in printed
    shown = table(printed, "evaluation")
    assert shown["evaluation"] == ["A", "B", "real of A", "real of B", "better"]
    assert shown["IS[classifier-1]"] == ["3", "-", "9", "-"]
    assert shown["IS[classifier-2]"] == ["-", "2", "-", "8"]
    assert shown["FD[pixels]"] == ["4", "1", "0.5", "0.5", "B"]


def test_one_evaluation_alone_tells_how_to_come_by_the_other(runs, capsys):
    evaluated(runs / "plain", seed=3)
    printed, report = compare(capsys, "penalty", "plain")
    assert "A has no evaluation. For one: kerasgan evaluate penalty --num_images=100 --seed=3\n" in printed
    assert table(printed, "evaluation")["copies"] == ["-", "0.02", "-", "0.01"]
    assert report["evaluation"]["values"]["copies"]["better"] is None


@pytest.mark.parametrize(
    ("value", "text"), [((6, 9), "6x9"), ([6, 9], "6x9"), (("color", "flip"), "color,flip"), ([], ""), (6, "6")]
)
def test_a_setting_is_shown_as_its_flag_takes_it(value, text):
    assert comparison.shown(value) == text


@pytest.mark.slow
def test_a_training_that_still_goes_on_is_compared_by_its_log(runs, capsys):
    for name in ("metrics.json", "samples.png"):
        (runs / "plain" / name).unlink()
    log = runs / "plain/metrics.csv"
    kept = log.read_text().splitlines()[:8]
    log.write_text("\n".join([*kept, "8,8,0.1"]))  # half of the row that is being written
    change(runs / "plain/config.json", steps=50)
    printed, report = compare(capsys, "penalty", "plain")
    said = (
        "B          plain: step 7 of 50, still training or stopped: no metrics.json, so compared by metrics.csv alone\n"
    )
    assert said in printed
    assert "A          penalty: step 20 of 20\n" in printed
    assert report["b"] == {"workdir": "plain", "step": 7, "steps": 50}
    d_loss = dict(zip(kept[0].split(","), kept[-1].split(","), strict=True))["d_loss"]
    assert report["logged"]["d_loss"]["b"] == float(d_loss)
    assert report["quality"]["values"]["coverage"]["b"] is None
    assert table(printed, "quality after training")["steps"] == ["20", "-"]
    shutil.rmtree("plain/samples")
    compare(capsys, "plain", "penalty")
    assert Image.open("compare-plain-penalty.png").width == 1800


def test_the_samples_are_the_final_ones_and_before_the_end_the_newest(runs, capsys, monkeypatch):
    shown = {}
    monkeypatch.setattr("kerasgan.plots.comparison", lambda logs, samples, path: shown.update(samples))
    (runs / "plain/metrics.json").unlink()
    compare(capsys, "penalty", "plain")
    for title, path in (("A  penalty", "penalty/samples.png"), ("B  plain", "plain/samples/epoch_0020.png")):
        np.testing.assert_array_equal(shown[title], np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.slow
def test_values_from_before_a_resumption_are_called_so(runs, capsys):
    change(runs / "plain/metrics.json", steps=10)
    printed, _ = compare(capsys, "penalty", "plain")
    assert "B          plain: step 20 of 20; metrics.json is from step 10\n" in printed
    (runs / "plain/metrics.json").write_text(json.dumps({"evaluation": EVALUATION}))  # `evaluate` after Ctrl-C
    printed, _ = compare(capsys, "penalty", "plain")
    assert "B          plain: step 20 of 20, still training or stopped\n" in printed


def test_values_that_are_not_finite_are_seen_and_are_null_in_json(runs, capsys):
    log = runs / "plain/metrics.csv"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:-1], "20,20,1.0,nan,inf", ""]))
    change(runs / "plain/metrics.json", coverage=float("nan"))
    printed, report = compare(capsys, "penalty", "plain")
    shown = table(printed, "last in the log")
    assert (shown["d_loss"][1], shown["g_loss"][1]) == ("nan", "inf")
    assert report["logged"]["d_loss"]["b"] is report["logged"]["g_loss"]["b"] is None
    coverage = report["quality"]["values"]["coverage"]
    assert (coverage["b"], coverage["better"]) == (None, None)


def test_of_held_out_data_the_last_value_that_there_is(runs, capsys):
    log = runs / "plain/metrics.csv"
    head, *lines = log.read_text().splitlines()
    held_out = {4: "1.25", 9: "2.5"}
    log.write_text(
        "\n".join([f"{head},val_d_loss", *(f"{line},{held_out.get(i, '')}" for i, line in enumerate(lines)), ""])
    )
    printed, _ = compare(capsys, "penalty", "plain")
    assert table(printed, "last in the log")["val_d_loss"] == ["-", "2.5"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("penalty",), "expected A B. Received: penalty."),
        (("penalty", "nowhere"), "no such directory: nowhere. Give one"),
        (("penalty", "./plain/../penalty"), "A and B are the same directory"),
        (("penalty", "link"), "A and B are the same directory"),
        (("penalty", "penalty/samples"), "penalty/samples cannot be compared: config.json is missing. Give"),
        (
            ("penalty", "plain", "--out=plain/curves.png"),
            "--out=plain/curves.png is in plain, where nothing is written",
        ),
        (("penalty", "plain", "--out=pair.mp4"), "Expected a name that ends in one of .avif"),
        (("penalty", "plain", "--out=pair"), "Received: pair"),
    ],
)
def test_mistakes_are_one_line(arguments, message, runs, capsys):
    (runs / "link").symlink_to(runs / "penalty")
    assert message in refused(capsys, *arguments)
    assert {path.name for path in runs.iterdir()} == {"penalty", "plain", "link"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "plain cannot be compared: config.json is missing"),
        ("config.json", b'{"dataset": ', "plain/config.json is damaged: Expecting value"),
        ("config.json", b"[]", "plain/config.json is damaged: it holds no JSON object"),
        (
            "config.json",
            b'{"dataset": "digits"}',
            "plain/config.json is not a configuration of `kerasgan train`: 'model' is missing",
        ),
        ("metrics.json", b"", "plain/metrics.json is damaged"),
        ("metrics.json", b"\xff\xfe", "plain/metrics.json is damaged"),
        ("metrics.json", b'{"evaluation": 3}', "plain/metrics.json is damaged: its evaluation holds no values"),
        ("metrics.json", b'{"evaluation": {"values": {}}}', "plain/metrics.json is damaged: its evaluation"),
        ("metrics.csv", None, "plain cannot be compared: metrics.csv is missing. Wait"),
        ("metrics.csv", b"step,d_loss\n", "plain/metrics.csv holds no row"),
        ("metrics.csv", b"step,d_loss\n1,much\n", "plain/metrics.csv is not the log of a run: could not convert"),
        ("metrics.csv", b"d_loss\n1\n", "plain/metrics.csv is not the log of a run: there is no column `step`, which"),
        (
            "metrics.csv",
            b"epoch,d_loss,val_d_loss\n0,1,NA\n",
            "there is no column `step`, which those of a `kerasgan.call",
        ),
        ("metrics.csv", b"\xff\xfe", "plain/metrics.csv is not the log of a run"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name, content, message, runs, capsys):
    path = runs / "plain" / name
    path.unlink() if content is None else path.write_bytes(content)
    assert message in refused(capsys, "penalty", "plain")
    assert not list(runs.glob("*.png"))
