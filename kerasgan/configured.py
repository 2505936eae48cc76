"""The configuration of an object: the arguments of its constructor."""

import functools
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, Self

import keras
import numpy as np

from kerasgan.errors import ModelContractError, invalid

_MISSING = object()
_TUPLE, _DICT = "__tuple__", "__dict__"  # class names for what JSON cannot express
_LONGEST = 120  # characters of an argument in a `repr`


class Configured:
    """Mixin: `get_config` and `repr` tell the constructor's arguments, also in subclasses that do not override it.

    Constructors in kerasgan keep each argument as the attribute of that name. Others store theirs as they like, so
    their arguments, with `*args` and `**kwargs`, are recorded when the object is made. If an attribute equals the
    argument of its name when the constructor ends, later changes to it are saved.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls) and not is_ours(cls):
            _observe_constructor(cls)

    def __new__(cls, *args, **kwargs):
        new = super().__new__
        self = new(cls) if new is object.__new__ else new(cls, *args, **kwargs)
        if not is_ours(cls):
            try:
                given = arguments_of(cls.__init__, self, *args, **kwargs)
            except TypeError:  # `__init__` is about to raise it
                return self
            vars(self)["_given"] = given  # past Keras, which would track the networks among them twice
            if _overrider(cls, "get_config").__module__.split(".")[0] in ("kerasgan", "keras"):
                self._check_given()
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute; of our parts, refuses what their constructor would, and converts arguments as it does."""
        known, before = name in vars(self), vars(self).get(name)
        super().__setattr__(name, value)
        if known and is_ours(type(self)) and not isinstance(self, keras.Layer):
            arguments = self._arguments()
            try:
                made = type(self)(**arguments)
            except Exception:
                super().__setattr__(name, before)
                raise
            if name in arguments:  # not what a subclass keeps for itself
                super().__setattr__(name, getattr(made, name))

    def _arguments(self):
        """The constructor's arguments by name, read from attributes where these are up to date."""
        given = vars(self).get("_given")
        if given is None:
            parameters = list(inspect.signature(type(self).__init__).parameters.values())[1:]
            return {p.name: getattr(self, p.name) for p in parameters if p.kind is not p.VAR_KEYWORD}
        arguments = dict(given)
        for name in arguments.keys() & vars(self).get("_kept", set()):
            value = getattr(self, name)
            arguments[name] = list(value) if isinstance(arguments[name], list) else value
        return arguments

    def __repr__(self) -> str:
        """Returns one line: the class and its arguments, without defaults that stand for none, such as `every=1`."""
        try:
            arguments = self._arguments()
        except AttributeError:  # in the middle of its constructor, or where a subclass does not call ours
            return f"<{type(self).__name__}, not initialised>"
        parameters = inspect.signature(type(self).__init__).parameters
        defaults = {name: [] if p.kind is p.VAR_POSITIONAL else p.default for name, p in parameters.items()}
        told = [_told(n, value) for n, value in arguments.items() if not _is_silent(n, value, defaults.get(n))]
        return f"{type(self).__name__}({', '.join(told)})"

    def _saves(self, name):
        """Whether a change of this attribute is saved."""
        return "_given" not in vars(self) or name in vars(self).get("_kept", ())

    def _check_given(self):
        """Refuses at once what could not be saved hours later, except networks, which are up to Keras."""
        for name, value in self._arguments().items():
            try:
                if not isinstance(value, keras.Layer):
                    serialized(value)
            except Exception as error:
                expected = f"a value that can be saved: override `get_config` of {type(self).__name__} to leave it out"
                raise invalid(name, expected, f"{value!r} ({error})", ModelContractError) from error

    def _serialized(self, value):
        try:
            return serialized(value)
        except Exception:
            if is_ours(type(self), "get_config"):
                raise
            return value  # the override may leave it out

    def get_config(self) -> dict[str, Any]:
        if "_given" in vars(self):
            return {name: self._serialized(value) for name, value in self._arguments().items()}
        # With Keras's name and dtype, which constructors in kerasgan accept. Losses and penalties have no base with it.
        base: dict[str, Any] = getattr(super(), "get_config", dict)()
        return base | {name: keras.saving.serialize_keras_object(value) for name, value in self._arguments().items()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """The object that a configuration describes.

        Raises:
            ModelContractError: The constructor does not accept it, or a class in it is not registered.
        """
        arguments = {name: restored(name, value, custom_objects) for name, value in config.items()}
        try:
            return call(cls, cls.__init__, arguments)
        except TypeError as error:
            # Keras would put the whole configuration in front of a TypeError.
            advice = ""
            try:
                inspect.signature(cls.__init__).bind(None, **arguments)
            except TypeError:
                advice = f" Its `__init__` has to accept what its `get_config` returns: {', '.join(arguments)}."
            raise ModelContractError(f"{cls.__name__} cannot be made from what was saved: {error}.{advice}") from error


def check_saved_whole(argument: str, value: Any) -> None:
    """Refuses an object with a Keras-style `get_config` that leaves out constructor arguments, which would be lost.

    Args:
        argument: The name of the argument it was passed as.
        value: A loss, a constraint, an optimizer, ...

    Raises:
        ModelContractError: Arguments are missing.
    """
    parameters = list(inspect.signature(type(value).__init__).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(names) < len(parameters) and _overrider(type(value), "get_config") is keras.constraints.Constraint:
        names = [p.name for p in parameters]  # Keras's method returns nothing
    missing = [name for name in names if name not in value.get_config()]
    if missing:
        expected = f"an object that is saved whole: return {', '.join(map(repr, missing))} from its `get_config`, too"
        raise invalid(argument, expected, f"{type(value).__name__}, whose `get_config` lacks it", ModelContractError)


def _observe_constructor(cls):
    """Wraps `__init__` to find out which attributes hold the argument of their name when the outermost call ends.

    Outside of the class, because editors take `cls.__init__ = ...` in a method for the signature of all models.
    """
    init = cls.__init__

    @functools.wraps(init)
    def observed(self, *args, **kwargs):
        outermost = "_inside" not in vars(self)
        vars(self)["_inside"] = True
        init(self, *args, **kwargs)
        if outermost and "_given" in vars(self):
            arguments = self._arguments().items()
            vars(self)["_kept"] = {name for name, value in arguments if same(getattr(self, name, _MISSING), value)}

    # Keras does not follow wrappers.
    observed.__signature__ = inspect.signature(init)  # type: ignore[attr-defined]  # mypy knows none of functions
    cls.__init__ = observed


def _is_silent(name, value, default):
    """Whether an argument has a default that need not be told."""
    return _is_plain(value) and value == default and (name == "name" or value in (None, 0, 1, (), []))


def _told(name, value):
    """An argument in a `repr`; a network by the shapes of its inputs and its output."""
    inputs = getattr(value, "inputs", None) if isinstance(value, keras.Model) else None  # a subclassed one has none
    if inputs:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
        return f"{name} {shapes} -> {tuple(value.outputs[0].shape)}"
    return f"{name}={textwrap.shorten(_described(value), _LONGEST)}"


def _described(value):
    """The `repr` of a value; of Keras's losses their class and what they compute, which theirs does not tell."""
    if not isinstance(value, keras.losses.Loss):
        return repr(value)
    names = list(inspect.signature(type(value).__init__).parameters)[1:]
    config = {name: setting for name, setting in value.get_config().items() if name in names and _is_plain(setting)}
    told = [f"{name}={setting!r}" for name, setting in config.items() if name not in ("name", "dtype", "reduction")]
    return f"{type(value).__name__}({', '.join(told)})"


def _is_plain(value):
    return value is None or isinstance(value, int | float | str | tuple | list)


def same(attribute: Any, value: Any) -> bool:
    """Whether an attribute is the argument, possibly converted to another type of number or sequence."""
    if isinstance(attribute, list | tuple) and isinstance(value, list | tuple):
        return len(attribute) == len(value) and all(map(same, attribute, value))
    numbers = isinstance(attribute, int | float | str) and isinstance(value, int | float | str | np.generic)
    return attribute is value or (numbers and attribute == value)


def arguments_of(method: Callable, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The arguments of a call by name, with defaults and without `self`, in copies of their containers.

    `*args` is a list under its own name; `**kwargs` are listed by their names.

    Raises:
        TypeError: The method does not accept these arguments.
    """
    bound = inspect.signature(method).bind(*args, **kwargs)
    bound.apply_defaults()
    arguments: dict[str, Any] = {}
    for parameter in list(bound.signature.parameters.values())[1:]:
        value = _copied(bound.arguments[parameter.name])
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments |= value
        else:
            arguments[parameter.name] = list(value) if parameter.kind is parameter.VAR_POSITIONAL else value
    return arguments


def call(function: Callable, method: Callable, arguments: dict[str, Any]) -> Any:
    """Calls the function with what `arguments_of` returned for a method with the same signature."""
    arguments, positional = dict(arguments), []
    parameters = list(inspect.signature(method).parameters.values())[1:]
    variadic = next((parameter.name for parameter in parameters if parameter.kind is parameter.VAR_POSITIONAL), None)
    more = arguments.pop(variadic, []) if variadic else []
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY or (more and parameter.kind is parameter.POSITIONAL_OR_KEYWORD):
            positional.append(arguments.pop(parameter.name))
    return function(*positional, *more, **arguments)


def serialized(value: Any) -> Any:
    """As `keras.saving.serialize_keras_object`, which turns tuples into lists and the keys of a dict into strings."""
    if type(value) is tuple:
        return {"class_name": _TUPLE, "config": [serialized(part) for part in value]}
    if isinstance(value, list):  # Keras's, too
        return [serialized(part) for part in value]
    if isinstance(value, dict) and all(type(key) is str for key in value) and "class_name" not in value:
        return {key: serialized(part) for key, part in value.items()}
    if isinstance(value, dict):
        return {"class_name": _DICT, "config": [[serialized(key), serialized(part)] for key, part in value.items()]}
    return keras.saving.serialize_keras_object(value)


def _copied(value):
    """The value, in containers that nobody else can change."""
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return type(value)(map(_copied, value)) if type(value) in (list, tuple, set) else value


def is_ours(cls: type, method: str = "__init__") -> bool:
    """Whether a class has the method from kerasgan."""
    return _overrider(cls, method).__module__.split(".")[0] == "kerasgan"


def wrap_overrides(cls: type, **wrappers: Callable[[Callable], Callable]) -> None:
    """Puts the methods that a user's class overrides into the wrappers of their names, each once."""
    for name, wrapper in wrappers.items():
        method = getattr(cls, name)
        if not is_ours(cls, name) and not hasattr(method, "is_wrapped"):
            wrapped = functools.wraps(method, updated=())(wrapper(method))
            vars(wrapped)["is_wrapped"] = True
            setattr(cls, name, wrapped)


def _overrider(cls, name):
    """The class that a method comes from."""
    return next(base for base in cls.__mro__ if name in vars(base))


def constants(part: object) -> dict[str, Any]:
    """What a trace holds of a part of a model: its attributes, of arrays a hash, of variables which they are."""

    def held(value):
        if isinstance(value, dict):
            return {name: held(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [held(part) for part in value]
        if hasattr(value, "assign"):
            return id(value)
        if isinstance(value, np.ndarray) or hasattr(value, "numpy"):  # of which `repr` would show the ends
            array = np.asarray(value)
            if array.dtype != object:
                return array.dtype, array.shape, hashlib.blake2b(array.tobytes()).hexdigest()
        return value

    return {name: held(value) for name, value in vars(part).items()}


def restored(name: str, value: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The inverse of `serialized`, and of Keras's, for the value `name` of a configuration."""
    if isinstance(value, list):
        return [restored(name, part, custom_objects) for part in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: restored(name, part, custom_objects) for key, part in value.items()}
    if value["class_name"] == _TUPLE:
        return tuple(restored(name, part, custom_objects) for part in value["config"])
    if value["class_name"] == _DICT:
        return dict(restored(name, value["config"], custom_objects))
    if name == "dtype":  # constructors accept a policy's configuration
        return value
    try:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    except TypeError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = str(cause).split("Exception encountered: ")[-1].strip().split(". ")[0]
        fix = (
            " Put `@keras.saving.register_keras_serializable()` above the class and import it before `load_model`, or "
            "pass `custom_objects`."
        )
        unknown = "Could not locate" in reason
        raise ModelContractError(f"`{name}` cannot be loaded: {reason}.{fix if unknown else ''}") from error
