"""What the callbacks share that look into a model."""

import keras

from kerasgan.errors import invalid


class ModelCallback(keras.callbacks.Callback):
    """A callback for the models of kerasgan alone: it asks them for their steps, images and optimizers."""

    def set_model(self, model):
        if not hasattr(model, "recipe"):
            expected = f"{type(self).__name__} with a model of kerasgan, e.g. kerasgan.GAN: take it out of `callbacks`"
            raise invalid("callbacks", expected, f"{type(self).__name__} with a model of type {type(model).__name__}")
        super().set_model(model)
