"""A service holds all CPUs and is idle; a framework of an opportunistic role, which never heard of
lending, is offered them and runs a task on them."""

import sys

from framework import Framework, amount, command

service = Framework("service")
offer = service.offer()
cpus = amount(offer, "cpus")
service.launch(offer, command("idle", "sleep 1000", cpus=cpus))
service.until("idle", "TASK_RUNNING")
service.driver.suppressOffers()

batch = Framework("batch", role="batch")
offer = batch.offer(lambda offer: amount(offer, "cpus") >= 0.2)
assert not any("revocable" in r for r in offer["resources"]), offer
go = sys.argv[2]
line = "until [ -e %s ]; do sleep 0.1; done" % go
lent = command("lent", line, cpus=0.2)
for resource in lent["resources"]:
    resource["allocation_info"] = {"role": "batch"}
batch.launch(offer, lent)
batch.until("lent", "TASK_RUNNING")
print("lent runs", flush=True)
batch.until("lent", "TASK_FINISHED")
batch.stop()
service.stop()
