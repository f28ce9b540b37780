//! How a thread shares the processors with others. Every process may ask for what is asked for here; where the system
//! refuses, or knows nothing of it, the thread is one like any other, and everything works, later.

use std::io;

/// How long a prompt thread works before others that wait have their turn, in nanoseconds: the shortest that Linux
/// grants.
const PROMPT_SLICE_NANOS: u64 = 100_000;

/// Makes the calling thread, and those that it starts, one for which somebody waits: an acknowledgement, a call. It has
/// no more of the processors than others, but in short slices (`sched_runtime` of `SCHED_OTHER`, Linux 6.12 and
/// later): when it wakes it has its turn before whoever is in the middle of a long one.
pub fn be_prompt() {
    // SCHED_BATCH and the real-time classes are somebody's wish from outside: they stay.
    change("short slices", |now| (now.sched_policy == libc::SCHED_OTHER as u32).then(|| sliced(now)));
}

/// Puts the calling thread, and those that it starts, into the class that has a processor when nobody else wants it
/// (`SCHED_IDLE`). It must not hold anything meanwhile that others wait for longer than they like: with everything busy
/// it may be without a processor for a tenth of a second.
pub fn give_way() {
    change("the class that gives way", |now| Some(libc::sched_attr { sched_policy: libc::SCHED_IDLE as u32, ..now }));
}

fn sliced(now: libc::sched_attr) -> libc::sched_attr {
    libc::sched_attr { sched_runtime: PROMPT_SLICE_NANOS, ..now }
}

fn change(what: &str, to: impl FnOnce(libc::sched_attr) -> Option<libc::sched_attr>) {
    let changed = attributes().and_then(|now| to(now).map_or(Ok(()), |attributes| set(&attributes)));
    if let Err(error) = changed {
        tracing::debug!(%error, what, "the system does not grant it to this thread");
    }
}

/// What the calling thread has.
#[allow(unsafe_code, reason = "no library has these two system calls for the usual class")]
fn attributes() -> io::Result<libc::sched_attr> {
    let size = size_of::<libc::sched_attr>() as u32;
    let mut attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: 0 is the calling thread, and the kernel writes at most `size` bytes to where as many are ours.
    let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if done == 0 { Ok(attributes) } else { Err(io::Error::last_os_error()) }
}

#[allow(unsafe_code, reason = "no library has these two system calls for the usual class")]
fn set(attributes: &libc::sched_attr) -> io::Result<()> {
    // SAFETY: 0 is the calling thread, and the kernel reads the `size` bytes that the first member says, which are there.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *attributes, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_what_it_asked_for_and_the_others_are_as_before() {
        let before = attributes().unwrap();
        assert_eq!(before.sched_policy, libc::SCHED_OTHER as u32);
        let inside = std::thread::spawn(|| {
            be_prompt();
            let prompt = attributes().unwrap();
            give_way();
            be_prompt();
            (prompt, attributes().unwrap())
        });
        let (prompt, idle) = inside.join().unwrap();
        assert_eq!((prompt.sched_policy, prompt.sched_nice), (before.sched_policy, before.sched_nice));
        // A kernel before 6.12 has no slices: it says 0 whatever was asked for.
        assert!(before.sched_runtime == 0 || prompt.sched_runtime == PROMPT_SLICE_NANOS, "{}", prompt.sched_runtime);
        assert_eq!(idle.sched_policy, libc::SCHED_IDLE as u32, "who gives way goes on giving way");
        assert_eq!(attributes().unwrap().sched_runtime, before.sched_runtime);
    }
}
