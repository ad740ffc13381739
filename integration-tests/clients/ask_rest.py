"""Unmodified inference clients ask the gateway over REST."""

import asyncio

import numpy as np
import tritonclient.http as triton
from case import ADDRESS, BATCH_MAX, MODEL, SAMPLES, agree, batch
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from tritonclient.utils import InferenceServerException


def triton_input(array, datatype="FP32", binary=True):
    tensor = triton.InferInput(NAME, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def refused(status, call, *words):
    try:
        call()
    except InferenceServerException as error:
        text = f"{error.status()} {error.message()}"
        assert str(status) in text, text
        for word in words:
            assert word in text, text
        return
    raise AssertionError(f"nothing was refused where {status} was due")


client = triton.InferenceServerClient(ADDRESS)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL)
assert not client.is_model_ready("nothing-of-this-name")
server = client.get_server_metadata()
assert server["name"] == "tercet" and "binary_tensor_data" in server["extensions"], server
metadata = client.get_model_metadata(MODEL)
[declared], [result] = metadata["inputs"], metadata["outputs"]
NAME, OUTPUT, VERSION = declared["name"], result["name"], metadata["versions"][0]
assert declared["datatype"] == "FP32" and declared["shape"] == [-1, *SAMPLES.shape[1:]], declared
[entry] = client.get_model_repository_index()
assert (entry["name"], entry["state"], entry["version"]) == (MODEL, "READY", VERSION), entry
assert client.is_model_ready(MODEL, VERSION)
refused(404, lambda: client.get_model_metadata(MODEL, "1"), VERSION)
refused(404, lambda: client.get_model_metadata("nothing-of-this-name"))
refused(403, lambda: client.load_model(MODEL), "tercet deploy")
refused(403, lambda: client.unload_model(MODEL))

for size in [1, 2, 7, BATCH_MAX]:
    samples, answers = batch(size)
    for binary_in in [True, False]:
        inputs = [triton_input(samples, binary=binary_in)]
        agree(client.infer(MODEL, inputs).as_numpy(OUTPUT), answers)
        for binary_out in [True, False]:
            outputs = [triton.InferRequestedOutput(OUTPUT, binary_data=binary_out)]
            answer = client.infer(MODEL, inputs, outputs=outputs, request_id="4711", model_version=VERSION)
            agree(answer.as_numpy(OUTPUT), answers)
            assert answer.get_response()["id"] == "4711"
            assert answer.get_response()["parameters"]["tercet_rounds"] > 0
samples, answers = batch(7)
for compression in ["gzip", "deflate"]:
    agree(client.infer(MODEL, [triton_input(samples)], request_compression_algorithm=compression).as_numpy(OUTPUT), answers)

# Other number types stand for the same numbers, as exactly as they hold them.
agree(client.infer(MODEL, [triton_input(samples.astype(np.float16), "FP16")]).as_numpy(OUTPUT), answers, 5e-2)
agree(client.infer(MODEL, [triton_input(samples.astype(np.float64), "FP64")]).as_numpy(OUTPUT), answers)
whole = np.rint(samples)
reference = client.infer(MODEL, [triton_input(whole)]).as_numpy(OUTPUT)
for kind, datatype in [(np.int8, "INT8"), (np.int16, "INT16"), (np.int32, "INT32"), (np.int64, "INT64")]:
    for binary in [True, False]:
        found = client.infer(MODEL, [triton_input(whole.astype(kind), datatype, binary)]).as_numpy(OUTPUT)
        agree(found, reference)

good = triton_input(samples)
refused(400, lambda: client.infer(MODEL, [triton_input(samples[:, 1:].copy())]), NAME)
refused(400, lambda: client.infer(MODEL, [triton_input(np.full_like(samples, np.nan))]), NAME, "not a number")
refused(400, lambda: client.infer(MODEL, [triton_input(np.full_like(samples, 1e9))]), NAME, "range")
refused(400, lambda: client.infer(MODEL, [triton_input(batch(BATCH_MAX + 1)[0])]), "split")
refused(400, lambda: client.infer(MODEL, [good, good]), "twice")
refused(400, lambda: client.infer(MODEL, [good], outputs=[triton.InferRequestedOutput("nothing")]), OUTPUT)
refused(400, lambda: client.infer(MODEL, [good], sequence_id=5), "sequence_id")
other = triton.InferInput("nothing", list(samples.shape), "FP32")
other.set_data_from_numpy(samples)
refused(400, lambda: client.infer(MODEL, [other]), NAME)
refused(404, lambda: client.infer("nothing-of-this-name", [good]))
refused(404, lambda: client.infer(MODEL, [good], model_version="1"))
huge = np.zeros((64 * BATCH_MAX, *SAMPLES.shape[1:]), np.float32)
refused(413, lambda: client.infer(MODEL, [triton_input(huge)]), "split")
refused(504, lambda: client.infer(MODEL, [triton_input(batch(BATCH_MAX)[0])], timeout=1))
# Whoever was refused can ask again.
agree(client.infer(MODEL, [good]).as_numpy(OUTPUT), answers)


async def with_kserve():
    asking = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    base = f"http://{ADDRESS}"
    assert await asking.is_server_live(base) and await asking.is_server_ready(base)
    assert await asking.is_model_ready(base, MODEL)
    for size in [1, 7]:
        samples, answers = batch(size)
        for data in [samples, samples.tolist()]:
            tensor = InferInput(NAME, list(samples.shape), "FP32")
            if isinstance(data, list):
                tensor.data = np.array(data).flatten().tolist()
            else:
                tensor.set_data_from_numpy(data)
            answer = await asking.infer(base, InferRequest(MODEL, [tensor]), model_name=MODEL)
            assert answer.model_name == MODEL
            agree(answer.outputs[0].as_numpy(), answers)
    await asking.close()


asyncio.run(with_kserve())
print("every answer is right")
