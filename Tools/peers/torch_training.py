"""The training side of the reference: convolutions, optimizers, the tape, a GPT in plain torch.

The GPT is pre-LN with learned positions, GELU (tanh) and an untied head, in float32; AdamW is
torch's fused one, its fastest on a CPU.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


def recording(call):
    """The call outside of the peer's inference mode, where torch records for backward()."""
    def recorded():
        with torch.inference_mode(False), torch.enable_grad():
            return call()
    return recorded


def prepared(make, **arguments):
    """A recorded call that is made in its first run, outside of inference mode."""
    made = {}

    def call():
        if not made:
            made["call"] = make(**arguments)
        return made["call"]()

    return recording(call)


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def tape(operation, count):
    """`count` tiny operations on 8×8 matrices, recorded."""
    a, b = leaf(8, 8), leaf(8, 8)

    def add():
        for _ in range(count):
            a + b

    def matmul():
        for _ in range(count):
            a @ b

    def chain():
        x = a
        for _ in range(count):
            x = x * b + a
        x.sum().backward()
        a.grad = b.grad = None

    return {"add": add, "matmul": matmul, "chain": chain}[operation]


def rows(operation, count, width):
    x, gradient = leaf(count, width), torch.randn(count, width)
    w, b = leaf(width), leaf(width)
    targets = torch.randint(0, width, (count,))
    forward = {
        "gelu": lambda: F.gelu(x, approximate="tanh"),
        "softmax": lambda: torch.softmax(x, -1),
        "layer_norm": lambda: F.layer_norm(x, (width,), w, b, 1e-5),
        "rms_norm": lambda: F.rms_norm(x, (width,), w, 1e-5),
        "cross_entropy": lambda: F.cross_entropy(x, targets),
    }[operation]

    def call():
        y = forward()
        y.backward(None if y.dim() == 0 else gradient)
        x.grad = w.grad = b.grad = None

    return call


def convolution(batch, inputs, outputs, size, kernel, stride, padding, transposed):
    x = leaf(batch, inputs, size, size)
    w = leaf(inputs, outputs, kernel, kernel) if transposed else leaf(outputs, inputs, kernel, kernel)
    b = leaf(outputs)
    apply = F.conv_transpose2d if transposed else F.conv2d
    gradient = torch.randn_like(apply(x, w, b, stride=stride, padding=padding))

    def call():
        apply(x, w, b, stride=stride, padding=padding).backward(gradient)
        x.grad = w.grad = b.grad = None

    return call


def adamw(count):
    parameter = leaf(count)
    parameter.grad = torch.randn(count)
    return torch.optim.AdamW([parameter], lr=1e-3, fused=True).step


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        batch, length, width = x.shape
        shape = (batch, length, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(self.norm1(x)).view(shape).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(a.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, layers, width, heads, vocabulary, length):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def gpt(layers, width, heads, vocabulary, length, batch):
    model = GPT(layers, width, heads, vocabulary, length)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    ids, targets = torch.randint(0, vocabulary, (2, batch, length))

    def step():
        optimizer.zero_grad(set_to_none=True)
        model(ids, targets).backward()
        optimizer.step()

    return step


def case(name, **arguments):
    cases = {"tape": tape, "rows": rows, "convolution": convolution, "adamw": adamw, "gpt": gpt}
    made = {}

    def call():  # Made in the first call, outside of inference mode.
        if not made:
            made["call"] = cases[name](**arguments)
        made["call"]()

    return recording(call)


def peak():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {key: int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM")}


def tell_training_memory(steps, **arguments):
    """The growth of the peak of physical memory over making and training a GPT, in bytes.

    A tiny model is trained before, so that what the libraries set up once does not count.
    """
    tiny = case("gpt", layers=1, width=64, heads=1, vocabulary=64, length=16, batch=1)
    tiny()
    before = peak()["VmRSS"]
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # The peak starts again from here.
    step = case("gpt", **arguments)
    for _ in range(steps):
        step()
    return {"peak": peak()["VmHWM"] - before}
