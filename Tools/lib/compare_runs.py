"""Compares two folders of results: everything that decides them, and nothing that says how long it took.

    python3 Tools/lib/compare_runs.py EXPECTED FOUND
    python3 Tools/lib/compare_runs.py --leftovers FOLDER

Prints a line for each difference, and ends with 1 when there is one. Both folders must have the same
files. Then, by the ending of the name:

    .json, .jsonl   the same values, numbers by their digits, but for the members named in TIMES
    .md             the same text, but for the columns of tables whose heading says that they are times
    .html           the same text, but for its numbers and the units of times: numbers that count are in a
                    file beside it
    all others      the same bytes: models, adapters, checkpoints with their manifests, scans, labels

What a killed process was writing (.NAME.PID-NUMBER.apus-tmp) is no result and is left out; --leftovers
counts it.
"""
import json
import os
import re
import sys

# How long something took, and what memory it needed: of the machine, not of the result.
TIMES = {
    "seconds", "trainingSeconds", "wallSeconds", "cpuSeconds", "greedySeconds", "voteSeconds",
    "twoCallSeconds", "fullSeconds", "samplesPerSecond", "tokensPerSecond", "peakProcessBytes", "memory",
}
TIME_COLUMN = re.compile(r"CPU-s|seconds|\bs\b")
NUMBER = re.compile(r"[-−]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?")


def is_leftover(name):
    return ".apus-tmp" in name


def files(folder):
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_leftover(name)]
        for name in names:
            if not is_leftover(name):
                path = os.path.join(place, name)
                found[os.path.relpath(path, folder)] = path
    return found


def leftovers(folder):
    return sum(
        sum(is_leftover(name) for name in folders + names) for _, folders, names in os.walk(folder)
    )


def stripped(value):
    if isinstance(value, dict):
        return {key: stripped(member) for key, member in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [stripped(member) for member in value]
    return value


def parsed(text):
    # Numbers stay what they are written as: 0.1 and 0.10000000000000001 differ.
    return stripped(json.loads(text, parse_float=str, parse_int=str, parse_constant=str))


def first_difference(left, right, place=""):
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(set(left) | set(right)):
            if left.get(key) != right.get(key) or (key in left) != (key in right):
                return first_difference(left.get(key), right.get(key), f"{place}.{key}")
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right)):
            if one != other:
                return first_difference(one, other, f"{place}[{index}]")
    return f"{place or 'value'}: {str(left)[:60]} became {str(right)[:60]}"


# What a time is given in, by how long it was.
TIME_UNIT = re.compile(NUMBER.pattern + r"\s?(?:µs|ms|s|min|h)\b")


def page_words(text):
    return NUMBER.sub("", TIME_UNIT.sub("", text)).split()


def table_words(text):
    """The words of a text in Markdown without the columns of times."""
    words, times = [], None
    for line in text.splitlines():
        cells = line.split("|")
        if len(cells) < 3:
            times = None
        elif times is None:
            times = {index for index, cell in enumerate(cells) if TIME_COLUMN.search(cell)}
        words += " | ".join(
            cell for index, cell in enumerate(cells) if not times or index not in times
        ).split()
    return words


def compared(name, expected, found):
    """What differs between two files; None where nothing does."""
    with open(expected, "rb") as file:
        left = file.read()
    with open(found, "rb") as file:
        right = file.read()
    if left == right:
        return None
    ending = os.path.splitext(name)[1]
    try:
        if ending == ".json":
            one, other = parsed(left), parsed(right)
            return None if one == other else first_difference(one, other)
        if ending == ".jsonl":
            one, other = ([parsed(line) for line in text.splitlines()] for text in (left, right))
            if len(one) != len(other):
                return f"{len(one)} lines became {len(other)}"
            return None if one == other else first_difference(one, other, "line")
    except ValueError as error:
        return f"is no JSON: {error}"
    if ending in (".html", ".md"):
        words = page_words if ending == ".html" else table_words
        one, other = words(left.decode()), words(right.decode())
        if one == other:
            return None
        for index, (before, after) in enumerate(zip(one, other)):
            if before != after:
                return f"word {index}: {before[:60]} became {after[:60]}"
        return f"{len(one)} words became {len(other)}"
    place = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
    return f"differs from byte {place} on ({len(left)} and {len(right)} bytes)"


def main():
    if sys.argv[1] == "--leftovers":
        print(leftovers(sys.argv[2]))
        return 0
    expected, found = files(sys.argv[1]), files(sys.argv[2])
    lines = [f"{name}: is missing" for name in sorted(expected.keys() - found.keys())]
    lines += [f"{name}: should not be there" for name in sorted(found.keys() - expected.keys())]
    for name in sorted(expected.keys() & found.keys()):
        difference = compared(name, expected[name], found[name])
        if difference:
            lines.append(f"{name}: {difference}")
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
