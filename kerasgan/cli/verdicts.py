"""The last lines of `kerasgan train` and `kerasgan evaluate`: what is good, what is not, what to try next."""

import textwrap
import typing

from kerasgan import metrics

_WIDTH = 109  # of the lines, after their name


def of_training(summary: dict[str, typing.Any]) -> list[str]:
    """Prints and returns the verdict on a run.

    Args:
        summary: What metrics.json holds of it.
    """
    real = {"coverage": summary["perfect_coverage"]}
    return _printed(metrics.verdict(summary, real, summary["num_fake"], summary["steps"], summary["problems"]))


def of_evaluation(evaluation: dict[str, typing.Any], summary: dict[str, typing.Any]) -> list[str]:
    """Prints and returns the verdict on an evaluation.

    Args:
        evaluation: What metrics.json holds of it.
        summary: What metrics.json holds of the run; empty if nothing.
    """
    values, real = evaluation["values"], evaluation["real_against_real"]
    known = summary.get("steps", evaluation.get("steps")), summary.get("problems")
    sentences = metrics.verdict(values, real, evaluation["num_fake"], *known)
    if any(name.endswith("[pixels]") for name in values):
        print(
            "\nnote       pixels flatter blur and noise: their precision and density can be above those of real images"
        )
    return _printed(sentences)


def _printed(sentences):
    print()
    for number, sentence in enumerate(sentences):
        name = "" if number else "verdict"
        print(textwrap.indent(textwrap.fill(sentence, _WIDTH), " " * 11).replace(" " * 11, f"{name:11}", 1), flush=True)
    return sentences
