#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The goal table: reads what bench wrote below DIR, prints goals, medians and what they mean, writes result.json.

    report.py DIR

A ratio is formed within each round, between two runs made one shortly after the other; shown are the median over
the rounds and the quartiles. "The best of the peers" is the one with which ours compares worst by that median.
"""
import csv
import json
import os
import platform
import statistics
import sys
from collections import defaultdict

directory = sys.argv[1]


def read(name, delimiter=","):
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        return []
    with open(path, newline="") as f:
        return list(csv.DictReader(f, delimiter=delimiter))


class Peers:
    def __init__(self):
        self.rows = read("peers.tsv", "\t")
        self.present = {p["id"]: p for p in self.rows if p["kind"] != "absent"}
        self.absent = [p["id"] for p in self.rows if p["kind"] == "absent"]

    def ids(self, waits):
        return [i for i, p in self.present.items() if p["kind"] == "peer" and p["waits"] == waits]


class Runs:
    """values[(row, senders, bytes, capacity)][peer][round] = the run's line"""

    def __init__(self):
        self.values = defaultdict(lambda: defaultdict(dict))
        self.failures = {}
        for line in read("runs.csv"):
            key = (line["row"], int(line["senders"]), int(line["message_bytes"]), int(line["capacity"]))
            if line["row"] == "batches":
                key = (line["row"], int(line["batch"]), int(line["message_bytes"]), int(line["capacity"]))
            if line["failure"]:
                self.failures[(line["row"], line["peer"], line["senders"], line["message_bytes"])] = line["failure"]
            else:
                self.values[key][line["peer"]][int(line["round"])] = line

    def key(self, row, senders, size=64):
        found = [k for k in self.values if k[0] == row and k[1] == senders and k[2] == size]
        return found[0] if found else None

    def series(self, row, senders, peer, column, size=64):
        rounds = self.values.get(self.key(row, senders, size), {}).get(peer, {})
        return {n: float(line[column]) for n, line in rounds.items()}

    def median(self, row, senders, peer, column="messages_per_s", size=64):
        values = self.series(row, senders, peer, column, size)
        return statistics.median(values.values()) if values else None


def quartiles(values):
    values = sorted(values)
    if len(values) < 2:
        return values * 3 if values else None
    return statistics.quantiles(values, n=4, method="inclusive")


def paired(ours, theirs):
    """Quartiles of ours / theirs over the rounds that have both."""
    return quartiles([ours[n] / theirs[n] for n in ours if theirs.get(n)])


class Table:
    def __init__(self):
        self.goals = []
        self.mentions = []

    def add(self, name, sign, wanted, q, rounds, note="", unit="×"):
        """q: quartiles, or None: not measured. sign: '>=' or '<='."""
        if q is None:
            verdict = "not measured"
        else:
            good = (lambda v: v >= wanted) if sign == ">=" else (lambda v: v <= wanted)
            bad_side = q[0] if sign == ">=" else q[2]
            good_side = q[2] if sign == ">=" else q[0]
            if good(q[1]):
                verdict = "reached" if good(bad_side) else "reached, spread crosses"
            else:
                verdict = "missed, spread crosses" if good(good_side) else "MISSED"
        self.goals.append(dict(name=name, sign=sign, wanted=wanted, quartiles=q, rounds=rounds, note=note, unit=unit,
                               verdict=verdict))

    def show(self):
        print(f"{'goal':46} {'wanted':>10} {'median':>8}  {'quartiles':>17} {'n':>3}  verdict")
        for g in self.goals:
            sign = {">=": "≥", "<=": "≤"}[g["sign"]]
            wanted = f"{sign} {number(g['wanted'])}{g['unit']}"
            if g["quartiles"]:
                low, middle, high = g["quartiles"]
                shown = f"{number(middle):>8}  {number(low):>7} … {number(high):>7} {g['rounds']:>3}"
            else:
                shown = " " * 39
            note = f"  ({g['note']})" if g["note"] else ""
            print(f"{g['name']:46} {wanted:>10} {shown}  {g['verdict']}{note}")
        counts = defaultdict(int)
        for g in self.goals:
            counts[g["verdict"].split(",")[0].lower()] += 1
        for mention in self.mentions:
            print(mention)
        print(", ".join(f"{n} {words}" for words, n in counts.items()))


def number(value):
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Goals:
    def __init__(self, runs, peers, figures):
        self.runs, self.peers, self.figures, self.table = runs, peers, figures, Table()

    def against(self, name, ours, others, wanted, row, senders, sign=">=", column="messages_per_s", size=64):
        """Ours against the one of the others that is hardest to beat."""
        mine, hardest = self.runs.series(row, senders, ours, column, size), None
        for other in others:
            q = paired(mine, self.runs.series(row, senders, other, column, size))
            worse = q and (hardest is None or (q[1] < hardest[1][1]) == (sign == ">="))
            if worse:
                hardest = (other, q)
        note = f"against {hardest[0]}" if hardest and len(others) > 1 else ""
        self.table.add(name, sign, wanted, hardest and hardest[1], len(mine), note)

    def mention(self, name, ours, other, row, senders):
        """A ratio without a goal."""
        q = paired(self.runs.series(row, senders, ours, "messages_per_s"),
                   self.runs.series(row, senders, other, "messages_per_s"))
        if q:
            self.table.mentions.append(f"{name}: {number(q[1])}× [{number(q[0])} … {number(q[2])}], {senders} senders")

    def between(self, name, ours, senders, others_senders, wanted, row="senders"):
        mine, other = (self.runs.series(row, n, ours, "messages_per_s") for n in (senders, others_senders))
        self.table.add(name, ">=", wanted, paired(mine, other), len(mine))

    def absolute(self, name, values, sign, wanted, unit, note=""):
        self.table.add(name, sign, wanted, quartiles(values), len(values), note, unit)

    def throughput(self):
        bounded, unbounded, spinning = (self.peers.ids(w) for w in ("blocks", "unbounded", "spins"))
        blocking = bounded + unbounded
        plural = lambda n: f"{n} sender{'s' if n > 1 else ''}"
        for n, wanted in (1, 1.2), (2, 1.5), (4, 2.5):
            self.against(f"single send, {plural(n)} / best that blocks", "shmchan", blocking, wanted, "senders", n)
        for n in 1, 2, 4:
            self.against(f"single send, {plural(n)} / best that spins", "shmchan", spinning, 1.5, "senders", n)
        for n in 1, 2, 4:
            self.against(f"single send, {plural(n)} / one-to-one rings", "shmchan", ["spsc"], 0.9, "senders", n)
        for n, wanted in (16, 5), (64, 15):
            self.against(f"single send, {n} senders / best that blocks", "shmchan", bounded, wanted, "senders", n)
            for other in unbounded:  # never makes a sender wait, so it is no answer to what blocking costs
                self.mention(f"the same / {other}, without a bound", "shmchan", other, "senders", n)
        for n in 16, 64:
            self.between(f"ordered, {n} senders / its 4-sender figure", "shmchan", n, 4, 0.6)
        for n in 16, 64:
            shares = list(self.runs.series("shares", n, "shmchan", "jain").values())
            self.absolute(f"fair shares of {n}, saturated (Jain)", shares, ">=", 0.95, "")
        for n in 1, 2, 4, 16, 64:
            self.against(f"unordered, {plural(n)} / one-to-one rings", "shmchan-unordered", ["spsc"], 1, "senders", n)
        for ours, words in ("shmchan-many", "batches of 32"), ("shmchan-inplace", "in place"):
            for n in 1, 2, 4:
                self.against(f"{words}, {plural(n)} / rings in batches", ours, ["spsc-batch"], 1.2, "senders", n)
        for peer, wanted in ("pipe", 15), ("mq", 40):
            for n in 1, 2, 4:
                self.against(f"single send, {plural(n)} / {peer}", "shmchan", [peer], wanted, "senders", n)

    def latency(self):
        for row, other, wanted, words in (("ping", "spsc", 1.2, "ping-pong, a core each / spinning yardstick"),
                                          ("ping-asleep", "semaphore", 1.1, "ping-pong, asleep / semaphore pair"),
                                          ("ping-one-core", "pipe", 1.2, "ping-pong, one core / pipe")):
            self.against(words, "shmchan", [other], wanted, row, 1, "<=", "p50_ns")

    def rest(self):
        memcpys = ["memcpy-2", "memcpy-8", "spsc"]
        for ours in "shmchan", "shmchan-inplace":
            self.against(f"64 KiB, {ours} / two-sided memcpy", ours, memcpys, 0.8, "sizes", 1, size=65536)
        f = self.figures
        bare = f["idle_cpu_share_bare_sleepers"]
        if bare:
            self.table.mentions.append(f"17 processes that wake up ten times a second and do nothing: "
                                       f"{number(100 * statistics.median(bare))} % of a core")
        self.absolute("idle: CPU of a receiver and 16 senders", [100 * v for v in f["idle_cpu_share_all"]], "<=", 0.1, "%")
        self.absolute("idle: wake-ups a second, the most of them", f["idle_wakeups_per_s_most"], "<=", 10, "/s")
        self.against("1000 quiet lanes: throughput / without them", "shmchan-1000quiet", ["shmchan-1001places"], 0.98,
                     "quiet", 1)
        self.absolute("memory: a slot's overhead", f["memory_slot_overhead_bytes"], "<=", 16, " B")
        for held in 0, 500, 998:
            self.absolute(f"attach, {held} of 1000 places held", f[f"attach_us_{held}_held"], "<=", 100, " µs")
        self.against("watched by shmchan-stat at 10 Hz / not", "shmchan-watched", ["shmchan"], 0.99, "watch", 1)
        if f["watch_cpu_share"]:
            self.absolute("watched: CPU of shmchan-stat", [100 * v for v in f["watch_cpu_share"]], "<=", 1, "%")


# ------------------------------------------------------------------------------------------------- more tables

def million(value):
    return "" if value is None else f"{value / 1e6:.3g}" if value < 1e8 else f"{value / 1e6:.0f}"


def show_medians(runs, peers):
    counts = [n for n in (1, 2, 4, 16, 64) if runs.key("senders", n)]
    if not counts:
        return
    print("\nMillion messages a second, medians, 64 bytes, capacity 1024; and what 4 senders' messages cost.")
    print("Medians of different rounds are not to be compared with one another: the ratios above are.")
    print(f"{'':24} {'waits':7} " + " ".join(f"{n:>6}" for n in counts) + f"  {'ns CPU':>8} {'sleeps/M':>9}")
    for peer, about in peers.present.items():
        values = [runs.median("senders", n, peer) for n in counts]
        if any(values):
            cpu, sleeps = (runs.median("senders", 4, peer, c) for c in ("cpu_ns_per_message", "sleeps_per_million"))
            cost = f"  {cpu:>8.0f} {sleeps:>9.0f}" if cpu is not None else ""
            print(f"{peer:24} {about['waits']:7} " + " ".join(f"{million(v):>6}" for v in values) + cost)


def show_latency(runs, peers):
    rows = [r for r in ("ping", "ping-asleep", "ping-one-core") if runs.key(r, 1)]
    if not rows:
        return
    print("\nRound trips, µs: medians over the rounds of p50 / p99 / p99.9")
    print(f"{'':24} " + " ".join(f"{r:>26}" for r in rows))
    for peer in peers.present:
        cells = []
        for row in rows:
            values = [runs.median(row, 1, peer, c) for c in ("p50_ns", "p99_ns", "p999_ns")]
            cells.append(" / ".join(number(v / 1000) for v in values) if values[0] else "")
        if any(cells):
            print(f"{peer:24} " + " ".join(f"{c:>26}" for c in cells))


def show_sweep(runs, row, title, unit, of_key, value):
    keys = sorted((k for k in runs.values if k[0] == row), key=of_key)
    if not keys:
        return
    print(f"\n{title}")
    print(f"{'':24} " + " ".join(f"{of_key(k):>8}" for k in keys) + f"  {unit}")
    peers = sorted({p for k in keys for p in runs.values[k]})
    for peer in peers:
        cells = []
        for k in keys:
            rates = [float(line["messages_per_s"]) for line in runs.values[k].get(peer, {}).values()]
            cells.append(value(statistics.median(rates), k) if rates else "")
        print(f"{peer:24} " + " ".join(f"{c:>8}" for c in cells))


def show_room(runs, peers, goals):
    for senders in 16, 64:
        key = runs.key("room", senders)
        if not key:
            continue
        mine = runs.values[key].get("shmchan", {})
        best = None
        for other in peers.ids("blocks"):
            q = paired({n: float(l["messages_per_s"]) for n, l in mine.items()},
                       runs.series("senders", senders, other, "messages_per_s"))
            if q and (best is None or q[1] < best[1][1]):
                best = (other, q)
        if best:
            print(f"The same room in all (capacity {key[3]} for each of {senders} senders, 1024 for the others): "
                  f"{number(best[1][1])}× {best[0]} [{number(best[1][0])} … {number(best[1][2])}]")


def show_costs(figures):
    """The ablation: what each promise costs a single send, against the library without it."""
    names = [n for n in figures if n.startswith("ablation_")]
    if names:
        print("\nWhat a promise costs: the library as it is, and built without it (one sender, 64 bytes)")
        for name in names:
            q = quartiles(figures[name])
            print(f"{name[len('ablation_'):]:40} {number(q[1]):>8}  [{number(q[0])} … {number(q[2])}]")


def show_peers(peers):
    print("\nWhat each figure is of, and what it does not say")
    for peer, about in peers.present.items():
        print(f"{peer:24} {about['waits']}. {about['what']}. Order: {about['order']}.\n{'':24} Death: {about['death']}."
              f"\n{'':24} {about['means'][:1].upper()}{about['means'][1:]}.")
    for absent in peers.absent:
        name, _, package = absent.partition(": ")
        print(f"{name:24} left out: needs {package} (make bench-deps)")


def machine():
    model = platform.machine()
    try:
        with open("/proc/cpuinfo") as f:
            model = next((l.split(":")[1].strip() for l in f if l.startswith("model name")), model)
    except OSError:
        pass
    return dict(cpu=model, cores=len(os.sched_getaffinity(0)), system=f"{platform.system()} {platform.release()}")


def write_json(runs, peers, goals, figures, here):
    medians = []
    for key, of_peer in runs.values.items():
        for peer, lines in of_peer.items():
            entry = dict(row=key[0], peer=peer, senders=int(next(iter(lines.values()))["senders"]),
                         message_bytes=key[2], capacity=key[3], batch=int(next(iter(lines.values()))["batch"]),
                         rounds=len(lines))
            for column in ("messages_per_s", "cpu_ns_per_message", "sleeps_per_million", "preemptions_per_million", "jain",
                           "p50_ns", "p99_ns", "p999_ns"):
                entry[column] = statistics.median(float(l[column]) for l in lines.values())
            medians.append(entry)
    result = dict(machine=here, goals=goals.table.goals, medians=medians, figures=dict(figures),
                  peers=list(peers.present.values()), absent=peers.absent,
                  failures=[dict(row=k[0], peer=k[1], senders=k[2], message_bytes=k[3], failure=v)
                            for k, v in runs.failures.items()])
    with open(os.path.join(directory, "result.json"), "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


def main():
    runs, peers = Runs(), Peers()
    figures = defaultdict(list)
    for line in read("figures.csv"):
        figures[line["figure"]].append(float(line["value"]))
    goals = Goals(runs, peers, figures)
    goals.throughput()
    goals.latency()
    goals.rest()
    here = machine()
    show_peers(peers)
    show_medians(runs, peers)
    show_latency(runs, peers)
    show_sweep(runs, "sizes", "Message sizes, one sender, medians", "bytes; MB/s", lambda k: k[2],
               lambda rate, k: number(rate * k[2] / 1e6))
    show_sweep(runs, "capacities", "Capacities, 4 senders, 64 bytes, medians", "messages; M/s", lambda k: k[3],
               lambda rate, k: million(rate))
    show_sweep(runs, "batches", "Batches, one sender, 64 bytes, medians", "messages a batch; M/s", lambda k: k[1],
               lambda rate, k: million(rate))
    show_costs(figures)
    print(f"\n{here['cpu']}, {here['cores']} cores, {here['system']}")
    goals.table.show()
    show_room(runs, peers, goals)
    for (row, peer, senders, size), why in runs.failures.items():
        print(f"Did not finish, and was left out from then on: {row}, {peer}, {senders} senders, {size} bytes: {why}")
    write_json(runs, peers, goals, figures, here)


main()
