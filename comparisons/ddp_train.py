"""A small training script as PyTorch's elastic examples write it: DistributedDataParallel on Gloo, a checkpoint every few steps, started by torchrun.

Written with care for restarts: it resumes within an epoch, skipping what the sampler had handed out. What it logs lets `kill_schedule.py` tell which
samples the final weights have seen. Needs PyTorch (CPU): pip install torch.
"""

import argparse
import json
import os
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler


def sample(index: int) -> torch.Tensor:
    return torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(index))


def build() -> torch.nn.Module:
    torch.manual_seed(1)
    layers, width = [], 3
    for channels in (32, 64, 128, 256):
        layers += [torch.nn.Conv2d(width, channels, 3, stride=2, padding=1), torch.nn.GELU()]
        width = channels
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(256 * 2 * 2, 512), torch.nn.GELU(), torch.nn.Linear(512, 3 * 32 * 32))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", required=True, help="logs, checkpoint and final weights")
    arguments.add_argument("--samples", type=int, default=512)
    arguments.add_argument("--batch", type=int, default=8, help="samples a process and step")
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--checkpoint-every", type=int, default=8, help="steps")
    arguments.add_argument("--step-seconds", type=float, default=0.4, help="a pause that stands for a larger model's computation")
    options = arguments.parse_args()

    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.set_num_threads(1)
    model = DistributedDataParallel(build())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    sampler = DistributedSampler(range(options.samples), num_replicas=world, rank=rank, shuffle=True, seed=1)
    checkpoint = os.path.join(options.folder, "checkpoint.pt")
    step, epoch, consumed = 0, 0, 0
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint)
        model.module.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, epoch, consumed = state["step"], state["epoch"], state["consumed"]

    log = open(os.path.join(options.folder, f"steps-{os.getpid()}.jsonl"), "a", buffering=1)
    while epoch < options.epochs:
        sampler.set_epoch(epoch)
        own = list(sampler)[consumed // world:]
        for start in range(0, len(own), options.batch):
            ids = own[start:start + options.batch]
            images = torch.stack([sample(i) for i in ids])
            loss = torch.nn.functional.mse_loss(model(images).view_as(images), images)
            optimizer.zero_grad()
            time.sleep(options.step_seconds)
            loss.backward()
            optimizer.step()
            step += 1
            consumed += len(ids) * world
            line = {"step": step, "epoch": epoch, "rank": rank, "world": world, "pid": os.getpid(), "time": time.monotonic(), "samples": ids}
            log.write(json.dumps(line) + "\n")
            if rank == 0 and step % options.checkpoint_every == 0:
                state = {"model": model.module.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "epoch": epoch, "consumed": consumed}
                torch.save(state, checkpoint + ".tmp")
                os.replace(checkpoint + ".tmp", checkpoint)
        epoch, consumed = epoch + 1, 0
    if rank == 0:
        torch.save(model.module.state_dict(), os.path.join(options.folder, "final.pt"))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
