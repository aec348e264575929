"""What scripts/gpu-check.sh found, as markdown: python3 scripts/gpu-table.py FOLDER. Needs nothing but Python."""
import json
import pathlib
import sys

# Output channels of the convolutions, 0 = an average pool that halves the map; then linear layers of 4096, 4096 and 10.
MODELS = {
    "vgg6": [64, 0, 128, 128, 0],
    "vgg9": [64, 0, 128, 256, 0, 256, 512, 0, 512, 0, 512],
    "vgg16": [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512],
}
# What one H200 is meant to reach on VGG-16, images per second.
WANTED = {"train": 30000, "infer": 150000}


def dense_operations(model, mode, timesteps):
    """Operations of one image as if every step were dense, 2 per multiply-add; training goes three times over them."""
    side, channels, products = 32, 3, 0
    for out in MODELS[model]:
        if out == 0:
            side //= 2
            continue
        products += side * side * out * channels * 9
        channels = out
    units = channels * side * side
    for out in (4096, 4096, 10):
        products += units * out
        units = out
    return 2 * products * timesteps * (3 if mode == "train" else 1)


def read_lines(path):
    if not path.exists():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            pass  # cut off with the process that wrote it
    return rows


def table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def number(value, digits=3):
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def share(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def steps_section(folder):
    """The last word on every step, in order of first appearance."""
    path = folder / "steps.tsv"
    latest = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        name, status, seconds, detail = (line.split("\t") + ["", "", ""])[:4]
        latest[name] = [name, status, seconds, detail]
    # Timings that worked are in the tables below.
    shown = [row for row in latest.values() if row[1] != "ok" or not row[0].startswith(("onespike ", "PyTorch "))]
    return table(["step", "", "s", "what it said"], shown) if shown else ""


def variant(row):
    if "backend" in row:
        return "onespike " + row["precision"]
    return "PyTorch " + row["dtype"] + (" compiled" if row.get("compile") else "")


def whole_steps(rows, peak):
    """One line per variant at its best batch, and what the best PyTorch is beaten by."""
    timed = {}
    for row in rows:
        if "imagesPerSecond" in row:
            timed[(row["model"], row["mode"], variant(row), row["batch"])] = row
    lines, verdicts = [], []
    for model, mode in dict.fromkeys((key[0], key[1]) for key in timed):
        here = {key[2:]: row for key, row in timed.items() if key[:2] == (model, mode)}
        names = list(dict.fromkeys(name for name, _ in here))
        best = {name: max((row for (n, _), row in here.items() if n == name), key=lambda row: row["imagesPerSecond"]) for name in names}
        theirs = max((row for name, row in best.items() if name.startswith("PyTorch")), key=lambda row: row["imagesPerSecond"], default=None)
        for name, row in best.items():
            ours = name.startswith("onespike")
            speed = row["imagesPerSecond"]
            limit = peak.get("float32" if "32" in name else "bfloat16")
            operations = dense_operations(model, mode, row["timesteps"])
            memory = row.get("networkBytes" if ours else "peakDevice")
            # Memory is compared at one batch: that of the best PyTorch.
            same = here.get((name, theirs["batch"])) if ours and theirs else None
            less = theirs["peakDevice"] / same["networkBytes"] if same and theirs.get("peakDevice") else None
            lines.append([
                model, mode, name, str(row["batch"]), number(speed, 4), number(1e6 / speed, 3), number(speed / theirs["imagesPerSecond"]) if ours and theirs else "–",
                share(speed * operations / limit) if limit else "–", number(memory / 1e6, 4) if memory else "–", number(less),
                number(sum(row["spikesPerNeuron"]) / len(row["spikesPerNeuron"])) if row.get("spikesPerNeuron") else "–",
            ])
        mixed = best.get("onespike mixed")
        if model == "vgg16" and mixed:
            ratio = mixed["imagesPerSecond"] / theirs["imagesPerSecond"] if theirs else None
            verdicts.append(f"- {model} {mode}: {number(mixed['imagesPerSecond'], 4)} images/s (wanted on an H200: {WANTED[mode]}), {number(ratio)} times the best PyTorch (wanted: 5)")
    head = ["network", "", "program", "batch", "images/s", "µs/image", "of the best PyTorch", "of dense peak", "memory, MB", "times less memory", "spikes/neuron"]
    return (table(head, lines) if lines else "", "\n".join(verdicts))


def layers_section(folder):
    path = folder / "layers.json"
    try:
        bench = json.loads(path.read_text())
    except (OSError, ValueError):
        return ""
    rows = [[row["layer"], row["operation"], number(row["milliseconds"], 4), number(row.get("tflops"), 4), share(row.get("ofPeak")),
             number(row.get("gigabytesPerSecond"), 4), share(row.get("ofRoofline"))] for row in bench["layers"]]
    said = (f"Batch {bench['batch']}, T = {bench['timesteps']}, activity {bench['activity']}; measured peak of bf16 products {bench['peakTflops']} TFLOP/s, "
            f"of a copy {bench['bandwidthGigabytes']} GB/s. Operations count every step as dense, bytes every input and output once.")
    return said + "\n\n" + table(["layer", "operation", "ms", "TFLOP/s", "of peak", "GB/s", "of roofline"], rows)


def crossing_section(folder):
    """Events against dense products: one line per layer and operation, activities side by side."""
    try:
        bench = json.loads((folder / "crossing.json").read_text())
    except (OSError, ValueError):
        return ""
    activities = list(dict.fromkeys(row["activity"] for row in bench["variants"]))
    rows, wrong = [], 0
    for key in dict.fromkeys((row["layer"], row["operation"]) for row in bench["variants"]):
        here = [row for row in bench["variants"] if (row["layer"], row["operation"]) == key]
        wrong += sum(row["faster"] != row["chosen"] for row in here)
        ratios = [number(row["denseMilliseconds"] / row["eventsMilliseconds"]) + (" *" if row["chosen"] == "events" else "") for row in here if row["eventsMilliseconds"]]
        rows.append([*key, number(here[0]["crossing"]), *ratios])
    said = (f"Batch {bench['batch']}, T = {bench['timesteps']}: time of dense products on tensor cores over that of events, at these activities; above 1 events are faster. "
            f"Crossing: the density below which native/cuda/choice/crossing.h chooses events (*); it chose the slower one in {wrong} of {len(bench['variants'])}.")
    return said + "\n\n" + table(["layer", "operation", "crossing", *(f"{activity:g}" for activity in activities)], rows)


def main():
    folder = pathlib.Path(sys.argv[1])
    rows = read_lines(folder / "results.jsonl")
    peak = next((row for row in reversed(rows) if "bandwidth" in row), {})
    machine = folder / "machine.txt"
    parts = ["# CUDA check", "; ".join(machine.read_text().splitlines()) if machine.exists() else "", steps_section(folder)]
    lines, verdicts = whole_steps(rows, peak)
    if lines:
        said = "T = 5, 12 % of the neurons firing. Each program at its best batch; memory is what it has allocated on the device, without CUDA's own context."
        if peak:
            said += (f" Dense peak, by PyTorch {peak['torch']}: {peak['bfloat16'] / 1e12:.0f} TFLOP/s in bfloat16, {peak['float32'] / 1e12:.1f} in float32;"
                     f" a copy {peak['bandwidth'] / 1e9:.0f} GB/s. Work counts every step as dense.")
        parts += ["## Whole steps", said, lines, verdicts]
    layers = layers_section(folder)
    if layers:
        parts += ["## Kernels", layers]
    crossing = crossing_section(folder)
    if crossing:
        parts += ["## Events or dense products", crossing]
    print("\n\n".join(part for part in parts if part))


main()
