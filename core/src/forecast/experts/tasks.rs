//! What an expert keeps about each task, for as long as the task is present.

use crate::{forecast::Present, ids::TaskHandle};

/// One state for each task present, in the order of [`crate::forecast::Step::present`].
#[derive(Clone, Debug)]
pub struct Tasks<S> {
    handles: Vec<TaskHandle>,
    states: Vec<S>,
}

impl<S> Default for Tasks<S> {
    fn default() -> Self {
        Self { handles: Vec::new(), states: Vec::new() }
    }
}

impl<S> Tasks<S> {
    /// Forgets who has gone, makes a state for who is new, and gives the states in the order of `present`.
    pub fn align(&mut self, present: &[Present], fresh: impl Fn(&Present) -> S) -> &mut [S] {
        let same = self.handles.len() == present.len()
            && self.handles.iter().zip(present).all(|(handle, task)| *handle == task.task);
        if !same {
            let old = std::mem::take(&mut self.handles).into_iter();
            let mut old = old.zip(std::mem::take(&mut self.states)).peekable();
            for task in present {
                while old.next_if(|(handle, _)| *handle < task.task).is_some() {}
                let kept = old.next_if(|(handle, _)| *handle == task.task);
                self.handles.push(task.task);
                self.states.push(kept.map_or_else(|| fresh(task), |(_, state)| state));
            }
        }
        &mut self.states
    }

    /// The states, in the order of the last [`Self::align`].
    #[must_use]
    pub fn states(&self) -> &[S] {
        &self.states
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_follow_their_tasks() {
        let present = |tasks: &[u64]| -> Vec<Present> {
            let one = |task: &u64| Present {
                task: TaskHandle::from_number(*task),
                limit: 1.0,
                used: 0.0,
            };
            tasks.iter().map(one).collect()
        };
        let mut tasks = Tasks::default();
        tasks.align(&present(&[1, 3, 5]), |task| task.task.number() * 10);
        assert_eq!(tasks.align(&present(&[0, 3, 5, 9]), |_| 7), [7, 30, 50, 7]);
        assert_eq!(tasks.align(&present(&[3]), |_| 7), [30]);
        assert_eq!(tasks.align(&present(&[5]), |_| 8), [8], "a task that went is forgotten");
    }
}
