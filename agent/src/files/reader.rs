//! The batched reader: kept descriptors, used-again buffers, and what became of each file.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::choice::{Backend, Choice, ChoiceReport, choose, default_probes};
use super::error::{FileError, ReadFailure};
use super::uring::Ring;

/// The biggest file that can be read whole: io.stat with about 150 devices.
pub const BUFFER_BYTES: usize = 16 << 10;
/// One submission's reads; a bigger batch takes several. Together 1 MiB of buffers.
pub(super) const BATCH_FILES: usize = 64;
/// The most descriptors kept: 16 a task leaves room for 4,000 tasks.
pub const MAX_FILES: usize = 1 << 16;

/// A registered file. Spent once the file is gone or closed; never means another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    index: u32,
    generation: u32,
}

struct Slot {
    generation: u32,
    open: Option<Open>,
}

struct Open {
    file: File,
    path: PathBuf,
    /// Only the beginning is wanted, so a full buffer is no failure.
    prefix: bool,
}

/// Reads batches of small files again and again.
pub struct Reader {
    slots: Vec<Slot>,
    free: Vec<u32>,
    ring: Option<Ring>,
    report: ChoiceReport,
    buffer: Vec<u8>,
    fds: Vec<RawFd>,
    answers: Vec<i32>,
}

impl Reader {
    /// A reader as `choice` says; `Auto` measures on `probes`, or on files every Linux has.
    pub fn new(choice: Choice, probes: &[PathBuf]) -> Reader {
        let defaults;
        let probes = if probes.is_empty() {
            defaults = default_probes();
            &defaults
        } else {
            probes
        };
        let (report, ring) = choose(choice, probes);
        Reader {
            slots: Vec::new(),
            free: Vec::new(),
            ring,
            report,
            buffer: vec![0; BATCH_FILES * BUFFER_BYTES],
            fds: Vec::with_capacity(BATCH_FILES),
            answers: vec![0; BATCH_FILES],
        }
    }

    /// What is used, and why.
    pub fn choice_report(&self) -> &ChoiceReport {
        &self.report
    }

    /// Keeps a descriptor of `path`.
    pub fn open(&mut self, path: &Path) -> Result<FileId, FileError> {
        self.register(path, false)
    }

    /// The same where only the beginning is wanted, whatever the file's size.
    pub fn open_prefix(&mut self, path: &Path) -> Result<FileId, FileError> {
        self.register(path, true)
    }

    fn register(&mut self, path: &Path, prefix: bool) -> Result<FileId, FileError> {
        if self.slots.len() - self.free.len() >= MAX_FILES {
            return Err(FileError::TooMany { path: path.to_owned(), bound: MAX_FILES });
        }
        let file =
            File::open(path).map_err(|source| FileError::Open { path: path.to_owned(), source })?;
        let open = Some(Open { file, path: path.to_owned(), prefix });
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize].open = open;
                index
            }
            None => {
                self.slots.push(Slot { generation: 0, open });
                (self.slots.len() - 1) as u32
            }
        };
        Ok(FileId { index, generation: self.slots[index as usize].generation })
    }

    /// Drops a descriptor; an id that is spent already is fine.
    pub fn close(&mut self, id: FileId) {
        if let Some(slot) = self.slots.get_mut(id.index as usize)
            && slot.generation == id.generation
            && slot.open.take().is_some()
        {
            // A generation that wraps would need 2^32 files in one slot.
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(id.index);
        }
    }

    /// How many descriptors are kept.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads all of `ids` and hands each one's content to `visit`, in order. Allocates nothing as
    /// long as nothing fails.
    pub fn read(
        &mut self,
        ids: &[FileId],
        mut visit: impl FnMut(FileId, Result<&[u8], ReadFailure>),
    ) {
        for chunk in ids.chunks(BATCH_FILES) {
            self.fill(chunk);
            for (position, id) in chunk.iter().enumerate() {
                let outcome = self.outcome(*id, position);
                let gone = matches!(outcome, Err(ReadFailure::Gone));
                visit(*id, outcome);
                if gone {
                    self.close(*id);
                }
            }
        }
    }

    /// Reads one chunk into the buffer; `answers` holds lengths or negative error numbers.
    fn fill(&mut self, chunk: &[FileId]) {
        self.fds.clear();
        for id in chunk {
            // A spent id is read as the closed descriptor it is: EBADF, told apart below.
            self.fds.push(open_slot(&self.slots, *id).map_or(-1, |open| open.file.as_raw_fd()));
        }
        if let Some(ring) = &mut self.ring {
            match ring.read(&self.fds, &mut self.buffer, BUFFER_BYTES, &mut self.answers) {
                Ok(()) => return,
                Err(e) => self.give_up_ring(&e),
            }
        }
        for (position, id) in chunk.iter().enumerate() {
            let part = &mut self.buffer[position * BUFFER_BYTES..(position + 1) * BUFFER_BYTES];
            self.answers[position] = match open_slot(&self.slots, *id) {
                None => -libc::EBADF,
                Some(open) => match read_whole(&open.file, part) {
                    Ok(length) => length as i32,
                    Err(e) => -e.raw_os_error().unwrap_or(libc::EIO),
                },
            };
        }
    }

    /// A ring that failed once is not trusted again; pread always works.
    fn give_up_ring(&mut self, error: &io::Error) {
        self.ring = None;
        self.report.backend = Backend::Pread;
        self.report.reason = format!("io_uring failed while in use: {error}");
    }

    fn outcome(&self, id: FileId, position: usize) -> Result<&[u8], ReadFailure> {
        let Some(open) = open_slot(&self.slots, id) else { return Err(ReadFailure::Gone) };
        let answer = self.answers[position];
        match -answer {
            // ENODEV is kernfs' answer for a removed cgroup; ESRCH that of /proc/PID files.
            libc::ENODEV | libc::ENOENT | libc::ESRCH => Err(ReadFailure::Gone),
            errno if errno > 0 => Err(ReadFailure::Io {
                path: open.path.clone(),
                source: io::Error::from_raw_os_error(errno),
            }),
            _ => {
                let length = (answer as usize).min(BUFFER_BYTES);
                if length == BUFFER_BYTES && !open.prefix {
                    return Err(ReadFailure::TooBig {
                        path: open.path.clone(),
                        bound: BUFFER_BYTES,
                    });
                }
                let start = position * BUFFER_BYTES;
                Ok(&self.buffer[start..start + length])
            }
        }
    }
}

fn open_slot(slots: &[Slot], id: FileId) -> Option<&Open> {
    slots.get(id.index as usize).filter(|slot| slot.generation == id.generation)?.open.as_ref()
}

/// One pread: kernfs and /proc render a counter file as a whole at offset 0.
fn read_whole(file: &File, part: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(part, 0) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn contents(reader: &mut Reader, ids: &[FileId]) -> Vec<Result<Vec<u8>, String>> {
        let mut all = Vec::new();
        reader.read(ids, |_, read| {
            all.push(read.map(<[u8]>::to_vec).map_err(|e| e.to_string()));
        });
        all
    }

    #[test]
    fn both_ways_read_the_same_bytes_in_order_across_chunks() {
        let dir = tempfile::tempdir().expect("temp dir");
        let paths: Vec<PathBuf> =
            (0..BATCH_FILES * 2 + 5).map(|n| dir.path().join(n.to_string())).collect();
        for (n, path) in paths.iter().enumerate() {
            fs::write(path, format!("file {n}\n").repeat(n % 7)).expect("fixture");
        }
        let mut all = Vec::new();
        for choice in [Choice::Pread, Choice::Uring] {
            let mut reader = Reader::new(choice, &[]);
            println!("{}", reader.choice_report());
            let ids: Vec<FileId> =
                paths.iter().map(|path| reader.open(path).expect("open")).collect();
            let read = contents(&mut reader, &ids);
            assert_eq!(read, contents(&mut reader, &ids), "the second round differs");
            all.push(read);
        }
        assert_eq!(all[0], all[1]);
        assert_eq!(all[0][BATCH_FILES + 1], Ok(b"file 65\nfile 65\n".to_vec()));
    }

    #[test]
    fn too_big_is_an_error_with_the_path_and_a_prefix_is_not() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("big");
        fs::write(&path, vec![b'x'; BUFFER_BYTES]).expect("fixture");
        for choice in [Choice::Pread, Choice::Uring] {
            let mut reader = Reader::new(choice, &[]);
            let ids = [reader.open(&path).expect("open"), reader.open_prefix(&path).expect("open")];
            let read = contents(&mut reader, &ids);
            assert!(read[0].as_ref().is_err_and(|e| e.contains("/big is bigger")), "{:?}", read[0]);
            assert_eq!(read[1].as_ref().map(Vec::len), Ok(BUFFER_BYTES));
        }
    }

    #[test]
    fn a_spent_id_never_means_another_file() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("a");
        fs::write(&path, "1").expect("fixture");
        let mut reader = Reader::new(Choice::Pread, &[]);
        let first = reader.open(&path).expect("open");
        reader.close(first);
        reader.close(first);
        let second = reader.open(&path).expect("open");
        assert_ne!(first, second);
        let read = contents(&mut reader, &[first, second]);
        assert_eq!(read, [Err("the group is gone".into()), Ok(b"1".to_vec())]);
        assert_eq!(reader.len(), 1);
    }

    #[test]
    fn a_reader_can_be_handed_to_another_thread() {
        let mut reader = Reader::new(Choice::Uring, &[]);
        let path = PathBuf::from("/proc/self/comm");
        let id = reader.open(&path).expect("open");
        let read = std::thread::spawn(move || contents(&mut reader, &[id])).join().expect("join");
        assert!(read[0].as_ref().is_ok_and(|text| !text.is_empty()), "{:?}", read[0]);
    }

    #[test]
    fn auto_says_what_it_measured() {
        let reader = Reader::new(Choice::Auto, &[]);
        let report = reader.choice_report();
        println!("{report}");
        assert!(!report.reason.is_empty());
        if report.backend == Backend::Uring {
            assert!(report.uring_batch_ns < report.pread_batch_ns);
        }
        let reader = Reader::new(Choice::Auto, &[PathBuf::from("/no/such/file")]);
        assert_eq!(reader.choice_report().backend, Backend::Pread);
    }
}
