//! Where those wait who come or go. When a neighbourhood comes back at once, or is gone at once, thousands of connections
//! of one thread want their turn at the same moment, and an SOS of somebody who is in would stand behind all of them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;

use crate::host::BoxFuture;

/// How many connections of a thread come or go in one of its rounds, in which everybody else has a turn. Each takes some
/// 20 µs of a processor.
const COMING_AND_GOING_MAX: usize = 32;

/// The threshold of one thread.
#[derive(Clone)]
pub(crate) struct Threshold(Arc<Semaphore>);

/// A connection that comes, on its way over the threshold.
pub(crate) struct Coming {
    threshold: Threshold,
    waiting: Option<BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>>,
    place: Option<OwnedSemaphorePermit>,
}

impl Threshold {
    pub fn new() -> Threshold {
        Threshold(Arc::new(Semaphore::new(COMING_AND_GOING_MAX)))
    }

    pub fn coming(&self) -> Coming {
        Coming { threshold: self.clone(), waiting: None, place: None }
    }

    /// Lets a connection do what is to be done when it goes, once it is its turn.
    pub async fn going<T>(&self, work: impl Future<Output = T>) -> T {
        let place = self.0.acquire().await;
        let done = work.await;
        yield_now().await;
        drop(place);
        done
    }
}

impl Coming {
    /// Work whose every turn is one of somebody who comes: a handshake.
    pub async fn paced<F: Future>(mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        let done = poll_fn(|cx| {
            if !self.step_aside() {
                ready!(self.poll_turn(cx));
            }
            work.as_mut().poll(cx)
        })
        .await;
        yield_now().await;
        done
    }

    /// Gives back the place of the last turn; whether there was one. To be called at the start of each turn.
    pub fn step_aside(&mut self) -> bool {
        self.place.take().is_some()
    }

    /// Ready when the connection may have a turn. It holds its place until its next one, which comes when all others that
    /// wait now have had theirs.
    pub fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let places = &self.threshold.0;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(Arc::clone(places).acquire_owned()));
        // Nobody closes the semaphore.
        self.place = ready!(waiting.as_mut().poll(cx)).ok();
        self.waiting = None;
        cx.waker().wake_by_ref();
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const CROWD: usize = 1_000;

    /// Spawns a crowd, each of whom has one turn, and then somebody who is in; returns how many of the crowd were served
    /// before that one, and in the end.
    async fn served<F>(one: impl Fn(Threshold, Arc<AtomicUsize>) -> F) -> (usize, usize)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (threshold, count) = (Threshold::new(), Arc::new(AtomicUsize::new(0)));
        let crowd: Vec<_> = (0..CROWD).map(|_| tokio::spawn(one(threshold.clone(), Arc::clone(&count)))).collect();
        let seen = Arc::clone(&count);
        let before = tokio::spawn(async move { seen.load(Ordering::Relaxed) }).await.unwrap();
        for one in crowd {
            one.await.unwrap();
        }
        (before, count.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn who_is_in_does_not_stand_behind_all_who_come() {
        let come = |threshold: Threshold, count: Arc<AtomicUsize>| async move {
            let (mut coming, mut is_in) = (threshold.coming(), false);
            poll_fn(|cx| {
                if !coming.step_aside() && !is_in {
                    ready!(coming.poll_turn(cx));
                    is_in = true;
                    count.fetch_add(1, Ordering::Relaxed);
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
        };
        assert_eq!(served(come).await, (COMING_AND_GOING_MAX, CROWD));
    }

    #[tokio::test]
    async fn nor_behind_all_whose_handshakes_take_long() {
        let shake = |threshold: Threshold, count: Arc<AtomicUsize>| async move {
            threshold.coming().paced(async { count.fetch_add(1, Ordering::Relaxed) }).await;
        };
        assert_eq!(served(shake).await, (COMING_AND_GOING_MAX, CROWD));
    }

    #[tokio::test]
    async fn nor_behind_all_who_go() {
        let go = |threshold: Threshold, count: Arc<AtomicUsize>| async move {
            threshold.going(async { count.fetch_add(1, Ordering::Relaxed) }).await;
        };
        assert_eq!(served(go).await, (COMING_AND_GOING_MAX, CROWD));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_and_says_nothing_is_in_nobodys_way() {
        let threshold = Threshold::new();
        for _ in 0..CROWD {
            let mut coming = threshold.coming();
            drop(tokio::spawn(poll_fn(move |cx| {
                if !coming.step_aside() {
                    ready!(coming.poll_turn(cx));
                }
                Poll::<()>::Pending
            })));
        }
        let all_places = threshold.0.acquire_many(COMING_AND_GOING_MAX as u32);
        assert!(timeout(Duration::from_secs(1), all_places).await.is_ok(), "none is kept");
    }
}
