"""Images per second: the exported signature `serving_default` against the generator called in Keras.

    python scripts/benchmark_serving.py --pairs=15
    python scripts/benchmark_serving.py --latency

Batches of 64 latents through the default networks of `kerasgan train` for digits (MLP) and MNIST (DCGAN), with initial
weights. Each round times, in turn, the signature loaded by `tf.saved_model.load`, the generator called directly, the
same inside a `tf.function`, `predict`, and the signature `generate`, which also draws latents from 64 seeds. Reported
are medians of the ratios to the time of `serving_default`: above 1, `serving_default` is faster.

With `--latency`: how long one core is busy with a request of the models in `saved_models/`, in milliseconds of
processor time, so that other programs do not matter. Medians of requests, without transport.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import kerasgan as kg

BATCH = 64
SIZES = (1, 8, 64)  # images per request
NETWORKS = {
    "digits": lambda: (
        kg.networks.mlp_generator((8, 8, 1), 32, (256, 256, 256)),
        kg.networks.mlp_discriminator((8, 8, 1), (256, 256, 256)),
    ),
    "mnist": lambda: (
        kg.networks.dcgan_generator((28, 28, 1), 128, 32),
        kg.networks.dcgan_discriminator((28, 28, 1), 32),
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15, help="rounds of timing")
    parser.add_argument("--calls", type=int, default=30, help="batches per timing")
    parser.add_argument("--latency", action="store_true", help="milliseconds per request, instead")
    arguments = parser.parse_args()
    if arguments.latency:
        return latency(arguments.calls)
    print("| | batches per second | called in Keras | in a tf.function | `predict` | `generate` |\n|" + 6 * " --- |")
    for name, make in NETWORKS.items():
        gan = kg.WGANGP(*make())
        with tempfile.TemporaryDirectory() as directory:
            signatures = tf.saved_model.load(gan.export(f"{directory}/{name}")).signatures
        graph = tf.function(lambda latents, network=gan.generator: network(latents, training=False))
        latents = tf.random.normal((BATCH, gan.latent_dim))
        ways = {
            "served": lambda served=signatures["serving_default"], latents=latents: served(latents=latents)["images"],
            "called": lambda network=gan.generator, latents=latents: network(latents, training=False),
            "graph": lambda graph=graph, latents=latents: graph(latents),
            "predict": lambda gan=gan, latents=latents: gan.generator.predict_on_batch(latents),
        }
        first = ways["served"]().numpy()
        for way in ways.values():
            np.testing.assert_allclose(way(), first, atol=1e-5)
        seeds = tf.range(BATCH, dtype=tf.int64)
        ways["generate"] = lambda served=signatures["generate"], seeds=seeds: served(seed=seeds)["images"]
        times = [{way: timed(call, arguments.calls) for way, call in ways.items()} for _ in range(arguments.pairs)]
        served = statistics.median(pair["served"] for pair in times)
        ratios = [statistics.median(pair[way] / pair["served"] for pair in times) for way in list(ways)[1:]]
        print(f"| {name} | {1 / served:,.0f} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)


def latency(calls):
    """Prints milliseconds of one core per request."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print("| model | signature | " + " | ".join(map(str, SIZES)) + " |\n|" + (2 + len(SIZES)) * " --- |")
    for path in sorted(pathlib.Path(__file__).parents[1].glob("saved_models/*/1")):
        loaded = tf.saved_model.load(path)
        for name in ("generate", "generate_png"):
            specs = loaded.signatures[name].structured_input_signature[1]
            times = [requested(loaded.signatures[name], specs, size, calls) for size in SIZES]
            print(f"| {path.parent.name} | `{name}` | {' | '.join(f'{time:.1f}' for time in times)} |", flush=True)


def requested(signature, specs, size, calls):
    """Milliseconds of processor time per request of a size, after one to warm up."""
    times = []
    for call in range(1 + calls):
        inputs = {name: tf.range(size, dtype=spec.dtype) for name, spec in specs.items()}
        inputs = {name: value % 10 if name == "labels" else value + call for name, value in inputs.items()}
        begun = time.process_time()
        signature(**inputs)
        times.append(1_000 * (time.process_time() - begun))
    return statistics.median(times[1:])


def timed(call, calls):
    """Seconds per call."""
    begun = time.perf_counter()
    for _ in range(calls):
        np.asarray(call())
    return (time.perf_counter() - begun) / calls


if __name__ == "__main__":
    main()
