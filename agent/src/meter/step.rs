//! One step: a sample of every task, rates, the node's forecast, one report.

use super::{Meter, now, report};
use crate::{
    containers::free_for_launch,
    files::{Cadence, FileSample, NodeFiles, NodeSample},
    probe::{BlockCounters, BlockOp, WaitHistogram},
};
use headroom_core::{
    command::Usage,
    time::Time,
    usage::{Rates, Sample, milli_mib, rates},
};
use headroom_proto::v1 as wire;

/// The dear files are read every so many steps.
const SLOW_STEPS: u64 = 5;

impl Meter {
    pub(super) fn step(&mut self) {
        let cadence =
            if self.step_number.is_multiple_of(SLOW_STEPS) { Cadence::All } else { Cadence::Fast };
        self.sampler.sample(&mut self.reader, &mut self.files, cadence);
        let now = now();
        let mut tasks: Vec<_> =
            (0..self.meters.len()).map(|at| self.step_task(at, now, cadence)).collect();
        let node = self.step_node(now, &tasks);
        for ((report, _), task) in tasks.iter_mut().zip(&self.meters) {
            report.forecast = Some(report::usage(self.forecast.of_task(task)));
        }
        self.step_number += 1;
        let report = wire::Report {
            sequence: self.step_number,
            tasks: tasks.into_iter().map(|(task, _)| task).collect(),
            node: Some(node),
        };
        self.outputs.reports.send_replace(Some(report));
    }

    fn step_task(&mut self, at: usize, now: Time, cadence: Cadence) -> (wire::TaskReport, Usage) {
        let task = &mut self.meters[at];
        if let Some(nested) = &mut task.nested
            && (cadence == Cadence::All || nested.is_awaited())
        {
            nested.look(task.sched.as_mut(), task.block.as_mut());
        }
        let sched = task.sched.as_mut().and_then(|key| self.probe.sched(key));
        let files = self.files[at].sample();
        let block = task.block.as_mut().and_then(|key| self.probe.block(key));
        let sample =
            task_sample(now, files, sched.as_ref().map(|sched| sched.wait_ns), block.as_ref());
        let moved = task.before.as_ref().and_then(|before| rates(before, &sample));
        task.before = Some(sample);
        if cadence == Cadence::All {
            task.observe_io(&sample);
        }
        let moved = Rates {
            read_bytes_per_s: task.io_rates.read_bytes_per_s,
            write_bytes_per_s: task.io_rates.write_bytes_per_s,
            ..moved.unwrap_or_default()
        };
        let usage = Usage { memory_milli_mib: sample.memory_bytes.map(milli_mib), ..moved.usage };
        let waits = sched.map(|sched| sched.wait_histogram);
        let wait_p99_ms = waits.as_ref().and_then(|waits| p99_ms(waits, &task.waits));
        task.waits = waits.unwrap_or_default();
        (report::task(task.handle, usage, &moved, wait_p99_ms), usage)
    }

    fn step_node(&mut self, now: Time, tasks: &[(wire::TaskReport, Usage)]) -> wire::NodeReport {
        let files = self.node_files.sample(&mut self.reader);
        let sample = node_sample(now, &files);
        let moved = self.node_before.as_ref().and_then(|before| rates(before, &sample));
        self.node_before = Some(sample);
        let usage = Usage {
            memory_milli_mib: sample.memory_bytes.map(milli_mib),
            ..moved.unwrap_or_default().usage
        };
        let of_tasks = |amount: fn(&Usage) -> Option<u64>| {
            tasks.iter().filter_map(|(_, usage)| amount(usage)).sum::<u64>()
        };
        let system = Usage {
            cpus_milli: usage
                .cpus_milli
                .map(|all| all.saturating_sub(of_tasks(|of| of.cpus_milli))),
            memory_milli_mib: usage
                .memory_milli_mib
                .map(|all| all.saturating_sub(of_tasks(|of| of.memory_milli_mib))),
        };
        self.forecast.observe(&mut self.meters, tasks.iter().map(|(_, usage)| *usage), system);
        self.system_cpus_milli = system.cpus_milli;
        let refusing_work = free_for_launch(&self.state_dir).err().unwrap_or_default();
        report::node(self, usage, refusing_work)
    }

    /// Memory that could be had without swapping, in thousandths of the node's.
    pub(super) fn memory_available_milli(&mut self) -> Option<u64> {
        let memory = self.node_files.sample(&mut self.reader).memory?;
        (memory.total_bytes > 0).then(|| memory.available_bytes * 1_000 / memory.total_bytes)
    }
}

/// What the kernel programs count comes before what files say of the same: on v1 the block
/// controller's files count only devices that some limit is set on (block/blk-throttle.c).
fn task_sample(
    now: Time,
    files: &FileSample,
    wait_ns: Option<u64>,
    block: Option<&BlockCounters>,
) -> Sample {
    let bytes = |op: BlockOp| block.map(|block| block.bytes[op as usize]);
    let psi_wait_ns = files.psi_cpu_some_us.map(|us| us * 1_000);
    Sample {
        at: now,
        cpu_ns: files.cpu_usage_ns,
        memory_bytes: files.working_set_bytes.or(files.memory_bytes),
        wait_ns: wait_ns.or(psi_wait_ns),
        throttled_ns: files.throttled_ns,
        read_bytes: bytes(BlockOp::Read).or(files.io_read_bytes),
        write_bytes: bytes(BlockOp::Write).or(files.io_write_bytes),
    }
}

fn node_sample(now: Time, files: &NodeSample) -> Sample {
    let tick_ns = NodeFiles::ticks_per_second().map(|ticks| 1_000_000_000 / ticks);
    let memory =
        files.memory.map(|memory| memory.total_bytes.saturating_sub(memory.available_bytes));
    Sample {
        at: now,
        cpu_ns: files.cpu.zip(tick_ns).map(|(times, ns)| times.busy_ticks * ns),
        memory_bytes: memory,
        ..Sample::default()
    }
}

/// The 99th percentile of the waits since `before`.
fn p99_ms(waits: &WaitHistogram, before: &WaitHistogram) -> Option<f64> {
    waits.since(before).quantile_ns(0.99).map(|ns| ns as f64 / 1e6)
}
