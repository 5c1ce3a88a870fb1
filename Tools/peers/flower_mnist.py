"""MNIST in parts, and a perceptron: a module of its own, so that Flower's processes keep the data."""
import functools
import gzip
import pathlib

import numpy as np
import torch


def read(path, offset):
    path = pathlib.Path(path)
    data = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    return np.frombuffer(data, np.uint8, offset=offset)


@functools.cache
def examples(folder, part):
    labels = torch.from_numpy(read(f"{folder}/{part}-labels-idx1-ubyte", 8).astype(np.int64))
    pixels = read(f"{folder}/{part}-images-idx3-ubyte", 16).reshape(len(labels), -1)
    images = torch.from_numpy(pixels.astype(np.float32) / 255)
    return (images - 0.1307) / 0.3081, labels


@functools.cache
def partition(folder, clients, seed, client):
    torch.set_num_threads(1)
    images, labels = examples(folder, "train")
    order = np.random.default_rng(seed).permutation(len(labels))
    mine = torch.from_numpy(np.array_split(order, clients)[client])
    return images[mine], labels[mine]


def perceptron(hidden):
    widths = [784, *hidden, 10]
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])
