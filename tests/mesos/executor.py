"""20 tasks of one executor of the framework's own: data back, messages both ways, one is killed."""

from executor_tasks import info, work
from framework import Framework, equal
from pymesos import decode_data, encode_data

TASKS = 20

framework = Framework("executor")
worker = info("worker")
offer = framework.offer()
names = ["e%d" % n for n in range(TASKS - 1)]
tasks = [work(name, b"data of " + name.encode(), worker) for name in names]
framework.launch(offer, *tasks, work("held", b"hold", worker))

framework.until("held", "TASK_RUNNING")
framework.driver.sendFrameworkMessage(worker["executor_id"], offer["agent_id"], encode_data(b"you"))
framework.wait("an answer", lambda: encode_data(b"heard you") in framework.messages)
for name in names:
    update = framework.until(name, "TASK_FINISHED")
    equal(decode_data(update["data"]), (b"data of " + name.encode())[::-1])
    equal(update["source"], "SOURCE_EXECUTOR")
framework.driver.killTask({"value": "held"})
framework.until("held", "TASK_KILLED")
equal(framework.failures, [])
framework.stop()
