"""The rounding methods in plain torch, as their authors' code computes them."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def recording(call):
    """The call outside of the peer's inference mode, where torch records for backward()."""
    def recorded():
        with torch.inference_mode(False), torch.enable_grad():
            return call()
    return recorded


def weight(rows, columns):
    with torch.inference_mode(False):
        return torch.randn(rows, columns) * 0.02


def grid(w, top=15):
    low, high = w.amin(1, keepdim=True).clamp(max=0), w.amax(1, keepdim=True).clamp(min=0)
    scale = (high - low) / top
    return scale, (-low / scale).round()


def learned(name, rows, columns, rank=None):
    with torch.inference_mode(False):
        w, g = weight(rows, columns), weight(rows, columns)
        scale, zero = grid(w)
        d1 = scale.log().requires_grad_()
        d3 = torch.zeros(rows, 1, requires_grad=True)
        if name == "flexround":
            d2 = torch.zeros(rows, columns, requires_grad=True)
            leaves = [d1, d2, d3]
        else:
            left = torch.zeros(rows, rank, requires_grad=True)
            right = torch.rand(rank, columns).requires_grad_()
            c = torch.zeros(1, columns, requires_grad=True)
            leaves = [d1, left, right, d3, c]

    def call():
        exponent = d1 + d2 + d3 if name == "flexround" else d1 + left @ right + d3 + c
        u = w / exponent.exp()
        n = u + (u.round() - u).detach()
        (torch.clamp(n, -zero, 15 - zero) * d1.exp()).backward(g)
        for leaf in leaves:
            leaf.grad = None

    return recording(call)


def mse(rows, columns):
    w = weight(rows, columns)

    def call():
        low, high = w.amin(1, keepdim=True).clamp(max=0), w.amax(1, keepdim=True).clamp(min=0)
        best = torch.full((rows, 1), float("inf"))
        for i in range(80):
            p = 1 - i / 100
            scale = p * (high - low) / 15
            zero = (-p * low / scale).round()
            q = scale * (torch.clamp((w / scale).round() + zero, 0, 15) - zero)
            best = torch.minimum(best, (q - w).square().sum(1, keepdim=True))

    return call


def flexround_search(rows, columns):
    w = weight(rows, columns)

    def call():
        low, high = w.amin(1, keepdim=True).clamp(max=0), w.amax(1, keepdim=True).clamp(min=0)
        best = torch.full((rows, 1), 1e10)
        for i in range(1, 101):
            reach = (high - low) / 100 * i
            delta = reach / 15
            for z in range(16):
                mn, mx = (-z * delta).clamp(max=0), (reach - z * delta).clamp(min=0)
                scale = ((mx - mn) / 15).clamp(min=1e-8)
                zero = (-(mn / scale).round()).clamp(0, 15)
                q = scale * torch.clamp((w / scale).round(), -zero, 15 - zero)
                best = torch.minimum(best, (q - w).abs().pow(2.4).mean(1, keepdim=True))

    return call


def hessian(width):
    x = torch.randn(2048, width) * 0.02
    return lambda: x.T @ x * 2


def gptq(width, block=128):
    w0, h = weight(width, width), hessian(width)()

    def call():
        w = w0.clone()
        scale, zero = grid(w)
        damped = h + 0.01 * h.diagonal().mean() * torch.eye(width)
        u = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
        for start in range(0, width, block):
            end = min(start + block, width)
            part, errors = w[:, start:end].clone(), torch.zeros(width, end - start)
            for i in range(end - start):
                column = part[:, i:i + 1]
                q = scale * (torch.clamp((column / scale).round() + zero, 0, 15) - zero)
                error = (column - q) / u[start + i, start + i]
                part[:, i:] -= error * u[start + i:start + i + 1, start + i:end]
                errors[:, i:i + 1] = error
            w[:, end:] -= errors @ u[start:end, end:]

    return call


class Nearest(torch.autograd.Function):
    """round, and the identity on the way back."""

    @staticmethod
    def forward(context, x):
        return x.round()

    @staticmethod
    def backward(context, gradient):
        return gradient


class FlexRoundLinear(nn.Module):
    def __init__(self, outputs, inputs):
        super().__init__()
        self.weight = torch.randn(outputs, inputs) * inputs ** -0.5
        scale, self.zero = grid(self.weight)
        self.s1 = nn.Parameter(scale)
        self.log_s2 = nn.Parameter(torch.zeros(outputs, inputs))
        self.log_s3 = nn.Parameter(torch.zeros(outputs, 1))

    def forward(self, x, rounds):
        if not rounds:
            return F.linear(x, self.weight)
        u = self.weight / (self.s1 * torch.exp(self.log_s2 + self.log_s3))
        n = torch.clamp(Nearest.apply(u) + self.zero, 0, 15)
        return F.linear(x, (n - self.zero) * self.s1)


class Block(nn.Module):
    """A block of SmolLM2-135M."""

    def __init__(self, length, width=576, heads=9, key_heads=3, inner=1536):
        super().__init__()
        self.head, self.repeats = width // heads, heads // key_heads
        keys = key_heads * self.head
        self.q, self.k, self.v, self.o = (
            FlexRoundLinear(outputs, width) for outputs in (width, keys, keys, width))
        self.gate, self.up = FlexRoundLinear(inner, width), FlexRoundLinear(inner, width)
        self.down = FlexRoundLinear(width, inner)
        self.norm = torch.ones(width)
        frequencies = 10000.0 ** (-torch.arange(0, self.head, 2) / self.head)
        angles = torch.arange(length)[:, None] * frequencies
        angles = torch.cat((angles, angles), -1)
        self.cosines, self.sines = angles.cos(), angles.sin()

    def turned(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cosines + torch.cat((-b, a), -1) * self.sines

    def forward(self, x, rounds):
        batch, length, width = x.shape
        y = F.rms_norm(x, (width,), self.norm, 1e-5)
        q, k, v = (m(y, rounds).view(batch, length, -1, self.head).transpose(1, 2)
                   for m in (self.q, self.k, self.v))
        q, k = self.turned(q), self.turned(k)
        k, v = (z.repeat_interleave(self.repeats, 1) for z in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, length, width), rounds)
        y = F.rms_norm(x, (width,), self.norm, 1e-5)
        return x + self.down(F.silu(self.gate(y, rounds)) * self.up(y, rounds), rounds)


def block(batch, length):
    with torch.inference_mode(False):
        model = Block(length)
        x = torch.randn(batch, length, 576)
        with torch.no_grad():
            target = model(x, False)
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)

    def call():
        loss = F.mse_loss(model(x, True), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return recording(call)


def tell_block_memory(batch, length):
    """The growth of the peak of physical memory over making and training a block, in bytes."""
    from torch_training import case as training_case, peak
    training_case("gpt", layers=1, width=64, heads=1, vocabulary=64, length=16, batch=1)()
    before = peak()["VmRSS"]
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # The peak starts again from here.
    step = block(batch, length)
    for _ in range(3):
        step()
    return {"peak": peak()["VmHWM"] - before}


def case(name, **arguments):
    if name in ("flexround", "lrq"):
        return learned(name, **arguments)
    return {"mse": mse, "flexround-search": flexround_search, "hessian": hessian,
            "gptq": gptq, "block": block}[name](**arguments)
