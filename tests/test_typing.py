"""What editors and type checkers see of the package."""

import ast
import inspect
import pathlib

import pytest

import kerasgan as kg


def test_every_public_name_is_imported_for_type_checkers():
    tree = ast.parse(pathlib.Path(kg.__file__).read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(guarded.test) == "typing.TYPE_CHECKING"
    imports = {alias.name: node.module for node in guarded.body for alias in node.names}
    assert imports.keys() == set(kg.__all__) - {"__version__"}
    assert {
        name: module.removeprefix("kerasgan.") for name, module in imports.items() if name in kg._CLASSES
    } == kg._CLASSES
    assert pathlib.Path(kg.__file__).with_name("py.typed").exists()


@pytest.mark.parametrize("name", [name for name in kg._CLASSES if name != "VAE"])
def test_signatures_show_every_argument(name):
    parameters = inspect.signature(getattr(kg, name)).parameters
    assert {"generator", "discriminator", "n_critic", "pack", "ema_momentum", "seed"} <= parameters.keys()
