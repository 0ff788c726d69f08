"""Tasks of an executor of the framework's own (worker.py): data, messages both ways, a kill."""

import os
import sys

from framework import scalar, task
from pymesos import encode_data


def info(name):
    worker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
    return {
        "executor_id": {"value": name},
        "name": name,
        "command": {"value": "exec %s %s" % (sys.executable, worker)},
        "resources": [scalar("cpus", 0.1), scalar("mem", 64)],
    }


def work(name, data, executor):
    return task(name, cpus=0.02, mem=8, data=encode_data(data), executor=executor)
