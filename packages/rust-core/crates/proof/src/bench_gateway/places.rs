//! Which CPU decides and which takes the disk's interrupts: those on the deciding one cost it up to half of its speed.

use tidegate_journal::cpu;

/// Two CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Where decisions are made.
    pub core: usize,
    /// Where the journal is written.
    pub disk: usize,
}

impl Places {
    /// The CPU with the fewest interrupts of devices so far decides, the one with the most writes; `None` where this process has
    /// but one.
    ///
    /// # Errors
    /// The system does not say.
    pub fn here() -> Result<Option<Self>, String> {
        let may = cpu::allowed().map_err(|e| format!("CPUs: {e}"))?;
        let table =
            std::fs::read_to_string("/proc/interrupts").map_err(|e| format!("/proc/interrupts: {e}"))?;
        Ok(Self::choose(&table, &may))
    }

    /// `table`  as `/proc/interrupts` has it: a line of CPUs, then a line an interrupt with its count on each
    fn choose(table: &str, may: &[usize]) -> Option<Self> {
        let mut lines = table.lines();
        let cpus: Vec<usize> = lines
            .next()?
            .split_whitespace()
            .filter_map(|name| name.strip_prefix("CPU")?.parse().ok())
            .collect();
        let mut counts = vec![0_u64; cpus.len()];
        for line in lines {
            let mut words = line.split_whitespace();
            // Of devices; the kernel's own have names.
            if words
                .next()
                .and_then(|name| name.strip_suffix(':'))
                .is_none_or(|name| name.parse::<u32>().is_err())
            {
                continue;
            }
            for (count, word) in counts.iter_mut().zip(words) {
                *count += word.parse::<u64>().unwrap_or(0);
            }
        }
        let taken =
            |cpu: &usize| cpus.iter().zip(&counts).find(|(each, _)| *each == cpu).map_or(0, |(_, n)| *n);
        let core = *may.iter().min_by_key(|cpu| taken(cpu))?;
        let disk = *may.iter().filter(|cpu| **cpu != core).max_by_key(|cpu| taken(cpu))?;
        Some(Self { core, disk })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "           CPU0       CPU1       CPU3
 24:          1          9          5  IO-APIC   5-edge  disk
 36:          0         70          0  PCI-MSIX  1-edge  disk
LOC:    9999999          0          0  Local timer interrupts
ERR:          0
";

    #[test]
    fn the_quietest_cpu_decides_and_the_busiest_writes() {
        assert_eq!(Places::choose(TABLE, &[0, 1, 3]), Some(Places { core: 0, disk: 1 }));
        assert_eq!(Places::choose(TABLE, &[1, 3]), Some(Places { core: 3, disk: 1 }));
        assert_eq!(Places::choose(TABLE, &[0, 3]), Some(Places { core: 0, disk: 3 }));
    }

    #[test]
    fn one_cpu_or_no_table_is_no_choice() {
        assert_eq!(Places::choose(TABLE, &[1]), None);
        assert_eq!(Places::choose("", &[0, 1]), None);
        assert!(Places::here().is_ok());
    }
}
