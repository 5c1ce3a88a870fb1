"""A LLaMA decoder in plain torch, float32, with a key/value cache: the reference for inference.

Reads config.json and *.safetensors of a Hugging Face folder.
"""
import glob
import json
import os
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open

try:
    from tokenizers import Tokenizer
except ImportError:
    Tokenizer = None


class Llama:
    def __init__(self, folder, capacity):
        config = json.load(open(os.path.join(folder, "config.json")))
        if config.get("rope_scaling"):
            raise ValueError("the reference decoder knows no rope_scaling")
        self.weights = {}
        for path in sorted(glob.glob(os.path.join(folder, "*.safetensors"))):
            with safe_open(path, "pt") as file:
                for name in file.keys():
                    self.weights[name] = file.get_tensor(name).float()
        w = self.weights
        self.heads, self.width = config["num_attention_heads"], config["hidden_size"]
        self.key_heads = config.get("num_key_value_heads") or self.heads
        self.head_width = config.get("head_dim") or self.width // self.heads
        self.epsilon = config.get("rms_norm_eps", 1e-6)
        self.embedding = w["model.embed_tokens.weight"]
        self.head = w.get("lm_head.weight", self.embedding)
        self.norm = w["model.norm.weight"]
        names = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                 "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm",
                 "post_attention_layernorm"]
        count = config["num_hidden_layers"]
        self.layers = [[w[f"model.layers.{i}.{n}.weight"] for n in names] for i in range(count)]
        base = (config.get("rope_parameters") or config).get("rope_theta", 10000.0)
        half = torch.arange(0, self.head_width, 2, dtype=torch.float32) / self.head_width
        angles = torch.outer(torch.arange(capacity, dtype=torch.float32), 1 / base**half)
        angles = torch.cat([angles, angles], -1)
        self.cosines, self.sines = angles.cos(), angles.sin()
        shape = (1, self.key_heads, capacity, self.head_width)
        self.cache = [(torch.empty(shape), torch.empty(shape)) for _ in range(count)]
        self.position = 0

    def rotate(self, x, cosines, sines):
        a, b = x.chunk(2, -1)
        return x * cosines + torch.cat([-b, a], -1) * sines

    def __call__(self, tokens):
        """The logits after the last token; the tokens join the cache."""
        count, start = len(tokens), self.position
        end = start + count
        cosines, sines = self.cosines[start:end], self.sines[start:end]
        x = self.embedding[torch.tensor(tokens)]
        # A block of tokens is causal only from an empty cache; a single one sees everything.
        if count > 1 and start > 0:
            raise ValueError("several tokens after others are not supported")
        for (q, k, v, o, gate, up, down, norm1, norm2), (keys, values) in zip(
                self.layers, self.cache):
            h = F.rms_norm(x, (self.width,), norm1, self.epsilon)
            split = lambda y, heads: y.view(1, count, heads, self.head_width).transpose(1, 2)
            query = self.rotate(split(F.linear(h, q), self.heads), cosines, sines)
            keys[:, :, start:end] = self.rotate(
                split(F.linear(h, k), self.key_heads), cosines, sines)
            values[:, :, start:end] = split(F.linear(h, v), self.key_heads)
            y = F.scaled_dot_product_attention(
                query, keys[:, :, :end], values[:, :, :end], is_causal=count > 1,
                enable_gqa=self.heads != self.key_heads)
            x = x + F.linear(y.transpose(1, 2).reshape(count, -1), o)
            h = F.rms_norm(x, (self.width,), norm2, self.epsilon)
            x = x + F.linear(F.silu(F.linear(h, gate)) * F.linear(h, up), down)
        self.position = end
        return F.linear(F.rms_norm(x[-1:], (self.width,), self.norm, self.epsilon), self.head)[0]


models = {}


def model(folder, capacity=2048):
    if folder not in models:
        models.clear()
        models[folder] = Llama(folder, capacity)
    return models[folder]


def prefill(folder, tokens):
    llama = model(folder)
    llama.position = 0
    return llama(tokens)


def decoding(folder, tokens, count):
    """A call that writes `count` tokens, each the most likely one, after a prompt."""
    first, llama = prefill(folder, tokens), model(folder)

    def call():
        logits, llama.position = first, len(tokens)
        for _ in range(count):
            logits = llama([int(logits.argmax())])

    return call


def case(name, **arguments):
    if name == "prefill":
        return lambda: prefill(**arguments)
    if name == "decode":
        return decoding(**arguments)
    raise ValueError(f"no case {name}")


def resident():
    """Bytes of memory that the process holds, and those that are not a file's pages."""
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return [int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "RssAnon")]


def tell_load(folder, tokens):
    """Times a fresh load, and the load with the first logits; and the memory that both take.

    Both sides load the tokenizer too; without the tokenizers package there is nothing to compare.
    """
    if not Tokenizer:
        return {}
    models.clear()
    before, start = resident(), time.perf_counter()
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    llama = model(folder)
    loaded = time.perf_counter() - start
    llama(tokens)
    seconds, after = time.perf_counter() - start, resident()
    del tokenizer
    return {"load": loaded, "first": seconds, "resident": after[0] - before[0],
            "anonymous": after[1] - before[1]}


def tell_logits(folder, tokens, steps, file):
    """Writes the logits after `tokens` and after each of `steps` single ones as raw float32."""
    rows = [prefill(folder, tokens)] + [model(folder)([token]) for token in steps]
    torch.stack(rows).numpy().tofile(file)
    return {"rows": len(rows)}


def tell(name, **arguments):
    return {"load": tell_load, "logits": tell_logits}[name](**arguments)
