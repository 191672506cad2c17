"""Draws the curves of runs: training losses from metrics.jsonl, evaluations from evaluation.jsonl.

    pip install matplotlib
    python3 docs/results/curves.py --out curves.png G+R=runs/gr-tiny G=runs/g-tiny R=runs/r-tiny

A row for each run; colours are numbers of kept tokens K, from few (dark) to all (light); dashed lines use the predicted source.
"""

import argparse
import json
import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def averaged(values, window=25):
    """Means over the last `window` values."""
    return [sum(values[max(0, i - window + 1) : i + 1]) / (i + 1 - max(0, i - window + 1)) for i in range(len(values))]


def draw(axes, name, run):
    metrics = lines(os.path.join(run, "metrics.jsonl"))
    steps = [line["step"] for line in metrics]
    terms = ["reconstruction", "perceptual", "generator", "discriminator", "alignment", "commitment", "source_recovery"]
    for term in terms:
        if term in metrics[0]:
            axes[0].plot(steps, averaged([line[term] for line in metrics]), label=term.replace("_", " "), linewidth=1)
    axes[0].set_yscale("log")
    axes[0].set_ylabel(f"{name}\nloss terms, mean of 25 steps")

    records = lines(os.path.join(run, "evaluation.jsonl"))
    counts = sorted({record["kept_tokens"] for record in records})
    for position, kept in enumerate(counts):
        colour = plt.get_cmap("viridis")(0.9 * position / max(1, len(counts) - 1))
        mine = sorted((record for record in records if record["kept_tokens"] == kept), key=lambda record: record["step"])
        at = [record["step"] for record in mine]

        def plot(axis, values, **style):
            axis.plot(at, values, color=colour, linewidth=1.2, **style)

        plot(axes[1], [record["reconstruction"]["psnr"] for record in mine], label=f"K {kept}")
        plot(axes[1], [record["predicted_source"]["psnr"] for record in mine], linestyle="--")
        plot(axes[2], [record["reconstruction"]["ssim"] for record in mine], label=f"K {kept}")
        plot(axes[2], [record["predicted_source"]["ssim"] for record in mine], linestyle="--")
        plot(axes[3], [100 * record["codebook_usage"] for record in mine], label=f"K {kept}")
        plot(axes[4], [100 * record["owner_accuracy"] for record in mine], label=f"K {kept}")
        plot(axes[4], [100 * record["code_accuracy"] for record in mine], linestyle=":")
    labels = ["PSNR, dB (dashed: predicted source)", "SSIM (dashed: predicted source)", "codebook usage, %", "source recovery, % (dotted: codes)"]
    for axis, label in zip(axes[1:], labels):
        axis.set_ylabel(label)
    for axis in axes:
        axis.set_xlabel("steps")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6)


def table(name, run):
    """The last evaluation as a Markdown table."""
    records = lines(os.path.join(run, "evaluation.jsonl"))
    last = max(record["step"] for record in records)
    for record in sorted((r for r in records if r["step"] == last), key=lambda r: r["kept_tokens"]):
        true, predicted = record["reconstruction"], record["predicted_source"]
        print(
            f"| {name} | {record['kept_tokens']} | {true['psnr']:.2f} | {true['ssim']:.3f} | {true['l1']:.3f} | {true['lpips']:.2f} "
            f"| {100 * record['codebook_usage']:.1f} % | {record['codebook_perplexity']:.0f} | {100 * record['owner_accuracy']:.1f} % "
            f"| {100 * record['code_accuracy']:.1f} % | {predicted['psnr']:.2f} | {predicted['ssim']:.3f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--out", default="curves.png")
    parser.add_argument("--table", action="store_true", help="print the last evaluations as a table too")
    arguments = parser.parse_args()
    figure, grid = plt.subplots(len(arguments.runs), 5, figsize=(22, 3.6 * len(arguments.runs)), squeeze=False)
    for axes, run in zip(grid, arguments.runs):
        draw(axes, *run.split("=", 1))
    figure.tight_layout()
    figure.savefig(arguments.out, dpi=80)
    if arguments.table:
        for run in arguments.runs:
            table(*run.split("=", 1))


main()
