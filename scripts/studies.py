"""What the studies `study_*.py` share: their options, results that survive a stop, figures in one style."""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from kerasgan import files

ROOT = pathlib.Path(__file__).resolve().parents[1]
COLOURS = ("#1f5a93", "#d1495b", "#4f8a5b", "#e08e1b")


def options(description, seeds):
    """The command line of a study."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds, help=f"how many trainings of each kind; {seeds} by default")
    parser.add_argument("--quick", action="store_true", help="few steps and one seed: to see that it runs")
    parser.add_argument("--out", type=pathlib.Path, default=None, help="where results and the figure go")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds = 1
    return arguments


class Results:
    """Values by name in a JSON file: what is there is not computed again.

    Args:
        path: Name of the file; it is of one study with one set of options.
    """

    def __init__(self, path):
        self.path = path
        self.values = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name, compute):
        """The value of this name, computed and written down where it is not there."""
        if name not in self.values:
            self.values[name] = compute()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with files.replacing(self.path) as temporary:
                temporary.write_text(json.dumps(self.values, indent=1))
        return self.values[name]


def directory(arguments, name):
    """Where the results of a study go: `runs/studies/NAME` by default, apart for `--quick`."""
    return arguments.out or ROOT / "runs/studies" / (f"{name}-quick" if arguments.quick else name)


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


def save(result, path):
    with files.replacing(path) as temporary:
        result.savefig(temporary)
    print(f"figure: {path}")
