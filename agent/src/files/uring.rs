//! One io_uring submission for a batch of reads, into buffers that are used again.

use std::io;
use std::mem;
use std::os::fd::RawFd;

use io_uring::{IoUring, opcode, types};

/// A ring and how many reads it takes at once.
pub(super) struct Ring {
    ring: IoUring,
    entries: usize,
}

impl Ring {
    /// Sets a ring up; refused where `kernel.io_uring_disabled` or a seccomp profile says so.
    pub(super) fn new(entries: u32) -> io::Result<Ring> {
        Ok(Ring { ring: IoUring::new(entries)?, entries: entries as usize })
    }

    /// Reads each descriptor from its start into its part of `buffer` (`size` bytes each) and
    /// stores the kernel's answers: a length, or a negative error number. After an error nothing is
    /// known about the answers and the ring must not be used again; `buffer` is a new one then.
    pub(super) fn read(
        &mut self,
        fds: &[RawFd],
        buffer: &mut Vec<u8>,
        size: usize,
        answers: &mut [i32],
    ) -> io::Result<()> {
        let fits = fds.len() <= self.entries
            && answers.len() >= fds.len()
            && buffer.len() >= fds.len() * size;
        if !fits {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the batch is too big"));
        }
        let done = self.submit(fds, buffer, size).and_then(|()| self.wait(fds.len(), answers));
        if done.is_err() {
            // The kernel may still write to the old one, so it is never freed.
            let fresh = vec![0; buffer.len()];
            mem::forget(mem::replace(buffer, fresh));
        }
        done
    }

    fn submit(&mut self, fds: &[RawFd], buffer: &mut [u8], size: usize) -> io::Result<()> {
        let mut submission = self.ring.submission();
        for (index, (fd, part)) in fds.iter().zip(buffer.chunks_exact_mut(size)).enumerate() {
            let read = opcode::Read::new(types::Fd(*fd), part.as_mut_ptr(), size as u32)
                .offset(0)
                .build()
                .user_data(index as u64);
            // SAFETY: `read` holds the buffer until `wait` has seen every completion, and leaks it
            // where that fails, so the part outlives the kernel's use of it.
            unsafe { submission.push(&read) }
                .map_err(|_| io::Error::other("the submission queue is full"))?;
        }
        Ok(())
    }

    fn wait(&mut self, count: usize, answers: &mut [i32]) -> io::Result<()> {
        let mut seen = 0;
        while seen < count {
            match self.ring.submit_and_wait(count - seen) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            for completion in self.ring.completion() {
                if let Some(answer) = answers.get_mut(completion.user_data() as usize) {
                    *answer = completion.result();
                }
                seen += 1;
            }
        }
        Ok(())
    }
}
