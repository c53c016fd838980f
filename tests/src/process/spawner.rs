//! The one thread that starts processes, and lasts as long as this process does.

use std::io;
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::thread;

type Job = (Command, mpsc::Sender<io::Result<Child>>);

static SPAWNER: LazyLock<io::Result<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (jobs, inbox) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("spawner".into())
        .spawn(move || {
            for (mut command, reply) in inbox {
                // A caller that has gone away leaves a child nobody holds: it is ended here.
                if let Err(mpsc::SendError(Ok(mut child))) = reply.send(command.spawn()) {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        })?;
    Ok(jobs)
});

/// Starts `command` from that thread.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    let gone = || io::Error::other("the thread that starts processes has ended");
    let spawner = SPAWNER
        .as_ref()
        .map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let (reply, answer) = mpsc::channel();
    spawner.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
