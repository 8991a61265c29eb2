//! Memory that the kernel holds for processes and sockets, of the whole machine.

use std::{fs, io};

use crate::process::kib;

/// A reading, to be compared with a later one.
#[derive(Clone, Copy, Debug)]
pub struct KernelMemory {
    /// Slab, kernel stacks and page tables; without those of others, where the system tells them apart.
    pub bytes: f64,
    /// What each socket has of the part that is not counted: its dentry.
    pub uncounted_of_socket: f64,
}

impl KernelMemory {
    /// As it is at the moment. Slabs by kind are told to root only (slabinfo(5)); all in all to everybody.
    ///
    /// # Errors
    ///
    /// Where the system does not tell.
    pub fn read() -> io::Result<KernelMemory> {
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        let kib = |name| kib(&meminfo, name).map(|kib| kib as f64 * 1024.0);
        let processes = kib("KernelStack:")? + kib("PageTables:")?;
        let slabs = fs::read_to_string("/proc/slabinfo")
            .ok()
            .and_then(|text| Slabs::parse(&text));
        Ok(match slabs {
            Some(slabs) => KernelMemory {
                bytes: slabs.bytes + processes,
                uncounted_of_socket: slabs.dentry,
            },
            None => KernelMemory {
                bytes: kib("Slab:")? + processes,
                uncounted_of_socket: 0.0,
            },
        })
    }
}

struct Slabs {
    /// In the slabs that are not others'.
    bytes: f64,
    /// The size of a dentry.
    dentry: f64,
}

impl Slabs {
    /// None where this is not version 2 of the file.
    fn parse(text: &str) -> Option<Slabs> {
        const PAGE: f64 = 4096.0;
        // Pages in use, as meminfo counts them: what was freed but not given back is held for whoever asks next.
        let mut slabs = Slabs {
            bytes: 0.0,
            dentry: 0.0,
        };
        let mut lines = text.lines();
        if !lines.next()?.contains("version: 2") {
            return None;
        }
        for line in lines.filter(|line| !line.starts_with('#')) {
            // name active_objs num_objs objsize objperslab pagesperslab : tunables … : slabdata active num shared
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |field: usize| -> Option<f64> { fields.get(field)?.parse().ok() };
            if fields.first() == Some(&"dentry") {
                slabs.dentry = number(3)?;
            }
            if !is_of_others(fields.first()?) {
                slabs.bytes += number(14)? * number(5)? * PAGE;
            }
        }
        Some(slabs)
    }
}

/// What grows with the files that anybody on the machine reads, and shrinks as connections of earlier measurements leave
/// TIME_WAIT. The client's port numbers (tcp_bind_bucket) are not the server's.
const OF_OTHERS: [&str; 9] = [
    "dentry",
    "buffer_head",
    "radix_tree_node",
    "extent_status",
    "ext4_extent_status",
    "kmalloc-rcl-96",
    "tw_sock_TCP",
    "tcp_bind_bucket",
    "tcp_bind2_bucket",
];

fn is_of_others(slab: &str) -> bool {
    OF_OTHERS.contains(&slab) || slab.contains("inode") && slab != "sock_inode_cache"
}

#[cfg(test)]
mod tests {
    use super::{KernelMemory, Slabs};

    #[test]
    fn slabs_of_others_are_left_out() {
        let text = "slabinfo - version: 2.1\n# name  <active_objs> …\n\
            TCP  10 26 2432 13 8 : tunables 0 0 0 : slabdata 2 2 0\n\
            sock_inode_cache 1 1 768 21 4 : tunables 0 0 0 : slabdata 1 1 0\n\
            ext4_inode_cache 1 1 1096 29 8 : tunables 0 0 0 : slabdata 900 900 0\n\
            dentry 1 1 192 21 1 : tunables 0 0 0 : slabdata 5000 5000 0\n";
        let slabs = Slabs::parse(text).unwrap();
        assert_eq!((slabs.bytes, slabs.dentry), (20.0 * 4096.0, 192.0));
        assert!(Slabs::parse("slabinfo - version: 3\n").is_none());
    }

    #[test]
    fn this_machine_tells() {
        assert!(KernelMemory::read().unwrap().bytes > 0.0);
    }
}
