"""A model on disk: a safetensors file, or a folder with names.json and the N-th array in N.npy."""
import json
import pathlib

import numpy as np
from flwr.app import Array, ArrayRecord


def load(path):
    path = pathlib.Path(path)
    if path.is_file():
        return ArrayRecord({name: Array(array) for name, array in read_safetensors(path)})
    names = json.loads((path / "names.json").read_text())
    arrays = [np.load(path / f"{place}.npy", allow_pickle=False) for place in range(len(names))]
    return ArrayRecord({name: Array(array) for name, array in zip(names, arrays)})


def save(record, path):
    path = pathlib.Path(path)
    path.mkdir(parents=True, exist_ok=True)
    for place, array in enumerate(record.values()):
        np.save(path / f"{place}.npy", array.numpy())
    (path / "names.json").write_text(json.dumps(list(record.keys())))
    write_safetensors(path / "model.safetensors", record)


def read_safetensors(path):
    """The names and arrays of a file of 32-bit floats."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: '{name}' is {entry['dtype']}, not F32")
        first, end = (start + offset for offset in entry["data_offsets"])
        yield name, np.frombuffer(data[first:end], "<f4").reshape(entry["shape"])


def write_safetensors(path, record):
    header, parts, offset = {}, [], 0
    for name, array in record.items():
        values = np.ascontiguousarray(array.numpy(), "<f4")
        end = offset + values.nbytes
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, end]}
        parts.append(values.tobytes())
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


def layout(path):
    """Of each array the group of neurons that each axis counts; null for axes that stay whole."""
    return json.loads((pathlib.Path(path) / "layout.json").read_text())
