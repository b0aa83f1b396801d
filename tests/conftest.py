"""Every test runs with eight host devices, strict promotion and warnings as errors.

XLA compiles without LLVM's optimisations, in a quarter of the time; where a test is about
the program that users run, it compiles with ``tests.laws.runs.as_users``.
"""

import importlib
import os
import re
import subprocess
import sys

import pytest

TESTS = pytest.StashKey[int]()  # how many this process has begun
QUICKLY = ("--xla_backend_optimization_level=0", "--xla_cpu_use_fusion_emitters=false")


def known_flags(flags):
    """Those that this version of XLA knows: another kills the process that compiles with it."""
    start = [sys.executable, "-c", "import jax; jax.devices()"]
    started = {
        flag: subprocess.Popen(
            start,
            env=os.environ | {"XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"},
            stderr=subprocess.DEVNULL,
        )
        for flag in flags
    }
    return [flag for flag, process in started.items() if process.wait() == 0]


# The workers of pytest-xdist have the environment of the process that started them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    theirs = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = " ".join([*known_flags(QUICKLY), theirs])

import jax  # noqa: E402  it reads the flags

# What an older JAX has in another place. The library itself uses neither.
for name, module in (("enable_x64", "experimental"), ("shard_map", "experimental.shard_map")):
    if not hasattr(jax, name):
        setattr(jax, name, getattr(importlib.import_module(f"jax.{module}"), name))

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_addoption(parser):
    parser.addoption("--fuzz-minutes", type=float, default=1.0, help="how long `-m fuzz` looks")
    parser.addoption("--fuzz-seed", type=int, help="look where this seed, printed before, looked")


def pytest_runtest_setup(item):
    """JAX has place for 8192 compiled functions: one after those counts no programs."""
    seen = item.session.stash[TESTS] = item.session.stash.get(TESTS, 0) + 1
    if seen % 1000 == 0:
        jax.clear_caches()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One worker runs all laws on the rows of one name, or a whole file: each compiles once.

    By the names of the tests, as pytest 9.2 loses the marks by which xdist 3.8 groups them.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            row = re.match(r"\w+\[([\w.]+)", test)
            return row[1] if row and file.startswith("tests/laws/") else file

    return Grouped(config, log)
