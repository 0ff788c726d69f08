"""As lent.py, with a task group: the executor and its tasks are all on what is lent."""

import sys

from framework import Framework, amount, command
from groups import executor, small

service = Framework("service")
offer = service.offer()
service.launch(offer, command("idle", "sleep 1000", cpus=amount(offer, "cpus")))
service.until("idle", "TASK_RUNNING")
service.driver.suppressOffers()

batch = Framework("batch", role="batch")
offer = batch.offer(lambda offer: amount(offer, "cpus") >= 0.3)
wait = "until [ -e %s ]; do sleep 0.1; done" % sys.argv[2]
info = executor(batch, "lent")
# There is no lent disk.
info["resources"] = info["resources"][:2]
tasks = [small(name, wait, agent_id=offer["agent_id"]) for name in ["l0", "l1"]]
for resource in [r for one in tasks + [info] for r in one["resources"]]:
    resource["allocation_info"] = {"role": "batch"}
group = {"executor": info, "task_group": {"tasks": tasks}}
batch.driver.acceptOffers([offer["id"]], [{"type": "LAUNCH_GROUP", "launch_group": group}])
for name in ["l0", "l1"]:
    batch.until(name, "TASK_RUNNING")
print("lent runs", flush=True)
for name in ["l0", "l1"]:
    batch.until(name, "TASK_FINISHED")
batch.stop()
service.stop()
