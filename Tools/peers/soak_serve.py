"""Readers of apus-serve for some minutes: Tools/soak-serve starts them.

    soak_serve.py ADDRESS STREAMS MINUTES
"""
import http.client, json, random, sys, threading, time, urllib.parse, urllib.request

address, streams, minutes = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
host = urllib.parse.urlparse(address).netloc
end = time.monotonic() + 60 * minutes
model = json.load(urllib.request.urlopen(address + "/v1/models"))["data"][0]["id"]
faults, counts, lock = [], {"texts": 0, "tokens": 0, "hang-ups": 0, "refusals": 0}, threading.Lock()


def count(name, value=1):
    with lock:
        counts[name] += value


def post(body):
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def read_text(draw):
    body = {"model": model, "prompt": " ".join(["word"] * draw.randint(1, 60)), "stream": True,
            "max_tokens": draw.randint(20, 200), "seed": draw.randint(0, 9),
            "stream_options": {"include_usage": True}}
    connection, response = post(json.dumps(body))
    if response.status != 200:
        raise ValueError(f"status {response.status}: {response.read()[:200]}")
    leaves_after = draw.randint(1, 20) if draw.random() < 0.1 else None
    usage = None
    for number, line in enumerate(response):
        if leaves_after is not None and number > leaves_after:
            connection.sock.close() if connection.sock else response.close()
            connection.close()
            return count("hang-ups")
        if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
            continue
        usage = json.loads(line[6:]).get("usage") or usage
    if usage is None or usage["completion_tokens"] < 1:
        raise ValueError(f"a stream without its end: {usage}")
    count("texts")
    count("tokens", usage["completion_tokens"])
    connection.close()


def send_nonsense(draw):
    body = draw.choice(['{"model": ', "[]", '{"model": "none", "prompt": "a"}', "\0",
                        json.dumps({"model": model, "prompt": "a", "max_tokens": -1})])
    connection, response = post(body)
    if response.status not in (400, 404) or "message" not in json.load(response)["error"]:
        raise ValueError(f"{body}: status {response.status}")
    connection.close()
    count("refusals")


def reader(number):
    draw = random.Random(number)
    while time.monotonic() < end and not faults:
        try:
            send_nonsense(draw) if draw.random() < 0.05 else read_text(draw)
        except Exception as error:
            faults.append(f"reader {number}: {error!r}")


def metric(name):
    lines = urllib.request.urlopen(address + "/metrics").read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("apus_" + name))


threads = [threading.Thread(target=reader, args=(number,)) for number in range(streams)]
start = time.monotonic()
for thread in threads:
    thread.start()
memory, running = [], []
while time.monotonic() < end and not faults:
    time.sleep(min(2, 60 * minutes / 20))
    memory.append(metric("resident_memory_bytes"))
    running.append(metric("texts_running"))
for thread in threads:
    thread.join()
seconds = time.monotonic() - start
time.sleep(1)
# Places take memory for their longest text, so the first minutes are no measure.
fifth = max(len(memory) // 5, 1)
middle, late = max(memory[len(memory) // 2 - fifth // 2:][:fifth]), max(memory[-fifth:])
left = metric("texts_running") + metric("texts_waiting")
print(f"{counts['texts']} texts, {counts['tokens']} tokens ({counts['tokens'] / seconds:.0f} a second), "
      f"{counts['hang-ups']} hang-ups, {counts['refusals']} refusals in {seconds:.0f} s")
print(f"texts at once: {sum(running) / len(running):.1f} on average; left at the end: {left:.0f}")
print(f"memory: {middle / 1e6:.1f} MB half way, {late / 1e6:.1f} MB at the end")
if not faults and counts["texts"] < 25 * streams:
    faults.append("fewer than 25 texts a stream are too few to judge the memory; raise the minutes")
elif late > 1.05 * middle:
    faults.append("the memory grows")
if left:
    faults.append("places are still taken")
if faults:
    sys.exit("\n".join(faults[:5]))
