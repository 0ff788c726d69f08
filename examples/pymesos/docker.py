"""Runs one command in a Docker container and ends as it does.

    docker.py HOST:PORT IMAGE COMMAND
"""

import sys

from pymesos import MesosSchedulerDriver, Scheduler

ADDRESS, IMAGE, COMMAND = sys.argv[1:]
RUNNING = {"TASK_STAGING", "TASK_STARTING", "TASK_RUNNING"}


class One(Scheduler):
    launched = False
    state = None

    def resourceOffers(self, driver, offers):
        for offer in offers:
            if self.launched:
                driver.declineOffer(offer["id"], {"refuse_seconds": 60})
                continue
            self.launched = True
            driver.launchTasks(offer["id"], [{
                "task_id": {"value": "one"},
                "name": "one",
                "agent_id": offer["agent_id"],
                "command": {"value": COMMAND},
                "container": {"type": "DOCKER", "docker": {"image": IMAGE, "network": "HOST"}},
                "resources": [
                    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}},
                    {"name": "mem", "type": "SCALAR", "scalar": {"value": 128}},
                ],
            }])

    def statusUpdate(self, driver, update):
        self.state = update["state"]
        print(self.state, update.get("message", ""))
        if self.state not in RUNNING:
            driver.stop()


scheduler = One()
MesosSchedulerDriver(scheduler, {"user": "root", "name": "docker"}, ADDRESS).run()
sys.exit(scheduler.state != "TASK_FINISHED")
