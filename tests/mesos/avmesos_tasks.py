"""avmesos: registers and runs tasks, which end as they should."""

import logging
import os
import sys
import threading

from avmesos.client import MesosClient

logging.basicConfig(level=logging.INFO)
CODES = {"a%d" % n: n % 3 for n in range(9)}
ended = {}
waiting = sorted(CODES)
client = MesosClient(["http://" + sys.argv[1]], frameworkName="avmesos", max_reconnect=1)
drivers = []


def offered(offers):
    for offer in offers:
        tasks, agent = [], offer.get_offer()["agent_id"]
        for name in [waiting.pop() for _ in range(min(3, len(waiting)))]:
            tasks.append({
                "name": name,
                "task_id": {"value": name},
                "agent_id": agent,
                "command": {"value": "exit $CODE", "environment": {"variables": [
                    {"name": "CODE", "value": str(CODES[name])}]}},
                "resources": [
                    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
                    {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
                ],
            })
        if tasks:
            offer.accept(tasks, {"filters": {"refuse_seconds": 0}})
        else:
            offer.decline({"filters": {"refuse_seconds": 1}})


def updated(update):
    status = update["status"]
    name, state = status["task_id"]["value"], status["state"]
    print(name, state, flush=True)
    if state != "TASK_RUNNING":
        ended[name] = state
    if len(ended) == len(CODES):
        drivers[0].tearDown()
        right = {n: "TASK_FAILED" if code else "TASK_FINISHED" for n, code in CODES.items()}
        os._exit(0 if ended == right else 1)


client.on(MesosClient.SUBSCRIBED, drivers.append)
client.on(MesosClient.OFFERS, offered)
client.on(MesosClient.UPDATE, updated)
guard = threading.Timer(50, lambda: (print("waited in vain", ended), os._exit(1)))
guard.daemon = True
guard.start()
client.register()
print("the stream ended", ended)
sys.exit(1)
