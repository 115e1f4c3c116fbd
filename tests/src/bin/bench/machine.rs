//! What processes cost, and what else the machine does, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The kernel tells CPU time in steps of this on every architecture Envoy is built for.
const TICK: Duration = Duration::from_millis(10);

/// A process of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pid(pub(crate) u32);

impl Pid {
    /// CPU time spent so far in user and kernel mode, by all threads.
    pub(crate) fn cpu_time(self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The name in parentheses may contain anything; what follows it is numbers from field 3 on.
        let (_, numbers) = stat.rsplit_once(')').context("no name in stat")?;
        Ok(ticks(numbers.split_whitespace().skip(11).take(2)))
    }

    /// Memory it holds now (resident), in bytes.
    pub(crate) fn memory(self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory it held since [`reset_peak_memory`](Self::reset_peak_memory), in bytes.
    pub(crate) fn peak_memory(self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Lets the peak start again from what it holds now.
    pub(crate) fn reset_peak_memory(self) -> Result<()> {
        let Self(id) = self;
        fs::write(format!("/proc/{id}/clear_refs"), "5").context("the peak of memory cannot be reset")
    }

    fn status(self, key: &str) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).context("no such memory")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    fn read(self, file: &str) -> Result<String> {
        let Self(id) = self;
        fs::read_to_string(format!("/proc/{id}/{file}")).with_context(|| format!("no process {id}"))
    }
}

/// CPU time that anybody used so far, or that another machine took from this one.
pub(crate) fn busy() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let numbers: Vec<_> = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).collect();
    // user nice system idle iowait irq softirq steal; guests are part of the first two.
    let used = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|at| numbers.get(at).copied());
    Ok(ticks(used))
}

/// How many cores there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn ticks<'a>(numbers: impl Iterator<Item = &'a str>) -> Duration {
    let sum: u32 = numbers.filter_map(|number| number.parse::<u32>().ok()).sum();
    TICK * sum
}
