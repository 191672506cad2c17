"""The same faults for torchrun + DistributedDataParallel (Gloo) and for mvq: what is lost, what is repeated, how long recovery takes.

Three schedules, each on four worker processes of this machine, faults in the middle of the steps given by --kill-after:

  process  a worker process is killed (SIGKILL); torchrun (one agent with four processes) starts its group again; for mvq a supervisor starts another
           worker a second later
  node     at the first of these steps one worker goes for good (of four torchrun agents with a process each, --nnodes=3:4, one with its process)
  head     the head is killed and started again a second later: torchrun's first agent, which holds the rendezvous; mvq's coordinator

Measured against an undisturbed run of the same system:

  steps computed again   what had been done since the last checkpoint
  samples lost, repeated of the training that led to the final weights, against every sample once an epoch
  recovery               seconds from the kill until a step that was not done before is done, less the usual step time
  weight difference      the largest between the final weights and those of the undisturbed run

`python3` must have h5py (Debian: python3-h5py), --python names one with PyTorch.

  python3 kill_schedule.py --binaries ../.build/release --python /path/to/python/with/torch --out /tmp/kill-schedule
"""

import argparse
import collections
import glob
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORKERS = 4
EPOCHS, SAMPLES, BATCH = 3, 512, 32


def free_port() -> int:
    """A port whose successor is free as well: mvq uses both."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def descendants(pid: int) -> list[int]:
    """The process and all that it started."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []
    return [pid] + [d for child in children for d in descendants(child)]


class Fleet:
    """Processes by name, each in a session of its own, so that a node can be killed whole."""

    def __init__(self, folder: str):
        self.folder = folder
        self.processes: dict[str, subprocess.Popen] = {}
        self.commands: dict[str, list[str]] = {}

    def start(self, name: str, command: list[str]) -> None:
        self.commands[name] = command
        log = open(os.path.join(self.folder, name + ".log"), "a")
        # With torchrun's default of one store for all attempts, PyTorch 2.15 finds the Gloo addresses of the dead processes in it and never
        # connects again: "Gloo connectFullMesh failed … Connection refused". A store for each attempt is its documented way out.
        environment = dict(os.environ, OMP_NUM_THREADS="1", TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1")
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)

    def again(self, name: str) -> None:
        self.start(name, self.commands[name])

    def kill_node(self, name: str) -> None:
        """With everything that it started; torchrun's processes have sessions of their own."""
        for pid in descendants(self.processes[name].pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.processes[name].wait()

    def end(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is None:
                self.kill_node(name)


class Torch:
    """One torchrun agent with four processes, or four agents with one each where nodes fail."""

    name = "torchrun + DDP (Gloo)"

    def __init__(self, options, folder: str):
        self.folder, self.fleet, self.python = folder, Fleet(folder), options.python
        self.port = free_port()
        self.step_seconds = options.step_seconds
        self.gone: set[str] = set()

    def begin(self, what: str | None) -> None:
        nodes = WORKERS if what in ("node", "head") else 1
        counts = [f"--nnodes={WORKERS - 1}:{WORKERS}", "--nproc-per-node=1"] if nodes > 1 else ["--nnodes=1", f"--nproc-per-node={WORKERS}"]
        for node in range(nodes):
            self.fleet.start(f"node-{node}", [
                self.python, "-m", "torch.distributed.run", *counts, "--max-restarts=100", "--rdzv-backend=c10d",
                f"--rdzv-endpoint=127.0.0.1:{self.port}", "--rdzv-id=kill", "--local-addr=127.0.0.1",
                os.path.join(HERE, "ddp_train.py"), "--folder", self.folder, "--step-seconds", str(self.step_seconds),
                "--samples", str(SAMPLES), "--batch", str(BATCH // WORKERS), "--epochs", str(EPOCHS)])

    def lines(self) -> list[dict]:
        lines = []
        for file in glob.glob(os.path.join(self.folder, "steps-*.jsonl")):
            with open(file) as text:
                lines += [json.loads(line) for line in text if line.endswith("}\n")]
        return sorted(lines, key=lambda line: line["time"])

    def done(self) -> list[tuple[int, float]]:
        """(step, when the last process had done it), in order of time, redone steps again."""
        seen = collections.Counter()
        done = []
        for line in self.lines():
            key = (line["step"], line["world"], sum(1 for d in done if d[0] == line["step"]))
            seen[key] += 1
            if seen[key] == line["world"]:
                done.append((line["step"], line["time"]))
        return done

    def is_over(self) -> bool:
        alive = [n for n, p in self.fleet.processes.items() if p.poll() is None]
        if os.path.exists(os.path.join(self.folder, "final.pt")) and not alive:
            return True
        # A supervisor, as a cluster's scheduler is one: agents that ended with an error are started again.
        for name, process in list(self.fleet.processes.items()):
            if name not in self.gone and process.poll() not in (None, 0):
                self.fleet.again(name)
        return False

    def kill(self, what: str) -> None:
        if what == "process":
            newest = {line["rank"]: line["pid"] for line in self.lines()}
            os.kill(newest[max(newest)], signal.SIGKILL)
        elif what == "node":
            self.gone.add(f"node-{WORKERS - 1}")
            self.fleet.kill_node(f"node-{WORKERS - 1}")
        else:
            self.fleet.kill_node("node-0")
            time.sleep(1)
            self.fleet.again("node-0")

    def samples(self) -> collections.Counter:
        """How often (epoch, sample) is in the training that led to the final weights: of each step what was computed last."""
        last: dict[tuple[int, int], dict] = {}
        newest: dict[int, float] = {}
        for line in self.lines():
            newest[line["step"]] = line["time"]
        for line in self.lines():
            # Processes of one execution are done within a second of each other.
            if newest[line["step"]] - line["time"] < 1.5 * self.step_seconds:
                last[(line["step"], line["rank"])] = line
        return collections.Counter((line["epoch"], s) for line in last.values() for s in line["samples"])

    def weights(self) -> list:
        code = ("import torch,sys,json; w=torch.load(sys.argv[1]); "
                "torch.cat([t.flatten() for t in w.values()]).numpy().tofile(sys.argv[2])")
        out = os.path.join(self.folder, "weights.bin")
        subprocess.run([self.python, "-c", code, os.path.join(self.folder, "final.pt"), out], check=True)
        return read_floats(out)


class MVQ:
    """A coordinator and four workers that get their images from it."""

    name = "mvq"

    def __init__(self, options, folder: str):
        self.folder, self.fleet, self.binaries = folder, Fleet(folder), options.binaries
        self.python = options.python
        self.run = os.path.join(folder, "run")
        self.data = options.data
        self.port = free_port()
        self.next = WORKERS
        self.times: dict[int, list[float]] = {}

    def begin(self, what: str | None) -> None:
        config = os.path.join(HERE, "..", "configs", "tokenizer-gr-tiny.yaml")
        settings = ["losses.perceptual=0", "losses.adversarial=0", "losses.alignment=0", "evaluation.every_steps=0", f"training.global_batch={BATCH}",
                    f"training.steps={EPOCHS * SAMPLES // BATCH}", "checkpoints.every_steps=8"]
        self.fleet.start("coordinator", [
            os.path.join(self.binaries, "mvq-coordinator"), "--config", config, "--data", self.data, "--run", self.run, "--listen",
            f"tcp://127.0.0.1:{self.port}", "--min-workers", str(WORKERS)] + [x for s in settings for x in ("--set", s)])
        for worker in range(WORKERS):
            self.worker(worker)

    def worker(self, number: int) -> None:
        self.fleet.start(f"worker-{number}", [
            os.path.join(self.binaries, "mvq-worker"), "--connect", f"tcp://127.0.0.1:{self.port}", "--threads", "1"])

    def journal(self) -> list[dict]:
        try:
            with open(os.path.join(self.run, "journal.jsonl")) as text:
                return [json.loads(line) for line in text if line.endswith("}\n")]
        except FileNotFoundError:
            return []

    def done(self) -> list[tuple[int, float]]:
        """The journal has each step once; steps computed again after a resumption are in the coordinator's words."""
        now = time.monotonic()
        for line in self.journal():
            self.times.setdefault(line["step"] + 1, [now])
        return sorted(((step, times[0]) for step, times in self.times.items()), key=lambda d: d[1])

    def is_over(self) -> bool:
        self.done()
        return self.fleet.processes["coordinator"].poll() == 0

    def kill(self, what: str) -> None:
        victims = sorted((n for n, p in self.fleet.processes.items() if n.startswith("worker") and p.poll() is None), key=lambda n: int(n[7:]))
        if what == "head":
            self.fleet.kill_node("coordinator")
            time.sleep(1)
            self.fleet.again("coordinator")
            return
        self.fleet.kill_node(victims[-1])
        if what == "process":
            time.sleep(1)
            self.worker(self.next)
            self.next += 1

    def samples(self) -> collections.Counter:
        """Proved by the audit: every sample once an epoch, or it fails."""
        audit = subprocess.run([os.path.join(self.binaries, "mvq"), "audit", self.run], capture_output=True, text=True)
        if audit.returncode != 0:
            sys.exit(f"mvq audit: {audit.stderr}")
        return collections.Counter((epoch, sample) for epoch in range(EPOCHS) for sample in range(SAMPLES))

    def computed_again(self) -> int:
        with open(os.path.join(self.folder, "coordinator.log")) as text:
            return sum(int(line.split("; ")[1].split()[0]) for line in text if "journaled steps are computed again" in line)

    def weights(self) -> list:
        code = ("import h5py,sys,numpy; f=h5py.File(sys.argv[1]); names=[]; f['model'].visititems(lambda n,d: names.append(n) if hasattr(d,'shape') else None); "
                "numpy.concatenate([f['model'][n][:].ravel() for n in sorted(names)]).astype('<f4').tofile(sys.argv[2])")
        out = os.path.join(self.folder, "weights.bin")
        newest = sorted(glob.glob(os.path.join(self.run, "checkpoints", "step-*.h5")))[-1]
        subprocess.run(["python3", "-c", code, newest, out], check=True)
        return read_floats(out)


def read_floats(path: str):
    import array
    values = array.array("f")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    return values


def train(system, what: str | None, kills: list[int], patience: float) -> dict:
    """One run with its faults; what is known of it afterwards."""
    system.begin(what)
    start = time.monotonic()
    killed: list[tuple[int, float]] = []
    try:
        waiting = list(kills)
        while not system.is_over():
            if time.monotonic() - start > patience:
                return {"failed": f"not done after {patience:.0f} s"}
            done = system.done()
            reached = max((step for step, _ in done), default=0)
            if waiting and reached >= waiting[0] and len(done) > 2:
                usual = statistics.median(b[1] - a[1] for a, b in zip(done, done[1:]))
                time.sleep(usual / 2)
                killed.append((reached, time.monotonic()))
                system.kill(what)
                waiting.pop(0)
            time.sleep(0.02)
        done = system.done()
    finally:
        system.fleet.end()
    usual = statistics.median(b[1] - a[1] for a, b in zip(done, done[1:]))
    recovery = []
    for reached, moment in killed:
        later = [when for step, when in done if step > reached and when > moment]
        recovery.append(min(later) - moment - usual if later else float("nan"))
    counts = system.samples()
    every = {(epoch, sample) for epoch in range(EPOCHS) for sample in range(SAMPLES)}
    again = system.computed_again() if hasattr(system, "computed_again") else len(done) - len({step for step, _ in done})
    return {
        "steps": max(step for step, _ in done), "steps_computed_again": again, "samples_lost": sum(1 for key in every if counts[key] == 0),
        "samples_repeated": sum(count - 1 for count in counts.values() if count > 1), "recovery_seconds": recovery, "step_seconds": usual,
        "kills": [step for step, _ in killed], "weights": system.weights(),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binaries", default=os.path.join(HERE, "..", ".build", "release"), help="folder of mvq, mvq-coordinator, mvq-worker")
    arguments.add_argument("--python", default=sys.executable, help="a Python with PyTorch")
    arguments.add_argument("--out", required=True, help="folder for runs and results.json")
    arguments.add_argument("--kill-after", default="10,21,33", help="steps in whose successors a process is killed")
    arguments.add_argument("--step-seconds", type=float, default=0.4, help="pause of a DDP step, to make it as long as ours")
    arguments.add_argument("--patience", type=float, default=900, help="seconds until a run counts as failed")
    arguments.add_argument("--only", choices=["torch", "mvq"])
    options = arguments.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    os.makedirs(options.out)
    options.data = os.path.join(options.out, "data")
    subprocess.run([os.path.join(options.binaries, "mvq"), "dataset", "synthesize", "--out", options.data, "--classes", "8", "--per-class",
                    str(SAMPLES // 8), "--size", "64"], check=True, capture_output=True)
    kills = [int(step) for step in options.kill_after.split(",")]
    rows = []
    for kind in [k for k in (Torch, MVQ) if options.only in (None, k.__name__.lower())]:
        reference = None
        for what, at in [(None, []), (None, []), ("process", kills), ("node", kills[:1]), ("head", kills[:1])]:
            folder = os.path.join(options.out, f"{kind.__name__.lower()}-{what or 'undisturbed'}-{len(rows)}")
            os.makedirs(folder)
            result = train(kind(options, folder), what, at, options.patience)
            weights = result.pop("weights", None)
            if reference is None:
                reference = weights
            elif weights is not None:
                result["largest_weight_difference"] = max(abs(a - b) for a, b in zip(weights, reference)) if len(weights) == len(reference) else None
            rows.append({"system": kind.name, "schedule": what or "undisturbed", **result})
            print(json.dumps(rows[-1]), flush=True)
    with open(os.path.join(options.out, "results.json"), "w") as file:
        json.dump(rows, file, indent=1)
    print("\n| system | schedule | steps computed again | samples lost | samples repeated | recovery (s) | largest weight difference |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        if "failed" in row:
            print(f"| {row['system']} | {row['schedule']} | {row['failed']} | | | | |")
            continue
        seconds = ", ".join(f"{s:.1f}" for s in row["recovery_seconds"]) or "–"
        difference = row.get("largest_weight_difference")
        print(f"| {row['system']} | {row['schedule']} | {row['steps_computed_again']} | {row['samples_lost']} | {row['samples_repeated']} | {seconds} | "
              f"{'–' if difference is None else f'{difference:.2g}'} |")


if __name__ == "__main__":
    main()
