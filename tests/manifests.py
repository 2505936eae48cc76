"""Manifests of checkpoints, as an attacker would write them."""

import hashlib
import json

from kerasgan import checkpoint


def sign(path):
    """Makes a manifest fit the files, as an attacker would."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    del manifest["sha256"]
    for name in ("state.npz", "training.json"):
        content = (path / name).read_bytes()
        manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (path / "manifest.json").write_bytes(checkpoint._signed(manifest))
