"""Freed memory is used again: the system clears no new pages for a block of the same size."""

import os
import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys
import numpy as np
from pathexplain.segmentor.allocation import keep_freed_blocks
if sys.argv[1] == "kept":
    assert keep_freed_blocks()
for _ in range(2):
    np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to keep it")
def test_a_block_that_was_freed_costs_no_new_pages():
    faults = {}
    for way in ("kept", "given back"):
        command = [sys.executable, "-c", COUNT, way]
        done = subprocess.run(command, check=True, env=dict(os.environ), capture_output=True)
        faults[way] = int(done.stdout)
    assert faults["kept"] < faults["given back"] / 5
