//! How much CPU time the control groups grant the calling thread.
//!
//! Owns the reading of both versions: `cpu.max` of version 2, `cpu.cfs_quota_us` and `cpu.cfs_period_us` of version 1.
//! A quota binds everything below it, so the tightest from the thread's own group up to the mount point counts; what
//! lies above a mount point, as in a container, cannot be seen and is not known. Invariant: no quota is ever made up,
//! what cannot be read or makes no sense is no quota. Cost: two files of procfs, one or two for every level of groups.
//! The root of the file system is passed in, for the tests.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use super::read;

/// The two designs of control groups. A machine may have both, the CPU controller being in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A place where a hierarchy with the CPU controller can be seen.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// The group that is mounted: not the topmost one when a subtree was bound into a container.
    group: PathBuf,
    point: PathBuf,
}

/// The quota in CPUs, the tightest that binds the calling thread; `None` when there is none.
pub(super) fn quota_under(root: &Path) -> Option<f64> {
    let process = root.join("proc/thread-self");
    let mounts: Vec<Mount> = read(&process.join("mountinfo")).lines().filter_map(mount).collect();
    let groups = read(&process.join("cgroup"));
    let quotas = groups.lines().filter_map(group).flat_map(|(version, group)| {
        places(&mounts, version, group).into_iter().flat_map(move |(point, below)| {
            let point = root.join(point.strip_prefix("/").unwrap_or(point));
            below.ancestors().filter_map(|group| quota(version, &point.join(group))).collect::<Vec<_>>()
        })
    });
    quotas.min_by(f64::total_cmp)
}

/// A line of procfs's `cgroup`, such as `4:cpu,cpuacct:/a/b`, when it is of a hierarchy that may limit CPU time.
fn group(line: &str) -> Option<(Version, &Path)> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let version = match (number, controllers) {
        ("0", "") => Version::Two,
        (_, controllers) if controllers.split(',').any(|controller| controller == "cpu") => Version::One,
        _ => return None,
    };
    Some((version, Path::new(group)))
}

/// A line of procfs's `mountinfo`, when it mounts such a hierarchy.
fn mount(line: &str) -> Option<Mount> {
    // Between the mount point and the lone dash there is any number of fields; blanks inside fields are escaped.
    let (place, system) = line.split_once(" - ")?;
    let mut system = system.split(' ');
    let (kind, _source, options) = (system.next()?, system.next()?, system.next()?);
    let version = match kind {
        "cgroup2" => Version::Two,
        "cgroup" if options.split(',').any(|option| option == "cpu") => Version::One,
        _ => return None,
    };
    let mut place = place.split(' ').skip(3);
    Some(Mount { version, group: unescape(place.next()?), point: unescape(place.next()?) })
}

/// `mountinfo` writes blanks and backslashes as three octal digits after a backslash.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    OsString::from_vec(bytes).into()
}

/// Where the group and those above it can be read: a mount point, and the way from there down to the group.
fn places<'a>(mounts: &'a [Mount], version: Version, group: &'a Path) -> Vec<(&'a Path, &'a Path)> {
    let seen = || mounts.iter().filter(|mount| mount.version == version);
    let below = |mount: &'a Mount| {
        let way = group.strip_prefix(&mount.group).ok()?;
        // A group outside the thread's cgroup namespace is named by way of `..`, which must not lead out of the mount.
        let stays = way.components().all(|part| matches!(part, Component::Normal(_)));
        stays.then_some((mount.point.as_path(), way))
    };
    let found: Vec<_> = seen().filter_map(below).collect();
    if !found.is_empty() {
        return found;
    }
    // The two files may disagree in a container, when one of them names groups as the machine outside sees them. What
    // is mounted there is the container's own group nonetheless.
    seen().map(|mount| (mount.point.as_path(), Path::new(""))).collect()
}

/// The quota of one group alone.
fn quota(version: Version, group: &Path) -> Option<f64> {
    match version {
        Version::One => cpus(&read(&group.join("cpu.cfs_quota_us")), &read(&group.join("cpu.cfs_period_us"))),
        Version::Two => {
            let limit = read(&group.join("cpu.max"));
            let (quota, period) = limit.trim().split_once(' ')?;
            cpus(quota, period)
        }
    }
}

/// Microseconds of CPU time in microseconds of time. No quota is written `max` or `-1`, neither of which is a count.
fn cpus(quota: &str, period: &str) -> Option<f64> {
    let positive = |text: &str| text.trim().parse::<u64>().ok().filter(|&us| us > 0);
    Some(positive(quota)? as f64 / positive(period)? as f64)
}

#[cfg(test)]
mod tests {
    use super::super::Tree;
    use super::*;

    const ONE: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n";
    const TWO: &str = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn quota_of(cgroup: &str, mountinfo: &str, files: &[(&str, &str)]) -> Option<f64> {
        let process = [("proc/thread-self/cgroup", cgroup), ("proc/thread-self/mountinfo", mountinfo)];
        quota_under(&Tree::new(&[&process, files].concat()).0)
    }

    #[test]
    fn the_tightest_quota_of_version_two_counts() {
        let own = ("sys/fs/cgroup/a/b/cpu.max", "200000 100000\n");
        let above = ("sys/fs/cgroup/a/cpu.max", "50000 100000\n");
        let without = ("sys/fs/cgroup/a/cpu.max", "max 100000\n");
        let beside = ("sys/fs/cgroup/c/cpu.max", "1000 100000\n");
        assert_eq!(quota_of("0::/a/b\n", TWO, &[own, above, beside]), Some(0.5));
        assert_eq!(quota_of("0::/a/b\n", TWO, &[own, without, beside]), Some(2.0));
        assert_eq!(quota_of("0::/a\n", TWO, &[own, without, beside]), None);
        assert_eq!(quota_of("0::/\n", TWO, &[own, above, beside]), None, "what is below does not bind");
    }

    #[test]
    fn the_tightest_quota_of_version_one_counts() {
        let files = [
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "150000\n"),
            ("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "5000\n"),
            ("sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "50000\n"),
        ];
        assert_eq!(quota_of("1:cpu:/a/b\n0::/\n", ONE, &files), Some(0.1));
        assert_eq!(quota_of("1:cpuacct,cpu:/a\n", ONE, &files), Some(1.5));
        assert_eq!(quota_of("1:cpu:/\n", ONE, &files), None);
        assert_eq!(quota_of("1:cpuset:/a/b\n", ONE, &files), None, "another controller's group");
        assert_eq!(quota_of("1:cpu:/a/gone\n", ONE, &files), Some(1.5));
        let other = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuacct\n";
        assert_eq!(quota_of("1:cpu:/a/b\n", other, &files), None, "another controller's mount");
    }

    #[test]
    fn both_versions_bind_where_both_are_mounted() {
        let both = [ONE, TWO].concat();
        let files = [
            ("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000"),
            ("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000"),
            ("sys/fs/cgroup/b/cpu.max", "75000 100000"),
        ];
        assert_eq!(quota_of("1:cpu:/a\n0::/b\n", &both, &files), Some(0.75));
        assert_eq!(quota_of("1:cpu:/a\n0::/\n", &both, &files), Some(1.0));
    }

    #[test]
    fn nonsense_is_no_quota() {
        for text in
            ["", "\n", "50000", "max", "-1 100000", "50000 0", "0 100000", "5e4 100000", "99999999999999999999 1"]
        {
            assert_eq!(quota_of("0::/a\n", TWO, &[("sys/fs/cgroup/a/cpu.max", text)]), None, "{text}");
        }
        for (quota, period) in [("50000", "0"), ("0", "100000"), ("50000", ""), ("x", "100000"), ("50000", "-1")] {
            let files =
                [("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", quota), ("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", period)];
            assert_eq!(quota_of("1:cpu:/a\n", ONE, &files), None, "{quota} {period}");
        }
        let file = ("sys/fs/cgroup/a/cpu.max", "50000 100000");
        assert_eq!(quota_of("nonsense\n0:\n", TWO, &[file]), None);
        assert_eq!(quota_of("0::/a\n", "nonsense\n1 2 - cgroup2\n1 2 - cgroup2 a rw\n", &[file]), None);
        assert_eq!(quota_under(&Tree::new(&[]).0), None);
    }

    #[test]
    fn a_subtree_that_a_container_was_given_is_followed_from_its_own_root() {
        let bound = "31 23 0:28 /pods/p1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        let files = [("sys/fs/cgroup/cpu.max", "150000 100000"), ("sys/fs/cgroup/in/cpu.max", "50000 100000")];
        assert_eq!(quota_of("0::/pods/p1\n", bound, &files), Some(1.5));
        assert_eq!(quota_of("0::/pods/p1/in\n", bound, &files), Some(0.5));
        // The group is not inside what is mounted, so only the mount point itself is believed.
        assert_eq!(quota_of("0::/pods/p11/in\n", bound, &files), Some(1.5));
        assert_eq!(quota_of("0::/in\n", bound, &files), Some(1.5));
        // A mount that has the group goes before one that has not.
        let foreign = "40 23 0:28 /pods/p2 /foreign rw - cgroup2 cgroup rw\n";
        let files = [&files[..], &[("foreign/cpu.max", "10000 100000")]].concat();
        assert_eq!(quota_of("0::/pods/p1/in\n", &[foreign, bound].concat(), &files), Some(0.5));
    }

    #[test]
    fn a_group_outside_the_namespace_does_not_lead_out_of_the_mount() {
        let files = [("sys/fs/cgroup/cpu.max", "150000 100000"), ("sys/fs/beside/cpu.max", "50000 100000")];
        assert_eq!(quota_of("0::/../beside\n", TWO, &files), Some(1.5));
        let above = "31 23 0:28 /.. /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        let files = [("sys/fs/cgroup/beside/cpu.max", "50000 100000")];
        assert_eq!(quota_of("0::/../beside\n", above, &files), Some(0.5));
    }

    #[test]
    fn blanks_and_colons_in_names_are_kept() {
        assert_eq!(unescape(r"/a\040b\134c"), Path::new("/a b\\c"));
        assert_eq!(unescape(r"/a\04\9\"), Path::new(r"/a\04\9\"));
        let blank = "31 23 0:28 / /sys/fs/c\\040g rw - cgroup2 cgroup rw\n";
        assert_eq!(quota_of("0::/a:b\n", blank, &[("sys/fs/c g/a:b/cpu.max", "50000 100000")]), Some(0.5));
    }
}
