#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws what bench measured: plot.py DIR OUTPUT_DIR [png]. Reads DIR/result.json and DIR/histograms.csv; writes
throughput.svg, latency.svg and sizes.svg (or .png, to look at)."""
import csv
import json
import os
import sys
from collections import defaultdict

import matplotlib

matplotlib.use("svg" if "png" not in sys.argv[3:] else "agg")
import matplotlib.pyplot as plt  # noqa: E402

source, target = sys.argv[1], sys.argv[2]
suffix = "png" if "png" in sys.argv[3:] else "svg"

with open(os.path.join(source, "result.json")) as f:
    result = json.load(f)

# Ours in two strong blues, yardsticks dashed in grey, the others in quiet colours that are told apart also by marks.
STYLES = {
    "shmchan": ("#0b5cad", "-", "o", 2.4, "shmchan"),
    "shmchan-unordered": ("#4a9be8", "-", "s", 1.8, "shmchan, unordered"),
    "shmchan-inplace": ("#4a9be8", "-", "s", 1.8, "shmchan, in place"),
    "spsc": ("#555555", "--", "", 1.4, "yardstick: one-to-one rings (spin)"),
    "memcpy": ("#555555", "--", "", 1.4, "yardstick: two-sided memcpy (spin)"),
    "semaphore": ("#999999", "--", "", 1.4, "yardstick: bare semaphores"),
    "rust-sync": ("#c1440e", "-", "^", 1.2, "Rust sync_channel (threads)"),
    "rust-mpsc": ("#e0825a", "-", "v", 1.2, "Rust mpsc (threads)"),
    "boost": ("#2f8f4e", "-", "D", 1.2, "Boost message_queue"),
    "textbook": ("#8c6bb1", "-", "P", 1.2, "mutex + condvars"),
    "pipe": ("#b8860b", "-", "X", 1.2, "pipe"),
    "mq": ("#d4b04a", "-", "<", 1.2, "POSIX mq"),
    "seqpacket": ("#cc79a7", "-", ">", 1.2, "unix SEQPACKET"),
    "zeromq": ("#7f7f2f", "-", "*", 1.2, "ZeroMQ ipc"),
    "ck_ring": ("#b0b0b0", ":", "1", 1.2, "ck_ring (spins)"),
    "rte_ring-mp": ("#808080", ":", "2", 1.2, "rte_ring MP (spins)"),
    "rte_ring-rts": ("#606060", ":", "3", 1.2, "rte_ring RTS (spins)"),
}

plt.rcParams.update({
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6, "axes.edgecolor": "#888888", "axes.titlesize": 10.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "svg.fonttype": "none", "svg.hashsalt": "shmchan", "legend.frameon": False,
    "lines.markersize": 4.5, "figure.facecolor": "white", "savefig.facecolor": "white",
})


def medians(row, column):
    """{peer: [(key, value)]} of one row, sorted by key(entry)."""
    found = defaultdict(list)
    key = {"senders": "senders", "sizes": "message_bytes"}.get(row, "senders")
    for entry in result["medians"]:
        if entry["row"] == row and entry[column]:
            found[entry["peer"]].append((entry[key], entry[column]))
    return {peer: sorted(values) for peer, values in found.items()}


def labels_at_the_right(axes, series, gap):
    """Names beside the lines' ends instead of a legend: moved apart where they would overlap (log scale)."""
    import math
    ends = sorted((math.log10(values[-1][1]), peer) for peer, values in series.items())
    at = []
    for y, peer in ends:
        at.append([max(y, at[-1][0] + gap) if at else y, peer])
    # What was pushed up above the top comes down again as a block.
    top = math.log10(axes.get_ylim()[1])
    for i in range(len(at) - 1, -1, -1):
        limit = top if i == len(at) - 1 else at[i + 1][0] - gap
        at[i][0] = min(at[i][0], limit)
    for y, peer in at:
        colour, _, _, width, label = STYLES[peer]
        axes.annotate(label, (1.015, 10 ** y), xycoords=("axes fraction", "data"), color=colour, va="center",
                      fontsize=8.5, fontweight="bold" if width > 2 else "normal", annotation_clip=False)


def draw(axes, peer, values):
    colour, line, mark, width, _ = STYLES[peer]
    xs, ys = zip(*values)
    axes.plot(xs, ys, line, color=colour, marker=mark or None, linewidth=width, zorder=3 if width > 1.5 else 2)


def footer(figure):
    machine = result["machine"]
    figure.text(0.01, 0.01, f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; medians of "
                f"interleaved rounds", fontsize=7, color="#777777")


def save(figure, name):
    footer(figure)
    path = os.path.join(target, f"{name}.{suffix}")
    figure.savefig(path, dpi=130, metadata={"Date": None} if suffix == "svg" else None)
    print(f"{path}: {os.path.getsize(path)} bytes")


def throughput():
    series = {p: v for p, v in medians("senders", "messages_per_s").items()
              if p in STYLES and p != "shmchan-inplace" and len(v) > 1}
    if not series:
        return
    figure, axes = plt.subplots(figsize=(8.2, 5))
    figure.subplots_adjust(left=0.085, right=0.72, top=0.92, bottom=0.135)
    for peer, values in series.items():
        draw(axes, peer, [(x, y / 1e6) for x, y in values])
    axes.set(xscale="log", yscale="log", xlabel="sending processes", ylabel="million messages a second",
             title="Many senders, one receiver: 64-byte messages, single sends")
    counts = sorted({x for v in series.values() for x, _ in v})
    axes.set_xticks(counts, [str(c) for c in counts])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    labels_at_the_right(axes, {p: [(x, y / 1e6) for x, y in v] for p, v in series.items()},
                        gap=0.047 * decades(axes))
    save(figure, "throughput")


def decades(axes):
    import math
    low, high = axes.get_ylim()
    return math.log10(high / low)


def sizes():
    found = medians("sizes", "messages_per_s")
    # The better of the two slot counts is the yardstick.
    best = defaultdict(float)
    for peer in "memcpy-2", "memcpy-8", "spsc":
        for x, y in found.get(peer, []):
            best[x] = max(best[x], y)
    if best:
        found["memcpy"] = sorted(best.items())
    series = {p: [(x, x * y / 1e6) for x, y in v] for p, v in found.items()
              if p in STYLES and p != "spsc" and len(v) > 1}
    if not series:
        return
    figure, axes = plt.subplots(figsize=(8.2, 4.4))
    figure.subplots_adjust(left=0.085, right=0.72, top=0.91, bottom=0.15)
    for peer, values in series.items():
        draw(axes, peer, values)
    axes.set(xscale="log", yscale="log", xlabel="bytes of a message", ylabel="MB/s",
             title="Message sizes, one sender, copied on both sides")
    counts = sorted({x for v in series.values() for x, _ in v})
    axes.set_xticks(counts, [str(c) if c < 1024 else f"{c // 1024} Ki" for c in counts])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    labels_at_the_right(axes, series, gap=0.053 * decades(axes))
    save(figure, "sizes")


def latency():
    counts = defaultdict(lambda: defaultdict(dict))
    with open(os.path.join(source, "histograms.csv"), newline="") as f:
        for line in csv.DictReader(f):
            counts[line["row"]][line["peer"]][float(line["ns"])] = int(line["count"])
    rows = [(r, t) for r, t in (("ping", "A core each"), ("ping-asleep", "The other side asleep"),
                                ("ping-one-core", "Both on one core")) if r in counts]
    if not rows:
        return
    figure, all_axes = plt.subplots(1, len(rows), figsize=(3.1 * len(rows) + 0.4, 4.6), sharey=True, squeeze=False)
    figure.subplots_adjust(left=0.085, right=0.985, top=0.9, bottom=0.33, wspace=0.08)
    shown = {}
    for axes, (row, title) in zip(all_axes[0], rows):
        for peer in sorted(counts[row], key=lambda p: list(STYLES).index(p) if p in STYLES else 99):
            if peer not in STYLES or peer in ("shmchan-inplace", "shmchan-unordered", "rust-mpsc", "rte_ring-mp"):
                continue
            colour, line, _, width, label = STYLES[peer]
            shown[label], = axes.plot(*percentile_curve(counts[row][peer]), line, color=colour, linewidth=width,
                                      zorder=3 if width > 2 else 2, label=label)
        axes.set(xscale="log", yscale="log", title=title, xlim=(1.2, 3e3), xlabel="percentile")
        axes.set_xticks([2, 10, 100, 1000], ["50", "90", "99", "99.9"])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    all_axes[0][0].set_ylabel("round trip, µs")
    figure.legend(shown.values(), shown.keys(), loc="lower center", ncols=4, bbox_to_anchor=(0.5, 0.035), fontsize=8.5)
    save(figure, "latency")


def percentile_curve(histogram):
    """x = 1 / (1 - share): 2 is the median, 100 the 99th percentile; y in µs. Thinned, so that the file stays small."""
    total, seen, xs, ys = sum(histogram.values()), 0, [], []
    for ns, count in sorted(histogram.items()):
        x = total / (total - seen)
        seen += count
        if x > 3e3:
            break
        if not xs or x > xs[-1] * 1.04:
            xs.append(x)
            ys.append(ns / 1000)
    return xs, ys


os.makedirs(target, exist_ok=True)
throughput()
latency()
sizes()
