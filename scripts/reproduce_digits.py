"""Trains `saved_models/digits` again with the README's command and compares: about two minutes on two cores.

    python scripts/reproduce_digits.py

On the same kind of processor, with the same versions, the weights are bit-identical: their hash is in
`model_card.json`. Elsewhere sums are added in another order, which training magnifies. Then the new model must be as
good, with coverage within 0.03 and density within 0.08 of the card's, about the spread over seeds; else the exit code
is 1. With `--write` the new model becomes the next version in `saved_models/digits`.
"""

import argparse
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kerasgan import cli, serving

MODEL = pathlib.Path(__file__).resolve().parents[1] / "saved_models/digits"
LICENSE = "Apache-2.0; data: Optical Recognition of Handwritten Digits, Alpaydin and Kaynak, 1998, CC BY 4.0"
TOLERANCES = {"coverage": 0.03, "density": 0.08}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the new model as the next version")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        to = MODEL if arguments.write else f"{directory}/digits"
        for command in (["train"], ["export", f"--to={to}", f"--license={LICENSE}"]):
            command.insert(1, f"--workdir={directory}/run" if command[0] == "train" else f"{directory}/run")
            if cli.main(command):
                return 1
        new = serving.card_of(serving.version_in(to))
    if arguments.write:
        return 0
    old = serving.card_of(serving.version_in(MODEL))
    same = new["weights_sha256"] == old["weights_sha256"]
    print(f"\nweights    {'the same' if same else 'others'}: {new['weights_sha256']}")
    fine = True
    for name, tolerance in TOLERANCES.items():
        difference = new["metrics"][name] - old["metrics"][name]
        fine &= abs(difference) <= tolerance
        print(
            f"{name:<10} {new['metrics'][name]:.3f}, card {old['metrics'][name]:.3f}: {difference:+.3f} of {tolerance}"
        )
    return 0 if same or fine else 1


if __name__ == "__main__":
    sys.exit(main())
