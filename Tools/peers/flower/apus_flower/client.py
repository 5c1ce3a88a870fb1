"""Flower wants a ClientApp in every bundle; nodes of other languages never load it."""
from flwr.clientapp import ClientApp

app = ClientApp()
