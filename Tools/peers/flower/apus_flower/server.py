"""A server that trains the model in a folder and writes the result to another."""
import json
import pathlib

from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

from . import folder
from .sliced import SlicedFedAvg

app = ServerApp()


def metrics(rounds):
    return {str(number): dict(record) for number, record in rounds.items()}


@app.main()
def main(grid, context):
    config = context.run_config
    nodes = config["nodes"]
    counts = {"min_train_nodes": nodes, "min_evaluate_nodes": nodes, "min_available_nodes": nodes}
    if config["strategy"] == "sliced":
        strategy = SlicedFedAvg(folder.layout(config["initial"]), config["slicing"], **counts)
    else:
        strategy = FedAvg(**counts)
    result = strategy.start(
        grid=grid,
        initial_arrays=folder.load(config["initial"]),
        num_rounds=config["rounds"],
        timeout=config["timeout"],
    )
    folder.save(result.arrays, config["output"])
    report = {
        "train": metrics(result.train_metrics_clientapp),
        "evaluate": metrics(result.evaluate_metrics_clientapp),
        "plans": getattr(strategy, "report", []),
    }
    (pathlib.Path(config["output"]) / "report.json").write_text(json.dumps(report))
