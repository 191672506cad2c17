#!/usr/bin/env python3
"""How class-dependent are generated images? A small convolutional network is trained on real images and asked for the class of samples.

    python3 comparisons/torch_class_dependence.py --data DIR --samples NAME=FOLDER [NAME=FOLDER ...] [--json FILE]

DIR is the dataset in ImageNet's layout (train/<class>, val/<class>); every FOLDER holds CLASS-NUMBER.png, as `mvq generate --out-dir` writes them.
Printed per folder: the share of samples whose predicted class is the one they were generated for, beside chance, beside the same share for the real
validation images, and with the classes of the samples shuffled. A nearest-neighbour classifier on pixels (cosine, 20 neighbours) gives a second
opinion that shares nothing with the first.
"""
import argparse
import json
import pathlib

import numpy as np
import torch
from PIL import Image
from torch import nn


def load(folder, classes, size):
    """Images [N, 3, size, size] in [-1, 1] and labels [N] of <folder>/<class>/* or of <folder>/<label>-<number>.png."""
    images, labels = [], []
    numbered = {path: int(path.name.split("-")[0]) for path in sorted(folder.glob("*-*.png"))}
    for label, name in enumerate(classes):
        paths = sorted((folder / name).glob("*")) + [path for path, number in numbered.items() if number == label]
        for path in paths:
            if path.suffix.lower() not in (".png", ".jpeg", ".jpg"):
                continue
            image = Image.open(path).convert("RGB")
            if image.size != (size, size):
                image = image.resize((size, size), Image.BICUBIC)
            images.append(np.asarray(image, dtype=np.float32) / 127.5 - 1)
            labels.append(label)
    if not images:
        raise SystemExit(f"{folder}: no images of the dataset's classes")
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def network(classes):
    layers, width = [], 3
    for channels in (32, 64, 128, 256):
        layers += [nn.Conv2d(width, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)]
        width = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(width, classes))


def train(images, labels, classes, epochs, seed):
    torch.manual_seed(seed)
    model = network(classes)
    batch, steps = 64, epochs * (len(images) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for start in range(0, len(order) - batch + 1, batch):
            index = order[start : start + batch]
            x = images[index]
            if torch.rand(1, generator=generator) < 0.5:
                x = x.flip(3)
            # Blur at random: the classifier shall not live on detail that a tokenizer of ten bits cannot keep.
            if torch.rand(1, generator=generator) < 0.5:
                x = nn.functional.interpolate(nn.functional.avg_pool2d(x, 4), scale_factor=4, mode="bilinear", align_corners=False)
            loss = nn.functional.cross_entropy(model(x), labels[index], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {epochs}: loss {loss.item():.2f}", flush=True)
    return model.eval()


@torch.no_grad()
def predict(model, images):
    return torch.cat([model(images[i : i + 256]).argmax(1) for i in range(0, len(images), 256)])


def neighbours(bank, bank_labels, images, classes, count=20):
    """Labels by a vote of the nearest images in cosine similarity of 16 x 16 pixels."""
    def features(x):
        x = nn.functional.avg_pool2d(x, x.shape[-1] // 16).flatten(1)
        return nn.functional.normalize(x - x.mean(1, keepdim=True), dim=1)

    known = features(bank)
    votes = []
    for start in range(0, len(images), 256):
        similarity, index = (features(images[start : start + 256]) @ known.T).topk(count, dim=1)
        weight = torch.zeros(len(index), classes).scatter_add_(1, bank_labels[index], torch.exp(similarity / 0.07))
        votes.append(weight.argmax(1))
    return torch.cat(votes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--samples", nargs="+", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", type=pathlib.Path, help="file of the trained classifier: read if it is there, written otherwise")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    classes = sorted(p.name for p in (options.data / "train").iterdir() if p.is_dir())
    real, labels = load(options.data / "train", classes, options.size)
    if options.network and options.network.exists():
        model = network(len(classes))
        model.load_state_dict(torch.load(options.network))
        model.eval()
    else:
        model = train(real, labels, len(classes), options.epochs, options.seed)
        if options.network:
            torch.save(model.state_dict(), options.network)
    sets = [("real validation images", options.data / "val")] + [(s.split("=", 1)[0], pathlib.Path(s.split("=", 1)[1])) for s in options.samples]
    rows = []
    print(f"{len(classes)} classes: chance {100 / len(classes):.1f} %\n")
    print(f"{'':36}{'images':>8}{'network':>10}{'neighbours':>12}{'shuffled':>10}")
    for name, folder in sets:
        images, wanted = load(folder, classes, options.size)
        by_network, by_neighbours = predict(model, images), neighbours(real, labels, images, len(classes))
        shuffled = wanted[torch.randperm(len(wanted), generator=torch.Generator().manual_seed(1))]
        share = lambda predicted, truth: (predicted == truth).float().mean().item()
        row = dict(
            name=name, images=len(images), network=share(by_network, wanted), neighbours=share(by_neighbours, wanted),
            shuffled=share(by_network, shuffled),
            perClass={c: share(by_network[wanted == i], wanted[wanted == i]) for i, c in enumerate(classes) if (wanted == i).any()})
        rows.append(row)
        print(f"{name:36}{row['images']:>8}{row['network']:>9.1%}{row['neighbours']:>11.1%}{row['shuffled']:>10.1%}")
    if options.json:
        options.json.write_text(json.dumps(dict(classes=len(classes), rows=rows), indent=1) + "\n")


if __name__ == "__main__":
    main()
