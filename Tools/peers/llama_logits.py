"""Compares what llama.cpp computes of a GGUF file with logits that apus-quantize wrote.

    llama_logits.py MODEL.gguf LOGITS

Prints the largest difference, the Kullback-Leibler divergence in nats and the agreement of the
likeliest tokens as one JSON document. Needs llama-cpp-python and numpy.
"""
import json, struct, sys
import numpy as np
from llama_cpp import Llama


def tensors(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        kind = {"I32": np.int32, "F32": np.float32}[entry["dtype"]]
        found[name] = np.frombuffer(data[8 + length + first:8 + length + last], kind).reshape(entry["shape"])
    return found


def log_probabilities(logits):
    logits = logits.astype(np.float64)
    logits = logits - logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


given = tensors(sys.argv[2])
tokens = given["tokens"].tolist()
model = Llama(sys.argv[1], n_ctx=len(tokens) + 8, logits_all=True, verbose=False, n_threads=1)
model.eval(tokens)
found = np.array(model.scores[:len(tokens)])
ours, theirs = log_probabilities(given["logits"]), log_probabilities(found)
print(json.dumps({
    "tokens": len(tokens),
    "largest difference": float(np.abs(found - given["logits"]).max()),
    "divergence": float((np.exp(ours) * (ours - theirs)).sum(1).mean()),
    "agreement": float((found.argmax(1) == given["logits"].argmax(1)).mean()),
}))
