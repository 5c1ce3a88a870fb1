"""The rounding methods in plain torch, as their authors' code computes them."""

import torch


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


def case(name, **arguments):
    if name in ("flexround", "lrq"):
        return learned(name, **arguments)
    return {"mse": mse, "flexround-search": flexround_search, "hessian": hessian,
            "gptq": gptq}[name](**arguments)
