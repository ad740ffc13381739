"""KServe's client asks the gateway over gRPC; it can't be loaded beside Triton's, whose messages have the same names."""

import asyncio

from case import ADDRESS, MODEL, SAMPLES, agree, batch
from kserve import InferenceGRPCClient, InferInput, InferRequest


async def ask(name):
    client = InferenceGRPCClient(url=ADDRESS)
    assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready(MODEL)
    for size in [1, 7]:
        samples, answers = batch(size)
        for binary in [True, False]:
            tensor = InferInput(name, [size, *SAMPLES.shape[1:]], "FP32")
            tensor.set_data_from_numpy(samples, binary_data=binary)
            answer = await client.infer(InferRequest(MODEL, [tensor]))
            assert answer.model_name == MODEL
            agree(answer.outputs[0].as_numpy(), answers)
    await client.close()


asyncio.run(ask("x"))
print("every answer is right")
