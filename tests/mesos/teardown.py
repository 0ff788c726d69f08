"""Leaves two tasks behind, one of an executor: tearing down ends them."""

from executor_tasks import info, work
from framework import Framework, command

framework = Framework("teardown")
framework.launch(framework.offer(), command("c", "sleep 1000"), work("e", b"hold", info("worker")))
framework.until("c", "TASK_RUNNING")
framework.until("e", "TASK_RUNNING")
framework.stop()
