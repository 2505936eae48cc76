"""What editors and type checkers see of the package."""

import ast
import inspect
import pathlib
import subprocess
import sys

import jedi
import pytest

import kerasgan as kg

ROOT = pathlib.Path(kg.__file__).parent


def public_functions(node, prefix=""):
    """Names and nodes of public functions, and of the constructors and public methods of public classes."""
    for child in ast.iter_child_nodes(node):
        name = getattr(child, "name", None)  # of definitions; statements have none
        if isinstance(child, ast.ClassDef) and not name.startswith("_"):
            yield from public_functions(child, f"{name}.")
        elif isinstance(child, ast.If):  # such as `if not typing.TYPE_CHECKING`
            yield from public_functions(child, prefix)
        elif isinstance(child, ast.FunctionDef) and (not name.startswith("_") or name in ("__init__", "__call__")):
            yield prefix + name, child


def unannotated(function, is_method):
    """What lacks an annotation; the result of a constructor needs none."""
    given = function.args
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
    skipped = parameters[0] if is_method and not static else None
    missing = [one.arg for one in parameters if one and one is not skipped and one.annotation is None]
    return missing + (["return"] if function.returns is None and function.name != "__init__" else [])


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_parameter_and_result_is_annotated(path):
    functions = public_functions(ast.parse(path.read_text(encoding="utf-8")))
    missing = {name: unannotated(function, "." in name) for name, function in functions}
    assert not {name: names for name, names in missing.items() if names}


def test_a_missing_annotation_is_found():
    source = (
        "class A:\n    def __init__(self, x): pass\n    def f(self, *y: int, **z) -> int: pass\ndef g(x: int): pass\n"
    )
    missing = {name: unannotated(node, "." in name) for name, node in public_functions(ast.parse(source))}
    assert missing == {"A.__init__": ["x"], "A.f": ["z"], "g": ["return"]}


def test_every_public_name_is_imported_for_type_checkers():
    tree = ast.parse(pathlib.Path(kg.__file__).read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(guarded.test) == "typing.TYPE_CHECKING"
    imports = {alias.name: node.module for node in guarded.body for alias in node.names}
    assert imports.keys() == set(kg.__all__) - {"__version__"}
    assert {
        name: module.removeprefix("kerasgan.") for name, module in imports.items() if name in kg._CLASSES
    } == kg._CLASSES
    assert (ROOT / "py.typed").exists()


@pytest.mark.parametrize("name", [name for name in kg._CLASSES if name != "VAE"])
def test_signatures_show_every_argument(name):
    parameters = inspect.signature(getattr(kg, name)).parameters
    assert {"generator", "discriminator", "n_critic", "pack", "ema_momentum", "seed"} <= parameters.keys()


# Completion, as in editors that use jedi


def typed(code):
    """An editor in which a user typed this."""
    return jedi.Script(f"import kerasgan as kg\n{code}", project=jedi.Project(ROOT.parent, smart_sys_path=False))


def completions(code):
    return {completion.name for completion in typed(code).complete()}


@pytest.mark.parametrize("name", ["WGANGP", "WGAN", "GAN"])
def test_the_arguments_of_a_model_are_completed(name):
    (signature,) = typed(f"kg.{name}(").get_signatures()
    shown = {parameter.name for parameter in signature.params}
    assert {"generator", "discriminator", "n_critic", "pack", "ema_momentum", "seed"} <= shown
    assert ("weight" in shown) == (name == "WGANGP")


def test_the_names_of_the_package_are_completed():
    assert set(kg.__all__) <= completions("kg.")
    assert {"Checkpoint", "Health", "SampleGrid"} <= completions("kg.callbacks.")
    assert {"FrechetDistance", "PRDC", "train_classifier"} <= completions("kg.metrics.")
    assert {"fit", "compile", "generate", "export"} <= completions("kg.WGANGP().")


# mypy, on a program of a user's

USER = """
import kerasgan as kg

generator = kg.networks.mlp_generator((8, 8, 1))
gan = kg.WGANGP(generator, kg.networks.mlp_discriminator((8, 8, 1)), weight=5.0, n_critic=2)
checkpoint = kg.callbacks.Checkpoint("checkpoints")
metric = kg.metrics.PRDC(k=3)
reveal_type(gan)
reveal_type(checkpoint)
reveal_type(metric)
reveal_type(kg.metrics.prdc([[0.0]], [[1.0]]))
kg.WGANGP(generator, n_critics=2)
kg.metrics.PRDC(k="three")
kg.WGANPG
"""


def test_a_type_checker_knows_the_classes_and_finds_wrong_arguments(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    options = ["--config-file", str(ROOT.parent / "setup.cfg"), "--cache-dir", str(tmp_path / "cache")]
    command = [sys.executable, "-m", "mypy", *options, "--follow-imports=silent", "user.py"]
    environment = {"MYPYPATH": str(ROOT.parent), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    said = [line.removeprefix("user.py:") for line in done.stdout.splitlines()]
    number = {line: str(index) for index, line in enumerate(USER.splitlines(), 1)}
    revealed = {
        "gan": "kerasgan.variants.WGANGP",
        "checkpoint": "kerasgan.callbacks.checkpoint.Checkpoint",
        "metric": "kerasgan.metrics.quality.PRDC",
    }
    for name, kind in revealed.items():
        assert f'{number[f"reveal_type({name})"]}: note: Revealed type is "{kind}"' in said
    for line in USER.splitlines()[-3:]:
        assert any(one.startswith(f"{number[line]}: error: ") for one in said), line
    errors = [one for one in said if ": error: " in one]
    assert {one.split(":")[0] for one in errors} == {number[line] for line in USER.splitlines()[-3:]}
