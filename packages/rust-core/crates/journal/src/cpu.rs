//! Threads that keep to one CPU: a thread that decides beside the disk's interrupts loses up to half of its speed to them.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io::{Error, ErrorKind, Result};

/// The CPUs the calling thread may run on, lowest first.
///
/// # Errors
/// The system does not say.
pub fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Keeps the calling thread, and every thread it starts from now on, to these CPUs.
///
/// # Errors
/// None of them, or a number beyond what the system can name, or one this process may not use.
pub fn keep_to(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        if *cpu >= CpuSet::MAX_CPU {
            let text = format!("CPU {cpu}: want one below {}", CpuSet::MAX_CPU);
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        set.set(*cpu);
    }
    sched_setaffinity(None, &set).map_err(|errno| {
        let may = allowed().unwrap_or_default();
        let text = format!("CPUs {cpus:?}: {errno}; this process may use {may:?}");
        Error::new(Error::from(errno).kind(), text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_to_its_cpu_and_so_does_what_it_starts_and_no_other() {
        let before = allowed().unwrap();
        let last = *before.last().unwrap();
        let (own, child) = std::thread::spawn(move || {
            keep_to(&[last]).unwrap();
            (allowed().unwrap(), std::thread::spawn(|| allowed().unwrap()).join().unwrap())
        })
        .join()
        .unwrap();
        assert_eq!((own, child), (vec![last], vec![last]));
        assert_eq!(allowed().unwrap(), before);
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused_by_name_and_nothing_changes() {
        let before = allowed().unwrap();
        for (wrong, told) in [
            (vec![CpuSet::MAX_CPU], "want one below"),
            (vec![CpuSet::MAX_CPU - 1], "may use"),
            (vec![], "may use"),
        ] {
            let error = keep_to(&wrong).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!(allowed().unwrap(), before);
    }
}
