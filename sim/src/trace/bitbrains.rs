//! Bitbrains "rnd" (Grid Workloads Archive GWA-T-12; Shen, van Beek, Iosup, CCGrid 2015), all VMs in one file.
//!
//! A line `#vm NAME` begins a VM; its samples follow: unix s, cores, CPU provisioned MHz, CPU used MHz, memory
//! provisioned KB, memory active KB. Use may pass what is provisioned (by up to 14 %): it is cut.

use super::{
    Lines, Reading, Resource, Trace, TraceError,
    gather::{Gatherer, Sample, Samples},
    source,
};
use std::{path::Path, time::Duration};

const STEP: Duration = Duration::from_secs(300);
const FIELDS: usize = 6;

pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Trace, TraceError> {
    let mut lines = Lines::new(path.display(), source::open(path)?);
    let mut gatherer = Gatherer::new(reading.step.unwrap_or(STEP));
    let (mut vm, mut samples) = (None::<String>, Samples::default());
    while let Some((place, line)) = lines.next()? {
        if let Some(next) = line.strip_prefix("#vm") {
            let next = next.trim().to_owned();
            if let Some(vm) = vm.replace(next) {
                gatherer.close(&vm, &std::mem::take(&mut samples));
            }
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = [""; FIELDS];
        let mut count = 0;
        for field in line.split(',') {
            if let Some(kept) = fields.get_mut(count) {
                *kept = field;
            }
            count += 1;
        }
        if count != FIELDS {
            return Err(place.fault(format_args!("{count} fields instead of {FIELDS}")));
        }
        if vm.is_none() {
            return Err(place.fault("a sample before the first `#vm` line"));
        }
        let (limit, used) = match reading.resource {
            Resource::Cpu => (2, 3),
            Resource::Memory => (4, 5),
        };
        let sample = Sample {
            time_s: place.seconds("time", fields[0])?.floor() as i64,
            limit: place.number("provisioned", fields[limit])?,
            used: place.number("used", fields[used])?,
        };
        gatherer.note(&mut samples, sample, place)?;
    }
    if let Some(vm) = vm {
        gatherer.close(&vm, &samples);
    }
    gatherer.finish(&path.display().to_string(), reading.resource)
}
