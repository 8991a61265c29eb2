//! What proc(5) tells about a process and its descendants, and about the cores they run on.

use std::fs;
use std::io;
use std::ops::Sub;

use serde::{Deserialize, Serialize};

/// CPU time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// In user mode.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
}

impl Cpu {
    /// Both together.
    pub fn total(&self) -> f64 {
        self.user + self.system
    }
}

/// What the processes have used up to a moment, as the system tells it: the total exactly, how it is split in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuReading {
    exact: u64,
    user_ticks: u64,
    system_ticks: u64,
}

impl Sub for CpuReading {
    type Output = Cpu;

    /// The exact total (the CPU-time clock of each process, which counts threads that have ended, too), split as the
    /// ticks of utime and stime are.
    fn sub(self, before: CpuReading) -> Cpu {
        let total = self.exact.saturating_sub(before.exact) as f64;
        let user = self.user_ticks.saturating_sub(before.user_ticks) as f64;
        let system = self.system_ticks.saturating_sub(before.system_ticks) as f64;
        let share = if user + system > 0.0 {
            user / (user + system)
        } else {
            0.0
        };
        Cpu {
            user: total * share,
            system: total * (1.0 - share),
        }
    }
}

impl CpuReading {
    /// What these processes have used so far. Those that are gone count nothing.
    pub fn of(pids: &[i32]) -> CpuReading {
        let mut sum = CpuReading::default();
        for &pid in pids {
            let Some((exact, stat)) = exact_cpu(pid).zip(Stat::of(pid)) else {
                continue;
            };
            sum.exact += exact;
            sum.user_ticks += stat.user_ticks;
            sum.system_ticks += stat.system_ticks;
        }
        sum
    }
}

/// Nanoseconds on a core, of all threads of a process (clock_getcpuclockid(3)).
fn exact_cpu(pid: i32) -> Option<u64> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls write to a whole object of the type that they are declared with.
    let done = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
    };
    done.then_some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

struct Stat {
    parent: i32,
    user_ticks: u64,
    system_ticks: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(stat: &str) -> Option<Stat> {
        // The name in parentheses may contain anything; behind it follow the third field and those after it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
        Some(Stat {
            parent: fields.next()?.parse().ok()?,
            user_ticks: fields.nth(9)?.parse().ok()?,
            system_ticks: fields.next()?.parse().ok()?,
        })
    }
}

/// The parent of a process. None where it is gone.
pub fn parent(pid: i32) -> Option<i32> {
    Some(Stat::of(pid)?.parent)
}

/// A process and all its descendants.
pub fn tree(root: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return vec![root];
    };
    let parents: Vec<(i32, i32)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&above) = tree.get(next) {
        tree.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == above)
                .map(|(pid, _)| pid),
        );
        next += 1;
    }
    tree
}

/// Memory of processes, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident; what several of the processes share counts for each of them.
    pub resident: u64,
    /// Resident; what is shared, with whomever, counts in equal parts (Pss).
    pub proportional: u64,
    /// Of that, what belongs to no file.
    pub anonymous: u64,
}

impl Memory {
    /// Of these processes together.
    ///
    /// # Errors
    ///
    /// Where one is gone.
    pub fn of(pids: &[i32]) -> io::Result<Memory> {
        let mut sum = Memory::default();
        for pid in pids {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            sum.resident += kib(&text, "Rss:")?;
            sum.proportional += kib(&text, "Pss:")?;
            sum.anonymous += kib(&text, "Pss_Anon:")?;
        }
        Ok(sum)
    }
}

/// Reads a line such as `Rss:      1234 kB`.
///
/// # Errors
///
/// Where there is none.
pub fn kib(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("the system does not tell {name}")))
}

/// Seconds for which cores were not idle so far, whoever used them (proc(5), stat).
pub fn busy_seconds(cores: &[usize]) -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    // SAFETY: the call takes a number and returns one.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as f64;
    busy_ticks(&text, cores) as f64 / per_second
}

fn busy_ticks(stat: &str, cores: &[usize]) -> u64 {
    let of_core = |core: &usize| -> u64 {
        let name = format!("cpu{core} ");
        let fields = stat.lines().find_map(|line| line.strip_prefix(&name));
        // user, nice, system, idle, iowait, irq, softirq, steal
        let fields = fields.unwrap_or_default().split_whitespace().enumerate();
        fields
            .take(8)
            .filter(|(field, _)| ![3, 4].contains(field))
            .filter_map(|(_, ticks)| ticks.parse::<u64>().ok())
            .sum()
    };
    cores.iter().map(of_core).sum()
}

#[cfg(test)]
mod tests {
    use super::{CpuReading, Memory, Stat, busy_ticks, tree};

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = Stat::parse("7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 55 66 0 0 20 0 1 0 9 8").unwrap();
        assert_eq!((stat.parent, stat.user_ticks, stat.system_ticks), (3, 55, 66));
    }

    #[test]
    fn the_exact_total_is_split_as_the_ticks_are() {
        let before = CpuReading {
            exact: 1_000,
            user_ticks: 5,
            system_ticks: 5,
        };
        let after = CpuReading {
            exact: 401_000,
            user_ticks: 6,
            system_ticks: 8,
        };
        let cpu = after - before;
        assert_eq!((cpu.user, cpu.system), (100_000.0, 300_000.0));
    }

    #[test]
    fn time_without_a_tick_is_the_kernels() {
        let after = CpuReading {
            exact: 10,
            ..CpuReading::default()
        };
        assert_eq!((after - CpuReading::default()).system, 10.0);
    }

    #[test]
    fn busy_is_all_but_idle_and_waiting() {
        let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 4 100 100 8 16 32 0 0\ncpu1 1 0 0 7 7 0 0 0 0 0\ncpu10 5 5 5";
        assert_eq!(busy_ticks(stat, &[0]), 63);
        assert_eq!(busy_ticks(stat, &[0, 1]), 64);
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let pids = tree(std::process::id() as i32);
        assert!(CpuReading::of(&pids).exact > 0);
        assert!(Memory::of(&pids[..1]).unwrap().anonymous > 0);
    }
}
