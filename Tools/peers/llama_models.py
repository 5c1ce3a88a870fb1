"""Whole models by llama.cpp, out of llama-cpp-python, as llama-bench runs them.

A prompt goes in at once, tokens one by one, from an empty cache; llama.cpp chooses its kernels and
repacks weights as it does by default.
"""
import ctypes
import os

import llama_cpp as llama

TYPES = {"Q4_0": 2, "Q8_0": 7, "Q2_K": 10, "Q3_K": 12, "Q4_K": 15}
silence = llama.llama_log_callback(lambda level, text, data: None)


def start():
    llama.llama_log_set(silence, None)
    llama.llama_backend_init()


def requantized(file, type, target):
    """Writes the model with most weights as `type`, unless that has been done."""
    start()
    if not os.path.exists(target):
        options = llama.llama_model_quantize_default_params()
        options.ftype, options.allow_requantize = TYPES[type], True
        part = target + ".part"
        if llama.llama_model_quantize(file.encode(), part.encode(), ctypes.byref(options)):
            raise ValueError(f"llama.cpp cannot make {type} of {file}")
        os.replace(part, target)
    return {"file": target}


class Session:
    def __init__(self, file, capacity, threads):
        start()
        self.model = llama.llama_model_load_from_file(
            file.encode(), llama.llama_model_default_params())
        if not self.model:
            raise ValueError(f"llama.cpp cannot load {file}")
        options = llama.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = capacity, 512, 512
        options.n_threads = options.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, options)
        if not self.context:
            raise ValueError(f"llama.cpp cannot make a context for {file}")

    def __del__(self):
        llama.llama_free(self.context)
        llama.llama_model_free(self.model)

    def read(self, batches):
        """The logits after the last token of each batch are computed."""
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)
        for tokens in batches:
            array = (llama.llama_token * len(tokens))(*tokens)
            if llama.llama_decode(self.context, llama.llama_batch_get_one(array, len(tokens))):
                raise ValueError("llama.cpp cannot read the tokens")
        llama.llama_synchronize(self.context)


session = None


def case(name, file, tokens, threads):
    global session
    session = None  # one model at a time
    session = Session(file, len(tokens) + 64, threads)
    batches = [tokens] if name == "prompt" else [[token] for token in tokens]
    return lambda: session.read(batches)
