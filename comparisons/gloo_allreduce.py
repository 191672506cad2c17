"""Times Gloo's all-reduce on this machine, the yardstick of `mvq bench exchange`.

    python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch
    /tmp/torch/bin/python comparisons/gloo_allreduce.py --workers 2
    /tmp/torch/bin/python comparisons/gloo_allreduce.py --workers 2 4 --mvq .build/release/mvq --rounds 5    # both, in turns

PyTorch is needed for this comparison alone. Every worker is a process with one thread; all start an all-reduce at the same time, and its time is
the slowest worker's. With --mvq the two take turns, so that whatever slows the machine down slows both.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def worker(rank, workers, count, repetitions, port, queue):
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "127.0.0.1", str(port)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", rank=rank, world_size=workers)
    values = torch.full((count,), float(rank + 1))
    cpu = 0.0
    for repetition in range(2 + repetitions):
        values.fill_(float(rank + 1))
        dist.barrier()
        start, used = time.monotonic(), time.process_time()
        dist.all_reduce(values)
        seconds = torch.tensor([time.monotonic() - start])
        cpu += time.process_time() - used if repetition >= 2 else 0
        assert values[0] == values[-1] == workers * (workers + 1) / 2
        dist.all_reduce(seconds, op=dist.ReduceOp.MAX)
        if rank == 0 and repetition >= 2:
            queue.put(seconds.item())
    total = torch.tensor([cpu / repetitions])
    dist.all_reduce(total)
    if rank == 0:
        queue.put(total.item())
    dist.destroy_process_group()


def gloo(workers, size, repetitions):
    """Median seconds of an all-reduce of `size` bytes, and the CPU-seconds of all workers in one."""
    import socket

    import torch.multiprocessing as mp

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=worker, args=(rank, workers, size // 4, repetitions, port, queue)) for rank in range(workers)]
    for process in processes:
        process.start()
    times = [queue.get(timeout=600) for _ in range(repetitions)]
    cpu = queue.get(timeout=600)
    for process in processes:
        process.join()
    return statistics.median(times), cpu


def ours(mvq, workers, size, steps):
    command = [mvq, "bench", "exchange", "--workers", str(workers), "--bytes", str(size), "--steps", str(steps), "--json"]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    per_gb = [value for name, value in result.items() if "cpu" in name.lower()]
    return result["exchange_seconds"]["median"], sum(per_gb) * 2 * workers * size / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--bytes", type=int, default=600_000_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mvq", help="the mvq command, to be timed in turns with Gloo")
    options = parser.parse_args()
    for workers in options.workers:
        pairs = []
        for number in range(options.rounds):
            theirs = gloo(workers, options.bytes, options.repetitions)
            mine = ours(options.mvq, workers, options.bytes, options.repetitions) if options.mvq else (float("nan"), float("nan"))
            pairs.append((*theirs, *mine))
            report(f"W={workers} round {number + 1}", *theirs, *mine, mine[0] / theirs[0])
        medians = [statistics.median(column) for column in zip(*pairs)]
        report(f"W={workers} medians", *medians, statistics.median(mine / theirs for theirs, _, mine, _ in pairs))


def report(what, theirs, their_cpu, mine, my_cpu, ratio):
    print(f"{what}: Gloo {theirs:.3f} s ({their_cpu:.2f} CPU-s), mvq {mine:.3f} s ({my_cpu:.2f} CPU-s), ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
