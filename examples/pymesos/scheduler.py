"""A framework of pymesos with an executor of its own (executor.py): squares numbers on the cluster.

    scheduler.py HOST:PORT [NUMBER...]
"""

import os
import sys

from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data

HERE = os.path.dirname(os.path.abspath(__file__))
NUMBERS = [int(number) for number in sys.argv[2:]] or list(range(1, 11))
CPUS, MEM = 0.05, 16
ENDS = {"TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST"}


def resources(cpus, mem):
    return [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": mem}},
    ]


# One container a node; all tasks go to it.
EXECUTOR = {
    "executor_id": {"value": "squares"},
    "name": "squares",
    "command": {"value": "exec %s %s/executor.py" % (sys.executable, HERE)},
    "resources": resources(0.1, 64),
}


class Squares(Scheduler):
    def __init__(self):
        self.waiting = list(NUMBERS)
        self.squares = {}

    def registered(self, driver, framework_id, master):
        print("registered as", framework_id["value"])

    def resourceOffers(self, driver, offers):
        for offer in offers:
            have = {r["name"]: r["scalar"]["value"] for r in offer["resources"] if "scalar" in r}
            room = min((have["cpus"] - 0.1) / CPUS, (have["mem"] - 64) / MEM)
            tasks = []
            while self.waiting and len(tasks) + 1 <= room:
                number = self.waiting.pop()
                tasks.append({
                    "task_id": {"value": str(number)},
                    "name": "square of %d" % number,
                    "agent_id": offer["agent_id"],
                    "executor": EXECUTOR,
                    "data": encode_data(str(number).encode()),
                    "resources": resources(CPUS, MEM),
                })
            if tasks:
                driver.launchTasks(offer["id"], tasks)
            else:
                driver.declineOffer(offer["id"], {"refuse_seconds": 60})

    def statusUpdate(self, driver, update):
        number, state = int(update["task_id"]["value"]), update["state"]
        if state in ENDS:
            print(number, state, update.get("reason", ""), update.get("message", ""))
            self.squares[number] = None
        if state == "TASK_FINISHED":
            self.squares[number] = int(decode_data(update["data"]))
        if len(self.squares) == len(NUMBERS):
            driver.stop()


scheduler = Squares()
MesosSchedulerDriver(scheduler, {"user": "root", "name": "squares"}, sys.argv[1]).run()
for number in NUMBERS:
    print("%d squared is %s" % (number, scheduler.squares[number]))
sys.exit(None in scheduler.squares.values())
