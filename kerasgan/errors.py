"""Errors a user can act on: each message names the argument, what was expected, what was received and one fix."""


class DataError(ValueError):
    """The images or labels cannot be trained on as they are."""


class DataTypeError(TypeError):
    """The images or labels have a type that cannot be trained on."""


class ModelContractError(ValueError):
    """The generator, the discriminator and the data do not fit one another."""
