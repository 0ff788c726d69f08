"""An executor: gives each task's data back in the update that ends it, backwards.

The data is `wait FILE` (until that is there), `hold` (until killed), `eat` (memory, until it is ended) or anything
else."""

import os
import threading
import time

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Worker(Executor):
    def __init__(self):
        self.killed = set()

    def launchTask(self, driver, task):
        threading.Thread(target=self.work, args=(driver, task), daemon=True).start()

    def launchTaskGroup(self, driver, tasks):
        said = "together: " + " ".join(sorted(task["task_id"]["value"] for task in tasks))
        driver.sendFrameworkMessage(encode_data(said.encode()))
        for task in tasks:
            self.launchTask(driver, task)

    def killTask(self, driver, task_id):
        self.killed.add(task_id["value"])

    def frameworkMessage(self, driver, message):
        driver.sendFrameworkMessage(encode_data(b"heard " + decode_data(message)))

    def work(self, driver, task):
        name, data = task["task_id"]["value"], decode_data(task["data"])
        self.tell(driver, name, "TASK_RUNNING")
        eaten = []
        while data == b"eat":
            eaten.append(b"." * (1 << 20))
        file = data[5:] if data.startswith(b"wait ") else None
        while data == b"hold" or file:
            if name in self.killed:
                return self.tell(driver, name, "TASK_KILLED")
            if file and os.path.exists(file):
                break
            time.sleep(0.05)
        self.tell(driver, name, "TASK_FINISHED", data=encode_data(data[::-1]))

    def tell(self, driver, name, state, **more):
        update = dict(task_id={"value": name}, state=state, timestamp=time.time(), **more)
        # While the agent is away the driver has no connection.
        while True:
            try:
                return driver.sendStatusUpdate(update)
            except Exception:
                time.sleep(0.1)


MesosExecutorDriver(Worker()).run()
