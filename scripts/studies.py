"""Shared by `study_*.py`: options, results that survive an interruption, figures in one style."""

import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from kerasgan import files

ROOT = pathlib.Path(__file__).resolve().parents[1]
COLOURS = ("#1f5a93", "#d1495b", "#4f8a5b", "#e08e1b")


def options(description, seeds):
    """The command line of a study."""
    return parsed(parser(description, seeds))


def parser(description, seeds):
    """The arguments of every study; a study may add its own before they are `parsed`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds, help=f"runs of each kind; {seeds} by default")
    parser.add_argument("--processes", type=int, default=2, help="parallel runs, one core each; 2 by default")
    parser.add_argument("--quick", action="store_true", help="few steps and one seed, to check that it runs")
    parser.add_argument("--out", type=pathlib.Path, default=None, help="directory for the results and the figure")
    return parser


def parsed(parser):
    """The command line."""
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.processes = 1, 0
        print("quick: with so few steps, the values mean nothing", file=sys.stderr)
    return arguments


def chosen(parser, option, text, known):
    """The names in a list with commas; ends with a message where one is not known."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            parser.error(f"{option}: expected some of {', '.join(known)}, with commas. Received: {name}")
    return names


class Results:
    """Values by name in a JSON file; those in it are not computed again.

    Args:
        directory: The directory of `results.json`.
        protocol: JSON values that describe how results are made: results of different protocols are not mixed.
    """

    def __init__(self, directory, protocol):
        self.path = directory / "results.json"
        self.protocol = json.loads(json.dumps(protocol))
        written = json.loads(self.path.read_text()) if self.path.exists() else {"protocol": self.protocol, "values": {}}
        if written["protocol"] != self.protocol:
            raise SystemExit(f"{self.path} has results of another protocol: move it away, or choose another --out.")
        self.values = written["values"]

    def all(self, function, tasks, processes):
        """Computes missing values in parallel, each on one core.

        Args:
            function: A module-level function.
            tasks: Dict from name to the arguments of `function`, a tuple that can be pickled; computed in this order.
            processes: Integer; 0 computes everything in this process, on all cores.

        Returns:
            Dict by name.
        """
        failed = {name for name, value in self.values.items() if isinstance(value, dict) and "error" in value}
        wanting = {name: task for name, task in tasks.items() if name not in self.values.keys() - failed}
        if not processes:
            for name, task in wanting.items():
                self._write(name, function(*task))
        elif wanting:
            # New processes now and then, because Keras keeps what it traced.
            with multiprocessing.get_context("spawn").Pool(processes, _on_one_core, maxtasksperchild=8) as pool:
                calls = [(function, name, task) for name, task in wanting.items()]
                for name, value in pool.imap_unordered(_call, calls):
                    self._write(name, value)
        return {name: self.values[name] for name in tasks}

    def _write(self, name, value):
        self.values[name] = value
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(self.path) as temporary:
            temporary.write_text(json.dumps({"protocol": self.protocol, "values": self.values}))
        print(f"{len(self.values)}: {name}", file=sys.stderr, flush=True)


def _call(call):
    function, name, task = call
    return name, function(*task)


def _on_one_core():
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def directory(arguments, name):
    """The directory for the results of a study: by default `runs/studies/NAME`, or another for `--quick`."""
    return arguments.out or ROOT / "runs/studies" / (f"{name}-quick" if arguments.quick else name)


def classifier_of(name, directory, epochs=None, read=None):
    """Path of a dataset's classifier in this directory, trained if it is missing; `read` is a function of the name."""
    path = directory / f"{pathlib.Path(name).name}-classifier.keras"
    if not path.exists():
        import kerasgan as kg

        path.parent.mkdir(parents=True, exist_ok=True)
        source = (read or kg.datasets.read)(name)
        classifier = kg.metrics.train_classifier(source.images, source.labels, epochs=epochs)
        classifier.save(path)
        print(f"{path.name}: {classifier.accuracy:.2%} of held-out images right", file=sys.stderr)
    return str(path)


def identifier(classifier):
    """Identifies the classifier in the protocol."""
    import kerasgan as kg

    return kg.metrics.Classifier.load(classifier).identifier


def cell(values):
    """`mean (least to most)`, each with three digits, or all in front of the point."""
    mean, *ends = (
        f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        for value in (statistics.mean(values), min(values), max(values))
    )
    return mean if len(values) == 1 else f"{mean} ({' to '.join(ends)})"


def figure(rows, columns, width=11.0, height=2.9):
    """A figure and its axes, an array `(rows, columns)`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    result = Figure(figsize=(width, height * rows + 0.3), dpi=130, layout="constrained")
    FigureCanvasAgg(result)
    axes = result.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color="0.93")
        one.set_axisbelow(True)
    return result, axes


def save_sheet(directory, name, first, kinds):
    """Saves grids of 64 images side by side: of `first`, a dict by title, and of each kind's `KIND.npz`."""
    import numpy as np

    import kerasgan as kg

    missing = [kind for kind in kinds if not (directory / f"{kind}.npz").exists()]
    if missing:  # the study resumed from values only
        print(f"no figure: the images of {', '.join(missing)} are not in {directory}")
        return
    frames = first | {kind: np.load(directory / f"{kind}.npz")["images"] for kind in kinds}
    sheets = [kg.images.contact_sheet([kg.images.grid(one, columns=8)], [title]) for title, one in frames.items()]
    kg.images.save_picture(directory / f"{name}.png", np.concatenate(sheets, axis=1))
    print(f"figure: {directory / name}.png")


def save(result, path):
    with files.replacing(path) as temporary:
        result.savefig(temporary)
    print(f"figure: {path}")
