//! One batch over the files of all tasks.

use super::task::Kind;
use super::{FileId, ReadFailure, Reader, TaskFiles};

/// Which files a batch takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// The cheap ones: CPU, memory level, OOM kills, pressure.
    Fast,
    /// These and the dear ones: memory.stat and block I/O totals.
    All,
}

/// Reads all tasks' files kind by kind, allocating nothing once warm.
#[derive(Debug, Default)]
pub struct TaskSampler {
    ids: Vec<FileId>,
    owners: Vec<(usize, Kind)>,
}

impl TaskSampler {
    /// A sampler that has read nothing yet.
    pub fn new() -> TaskSampler {
        TaskSampler::default()
    }

    /// Renews the samples of `tasks` in one batch.
    pub fn sample(&mut self, reader: &mut Reader, tasks: &mut [TaskFiles], cadence: Cadence) {
        self.ids.clear();
        self.owners.clear();
        for kind in Kind::ALL {
            if kind.is_slow() && cadence == Cadence::Fast {
                continue;
            }
            for (index, task) in tasks.iter().enumerate() {
                if let Some(id) = task.file(kind) {
                    self.ids.push(id);
                    self.owners.push((index, kind));
                }
            }
        }
        let mut owners = self.owners.iter();
        reader.read(&self.ids, |_, read| {
            let Some((index, kind)) = owners.next() else { return };
            let Some(task) = tasks.get_mut(*index) else { return };
            match read {
                Ok(text) => task.take(*kind, text),
                Err(ReadFailure::Gone) => task.mark_gone(*kind),
                Err(e) => task.fail(*kind, e.to_string()),
            }
        });
    }
}
