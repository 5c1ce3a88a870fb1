"""Sparse convolutions of spconv on the CPU."""
import torch

try:
    import spconv
    import spconv.pytorch as sparse
    from spconv.pytorch import ops
    from spconv.core import ConvAlgo
except ImportError:
    spconv = None


def sites(file):
    from safetensors.torch import load_file
    coordinates = load_file(file)["coordinates"].int()
    coordinates = coordinates - coordinates.amin(0)
    return coordinates, [int(extent) + 1 for extent in coordinates[:, 1:].amax(0)]


def convolution(file, channels):
    """A submanifold convolution whose map is there already."""
    coordinates, extents = sites(file)
    features = torch.randn(len(coordinates), channels)
    layer = sparse.SubMConv3d(
        channels, channels, 3, bias=False, indice_key="map", algo=ConvAlgo.Native)
    known = layer(sparse.SparseConvTensor(features, coordinates, extents, 1))
    again = known.replace_feature(features)
    return lambda: layer(again)


def convolution_with_map(file, channels):
    """The same with the search for neighbours."""
    coordinates, extents = sites(file)
    features = torch.randn(len(coordinates), channels)
    layer = sparse.SubMConv3d(
        channels, channels, 3, bias=False, indice_key="map", algo=ConvAlgo.Native)
    return lambda: layer(sparse.SparseConvTensor(features, coordinates, extents, 1))


def neighbours(file, channels):
    """The search for neighbours alone."""
    coordinates, extents = sites(file)
    one, none = [1] * 3, [0] * 3
    return lambda: ops.get_indice_pairs(
        coordinates, 1, extents, ConvAlgo.Native, [3] * 3, one, one, one, none, subm=True)


def case(name, **arguments):
    made = {"convolution": convolution, "convolution_with_map": convolution_with_map,
            "map": neighbours}
    return {"spconv": made[name](**arguments)} if spconv else {}
