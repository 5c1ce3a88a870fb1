"""OAAE in plain torch: the same networks, the same step, the same score.

Adam is torch's fused one; in use the norms are folded into the layers: torch's fastest on a CPU.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from torch_training import prepared

CLASSES = 9
WIDTHS = {"perceptron": ([256, 128, 64], 32, [128, 128]), "small": ([128, 64, 32], 16, [64, 64])}



def perceptron(widths, activation, last):
    layers = []
    for index, (first, second) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(first, second))
        if index < len(widths) - 2:
            layers += [nn.BatchNorm1d(second), activation()]
    return nn.Sequential(*layers, *last)


def leaky():
    return nn.LeakyReLU(0.2)


def convolutions(c=32, d=32):
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, c, 4, 2, 1), nn.BatchNorm2d(c), leaky(),
        nn.Conv2d(c, 2 * c, 4, 2, 1), nn.BatchNorm2d(2 * c), leaky(),
        nn.Conv2d(2 * c, 4 * c, 4, 2, 1), nn.BatchNorm2d(4 * c), leaky(),
        nn.Conv2d(4 * c, d, 3), nn.Flatten())
    decoder = nn.Sequential(
        nn.Unflatten(1, (d, 1, 1)),
        nn.ConvTranspose2d(d, 4 * c, 3), nn.BatchNorm2d(4 * c), nn.ReLU(),
        nn.ConvTranspose2d(4 * c, 2 * c, 4, 2, 1, output_padding=1), nn.BatchNorm2d(2 * c), nn.ReLU(),
        nn.ConvTranspose2d(2 * c, c, 4, 2, 1), nn.BatchNorm2d(c), nn.ReLU(),
        nn.ConvTranspose2d(c, 1, 4, 2, 1), nn.Sigmoid(), nn.Flatten())
    return encoder, decoder, d, [128, 128]


def made(networks, width, linear):
    if networks == "convolution":
        return convolutions()
    hidden, d, critic = WIDTHS[networks]
    encoder = perceptron([width, *hidden, d], leaky, [])
    decoder = perceptron([d, *hidden[::-1], width], nn.ReLU, [] if linear else [nn.Sigmoid()])
    return encoder, decoder, d, critic


class NuclearNorms(torch.autograd.Function):
    """The sum over classes of max(1, the nuclear norm of their rows) less that of all rows, over the
    rows; by singular values in double, as the authors of the loss do it."""

    @staticmethod
    def forward(context, z, groups):
        rows = z.double()

        def part(matrix):
            u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
            kept = int((s > 1e-6).sum())
            return float(s.sum()), u[:, :kept] @ vt[:kept]

        norm, polar = part(rows)
        loss, gradient = -norm, -polar
        for group in groups:
            norm, polar = part(rows[group])
            loss += max(norm, 1)
            if norm > 1:
                gradient[group] += polar
        context.save_for_backward((gradient / len(z)).float())
        return z.new_tensor(loss / len(z))

    @staticmethod
    def backward(context, upstream):
        gradient, = context.saved_tensors
        return gradient * upstream, None


def step(networks, width, count, linear):
    encoder, decoder, d, hidden = made(networks, width, linear)
    layers = []
    for first, second in zip([d, *hidden], hidden):
        layers += [nn.Linear(first, second), leaky()]
    critic = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))
    options = {"lr": 1e-3, "betas": (0.5, 0.999), "fused": True}
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], **options)
    critic_optimizer = torch.optim.Adam(critic.parameters(), **options)
    x = torch.rand(count, width)
    labels = torch.arange(count) % CLASSES
    ones, zeros = torch.ones(count, 1), torch.zeros(count, 1)
    weight = 0.1 * width

    def call():
        groups = [torch.nonzero(labels == c).squeeze(1) for c in range(CLASSES)]
        z = encoder(x)
        both = critic(torch.cat([torch.randn(count, d), z.detach()]))
        loss = 2 * F.binary_cross_entropy_with_logits(both, torch.cat([ones, zeros]))
        critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        critic_optimizer.step()
        output = decoder(z)
        loss = F.mse_loss(output, x, reduction="sum") / count
        for parameter in critic.parameters():
            parameter.requires_grad_(False)
        loss = loss + 0.5 * F.binary_cross_entropy_with_logits(critic(z), ones)
        for parameter in critic.parameters():
            parameter.requires_grad_(True)
        loss = loss + weight * NuclearNorms.apply(F.normalize(z), groups)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return call


def folded(network):
    layers = []
    for layer in network.eval():
        if isinstance(layer, nn.BatchNorm1d):
            layers[-1] = fuse_linear_bn_eval(layers[-1], layer)
        elif isinstance(layer, nn.BatchNorm2d):
            transposed = isinstance(layers[-1], nn.ConvTranspose2d)
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer, transpose=transposed)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def scores(networks, width, count, linear):
    """The angles between the latents of samples and of their reconstructions."""
    with torch.inference_mode(False), torch.no_grad():
        encoder, decoder, *_ = made(networks, width, linear)
        encoder, decoder = folded(encoder), folded(decoder)
        x = torch.rand(count, width)

    def call():
        with torch.inference_mode():
            found = []
            for batch in x.split(256):
                z = encoder(batch)
                again = encoder(decoder(z))
                found.append(torch.acos(F.cosine_similarity(z, again, eps=1e-12).clamp(-1, 1)))
            return torch.cat(found)

    return call


def case(name, **arguments):
    if name == "scores":
        return scores(**arguments)
    return prepared(step, **arguments)
