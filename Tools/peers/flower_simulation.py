"""Flower's own simulation: virtual devices that train a perceptron on MNIST with torch.

python flower_simulation.py MNIST --clients N --fraction F --rounds R --actors A ...

Writes one line of JSON: seconds of the rounds after the first one, which starts the actors and loads
the data in each of them; and the accuracy of the last model, measured after the clock has stopped.
Everything that Flower offers against waste is used: no evaluation between rounds, data read once for
each actor and kept as tensors, batches by index without a loader, one thread of torch for each actor.
"""
import argparse
import json
import logging
import math
import os
import time

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Ray gives way to all other programs; what runs beside a measurement would slow this side alone.
os.environ.setdefault("RAY_worker_niceness", "0")

import torch
from flwr.app import ArrayRecord, MetricRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

import flower_mnist

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--clients", type=int, default=1000)
parser.add_argument("--fraction", type=float, default=0.1)
parser.add_argument("--rounds", type=int, default=6)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--rate", type=float, default=0.05)
parser.add_argument("--hidden", type=int, nargs="+", default=[128, 64])
parser.add_argument("--actors", type=int, default=os.cpu_count())
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()


client_app = ClientApp()


@client_app.train()
def train(message, context):
    images, labels = flower_mnist.partition(
        options.folder, options.clients, options.seed, context.node_config["partition-id"])
    model = flower_mnist.perceptron(options.hidden)
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=options.rate)
    for _ in range(options.epochs):
        for rows in torch.randperm(len(labels)).split(options.batch):
            loss = torch.nn.functional.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    metrics = MetricRecord({"loss": loss.item(), "num-examples": len(labels)})
    content = RecordDict({"arrays": ArrayRecord(model.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)


class TimedFedAvg(FedAvg):
    """The stock strategy; notes when each round has its model."""

    ends, counts = [], []

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        self.counts.append(sum(not reply.has_error() for reply in replies))
        result = super().aggregate_train(server_round, replies)
        self.ends.append(time.perf_counter())
        return result


server_app = ServerApp()
outcome = {}


@server_app.main()
def main(grid, context):
    torch.manual_seed(options.seed)
    strategy = TimedFedAvg(
        fraction_train=options.fraction,
        fraction_evaluate=0.0,
        min_train_nodes=1,
        min_evaluate_nodes=0,
        min_available_nodes=options.clients,
    )
    result = strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(flower_mnist.perceptron(options.hidden).state_dict()),
        num_rounds=options.rounds,
    )
    model = flower_mnist.perceptron(options.hidden)
    model.load_state_dict(result.arrays.to_torch_state_dict())
    images, labels = flower_mnist.examples(options.folder, "t10k")
    with torch.inference_mode():
        outcome["accuracy"] = (model(images).argmax(1) == labels).float().mean().item()


if __name__ == "__main__":
    logging.getLogger("flwr").setLevel(logging.ERROR)
    run_simulation(
        server_app=server_app,
        client_app=client_app,
        num_supernodes=options.clients,
        backend_config={
            "init_args": {"num_cpus": options.actors, "include_dashboard": False},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        },
    )
    expected = math.floor(options.clients * options.fraction)
    if len(TimedFedAvg.ends) != options.rounds or min(TimedFedAvg.counts[1:]) < expected:
        raise SystemExit(f"rounds with too few replies: {TimedFedAvg.counts}, not {expected}")
    print(json.dumps({
        "rounds": options.rounds - 1,
        "seconds": TimedFedAvg.ends[-1] - TimedFedAvg.ends[0],
        "accuracy": outcome["accuracy"],
    }))
