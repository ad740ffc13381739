"""Runs a model in ONNX Runtime: MODEL.onnx THREADS SECONDS INPUT.npy... (in the model's order). Prints one JSON object."""

import json
import sys
import time

import numpy
import onnxruntime

model, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
kinds = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
ports = session.get_inputs()
arrays = [
    numpy.load(path).astype(kinds.get(port.type, port.type[len("tensor(") : -1]))
    for port, path in zip(ports, sys.argv[4:])
]
feeds = [{port.name: array for port, array in zip(ports, arrays)}]
# A model that was exported for one sample takes no larger batch: it is run once for each.
single = [bool(port.shape) and port.shape[0] == 1 and array.shape[0] > 1 for port, array in zip(ports, arrays)]
if any(single):
    count = max(array.shape[0] for array, one in zip(arrays, single) if one)
    feeds = [
        {port.name: array[i : i + 1] if one else array for port, array, one in zip(ports, arrays, single)}
        for i in range(count)
    ]


def run():
    for feed in feeds:
        session.run(None, feed)


run()
times = []
start, used = time.perf_counter(), time.process_time()
while len(times) < 3 or time.perf_counter() - start < seconds:
    before = time.perf_counter()
    run()
    times.append((time.perf_counter() - before) * 1e3)
cpu_ms = (time.process_time() - used) * 1e3 / len(times)
print(json.dumps({"version": onnxruntime.__version__, "times_ms": times, "cpu_ms": cpu_ms}))
