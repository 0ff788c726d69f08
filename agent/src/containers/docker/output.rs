//! What a container writes, carried into the sandbox.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use bollard::container::LogOutput;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;

use super::daemon::OutputStream;

/// After a container's end, how long to wait for output that does not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The output files of a sandbox.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) stdout: File,
    pub(super) stderr: File,
}

/// Copies one attachment to its end.
pub(super) struct Copy(JoinHandle<()>);

impl Copy {
    /// Starts to copy. A full disk loses output, as it does for a process, and nothing else.
    pub(super) fn start(mut stream: OutputStream, files: &Files) -> std::io::Result<Copy> {
        let (mut stdout, mut stderr) = (files.stdout.try_clone()?, files.stderr.try_clone()?);
        Ok(Copy(tokio::spawn(async move {
            while let Some(Ok(piece)) = stream.next().await {
                let written = match &piece {
                    LogOutput::StdErr { message } => stderr.write_all(message),
                    other => stdout.write_all(other.as_ref()),
                };
                if let Err(fault) = written {
                    eprintln!("output is lost: {fault}");
                }
            }
        })))
    }

    /// Whether the attachment has ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for the rest; not for ever.
    pub(super) async fn finish(mut self) {
        if timeout(PATIENCE, &mut self.0).await.is_err() {
            eprintln!("the rest of the output did not come within {} s", PATIENCE.as_secs());
            self.0.abort();
        }
    }
}
