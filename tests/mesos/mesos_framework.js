// npm's mesos-framework: registers and runs tasks, which end as they should.
"use strict";

// It logs into this folder, and falls without.
require("fs").mkdirSync("logs", { recursive: true });
const { Scheduler, Mesos } = require("mesos-framework");
const mesos = Mesos.getMesos();

const [host, port] = process.argv[2].split(":");
const INSTANCES = 3;
const wanted = { "TASK_FINISHED": INSTANCES, "TASK_FAILED": INSTANCES };
const ended = {};
let isOver = false;

const task = (line, priority) => ({
    priority,
    instances: INSTANCES,
    commandInfo: new mesos.CommandInfo(null, null, true, line, null, null),
    resources: { cpus: 0.1, mem: 32, ports: 1, disk: 0 },
});

const scheduler = new Scheduler({
    masterUrl: host,
    port,
    frameworkName: "mesos-framework",
    restartStates: ["TASK_LOST"],
    tasks: {
        good: task('test -n "$HOST"', 1),
        bad: task("exit 4", 2),
    },
});

const fail = (why) => {
    console.error(why, JSON.stringify(ended));
    process.exit(1);
};
setTimeout(() => fail("waited in vain"), 50000);

scheduler.on("ready", () => scheduler.subscribe());
scheduler.on("error", (error) => {
    // Once it has torn itself down, it takes the end of its stream for an error, and so the answer to
    // an acknowledgement that comes after.
    if (!isOver) {
        fail((error.message || JSON.stringify(error)) + (error.stack || ""));
    }
});
scheduler.on("update", (update) => {
    const state = update.status.state;
    if (state === "TASK_STARTING" || state === "TASK_RUNNING") {
        return;
    }
    ended[state] = (ended[state] || 0) + 1;
    if (Object.values(ended).reduce((sum, count) => sum + count, 0) < 2 * INSTANCES) {
        return;
    }
    if (Object.keys(wanted).some((state) => ended[state] !== wanted[state])) {
        fail("not as they should end");
    }
    scheduler.on("sent_teardown", () => process.exit(0));
    isOver = true;
    scheduler.teardown();
});
