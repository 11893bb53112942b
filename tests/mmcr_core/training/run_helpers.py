"""Runs as columns, compared bit for bit, and states as a checkpoint holds them."""

import io

import numpy as np
import torch


def columns(chunks):
    chunks = list(chunks)
    return {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in chunks[0].columns}


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


def through_bytes(state):
    stream = io.BytesIO()
    torch.save(state, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=True)
