"""A model as a folder: names.json lists the names, N.npy holds the N-th array."""
import json
import pathlib

import numpy as np
from flwr.app import Array, ArrayRecord


def load(path):
    path = pathlib.Path(path)
    names = json.loads((path / "names.json").read_text())
    arrays = [np.load(path / f"{place}.npy", allow_pickle=False) for place in range(len(names))]
    return ArrayRecord({name: Array(array) for name, array in zip(names, arrays)})


def save(record, path):
    path = pathlib.Path(path)
    path.mkdir(parents=True, exist_ok=True)
    for place, array in enumerate(record.values()):
        np.save(path / f"{place}.npy", array.numpy())
    (path / "names.json").write_text(json.dumps(list(record.keys())))


def layout(path):
    """Of each array the group of neurons that each axis counts; null for axes that stay whole."""
    return json.loads((pathlib.Path(path) / "layout.json").read_text())
