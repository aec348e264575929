"""What scripts/gpu-check.sh found, as markdown: python3 scripts/gpu/table.py FOLDER. Needs nothing but Python.

With `--epochs SECONDS` it prints how many epochs of the ANN and of the spiking network fit into that time on this machine, at the rate
that VGG-16 was trained with in the smallest batch: 50,000 images an epoch, and a fifth for evaluation.
"""
import json
import pathlib
import sys

# Output channels of the convolutions, 0 = an average pool that halves the map; then linear layers of 4096, 4096 and 10.
MODELS = {
    "tiny": [16, 0, 16],
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


def machine_section(rows):
    machine = next((row for row in reversed(rows) if "machine" in row), None)
    return "" if machine is None else "; ".join([machine["date"], machine["machine"], machine["compiler"], f"{machine['cores']} cores"])


def steps_section(rows):
    """The last word on every step, in order of first appearance."""
    latest = {}
    for row in rows:
        if "step" in row:
            latest[row["step"]] = [row["step"], row["status"], str(row["seconds"]), row["detail"].replace("|", "/")]
    # Timings that worked are in the tables below.
    shown = [row for row in latest.values() if row[1] != "ok" or not row[0].startswith(("onespike ", "PyTorch "))]
    return table(["step", "", "s", "what it said"], shown) if shown else ""


def goldens_section(rows):
    wrong = {(row["golden"], row["precision"]): row["error"] for row in rows if "golden" in row}
    return "\n".join(f"- {golden}, {precision}: {error}" for (golden, precision), error in wrong.items() if error)


def variant(row):
    if "backend" in row:
        return "onespike " + row["precision"]
    return "PyTorch " + row["dtype"] + (" compiled" if row.get("compile") else "")


def whole_steps(rows, peak):
    """One line per variant at its best batch, and what the best PyTorch is beaten by."""
    timed = {}
    for row in rows:
        if "imagesPerSecond" in row and "mode" in row:
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


def bench_rows(rows, bench):
    """Heading and rows of the latest run of a bench."""
    here = [row for row in rows if row.get("bench") == bench]
    headings = [i for i, row in enumerate(here) if "layer" not in row]
    return (here[headings[-1]], here[headings[-1] + 1:]) if headings else (None, [])


def layers_section(rows):
    bench, timed = bench_rows(rows, "layers")
    if not timed:
        return ""
    lines = [[row["layer"], row["operation"], number(row["milliseconds"], 4), number(row.get("tflops"), 4), share(row.get("ofPeak")),
              number(row.get("gigabytesPerSecond"), 4), share(row.get("ofRoofline"))] for row in timed]
    said = (f"Batch {bench['batch']}, T = {bench['timesteps']}, activity {bench['activity']}; measured peak of bf16 products {bench['peakTflops']} TFLOP/s, "
            f"of a copy {bench['bandwidthGigabytes']} GB/s. Operations count every step as dense, bytes every input and output once.")
    return said + "\n\n" + table(["layer", "operation", "ms", "TFLOP/s", "of peak", "GB/s", "of roofline"], lines)


def crossing_section(rows):
    """Events against dense products: one line per layer and operation, activities side by side."""
    bench, variants = bench_rows(rows, "crossing")
    if not variants:
        return ""
    activities = list(dict.fromkeys(row["activity"] for row in variants))
    lines, wrong = [], 0
    for key in dict.fromkeys((row["layer"], row["operation"]) for row in variants):
        here = [row for row in variants if (row["layer"], row["operation"]) == key]
        wrong += sum(row["faster"] != row["chosen"] for row in here)
        ratios = [number(row["denseMilliseconds"] / row["eventsMilliseconds"]) + (" *" if row["chosen"] == "events" else "") for row in here if row["eventsMilliseconds"]]
        lines.append([*key, number(here[0]["crossing"]), *ratios, *[""] * (len(activities) - len(ratios))])
    said = (f"Batch {bench['batch']}, T = {bench['timesteps']}: time of dense products on tensor cores over that of events, at these activities; above 1 events are faster. "
            f"Crossing: the density below which native/cuda/choice/crossing.h chooses events (*); it chose the slower one in {wrong} of {len(variants)}.")
    return said + "\n\n" + table(["layer", "operation", "crossing", *(f"{activity:g}" for activity in activities)], lines)


def recipe_section(rows):
    epochs = [row for row in rows if row.get("event") == "epoch"]
    lines = [[row["phase"], f"{row['epoch']} of {row['epochs']}", number(row.get("trainLoss")), share(row.get("trainAccuracy")), share(row.get("validationAccuracy")),
              number(row.get("imagesPerSecond"), 4)] for row in epochs]
    said = "".join(f"{json.dumps(row)}\n\n" for row in rows if row.get("event") in ("converted", "done"))
    return said + table(["phase", "epoch", "loss", "training", "validation", "images/s"], lines) if lines else ""


def epochs_that_fit(rows, seconds):
    """Epochs of the two phases: spiking ones are as many as those of the ANN, at least one of each."""
    timed = [row for row in rows if row.get("model") == "vgg16" and row.get("mode") == "train" and "backend" in row and row["precision"] == "mixed"]
    if not timed:
        return 2
    rate = min(timed, key=lambda row: row["batch"])["imagesPerSecond"]
    return max(1, int(seconds / 2 / (1.2 * 50000 / rate)))


def main():
    folder = pathlib.Path(sys.argv[1])
    rows = read_lines(folder / "results.jsonl")
    if sys.argv[2:3] == ["--epochs"]:
        count = epochs_that_fit(rows, float(sys.argv[3]))
        print(count, count)
        return
    peak = next((row for row in reversed(rows) if "bandwidth" in row), {})
    parts = ["# CUDA check", machine_section(rows), steps_section(rows), goldens_section(rows)]
    lines, verdicts = whole_steps(rows, peak)
    if lines:
        said = "T = 5, 12 % of the neurons firing. Each program at its best batch; memory is what it has allocated on the device, without CUDA's own context."
        if peak:
            said += (f" Dense peak, by PyTorch {peak['torch']}: {peak['bfloat16'] / 1e12:.0f} TFLOP/s in bfloat16, {peak['float32'] / 1e12:.1f} in float32;"
                     f" a copy {peak['bandwidth'] / 1e9:.0f} GB/s. Work counts every step as dense.")
        parts += ["## Whole steps", said, lines, verdicts]
    for title, section in (("Kernels", layers_section), ("Events or dense products", crossing_section), ("The recipe", recipe_section)):
        text = section(rows)
        parts += [f"## {title}", text] if text else []
    print("\n\n".join(part for part in parts if part))


main()
