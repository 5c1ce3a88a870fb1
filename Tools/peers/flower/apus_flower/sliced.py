"""FedAvg over local models of different widths, cut from one global model.

A device answers a `query` with its memory; its rate r is the largest of 1, 1/2 … 1/16 whose local
model fits. Of a group of n neurons it gets ceil(r n): the first ones (HeteroFL), or with rolling
slices a window that moves by one neuron a round (FedRolex). An entry of the global model becomes

    w_j += sum_k n_k (w_kj - w_j) / sum_k n_k        over the devices k that hold it

and stays as it is where none does. Counts are integers on both sides: ceil(0.07 · 100) is not 7 in
floating point.
"""
from logging import INFO, WARNING

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.common.logger import log
from flwr.serverapp.strategy import FedAvg

RATES = [(1, 1), (1, 2), (1, 4), (1, 8), (1, 16)]
# A device holds the weights and their gradients, and keeps a fifth of its memory for the rest.
BYTES_PER_ENTRY, USABLE = 8, 0.8


class SlicedFedAvg(FedAvg):
    """layout: array name → the group of each axis, None for axes that stay whole."""

    def __init__(self, layout, slicing="static", **counts):
        super().__init__(**counts)
        if slicing not in ("static", "rolling"):
            raise ValueError(f"slicing {slicing!r} is neither static nor rolling")
        self.layout, self.slicing = layout, slicing
        self.rates, self.plans, self.report = {}, {}, []
        self.arrays, self.widths = {}, {}

    # What a device gets.

    def kept(self, group, rate, server_round):
        """The neurons of a group that a device holds, in the order in which they travel."""
        width = self.widths[group]
        count = (width * rate[0] + rate[1] - 1) // rate[1]
        first = server_round if self.slicing == "rolling" else 0
        return (np.arange(count) + first) % width

    def slices(self, rate, server_round):
        """Array name → an index that selects the local array."""
        result = {}
        for name, array in self.arrays.items():
            axes = [np.arange(extent) if group is None else self.kept(group, rate, server_round)
                    for group, extent in zip(self.layout[name], array.shape)]
            result[name] = np.ix_(*axes)
        return result

    def size(self, rate):
        return sum(array[index].size
                   for array, index in zip(self.arrays.values(), self.slices(rate, 0).values()))

    def rate(self, memory):
        fitting = [rate for rate in RATES if BYTES_PER_ENTRY * self.size(rate) <= USABLE * memory]
        return fitting[0] if fitting else None

    def learn(self, grid, nodes):
        """Asks new devices for their profiles."""
        new = [node for node in nodes if node not in self.rates]
        content = RecordDict({"config": ConfigRecord({"what": "profile"})})
        messages = [Message(content=content, message_type="query", dst_node_id=node)
                    for node in new]
        for reply in grid.send_and_receive(messages, timeout=60) if messages else []:
            node = reply.metadata.src_node_id
            profile = {} if reply.has_error() else {
                key: value for record in reply.content.values()
                if isinstance(record, (ConfigRecord, MetricRecord))
                for key, value in record.items()}
            rate = self.rate(profile.get("memory-bytes", 0))
            if rate is None:
                log(WARNING, "node %s: no local model fits its profile %s", node, profile)
                continue
            self.rates[node] = rate
            log(INFO, "node %s: rate %s/%s", node, *rate)

    def know(self, arrays):
        self.arrays = {name: array.numpy() for name, array in arrays.items()}
        for name, array in self.arrays.items():
            groups = self.layout[name]
            if len(groups) != array.ndim:
                raise ValueError(f"{name}: {array.ndim} axes, the layout has {len(groups)}")
            for group, extent in zip(groups, array.shape):
                if group is not None and self.widths.setdefault(group, extent) != extent:
                    raise ValueError(f"{name}: {extent} neurons in {group}, not "
                                     f"{self.widths[group]}")

    def send(self, messages, server_round, config, kind):
        result = []
        for message in messages:
            node = message.metadata.dst_node_id
            if node not in self.rates:
                continue
            rate = self.rates[node]
            index = self.slices(rate, server_round)
            self.plans[node] = index
            local = {name: Array(np.ascontiguousarray(array[index[name]]))
                     for name, array in self.arrays.items()}
            settings = ConfigRecord({
                **config, "server-round": server_round, "slicing": self.slicing,
                "rate-numerator": rate[0], "rate-denominator": rate[1]})
            result.append(Message(
                content=RecordDict({"arrays": ArrayRecord(local), "config": settings}),
                message_type=kind, dst_node_id=node))
        return result

    def configure_train(self, server_round, arrays, config, grid):
        messages = list(super().configure_train(server_round, arrays, config, grid))
        self.know(arrays)
        self.learn(grid, [message.metadata.dst_node_id for message in messages])
        return self.send(messages, server_round, config, "train")

    def configure_evaluate(self, server_round, arrays, config, grid):
        messages = list(super().configure_evaluate(server_round, arrays, config, grid))
        self.know(arrays)
        self.learn(grid, [message.metadata.dst_node_id for message in messages])
        return self.send(messages, server_round, config, "evaluate")

    # What comes back.

    def fault(self, node, content):
        """Why a reply cannot be used; None when it can."""
        records = list(content.array_records.values())
        if len(records) != 1 or not content.metric_records:
            return "not one record of arrays and one of metrics"
        if list(records[0].keys()) != list(self.arrays.keys()):
            return "other arrays than were sent"
        for name, array in records[0].items():
            expected = self.arrays[name][self.plans[node][name]].shape
            values = array.numpy()
            if values.shape != expected:
                return f"{name} has shape {values.shape}, not {expected}"
            if not np.isfinite(values).all():
                return f"{name} is not finite"
        weights = [record.get(self.weighted_by_key) for record in content.metric_records.values()]
        if not isinstance(weights[0], (int, float)) or not 0 < weights[0] < 1e12:
            return f"{self.weighted_by_key} is {weights[0]}"
        return None

    def aggregate_train(self, server_round, replies):
        valid, _ = self._check_and_log_replies(replies, is_train=True, validate=False)
        total = {name: np.zeros(array.shape) for name, array in self.arrays.items()}
        weight = {name: np.zeros(array.shape) for name, array in self.arrays.items()}
        used = []
        for reply in valid:
            node = reply.metadata.src_node_id
            fault = self.fault(node, reply.content)
            if fault:
                log(WARNING, "node %s: reply not used, %s", node, fault)
                continue
            count = next(iter(reply.content.metric_records.values()))[self.weighted_by_key]
            record = next(iter(reply.content.array_records.values()))
            for name, array in record.items():
                index = self.plans[node][name]
                old = self.arrays[name][index].astype(np.float64)
                total[name][index] += count * (array.numpy().astype(np.float64) - old)
                weight[name][index] += count
            used.append(reply.content)
            self.report.append({"round": server_round, "rate": list(self.rates[node]),
                                "examples": count})
        if not used:
            return None, None
        result = {}
        for name, old in self.arrays.items():
            change = np.divide(total[name], weight[name], out=np.zeros(old.shape),
                               where=weight[name] > 0)
            result[name] = Array((old + change).astype(old.dtype))
        covered = min(float((w > 0).mean()) for w in weight.values() if w.size)
        log(INFO, "round %s: the least covered array is covered by %.3f", server_round, covered)
        arrays = ArrayRecord(result)
        return arrays, self.train_metrics_aggr_fn(used, self.weighted_by_key)
