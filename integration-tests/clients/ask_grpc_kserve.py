"""KServe's client asks the gateway over gRPC; it can't be loaded beside Triton's, whose messages have the same names.

ask_grpc_kserve.py ADDRESS MODEL BATCH_MAX INPUT.npy EXPECTED.npy
"""

import asyncio
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest

ADDRESS, MODEL, _, INPUT, EXPECTED = sys.argv[1:]
SAMPLES, ANSWERS = np.load(INPUT).astype(np.float32), np.load(EXPECTED)


async def ask(name):
    client = InferenceGRPCClient(url=ADDRESS)
    assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready(MODEL)
    for size in [1, 7]:
        for binary in [True, False]:
            tensor = InferInput(name, [size, *SAMPLES.shape[1:]], "FP32")
            tensor.set_data_from_numpy(SAMPLES[:size], binary_data=binary)
            answer = await client.infer(InferRequest(MODEL, [tensor]))
            found = answer.outputs[0].as_numpy()
            assert answer.model_name == MODEL and found.shape == ANSWERS[:size].shape
            assert np.abs(found - ANSWERS[:size]).max() < 5e-3
    await client.close()


asyncio.run(ask("x"))
print("every answer is right")
