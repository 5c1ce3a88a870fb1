"""Compares the logits of exported models with those of other programs: called by Tools/check-exports.

The folder that is named holds the exports, and for each of them NAME.logits, a safetensors file with
the token ids and the logits that Apus computed. For each pair the script prints

    max|d|  the largest difference of two logits
    KL      the mean Kullback-Leibler divergence of the next token's distribution, in nats
    top-1   the part of the positions where the most likely token is the same

and compares them with what the arithmetic of the pair allows:

    exact   the same weights in float32 on both sides: only the order of sums differs
    half    the other program multiplies half-precision numbers
    coarse  the other program also rounds activations to 8 bits, as llama.cpp does beside low-bit
            blocks: up to 3e-2 nats were seen; rows or scales in a wrong order cost whole nats
"""
import glob
import importlib.util
import json
import os
import sys

import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM

LIMITS = {  # max|d|, KL, top-1
    "exact": (5e-3, 1e-6, 0.99),
    "half": (0.25, 1e-3, 0.97),
    "coarse": (float("inf"), 1e-1, 0.75),
}


def tensors(path):
    found = {}
    for name in sorted(glob.glob(os.path.join(path, "*.safetensors"))) or [path]:
        with safe_open(name, "pt") as file:
            for key in file.keys():
                found[key] = file.get_tensor(key)
    return found


def codes(words, bits, count):
    """The first `count` codes of each row of 32-bit words: dense little-endian streams."""
    words = words.to(torch.int64) & 0xFFFFFFFF
    position = torch.arange(count) * bits
    word, shift = position // 32, position % 32
    low = words[:, word] >> shift
    following = torch.clamp(word + 1, max=words.shape[1] - 1)
    high = torch.where(shift + bits > 32, words[:, following] << (32 - shift), 0)
    return (low | high) & (2**bits - 1)


def gptq(parts, settings, name):
    """W[o, i] = scales[g[i], o] (code[i, o] - zero[g[i], o])."""
    bits = settings["bits"]
    group, scales = parts[name + ".g_idx"].long(), parts[name + ".scales"].float()
    inputs, outputs = len(group), scales.shape[1]
    code = codes(parts[name + ".qweight"].t(), bits, inputs)
    zero = codes(parts[name + ".qzeros"], bits, outputs)
    if settings["checkpoint_format"] == "gptq":
        zero = (zero + 1) & (2**bits - 1)
    return scales.t()[:, group] * (code - zero.t()[:, group]).float()


def awq(parts, settings, name):
    order = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])
    scales = parts[name + ".scales"].float()
    groups, outputs = scales.shape

    def unpacked(words):
        found = codes(words, 4, outputs).reshape(words.shape[0], -1, 8)
        result = torch.empty_like(found)
        result[:, :, order] = found
        return result.reshape(words.shape[0], outputs)

    code, zero = unpacked(parts[name + ".qweight"]), unpacked(parts[name + ".qzeros"])
    size = code.shape[0] // groups
    return (
        (code - zero.repeat_interleave(size, 0)).float() * scales.repeat_interleave(size, 0)
    ).t().contiguous()


def compressed(parts, settings, name):
    weights = settings["config_groups"]["group_0"]["weights"]
    bits, (outputs, inputs) = weights["num_bits"], parts[name + ".weight_shape"].tolist()
    scale = parts[name + ".weight_scale"].float()
    code = codes(parts[name + ".weight_packed"], bits, inputs)
    if weights["symmetric"]:
        zero = torch.full((outputs, scale.shape[1]), 2 ** (bits - 1))
    else:
        zero = codes(parts[name + ".weight_zero_point"].t(), bits, outputs).t()
    size = inputs // scale.shape[1]
    return (code - zero.repeat_interleave(size, 1)).float() * scale.repeat_interleave(size, 1)


READERS = {"gptq": gptq, "awq": awq, "compressed-tensors": compressed}


def model_of(config, state):
    config.quantization_config = None
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if name != "lm_head.weight"]
    if missing or unexpected:
        raise ValueError(f"missing {missing[:3]}, unexpected {unexpected[:3]}")
    model.tie_weights()
    return model.eval()


def from_folder(folder):
    """A packed folder as a model of floats, dequantized here by the formats' descriptions."""
    parts = tensors(folder)
    config = AutoConfig.from_pretrained(folder)
    settings = json.load(open(os.path.join(folder, "config.json")))["quantization_config"]
    state = {}
    for name, tensor in parts.items():
        layer, _, part = name.rpartition(".")
        if part in ("qweight", "weight_packed"):
            state[layer + ".weight"] = READERS[settings["quant_method"]](parts, settings, layer)
        elif part in ("weight", "bias"):
            state[name] = tensor.float()
    return model_of(config, state)


GGUF_NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def from_gguf(path, config):
    """A GGUF file as a model of floats, dequantized by the package `gguf`."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    reader = GGUFReader(path)
    architecture = bytes(reader.fields["general.architecture"].parts[-1]).decode()
    if architecture not in ("llama", "qwen2"):
        raise ValueError(f"this script maps the names of llama and qwen2, not {architecture}")
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    state = {}
    for tensor in reader.tensors:
        value = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        value = torch.from_numpy(np.ascontiguousarray(value))
        parts = tensor.name.split(".")
        if parts[0] == "blk":
            if architecture == "llama" and parts[2] in heads:
                rows = value.shape[0] // heads[parts[2]] // 2
                value = value.reshape(heads[parts[2]], rows, 2, -1).swapaxes(1, 2)
                value = value.reshape(heads[parts[2]] * rows * 2, -1)
            name = f"model.layers.{parts[1]}.{GGUF_NAMES[parts[2]]}.{parts[3]}"
        else:
            name = {"token_embd": "model.embed_tokens", "output_norm": "model.norm",
                    "output": "lm_head"}[parts[0]] + "." + parts[1]
        state[name] = value
    return model_of(config, state)


def run(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()


def llama_cpp(path, ids, text):
    from llama_cpp import Llama

    model = Llama(path, n_ctx=len(ids) + 8, n_batch=len(ids) + 8, logits_all=True, verbose=False)
    found = model.tokenize(text.encode(), add_bos=False, special=False)
    model.eval(list(ids))
    return np.array(model.scores[: len(ids)], dtype=np.float32), found


class Table:
    def __init__(self):
        self.failed = 0
        print(f"{'export':<20} {'compared with':<34} {'max|d|':>9} {'KL':>9} {'top-1':>7}  limit")

    def add(self, name, peer, ours, theirs, limit):
        largest, divergence, top = measures(ours, theirs)
        bounds = LIMITS[limit]
        good = largest <= bounds[0] and divergence <= bounds[1] and top >= bounds[2]
        self.failed += not good
        print(f"{name:<20} {peer:<34} {largest:9.2e} {divergence:9.2e} {top:7.3f}  {limit}"
              + ("" if good else "  FAILED"), flush=True)

    def fault(self, name, peer, reason):
        self.failed += 1
        print(f"{name:<20} {peer:<34} FAILED: {reason}", flush=True)


def measures(ours, theirs):
    a = torch.log_softmax(torch.from_numpy(ours).double(), -1)
    b = torch.log_softmax(torch.from_numpy(theirs).double(), -1)
    divergence = float((a.exp() * (a - b)).sum(-1).mean())
    top = float((a.argmax(-1) == b.argmax(-1)).double().mean())
    return float(np.abs(ours - theirs).max()), divergence, top


def stored(folder, name):
    with safe_open(os.path.join(folder, name + ".logits"), "np") as file:
        return file.get_tensor("tokens").tolist(), file.get_tensor("logits")


def has(package):
    return importlib.util.find_spec(package) is not None


def main(folder):
    table = Table()
    skipped = []

    def attempt(name, peer, body, limit):
        try:
            table.add(name, peer, ours, body(), limit)
        except Exception as error:  # any failure of a peer is a result
            table.fault(name, peer, f"{type(error).__name__}: {error}"[:200])

    for kind, names in (("gptq", ["rows-gptq", "even-gptq"]), ("awq", ["groups-awq"]),
                        ("compressed", ["groups-compressed", "even-compressed"])):
        for name in names:
            path = os.path.join(folder, name)
            ids, ours = stored(folder, name)
            source = name.rsplit("-", 1)[0]
            table.add(name, "Apus, before the export", ours, stored(folder, source)[1], "half")
            attempt(name, "transformers, codes by this script",
                    lambda: run(from_folder(path), ids), "exact")
            package = {"gptq": "gptqmodel", "compressed": "compressed_tensors"}.get(kind)
            if package is None or not has(package):
                skipped.append(f"{name}: transformers' own reader needs {package or 'a GPU'}")
                continue
            if name == "rows-gptq":
                skipped.append(f"{name}: gptqmodel's kernel for the CPU takes groups of 32 to 256 only")
                continue
            if name == "groups-compressed":
                # compressed-tensors 0.20 packs zero points when it writes, but expects them unpacked
                # in a model that transformers 5.24 prepares for loading.
                skipped.append(f"{name}: transformers does not load packed zero points")
                continue
            attempt(name, f"transformers with {package}", lambda: run(
                AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval(), ids), "half")
    plain = None
    for path in sorted(glob.glob(os.path.join(folder, "*.gguf"))):
        name = os.path.basename(path)
        ids, ours = stored(folder, name)
        if has("gguf"):
            attempt(name, "transformers, blocks by gguf", lambda: run(from_gguf(
                path, AutoConfig.from_pretrained(os.path.join(folder, "rows"))), ids), "exact")
        else:
            skipped.append(f"{name}: the blocks need the package gguf")
        if has("llama_cpp"):
            text = "The capital of France is ½ 1234 über\n\n  Paris."
            logits, tokens = llama_cpp(path, ids, text)
            limit = "half" if "f32" in name or "f16" in name else "coarse"
            attempt(name, "llama.cpp", lambda: logits, limit)
            if plain is None:
                plain = tokens
                expected = reference_tokens(folder, text)
                if expected is not None and expected != tokens:
                    table.fault(name, "llama.cpp's tokens", f"{tokens}, expected {expected}")
        else:
            skipped.append(f"{name}: llama.cpp needs the package llama-cpp-python")
    for line in skipped:
        print("skipped: " + line)
    print("all agree" if table.failed == 0 else f"{table.failed} disagree")
    return 1 if table.failed else 0


def reference_tokens(folder, text):
    path = os.path.join(folder, "rows", "tokenizer.json")
    if not has("tokenizers") or not os.path.exists(path):
        return None
    from tokenizers import Tokenizer

    return Tokenizer.from_file(path).encode(text, add_special_tokens=False).ids


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
