"""One training step of a stage-2 generator in PyTorch, to compare `mvq bench generator` with: the same architecture, sizes and losses.

Class-conditional transformer over factorised codes: RMS norms, two-axis rotary embedding, SwiGLU, 24 blocks over the sequence and 2 over the two
parts of a code, two untied heads, dropout 0.1 wherever training has it, label smoothing 0.1. Eager, float32, on the CPU. Prints one line of JSON.
Needs PyTorch (CPU): pip install torch.

    python comparisons/torch_generator.py --model large --batch 1 --threads 2 --runs 5
"""

import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

MODELS = {"large": (24, 2, 1024, 16, 2816), "small": (6, 1, 384, 6, 1024)}
GRID, PRE, POST, CLASSES, RATE = 16, 64, 4096, 1000, 0.1


def rotary(head_width: int, cells: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines [1 + cells, head_width / 2]; the prefix slot has zeros for both."""
    half = head_width // 2
    frequencies = 10000.0 ** (-2 * torch.arange(half // 2) / half)
    cell = torch.arange(cells)
    angles = torch.cat([torch.outer(cell // GRID, frequencies), torch.outer(cell % GRID, frequencies)], 1)
    return tuple(torch.cat([torch.zeros(1, half), values]) for values in (angles.cos(), angles.sin()))


def rotate(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cosines - b * sines, b * cosines + a * sines], -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, attention: str):
        super().__init__()
        self.heads, self.attention = heads, attention
        self.attention_norm, self.ffn_norm = nn.RMSNorm(width, eps=1e-5), nn.RMSNorm(width, eps=1e-5)
        self.wqkv, self.wo = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.w1, self.w3 = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.w2 = nn.Linear(hidden, width, bias=False)

    def forward(self, x, cosines, sines, visible):
        batch, length, width = x.shape
        q, k, v = self.wqkv(self.attention_norm(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, cosines, sines), rotate(k, cosines, sines)
        if self.attention == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-1, -2)) * (q.shape[-1] ** -0.5)
            y = scores.masked_fill(~visible, float("-inf")).softmax(-1) @ v
        x = x + F.dropout(self.wo(y.transpose(1, 2).reshape(batch, length, width)), RATE, self.training)
        n = self.ffn_norm(x)
        return x + F.dropout(self.w2(F.silu(self.w1(n)) * self.w3(n)), RATE, self.training)


class Generator(nn.Module):
    def __init__(self, model: str, attention: str):
        super().__init__()
        layers, intra, width, heads, hidden = MODELS[model]
        self.pre, self.post = nn.Embedding(PRE, width), nn.Embedding(POST, width)
        self.classes = nn.Embedding(CLASSES + 1, width)
        self.spatial = nn.ModuleList(Block(width, heads, hidden, attention) for _ in range(layers))
        self.intra = nn.ModuleList(Block(width, heads, hidden, attention) for _ in range(intra))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.head_pre, self.head_post = nn.Linear(width, PRE, bias=False), nn.Linear(width, POST, bias=False)
        cosines, sines = rotary(width // heads, GRID * GRID)
        intra_tables = [torch.stack([table[0], table[1]]) for table in (cosines, sines)]
        for name, table in zip(("cosines", "sines", "intra_cosines", "intra_sines"), (cosines, sines, *intra_tables)):
            self.register_buffer(name, table)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, labels, pre, post):
        batch, length = pre.shape
        labels = torch.where(torch.rand(batch) < RATE, CLASSES, labels)
        tokens = self.pre(pre[:, :-1]) + self.post(post[:, :-1])
        x = F.dropout(torch.cat([self.classes(labels)[:, None], tokens], 1), RATE, self.training)
        visible = torch.ones(length, length, dtype=torch.bool).tril()
        for block in self.spatial:
            x = block(x, self.cosines[:length], self.sines[:length], visible)
        x = torch.stack([x, self.pre(pre)], 2).view(batch * length, 2, -1)
        for block in self.intra:
            x = block(x, self.intra_cosines, self.intra_sines, visible[:2, :2])
        x = self.norm(x)
        return F.cross_entropy(self.head_pre(x[:, 0]), pre.flatten(), label_smoothing=0.1) + F.cross_entropy(
            self.head_post(x[:, 1]), post.flatten(), label_smoothing=0.1
        )


def timed(runs: int, work) -> list[float]:
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", choices=MODELS, default="large")
    arguments.add_argument("--batch", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--attention", choices=["sdpa", "plain"], default="sdpa")
    arguments.add_argument("--no-mkldnn", action="store_true", help="products by MKL instead of oneDNN")
    arguments.add_argument("--no-optimizer", action="store_true", help="forward and backward alone, in less memory")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    torch.backends.mkldnn.enabled = not options.no_mkldnn
    torch.manual_seed(1)
    model = Generator(options.model, options.attention).train()
    labels = torch.randint(CLASSES, (options.batch,))
    pre, post = (torch.randint(count, (options.batch, GRID * GRID)) for count in (PRE, POST))

    def step():
        model.zero_grad(set_to_none=True)
        model(labels, pre, post).backward()

    result = dict(vars(options), torch=torch.__version__, parameters=sum(p.numel() for p in model.parameters()))
    with torch.no_grad():
        forward = timed(options.runs, lambda: model(labels, pre, post))
    both = timed(options.runs, step)
    result |= {"forward": forward, "forward_backward": both, "forward_backward_median": statistics.median(both), "peak_gib": peak_gib()}
    if not options.no_optimizer:
        decayed = [p for p in model.parameters() if p.dim() > 1]
        gains = [p for p in model.parameters() if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": 0.05}, {"params": gains, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=4e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)
        averages = [p.detach().clone() for p in model.parameters()]

        def clipped():
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        def averaged():
            clipped()
            torch._foreach_lerp_(averages, [p.detach() for p in model.parameters()], 1e-4)

        result |= {"clip_adamw": timed(options.runs, clipped), "clip_adamw_ema": timed(options.runs, averaged), "peak_gib_with_optimizer": peak_gib()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
