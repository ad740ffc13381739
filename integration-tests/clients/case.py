"""What the scripts of this folder share: the samples of a model, the expected answers, and how far an answer may be off.

Every script is called with ADDRESS MODEL BATCH_MAX INPUT.npy EXPECTED.npy.
"""

import sys

import numpy as np

ADDRESS, MODEL, BATCH_MAX, INPUT, EXPECTED = sys.argv[1:]
BATCH_MAX = int(BATCH_MAX)
SAMPLES, ANSWERS = np.load(INPUT), np.load(EXPECTED)
# What single precision and the plan's own scale may differ by.
TOLERANCE = 5e-3


def batch(size):
    """The first rows, cycling, and their answers."""
    rows = np.arange(size) % len(SAMPLES)
    return SAMPLES[rows].astype(np.float32), ANSWERS[rows]


def agree(found, expected, tolerance=TOLERANCE):
    """Fails unless an answer is the expected one."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    error = np.abs(found.astype(np.float64) - expected).max()
    assert error < tolerance, error
