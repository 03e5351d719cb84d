//! How the kernel schedules a grab thread: on which processor, and before whom.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// What is wanted of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scheduling {
    /// Run on this CPU only.
    pub cpu: Option<u32>,
    /// Run at this real-time priority.
    pub priority: Option<u8>,
}

/// The kernel schedules the thread in another way than wanted.
#[derive(Debug, thiserror::Error)]
pub enum SchedulingError {
    /// There is no such CPU, or not for this process.
    #[error("--grab-cpu {cpu}: this process may run on CPU {allowed} ({source})")]
    Cpu {
        /// The one wanted.
        cpu: u32,
        /// Those there are.
        allowed: String,
        /// What the kernel answered.
        source: Errno,
    },
    /// Real-time priorities are for those who were given them.
    #[error(
        "--grab-priority {priority} is not permitted ({source}): it needs CAP_SYS_NICE (root has it), or `ulimit -r` of at \
         least {priority} (for a service LimitRTPRIO={priority})"
    )]
    Priority {
        /// The one wanted.
        priority: u8,
        /// What the kernel answered.
        source: Errno,
    },
}

impl Scheduling {
    /// Applies to the calling thread. Threads that it starts later inherit the CPU, and not the priority: those of a driver,
    /// and the one that looks for a camera, must not run before all others.
    ///
    /// # Errors
    /// The kernel refuses; says what would do.
    pub fn apply(self) -> Result<(), SchedulingError> {
        if let Some(cpu) = self.cpu {
            pin(cpu).map_err(|source| SchedulingError::Cpu { cpu, allowed: allowed_cpus(), source })?;
        }
        if let Some(priority) = self.priority {
            take_priority(priority).map_err(|source| SchedulingError::Priority { priority, source })?;
        }
        Ok(())
    }
}

const THIS_THREAD: Pid = Pid::from_raw(0);

fn pin(cpu: u32) -> Result<(), Errno> {
    let mut only = CpuSet::new();
    // A number beyond all that the set can name is no CPU either.
    only.set(usize::try_from(cpu).unwrap_or(usize::MAX))?;
    sched_setaffinity(THIS_THREAD, &only)
}

#[expect(unsafe_code, reason = "sched_setscheduler has no safe interface in nix")]
fn take_priority(priority: u8) -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: i32::from(priority) };
    // SAFETY: the pointer is to a value that outlives the call; 0 names the calling thread.
    let result =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters) };
    Errno::result(result).map(drop)
}

/// As in 0-3, 8.
fn allowed_cpus() -> String {
    let Ok(set) = sched_getaffinity(THIS_THREAD) else { return "numbers of /proc/cpuinfo".to_owned() };
    let cpus = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false));
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => runs.push((cpu, cpu)),
        }
    }
    let named =
        runs.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own, which ends with what it was given.
    fn apply(scheduling: Scheduling) -> Result<(), SchedulingError> {
        std::thread::spawn(move || scheduling.apply()).join().unwrap()
    }

    #[test]
    fn a_thread_is_pinned_to_a_cpu_it_may_use() {
        let seen = std::thread::spawn(|| {
            let allowed = sched_getaffinity(THIS_THREAD).unwrap();
            let cpu = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap()).unwrap();
            Scheduling { cpu: u32::try_from(cpu).ok(), priority: None }.apply().unwrap();
            let now = sched_getaffinity(THIS_THREAD).unwrap();
            (0..CpuSet::count()).filter(|cpu| now.is_set(*cpu).unwrap()).collect::<Vec<_>>() == [cpu]
        });
        assert!(seen.join().unwrap());
    }

    #[test]
    fn a_cpu_that_is_not_there_is_answered_with_those_that_are() {
        for cpu in [1023, u32::MAX] {
            let error = apply(Scheduling { cpu: Some(cpu), priority: None }).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--grab-cpu {cpu}: this process may run on CPU 0")), "{error}");
        }
    }

    #[test]
    fn what_is_not_permitted_says_what_is_missing() {
        let refused = SchedulingError::Priority { priority: 50, source: Errno::EPERM }.to_string();
        assert!(refused.contains("CAP_SYS_NICE") && refused.contains("LimitRTPRIO=50"), "{refused}");
    }
}
