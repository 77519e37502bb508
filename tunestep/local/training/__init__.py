"""The laptop's trainer: a byte-level, Llama-shaped model trained for real, in one process per job.

It shows what a fine-tuning job does with *this data*: the steps, the falling loss, the package to go
on from. It says nothing about what the hub's model will be able to do. This module imports no numpy,
so that whoever launches a worker can read ``WORKER_ENV`` cheaply.
"""

from collections.abc import Mapping
from types import MappingProxyType

WORKER_MODULE = "tunestep.local.training.worker"
"""What a launcher runs: ``python -m tunestep.local.training.worker JOBDIR``."""

WORKER_ENV: Mapping[str, str] = MappingProxyType(
    {
        # Two spinning BLAS threads on a busy two-core machine are ten times slower than one, and one
        # thread makes two runs of a job equal bit by bit.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # glibc gives large temporaries back to the system after every use and pays page faults for
        # them again (-30 % time with these). Read once at process start; other C libraries ignore them.
        "MALLOC_MMAP_THRESHOLD_": "2000000000",
        "MALLOC_TRIM_THRESHOLD_": "4000000000",
    }
)
"""Environment of a worker process, to be set by its launcher before the process starts."""
