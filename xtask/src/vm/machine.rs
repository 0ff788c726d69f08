//! The emulated machine: started, listened to, and ended if it falls silent.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{image::Image, kernel::Kernel};

/// No test program takes so long without a word.
const SILENCE: Duration = Duration::from_secs(420);
/// Tests put loads on two CPUs.
const CPUS: &str = "2";
/// In one host thread, in turns: with a thread a CPU, QEMU 7.2 loses one for good when the kernel
/// rewrites its own code under another, as it does whenever a tracepoint is attached to.
const ACCELERATOR: &str = "tcg,thread=single";
const MEMORY_MIB: &str = "1536";
/// Quiet: the kernel's words go to the console's file, and slow nothing down.
const COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=4 panic=-1 rdinit=/init";

/// Ends it in every case.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots; `heard` gets each line that the guest says and tells whether it was the last.
pub(super) fn run(
    kernel: &Kernel,
    image: &Image,
    mut heard: impl FnMut(&str) -> bool,
) -> Result<()> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-machine", "q35", "-accel", ACCELERATOR, "-smp", CPUS, "-m", MEMORY_MIB]);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    qemu.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(&image.initramfs);
    qemu.args(["-append", COMMAND_LINE]);
    let disk = format!("file={},if=virtio,format=raw,cache=unsafe", image.disk.display());
    qemu.args(["-drive", &disk]);
    qemu.args(["-serial", &format!("file:{}", image.console.display()), "-serial", "stdio"]);
    qemu.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut machine = Machine(qemu.spawn().context("cannot run qemu-system-x86_64")?);
    let output = machine.0.stdout.take().context("qemu has no output")?;
    let mut log = File::create(&image.said)?;
    let (say, said) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let _ = log.write_all(&line).and_then(|()| log.write_all(b"\n"));
            if say.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    let console = image.console.display();
    loop {
        match said.recv_timeout(SILENCE) {
            Ok(line) if heard(&line) => return Ok(()),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => {
                bail!("the machine was silent for {} s; see {console}", SILENCE.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the machine ended before its tests did; see {console}")
            }
        }
    }
}
