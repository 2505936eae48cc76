"""Images per second from `kerasgan.datasets.load`.

python scripts/benchmark_input.py mnist cifar10
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import kerasgan as kg

BATCH, BATCHES = 64, 2_000

for name in sys.argv[1:] or ["digits"]:
    batches = iter(kg.datasets.load(name, batch_size=BATCH).repeat())
    for _ in range(100):
        next(batches)
    start = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    print(f"{name}: {BATCH * BATCHES / (time.perf_counter() - start):,.0f} images/s in batches of {BATCH}")
