"""Executors that never register, end early, take too much memory or say what is wrong."""

import base64

from executor_tasks import info, work
from framework import Framework, amount, equal

framework = Framework("executor faults")


def ends_with(name, executor, data, reason):
    offer = framework.offer(lambda offer: amount(offer, "mem") > 100)
    framework.launch(offer, work(name, data, executor))
    update = framework.until(name, "TASK_FAILED")
    equal(update.get("reason"), reason)
    return update


def program(name, line):
    return dict(info(name), command={"value": line})


silent = program("silent", "exec sleep 1000")
ends_with("unheard", silent, b"", "REASON_EXECUTOR_REGISTRATION_TIMEOUT")

ends_with("early", program("early", "exit 3"), b"", "REASON_EXECUTOR_TERMINATED")

ends_with("greedy", info("greedy"), b"eat", "REASON_CONTAINER_LIMITATION_MEMORY")
framework.wait("the executor is told lost",
               lambda: "greedy" in [executor for executor, _ in framework.failures])

offer = framework.offer(lambda offer: amount(offer, "mem") > 100)
liar = info("liar")
liar["command"]["value"] = liar["command"]["value"].replace("worker.py", "liar.py")
framework.launch(offer, work("lie", b"", liar))
framework.wait("the liar's report", lambda: framework.messages)
report = base64.b64decode(framework.messages[0]).decode()
equal(report, "all refused")
framework.until("lie", "TASK_FINISHED")
# A task of another framework or executor, and one that is none at all, are not heard of.
equal({update["task_id"]["value"] for update in framework.updates},
      {"unheard", "early", "greedy", "lie"})
framework.stop()
