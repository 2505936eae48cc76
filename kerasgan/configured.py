"""What is saved of an object: what its constructor was given."""

import functools
import inspect

import keras
import numpy as np

from kerasgan.errors import ModelContractError, invalid


class Configured:
    """Mixin: `get_config` returns what the constructor was given, also that of a subclass which does not override it.

    Constructors of kerasgan keep each argument as the attribute of its name. Those of other packages keep theirs as
    they like: their arguments are recorded when the object is made, with `*args` and `**kwargs`. An attribute that was
    the argument of its name at the end of the constructor, and has changed since, is saved as it is now.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls) and not is_ours(cls):
            cls.__init__ = _observed(cls.__init__)

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

    def _arguments(self):
        """Dict of what the constructor was given, by name; its attributes where they are kept as such."""
        given = vars(self).get("_given")
        if given is None:
            parameters = list(inspect.signature(type(self).__init__).parameters.values())[1:]
            return {p.name: getattr(self, p.name) for p in parameters if p.kind is not p.VAR_KEYWORD}
        arguments = dict(given)
        for name in arguments.keys() & set(vars(self).get("_kept", ())):
            now = getattr(self, name)
            arguments[name] = list(now) if isinstance(arguments[name], list) else now
        return arguments

    def _saves(self, name):
        """Whether a change of this attribute is saved."""
        return "_given" not in vars(self) or name in vars(self).get("_kept", ())

    def _check_given(self):
        """Refuses at once what could not be saved after hours; networks are Keras's."""
        for name, value in self._arguments().items():
            try:
                if not isinstance(value, keras.Layer):
                    serialized(value)
            except Exception as error:
                expected = f"what can be saved: override `get_config` of {type(self).__name__} to leave it out"
                raise invalid(name, expected, f"{value!r} ({error})", ModelContractError) from error

    def _serialized(self, value):
        try:
            return serialized(value)
        except Exception:
            if is_ours(type(self), "get_config"):
                raise
            return value  # the override may leave it out

    def get_config(self):
        # With Keras's name and dtype, which constructors of kerasgan accept.
        if "_given" in vars(self):
            return {name: self._serialized(value) for name, value in self._arguments().items()}
        base = getattr(super(), "get_config", dict)()
        return base | {name: keras.saving.serialize_keras_object(value) for name, value in self._arguments().items()}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The object that a configuration describes.

        Raises:
            ModelContractError: The constructor does not accept it, or a class in it is not registered.
        """
        arguments = {name: restored(name, value, custom_objects) for name, value in config.items()}
        try:
            return call(cls, cls.__init__, arguments)
        except TypeError as error:
            # A TypeError would be put behind the whole configuration by Keras.
            raise ModelContractError(
                f"{cls.__name__} cannot be made from what was saved: {error}. Its `__init__` has to accept what its "
                f"`get_config` returns: {', '.join(arguments)}."
            ) from error


def check_saved_whole(argument, value):
    """Refuses an object of Keras's kind whose `get_config` leaves out arguments of its constructor: they would be lost.

    Args:
        argument: String, the name of the argument that it was given as.
        value: Object with `get_config`, e.g. a loss, a constraint or an optimizer.

    Raises:
        ModelContractError: Arguments are missing.
    """
    parameters = list(inspect.signature(type(value).__init__).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(names) < len(parameters) and _overrider(type(value), "get_config") is keras.constraints.Constraint:
        names = [p.name for p in parameters]  # it saves nothing
    missing = [name for name in names if name not in value.get_config()]
    if missing:
        expected = f"an object that is saved whole: return {', '.join(map(repr, missing))} from its `get_config`, too"
        raise invalid(argument, expected, f"{type(value).__name__}, whose `get_config` lacks it", ModelContractError)


def _observed(init):
    """The constructor; at the end of the outermost one, what is kept as the attribute of its name is known."""

    @functools.wraps(init)
    def observed(self, *args, **kwargs):
        outermost = "_inside" not in vars(self)
        vars(self)["_inside"] = True
        init(self, *args, **kwargs)
        if outermost and "_given" in vars(self):
            vars(self)["_kept"] = frozenset(
                name for name, value in self._arguments().items() if _same(getattr(self, name, _MISSING), value)
            )

    observed.__signature__ = inspect.signature(init)  # Keras asks without following wrappers
    return observed


_MISSING = object()
_TUPLE, _DICT = "__tuple__", "__dict__"  # what JSON has no word for


def _same(attribute, value):
    """Whether an attribute is the argument, as it was or as a number or a tuple of it."""
    if isinstance(attribute, list | tuple) and isinstance(value, list | tuple):
        return len(attribute) == len(value) and all(map(_same, attribute, value))
    numbers = isinstance(attribute, int | float | str) and isinstance(value, int | float | str | np.generic)
    return attribute is value or (numbers and attribute == value)


def arguments_of(method, *args, **kwargs):
    """Dict of what a method is called with, defaults included and `self` left out: `*args` as a list under its name,
    `**kwargs` by their own names. Containers are copied, so that nobody changes them later.

    Raises:
        TypeError: The method does not take these arguments.
    """
    bound = inspect.signature(method).bind(*args, **kwargs)
    bound.apply_defaults()
    arguments = {}
    for parameter in list(bound.signature.parameters.values())[1:]:
        value = _copied(bound.arguments[parameter.name])
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments |= value
        else:
            arguments[parameter.name] = list(value) if parameter.kind is parameter.VAR_POSITIONAL else value
    return arguments


def call(function, method, arguments):
    """Calls the function with what `arguments_of` returned for the method that has its signature."""
    arguments, positional = dict(arguments), []
    parameters = list(inspect.signature(method).parameters.values())[1:]
    more = next((parameter.name for parameter in parameters if parameter.kind is parameter.VAR_POSITIONAL), None)
    more = arguments.pop(more, None)
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY or (more and parameter.kind is parameter.POSITIONAL_OR_KEYWORD):
            positional.append(arguments.pop(parameter.name))
    return function(*positional, *(more or ()), **arguments)


def serialized(value):
    """As `keras.saving.serialize_keras_object`, which makes lists of tuples, and strings of a dictionary's keys."""
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
    """The value in containers of its own, which nobody else changes."""
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return type(value)(map(_copied, value)) if type(value) in (list, tuple, set) else value


def is_ours(cls, method="__init__"):
    """Whether a class has the method from kerasgan."""
    return _overrider(cls, method).__module__.split(".")[0] == "kerasgan"


def _overrider(cls, name):
    """The class that a method comes from."""
    return next(base for base in cls.__mro__ if name in vars(base))


def restored(name, value, custom_objects=None):
    """What `serialized`, or Keras, has made the value `name` of a configuration from."""
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
    if name == "dtype":  # constructors take a policy's configuration
        return value
    try:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    except TypeError as error:
        cause = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = str(cause).split("Exception encountered: ")[-1].strip().split(". ")[0]
        fix = (
            " Put `@keras.saving.register_keras_serializable()` above the class and import it before `load_model`, or "
            "pass `custom_objects`."
        )
        unknown = "Could not locate" in reason
        raise ModelContractError(f"`{name}` cannot be loaded: {reason}.{fix if unknown else ''}") from error
