"""Products of quantized matrices by ggml, the kernels of llama.cpp, out of llama-cpp-python.

Weights go where llama.cpp would put them: into its repacked layout where it has one for the type.
"""
import ctypes
import importlib.util
import itertools
import pathlib

import numpy

TYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q6_K": 14}
# Asking for a repacked buffer for another type ends the process.
REPACKED = {"Q4_0", "Q4_K"}
SIZE, POINTER = ctypes.c_size_t, ctypes.c_void_p


class InitParameters(ctypes.Structure):
    _fields_ = [("mem_size", SIZE), ("mem_buffer", POINTER), ("no_alloc", ctypes.c_bool)]


def folder():
    """Where the libraries lie; None if the package is missing."""
    found = importlib.util.find_spec("llama_cpp")
    if not found or not found.origin:
        return None
    path = pathlib.Path(found.origin).parent / "lib"
    return path if (path / "libggml-cpu.so").exists() else None


class Library:
    """The few functions that a product needs, and a backend with its threads."""

    def __init__(self, threads):
        base, cpu = (ctypes.CDLL(folder() / f"libggml-{name}.so") for name in ("base", "cpu"))
        self.base = base
        integer, pointer = ctypes.c_int64, POINTER
        for name, result, arguments in [
            ("ggml_init", pointer, [InitParameters]),
            ("ggml_row_size", SIZE, [ctypes.c_int, integer]),
            ("ggml_tensor_overhead", SIZE, []),
            ("ggml_graph_overhead", SIZE, []),
            ("ggml_new_tensor_2d", pointer, [pointer, ctypes.c_int, integer, integer]),
            ("ggml_mul_mat", pointer, [pointer] * 3),
            ("ggml_new_graph", pointer, [pointer]),
            ("ggml_build_forward_expand", None, [pointer] * 2),
            ("ggml_quantize_chunk", SIZE, [ctypes.c_int, pointer, pointer] + [integer] * 3 + [pointer]),
            ("ggml_backend_alloc_ctx_tensors", pointer, [pointer] * 2),
            ("ggml_backend_alloc_ctx_tensors_from_buft", pointer, [pointer] * 2),
            ("ggml_backend_get_default_buffer_type", pointer, [pointer]),
            ("ggml_backend_buffer_set_usage", None, [pointer, ctypes.c_int]),
            ("ggml_backend_tensor_set", None, [pointer, pointer, SIZE, SIZE]),
            ("ggml_backend_graph_compute", ctypes.c_int, [pointer] * 2),
            ("ggml_backend_get_device", pointer, [pointer]),
            ("ggml_backend_dev_backend_reg", pointer, [pointer]),
            ("ggml_backend_reg_get_proc_address", pointer, [pointer, ctypes.c_char_p]),
            ("ggml_backend_buft_name", ctypes.c_char_p, [pointer]),
            ("ggml_backend_buffer_free", None, [pointer]),
            ("ggml_free", None, [pointer]),
        ]:
            function = getattr(base, name)
            function.restype, function.argtypes = result, arguments
        cpu.ggml_backend_cpu_init.restype = pointer
        cpu.ggml_backend_cpu_set_n_threads.argtypes = [pointer, ctypes.c_int]
        self.buffers, self.contexts = [], []
        self.backend = cpu.ggml_backend_cpu_init()
        cpu.ggml_backend_cpu_set_n_threads(self.backend, threads)

    def buffer_type(self, is_repacked):
        base = self.base
        if is_repacked:
            device = base.ggml_backend_get_device(self.backend)
            registry = base.ggml_backend_dev_backend_reg(device)
            address = base.ggml_backend_reg_get_proc_address(
                registry, b"ggml_backend_dev_get_extra_bufts")
            if address:
                types = ctypes.CFUNCTYPE(ctypes.POINTER(POINTER), POINTER)(address)(device)
                for kind in itertools.takewhile(bool, (types[i] for i in itertools.count())):
                    if b"REPACK" in base.ggml_backend_buft_name(kind):
                        return kind
        return base.ggml_backend_get_default_buffer_type(self.backend)

    def context(self):
        size = 16 * self.base.ggml_tensor_overhead() + self.base.ggml_graph_overhead()
        self.contexts.append(self.base.ggml_init(InitParameters(size, None, True)))
        return self.contexts[-1]


    def free(self):
        for buffer in self.buffers:
            self.base.ggml_backend_buffer_free(buffer)
        for context in self.contexts:
            self.base.ggml_free(context)
        self.buffers, self.contexts = [], []


library = None


def products(type, rows, inputs, count, copies, threads):
    """y [count × rows] = x · Wᵀ for `copies` matrices, one after the other."""
    global library
    if folder() is None:
        return {}
    library = library or Library(threads)
    library.free()
    base, kind = library.base, TYPES[type]
    weights = numpy.random.default_rng(0).standard_normal((rows, inputs), dtype=numpy.float32)
    x = numpy.random.default_rng(1).standard_normal((count, inputs), dtype=numpy.float32)
    size = rows * base.ggml_row_size(kind, inputs)
    blocks = (ctypes.c_uint8 * size)()
    base.ggml_quantize_chunk(kind, weights.ctypes.data, blocks, 0, rows, inputs, None)
    graphs = []
    for _ in range(copies):
        held, made = library.context(), library.context()
        w = base.ggml_new_tensor_2d(held, kind, inputs, rows)
        buffer = base.ggml_backend_alloc_ctx_tensors_from_buft(
            held, library.buffer_type(type in REPACKED))
        base.ggml_backend_buffer_set_usage(buffer, 1)  # weights
        base.ggml_backend_tensor_set(w, blocks, 0, size)
        given = base.ggml_new_tensor_2d(made, 0, inputs, count)
        result = base.ggml_mul_mat(made, w, given)
        graph = base.ggml_new_graph(made)
        base.ggml_build_forward_expand(graph, result)
        library.buffers += [buffer, base.ggml_backend_alloc_ctx_tensors(made, library.backend)]
        base.ggml_backend_tensor_set(given, x.ctypes.data, 0, x.nbytes)
        graphs.append(graph)
    turn = itertools.cycle(graphs)
    return {"ggml": lambda: base.ggml_backend_graph_compute(library.backend, next(turn))}
