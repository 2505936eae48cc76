"""`kerasgan export`: the model of a run directory, for TF Serving."""

import pathlib

from kerasgan import serving
from kerasgan.cli import configuration as configurations
from kerasgan.cli.build import trained


def run(workdir, flags) -> dict:
    """Exports, and returns what `--json` prints.

    Args:
        workdir: Run directory of `kerasgan train`.
        flags: Dict of the command's flags by name.
    """
    path, model = trained(workdir)
    written = configurations.read_json(path / "config.json")
    configuration = configurations.read(path / "config.json")
    to = flags["to"] or pathlib.Path("saved_models") / configurations.name_of(configuration.dataset)
    summary = path / "metrics.json"
    card = {
        "license": flags["license"],
        "data": {"dataset": configuration.dataset, **written.get("data", {})},
        "training": {**configuration.to_json(), "versions": written.get("versions")},
        "metrics": configurations.read_json(summary) if summary.is_file() else None,
    }
    version = serving.export(model, to, flags["also"] or (), flags["max_batch_size"], flags["score"], card)
    megabytes = sum(file.stat().st_size for file in version.rglob("*") if file.is_file()) / 1e6
    print(f"version    {version}: {megabytes:.1f} MB")
    print(f"card       {version / 'model_card.json'}")
    if (version / "samples.png").is_file():
        print(f"picture    {version / 'samples.png'}")
    print(f"more       kerasgan generate {to}; docs/serving.md tells how to serve it")
    card = configurations.read_json(version / "model_card.json")
    return {"version": str(version), "weights_sha256": card["weights_sha256"]}
