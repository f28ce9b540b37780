//! The threads on which connections live: each has its own, and they share no queue of work. What a batch lets out, or
//! a neighbourhood that reports at once, is then shared out among the processors whatever the scheduler thinks.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::threshold::Threshold;

/// Threads with a runtime each; they end when this is dropped, which the last connection does.
pub(crate) struct Threads {
    runtimes: Vec<(Handle, Threshold)>,
    next: AtomicUsize,
    /// For those that live where they are accepted.
    threshold: Threshold,
    _open: watch::Sender<()>,
}

impl Threads {
    /// Starts so many; none: connections live on the runtime of who accepts them.
    pub fn start(count: usize) -> io::Result<Threads> {
        let (open, closed) = watch::channel(());
        let mut runtimes = Vec::with_capacity(count);
        for _ in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtimes.push((runtime.handle().clone(), Threshold::new()));
            let mut closed = closed.clone();
            let run = move || {
                scheduling::be_prompt();
                runtime.block_on(async move { while closed.changed().await.is_ok() {} });
            };
            std::thread::Builder::new().name("door".to_owned()).spawn(run)?;
        }
        Ok(Threads { runtimes, next: AtomicUsize::new(0), threshold: Threshold::new(), _open: open })
    }

    /// Serves a connection on the thread whose turn it is.
    pub fn serve<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream, Threshold) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.runtimes.is_empty() {
            tokio::spawn(serve(stream, self.threshold.clone()));
            return;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.runtimes.len();
        let moved = stream.into_std();
        let (runtime, threshold) = &self.runtimes[turn];
        let threshold = threshold.clone();
        runtime.spawn(async move {
            match moved.and_then(TcpStream::from_std) {
                Ok(stream) => serve(stream, threshold).await,
                Err(error) => tracing::warn!(%error, "a connection could not be handed to its thread"),
            }
        });
    }
}
