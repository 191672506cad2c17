#!/usr/bin/env python3
"""The generator of `mvq bench decode` in PyTorch, eager, with a key-value cache: seconds a token.

Same work: 24 blocks of width 1024 over the sequence and 2 over the parts of a code (the latter run twice a token, the second time on a cache of
two), both heads, both parts drawn. Random weights. Tokens are timed at positions spread over the sequence, the cache filled up to there.

  python3 comparisons/torch_decode.py --batch 1 --threads 2 --tokens 256
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

WIDTH, HEADS, HIDDEN, LAYERS, INTRA, PRE, POST = 1024, 16, 2816, 24, 2, 64, 4096
HEAD = WIDTH // HEADS


class Block(torch.nn.Module):
    def __init__(self, batch, tokens):
        super().__init__()
        self.norm1 = torch.nn.RMSNorm(WIDTH, eps=1e-5)
        self.norm2 = torch.nn.RMSNorm(WIDTH, eps=1e-5)
        self.wqkv = torch.nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.wo = torch.nn.Linear(WIDTH, WIDTH, bias=False)
        self.w1 = torch.nn.Linear(WIDTH, HIDDEN, bias=False)
        self.w3 = torch.nn.Linear(WIDTH, HIDDEN, bias=False)
        self.w2 = torch.nn.Linear(HIDDEN, WIDTH, bias=False)
        self.keys = torch.randn(batch, HEADS, tokens, HEAD)
        self.values = torch.randn(batch, HEADS, tokens, HEAD)

    def forward(self, x, position, turn):
        batch = x.shape[0]
        q, k, v = self.wqkv(self.norm1(x)).split(WIDTH, dim=-1)
        q, k, v = (t.view(batch, 1, HEADS, HEAD) for t in (q, k, v))
        q, k = rotated(q, turn), rotated(k, turn)
        self.keys[:, :, position] = k[:, 0]
        self.values[:, :, position] = v[:, 0]
        a = F.scaled_dot_product_attention(q.transpose(1, 2), self.keys[:, :, : position + 1], self.values[:, :, : position + 1])
        x = x + self.wo(a.transpose(1, 2).reshape(batch, 1, WIDTH))
        h = self.norm2(x)
        return x + self.w2(F.silu(self.w1(h)) * self.w3(h))


def rotated(x, turn):
    cosine, sine = turn
    pairs = x.reshape(*x.shape[:-1], HEAD // 2, 2)
    a, b = pairs[..., 0], pairs[..., 1]
    return torch.stack([a * cosine - b * sine, b * cosine + a * sine], dim=-1).flatten(-2)


class Generator(torch.nn.Module):
    def __init__(self, batch, tokens):
        super().__init__()
        self.pre = torch.nn.Embedding(PRE, WIDTH)
        self.post = torch.nn.Embedding(POST, WIDTH)
        self.spatial = torch.nn.ModuleList(Block(batch, tokens) for _ in range(LAYERS))
        self.intra = torch.nn.ModuleList(Block(batch, 2) for _ in range(INTRA))
        self.norm = torch.nn.RMSNorm(WIDTH, eps=1e-5)
        self.heads = torch.nn.ModuleList([torch.nn.Linear(WIDTH, PRE, bias=False), torch.nn.Linear(WIDTH, POST, bias=False)])
        angles = torch.rand(tokens, HEAD // 2) * 6
        self.turns = [(a.cos(), a.sin()) for a in angles]
        self.zero = (torch.zeros(HEAD // 2), torch.zeros(HEAD // 2))
        self.still = (torch.ones(HEAD // 2), torch.zeros(HEAD // 2))

    def token(self, pre, post, position):
        """Reads one code of every image and draws the next."""
        x = (self.pre(pre) + self.post(post))[:, None]
        for block in self.spatial:
            x = block(x, position, self.turns[position])
        for block in self.intra:
            x = block(x, 0, self.zero)
        pre = torch.multinomial(F.softmax(self.heads[0](self.norm(x))[:, 0], dim=-1), 1)[:, 0]
        x = self.pre(pre)[:, None]
        for block in self.intra:
            x = block(x, 1, self.still)
        return pre, torch.multinomial(F.softmax(self.heads[1](self.norm(x))[:, 0], dim=-1), 1)[:, 0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--runs", type=int, default=16)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        model = Generator(options.batch, options.tokens)
        pre, post = torch.zeros(options.batch, dtype=torch.long), torch.zeros(options.batch, dtype=torch.long)
        model.token(pre, post, 0)
        seconds = []
        for run in range(options.runs):
            position = (2 * run + 1) * options.tokens // (2 * options.runs)
            start = time.perf_counter()
            pre, post = model.token(pre, post, position)
            seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "torch": torch.__version__, "batch": options.batch, "threads": options.threads, "tokens": options.tokens,
        "parameters": sum(p.numel() for p in model.parameters()), "median_seconds": statistics.median(seconds), "minimum_seconds": min(seconds),
    }))


if __name__ == "__main__":
    main()
