"""The executor of scheduler.py: the agent starts it, and it runs the tasks as threads."""

from threading import Thread
from time import time

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Squares(Executor):
    def launchTask(self, driver, task):
        Thread(target=self.run, args=(driver, task), daemon=True).start()

    def run(self, driver, task):
        self.tell(driver, task, "TASK_RUNNING")
        number = int(decode_data(task["data"]))
        self.tell(driver, task, "TASK_FINISHED", data=encode_data(str(number**2).encode()))

    def tell(self, driver, task, state, **more):
        update = dict(task_id=task["task_id"], state=state, timestamp=time(), **more)
        driver.sendStatusUpdate(update)


MesosExecutorDriver(Squares()).run()
