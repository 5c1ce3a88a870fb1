"""The benchmark's reference: torch, and OpenBLAS through numpy, as a process that takes orders.

apus-bench starts it as `python torch_peer.py THREADS` and speaks one JSON object a line on
standard input and output:

    {"do": "hello"}                               -> {"variants": {"torch": "torch 2.x", ...}}
    {"do": "load", "case": {"kind": "gemm", ...}} -> {"estimates": {"torch": seconds, ...}}
    {"do": "run", "variant": "torch", "repeats": 5, "inner": 10, "warm": true}
                                                  -> {"seconds": [5 numbers]}
    {"do": "tell", "name": "logits", ...}         -> facts about a model, see torch_llama.py

A fault is answered with {"error": "..."}. Between orders the process sleeps in a read.
"""
import itertools
import json
import os
import sys
import time

THREADS = int(sys.argv[1])
# Both must be set before the libraries are loaded: they read them once.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)

import numpy
import torch
import torch.nn.functional as F

try:
    import tokenizers  # Only the tokenizer's speed is compared with it: it may be missing.
except ImportError:
    tokenizers = None

# One thread is timed by the processor time of the process, which other users of the machine do not
# disturb; the other side does the same.
CLOCK = time.process_time if THREADS == 1 else time.perf_counter


def gemm(m, n, k, transpose_a=False, transpose_b=False):
    a = torch.randn(k, m).t() if transpose_a else torch.randn(m, k)
    b = torch.randn(n, k).t() if transpose_b else torch.randn(k, n)
    c = torch.empty(m, n)
    x, y, z = a.numpy(), b.numpy(), c.numpy()
    return {"torch": lambda: torch.mm(a, b, out=c), "openblas": lambda: numpy.matmul(x, y, out=z)}


def linear(rows, inputs, outputs, copies):
    weights = [torch.randn(outputs, inputs) for _ in range(copies)]
    x, y = torch.randn(rows, inputs), torch.empty(rows, outputs)
    arrays = [w.numpy() for w in weights]
    # numpy hands a product with a vector to sgemv, one with a 1-row matrix to the slower sgemm.
    xn, yn = (x[0].numpy(), y[0].numpy()) if rows == 1 else (x.numpy(), y.numpy())
    tensors, matrices = itertools.cycle(weights), itertools.cycle(arrays)
    if rows == 1:
        openblas = lambda: numpy.matmul(next(matrices), xn, out=yn)
    else:
        openblas = lambda: numpy.matmul(xn, next(matrices).T, out=yn)
    return {"torch": lambda: F.linear(x, next(tensors)), "openblas": openblas}


def vector(name, count):
    # Where torch can write into a given output it does: that is its fastest way.
    a, b, out = torch.rand(count) * 4 - 2, torch.rand(count), torch.empty(count)
    silu = torch.ops.aten.silu.out
    calls = {
        "add": lambda: torch.add(a, b, out=out),
        "sum": lambda: a.sum().item(),
        "exp": lambda: torch.exp(a, out=out),
        "silu": lambda: silu(a, out=out),
        "silu_multiply": lambda: torch.mul(silu(a, out=out), b, out=out),
        "gelu": lambda: torch.ops.aten.gelu.out(a, approximate="tanh", out=out),
    }
    return {"torch": calls[name]}


def rows(name, count, width):
    x, out = torch.rand(count, width) * 4 - 2, torch.empty(count, width)
    w, b = torch.rand(width), torch.rand(width)
    calls = {
        "softmax": lambda: torch.softmax(x, -1, out=out),
        "rms_norm": lambda: F.rms_norm(x, (width,), w, 1e-5),
        "layer_norm": lambda: F.layer_norm(x, (width,), w, b, 1e-5),
    }
    return {"torch": calls[name]}


def optimizer(name, count):
    # Fused is torch's fastest way; it has none for Lion.
    w = torch.nn.Parameter(torch.rand(count), requires_grad=False)
    w.grad = torch.rand(count) - 0.5
    make = {
        "adamw": lambda: torch.optim.AdamW([w], lr=1e-5, fused=True),
        "sgd": lambda: torch.optim.SGD([w], lr=1e-5, momentum=0.9, fused=True),
    }
    return {"torch": make[name]().step}


def small(name):
    a, b = torch.randn(8, 8), torch.randn(8, 8)
    calls = {
        "add": lambda: a + b,
        "matmul": lambda: a @ b,
        "reshape": lambda: a.view(64),
        "slice": lambda: a[2:6],
    }
    return {"torch": calls[name]}


def llama(name, **arguments):
    import torch_llama
    return {"torch": torch_llama.case(name, **arguments)}


def training(name, **arguments):
    import torch_training
    return {"torch": torch_training.case(name, **arguments)}


def rounding(name, **arguments):
    import torch_rounding
    return {"torch": torch_rounding.case(name, **arguments)}


def sparse(name, **arguments):
    import torch_sparse
    return torch_sparse.case(name, **arguments)


def novelty(name, **arguments):
    import torch_novelty
    return {"torch": torch_novelty.case(name, **arguments)}


def grounding(name, **arguments):
    import torch_grounding
    return {"torch": torch_grounding.case(name, **arguments)}


def tokenizer(folder, file):
    return {"tokenizers": tokenizing(folder, file)} if tokenizers else {}


def tokenizing(folder, file):
    encoder = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    text = open(file, encoding="utf-8", newline="").read()
    return lambda: encoder.encode(text)


def vocabulary(file, count):
    return {"tokenizers": learning(file, count)} if tokenizers else {}


def learning(file, count):
    text = open(file, encoding="utf-8", newline="").read()

    def learn():
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=count, show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
        made.train_from_iterator([text], trainer=trainer)
        return made
    return learn


def ggml_product(**case):
    import ggml_products
    return ggml_products.products(**case, threads=THREADS)


def gguf_model(name, **arguments):
    import ggml_products
    if not ggml_products.folder():
        return {}
    import llama_models
    return {"llama": llama_models.case(name, **arguments, threads=THREADS)}


KINDS = {"gemm": gemm, "linear": linear, "vector": vector, "rows": rows, "small": small,
         "optimizer": optimizer, "llama": llama, "training": training, "rounding": rounding,
         "sparse": sparse, "novelty": novelty, "grounding": grounding, "ggml_product": ggml_product, "gguf_model": gguf_model,
         "tokenizer": tokenizer, "vocabulary": vocabulary}
calls = {}


def timed(call, inner):
    start = CLOCK()
    for _ in range(inner):
        call()
    return (CLOCK() - start) / inner


def hello():
    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    variants = {"torch": f"torch {torch.__version__.split('+')[0]}"}
    if "openblas" in blas["name"].lower():
        variants["openblas"] = f"OpenBLAS {blas['version']}"
    import importlib.metadata
    try:
        variants["spconv"] = f"spconv {importlib.metadata.version('spconv')}"
    except importlib.metadata.PackageNotFoundError:
        pass  # Only sparse convolutions are compared with it: it may be missing.
    import ggml_products
    if ggml_products.folder():
        version = importlib.metadata.version("llama_cpp_python")
        variants["ggml"] = f"ggml of llama-cpp-python {version}"
        variants["llama"] = f"llama.cpp of llama-cpp-python {version}"
    if tokenizers:
        variants["tokenizers"] = f"tokenizers {tokenizers.__version__}"
    return {"variants": variants, "capability": torch.backends.cpu.get_cpu_capability()}


def load(case):
    calls.clear()
    known = hello()["variants"]
    made = KINDS[case.pop("kind")](**case)
    calls.update((name, call) for name, call in made.items() if name in known)
    for call in calls.values():
        call()
    return {"estimates": {name: timed(call, 1) for name, call in calls.items()}}


def run(variant, repeats, inner, warm):
    call = calls[variant]
    if warm:
        call()
    return {"seconds": [timed(call, inner) for _ in range(repeats)]}


def tell(name, **arguments):
    if name == "tokens":
        return {"ids": tokenizing(**arguments)().ids if tokenizers else None}
    if name == "vocabulary":
        if not tokenizers:
            return {"tokens": None}
        ids = learning(**arguments)().get_vocab()
        return {"tokens": sorted(ids, key=ids.get)}
    if name == "requantized":
        import ggml_products
        if not ggml_products.folder():
            return {"file": None}
        import llama_models
        return llama_models.requantized(**arguments)
    if name == "training_memory":
        import torch_training
        return torch_training.tell_training_memory(**arguments)
    if name == "block_memory":
        import torch_rounding
        return torch_rounding.tell_block_memory(**arguments)
    import torch_llama
    return torch_llama.tell(name, **arguments)


ORDERS = {"hello": hello, "load": load, "run": run, "tell": tell}


def main():
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Whatever a library prints must not get among the answers.
    with torch.inference_mode():
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = ORDERS[order.pop("do")](**order)
            except Exception as fault:
                answer = {"error": f"{type(fault).__name__}: {fault}"}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
