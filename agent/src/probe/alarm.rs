//! Long waits of guaranteed tasks, told by the kernel program as they end: a ring, so that one can sleep on it.

use std::os::fd::{AsRawFd, RawFd};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};

use super::object::LoadError;

/// A guaranteed task that waited so long for a CPU raises an alarm: a quarter of a tick at the usual 250 Hz,
/// and Borg's own threshold of waits that matter (EuroSys'15, figure 13).
pub(crate) const ALARM_WAIT_NS: u64 = 1_000_000;

/// The ring. Readable when a long wait has ended since the last [`Self::clear`].
pub struct Alarms(RingBuf<MapData>);

impl Alarms {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        let missing = || LoadError::Missing { name: "map ALARMS".to_owned() };
        let map = ebpf.take_map("ALARMS").ok_or_else(missing)?;
        RingBuf::try_from(map).map(Self).map_err(|_| missing())
    }

    /// Forgets all that was told so far; says how many long waits that were.
    pub fn clear(&mut self) -> usize {
        let mut waits = 0;
        while self.0.next().is_some() {
            waits += 1;
        }
        waits
    }
}

impl AsRawFd for Alarms {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
