//! Which CPUs share a physical core, and on which NUMA nodes they lie.
//!
//! Owns the reading of sysfs's CPU lists. Invariant: a CPU that sysfs says nothing of is a core of its own, so that
//! every CPU has exactly one core; the core is named by its lowest CPU, whether or not that one may be used. Cost: one
//! file for every CPU asked for, one for every NUMA node. The root of the file system is passed in, for the tests.

use std::collections::HashSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use super::read;

/// How many physical cores these CPUs touch.
pub(super) fn physical_cores(root: &Path, cpus: &[usize]) -> usize {
    cpus.iter().map(|&cpu| core_of(root, cpu)).collect::<HashSet<_>>().len()
}

/// The physical core of a CPU, named by the lowest CPU on it.
pub(crate) fn core_of(root: &Path, cpu: usize) -> usize {
    let siblings = read(&root.join(format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")));
    // A list that does not name the CPU itself tells nothing of it.
    match ranges(&siblings) {
        Some(list) if contains(&list, cpu) => list.iter().map(|range| *range.start()).min().unwrap_or(cpu),
        _ => cpu,
    }
}

/// The NUMA nodes that these CPUs lie on, rising; empty when the kernel names none.
pub(super) fn nodes(root: &Path, cpus: &[usize]) -> Vec<usize> {
    let Ok(folder) = fs::read_dir(root.join("sys/devices/system/node")) else { return Vec::new() };
    let mut nodes = Vec::new();
    for entry in folder.flatten() {
        let name = entry.file_name();
        let Some(node) = name.to_str().and_then(|name| name.strip_prefix("node")?.parse().ok()) else { continue };
        let list = ranges(&read(&entry.path().join("cpulist"))).unwrap_or_default();
        if cpus.iter().any(|&cpu| contains(&list, cpu)) {
            nodes.push(node);
        }
    }
    nodes.sort_unstable();
    nodes
}

/// A list such as `0-3,8`, empty for a node without CPUs. `None` when it is not such a list.
///
/// It stays in ranges: a list is only asked for its lowest and for members, and a nonsensical one takes no memory.
fn ranges(list: &str) -> Option<Vec<RangeInclusive<usize>>> {
    let list = list.trim();
    if list.is_empty() {
        return Some(Vec::new());
    }
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(first..=last)
    };
    list.split(',').map(range).collect()
}

fn contains(list: &[RangeInclusive<usize>], cpu: usize) -> bool {
    list.iter().any(|range| range.contains(&cpu))
}

#[cfg(test)]
mod tests {
    use super::super::Tree;
    use super::*;

    #[test]
    fn lists_are_read_in_every_form() {
        assert_eq!(ranges("0-3,8\n"), Some(vec![0..=3, 8..=8]));
        assert_eq!(ranges("0,32"), Some(vec![0..=0, 32..=32]));
        assert_eq!(ranges("\n"), Some(Vec::new()));
        for wrong in ["3-1", "a", "1-", "-1", "1,,2", "1-2-3", "0x1", "99999999999999999999"] {
            assert_eq!(ranges(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cpus_that_share_a_core_are_found() {
        // Two cores of two threads each, numbered both ways that kernels do, and CPUs of which sysfs tells nothing.
        let tree = Tree::new(&[
            ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,4\n"),
            ("sys/devices/system/cpu/cpu4/topology/thread_siblings_list", "0,4\n"),
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3\n"),
            ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "2-3\n"),
            ("sys/devices/system/cpu/cpu6/topology/thread_siblings_list", "nonsense\n"),
            ("sys/devices/system/cpu/cpu7/topology/thread_siblings_list", "2-3\n"),
        ]);
        let cores = |cpus: &[usize]| cpus.iter().map(|&cpu| core_of(&tree.0, cpu)).collect::<Vec<_>>();
        assert_eq!(cores(&[0, 4, 2, 3]), [0, 0, 2, 2]);
        assert_eq!(cores(&[5, 6, 7]), [5, 6, 7], "unknown: each a core of its own");
        assert_eq!(physical_cores(&tree.0, &[0, 2, 3, 4, 5]), 3);
        assert_eq!(physical_cores(&tree.0, &[3, 4]), 2, "the lowest of a core need not be in the mask");
        assert_eq!(physical_cores(&tree.0, &[]), 0);
    }

    #[test]
    fn only_nodes_with_these_cpus_count() {
        let tree = Tree::new(&[
            ("sys/devices/system/node/node0/cpulist", "0-3,8-11\n"),
            ("sys/devices/system/node/node1/cpulist", "4-7\n"),
            ("sys/devices/system/node/node2/cpulist", "\n"),
            ("sys/devices/system/node/node10/cpulist", "12\n"),
            ("sys/devices/system/node/nodes/cpulist", "0-99\n"),
            ("sys/devices/system/node/online", "0-2,10\n"),
        ]);
        assert_eq!(nodes(&tree.0, &[12, 8]), [0, 10]);
        assert_eq!(nodes(&tree.0, &[5]), [1]);
        assert_eq!(nodes(&tree.0, &[13]), []);
        assert_eq!(nodes(&Tree::new(&[]).0, &[0]), []);
        // A folder is listed in no order, so it takes several to see them put in order.
        let many: Vec<_> = (0..12).map(|node| format!("sys/devices/system/node/node{node}/cpulist")).collect();
        let many: Vec<_> = many.iter().map(|path| (path.as_str(), "0")).collect();
        assert_eq!(nodes(&Tree::new(&many).0, &[0]), (0..12).collect::<Vec<_>>());
    }
}
