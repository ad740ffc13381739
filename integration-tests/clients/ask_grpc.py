"""Unmodified inference clients ask the gateway over gRPC."""

import numpy as np
import tritonclient.grpc as triton
from case import ADDRESS, BATCH_MAX, MODEL, SAMPLES, agree, batch
from tritonclient.utils import InferenceServerException


def triton_input(array, datatype="FP32"):
    tensor = triton.InferInput(NAME, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def refused(status, call, *words):
    try:
        call()
    except InferenceServerException as error:
        assert status in str(error.status()), (status, error.status(), error.message())
        for word in words:
            assert word in error.message(), error.message()
        return
    raise AssertionError(f"nothing was refused where {status} was due")


client = triton.InferenceServerClient(ADDRESS)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL)
assert not client.is_model_ready("nothing-of-this-name")
assert client.get_server_metadata().name == "tercet"
metadata = client.get_model_metadata(MODEL)
[declared], [result] = metadata.inputs, metadata.outputs
NAME, OUTPUT, VERSION = declared.name, result.name, metadata.versions[0]
assert declared.datatype == "FP32" and list(declared.shape) == [-1, *SAMPLES.shape[1:]], declared
[entry] = client.get_model_repository_index().models
assert (entry.name, entry.state, entry.version) == (MODEL, "READY", VERSION), entry
refused("NOT_FOUND", lambda: client.get_model_metadata(MODEL, "1"), VERSION)
refused("PERMISSION_DENIED", lambda: client.load_model(MODEL), "tercet deploy")
refused("UNIMPLEMENTED", lambda: client.get_inference_statistics(MODEL))

for size in [1, 2, 7, BATCH_MAX]:
    samples, answers = batch(size)
    answer = client.infer(
        MODEL,
        [triton_input(samples)],
        outputs=[triton.InferRequestedOutput(OUTPUT)],
        request_id="4711",
        model_version=VERSION,
        priority=1,
        client_timeout=60,
    )
    agree(answer.as_numpy(OUTPUT), answers)
    assert answer.get_response().id == "4711"
    assert answer.get_response().parameters["tercet_rounds"].int64_param > 0
samples, answers = batch(7)
agree(client.infer(MODEL, [triton_input(samples.astype(np.float16), "FP16")]).as_numpy(OUTPUT), answers, 5e-2)
whole = np.rint(samples)
reference = client.infer(MODEL, [triton_input(whole)]).as_numpy(OUTPUT)
for kind, datatype in [(np.int8, "INT8"), (np.int32, "INT32"), (np.int64, "INT64")]:
    agree(client.infer(MODEL, [triton_input(whole.astype(kind), datatype)]).as_numpy(OUTPUT), reference)

good = triton_input(samples)
refused("INVALID_ARGUMENT", lambda: client.infer(MODEL, [triton_input(samples[:, 1:].copy())]), NAME)
refused("INVALID_ARGUMENT", lambda: client.infer(MODEL, [triton_input(np.full_like(samples, np.nan))]), "not a number")
refused("INVALID_ARGUMENT", lambda: client.infer(MODEL, [triton_input(batch(BATCH_MAX + 1)[0])]), "split")
refused("INVALID_ARGUMENT", lambda: client.infer(MODEL, [good, good]), "twice")
refused("INVALID_ARGUMENT", lambda: client.infer(MODEL, [good], sequence_id=5), "sequence_id")
refused("NOT_FOUND", lambda: client.infer("nothing-of-this-name", [good]))
refused("DEADLINE_EXCEEDED", lambda: client.infer(MODEL, [triton_input(batch(BATCH_MAX)[0])], timeout=1))
# Whoever was refused can ask again.
agree(client.infer(MODEL, [good]).as_numpy(OUTPUT), answers)

print("every answer is right")
