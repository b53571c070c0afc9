//! How much memory this process can still take: what the system has available, less where control groups (containers, jobs) or the limits
//! of the process leave less.

use std::path::{Path, PathBuf};

/// Bytes that can still be taken, and what leaves no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    /// Bytes.
    pub bytes: u64,
    /// What leaves no more, such as `memory.max of /sys/fs/cgroup/job`; `None` if it is the memory itself.
    pub by: Option<String>,
}

/// What this process can still take, if known.
pub fn free() -> Option<Free> {
    #[cfg(target_os = "linux")]
    return free_under(Path::new("/"));
    #[cfg(not(target_os = "linux"))]
    {
        let mut system = sysinfo::System::new().ok()?;
        system.refresh_memory();
        Some(system.available_memory()).filter(|bytes| *bytes > 0).map(|bytes| Free { bytes, by: None })
    }
}

/// What limits the address space.
const ADDRESS_SPACE: &str = "ulimit -v";

/// [`free`] on Linux, where the files below `root` say it (`proc`, and control groups of both versions where they are mounted).
pub fn free_under(root: &Path) -> Option<Free> {
    let system = field(&root.join("proc/meminfo"), "MemAvailable:").map(|bytes| Free { bytes, by: None });
    system.into_iter().chain(groups(root)).chain(limits(root)).min_by_key(|free| free.bytes)
}

/// A number of kilobytes after a name, as files in `/proc` have them.
fn field(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// What the limits of the process (`ulimit -v` and `-d`) leave.
fn limits(root: &Path) -> Vec<Free> {
    let process = root.join("proc/self");
    let Ok(text) = std::fs::read_to_string(process.join("limits")) else { return Vec::new() };
    let left = |(limit, used, by): (&str, &str, &str)| {
        let soft = text.lines().find_map(|line| line.strip_prefix(limit))?.split_whitespace().next()?.parse::<u64>().ok()?;
        let used = field(&process.join("status"), used)?;
        Some(Free { bytes: soft.saturating_sub(used), by: Some(by.to_owned()) })
    };
    [("Max address space", "VmSize:", ADDRESS_SPACE), ("Max data size", "VmData:", "ulimit -d")].into_iter().filter_map(left).collect()
}

/// What a limit of the address space leaves, if there is one.
pub(super) fn address_space() -> Option<u64> {
    limits(Path::new("/")).into_iter().find(|free| free.by.as_deref() == Some(ADDRESS_SPACE)).map(|free| free.bytes)
}

/// What the control groups of the process leave, from its own up to the one that is mounted.
fn groups(root: &Path) -> Vec<Free> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let (memberships, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let mut found = Vec::new();
    for line in memberships.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let version = match controllers {
            "" => &V2,
            controllers if controllers.split(',').any(|controller| controller == "memory") => &V1,
            _ => continue,
        };
        let Some((mounted, top)) = mounts.lines().find_map(|line| mount(line, version)) else { continue };
        let top = root.join(top.strip_prefix('/').unwrap_or(&top));
        // In a container the path may be that of the host, of which only a part is mounted.
        let inside = path.strip_prefix(mounted.trim_end_matches('/')).unwrap_or_default().trim_start_matches('/');
        let own = if inside.split('/').any(|part| part == "..") { top.clone() } else { top.join(inside) };
        found.extend(own.ancestors().take_while(|group| group.starts_with(&top)).flat_map(|group| version.left(root, group)));
    }
    found
}

/// The files of a version of control groups.
struct Version {
    filesystem: &'static str,
    /// Beyond `memory.high` a group is slowed down until it hardly moves, so it counts as a limit.
    limits: &'static [&'static str],
    used: &'static str,
    /// In `memory.stat`: the file cache, which the kernel takes back before it refuses memory.
    cached: [&'static str; 2],
}

const V2: Version = Version {
    filesystem: "cgroup2",
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    cached: ["active_file", "inactive_file"],
};
const V1: Version = Version {
    filesystem: "cgroup",
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    cached: ["total_active_file", "total_inactive_file"],
};

impl Version {
    /// What the limits of one group leave. A limit that is not a number ("max") is none.
    fn left(&self, root: &Path, group: &Path) -> Vec<Free> {
        let number = |name: &str| std::fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
        let stat = std::fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let cached = |line: &str| line.split_once(' ').filter(|(name, _)| self.cached.contains(name))?.1.parse::<u64>().ok();
        let used = number(self.used).unwrap_or(0).saturating_sub(stat.lines().filter_map(cached).sum());
        let shown = PathBuf::from("/").join(group.strip_prefix(root).unwrap_or(group));
        let left = |name: &&str| {
            let bytes = number(name)?.saturating_sub(used);
            Some(Free { bytes, by: Some(format!("{name} of {}", shown.display())) })
        };
        self.limits.iter().filter_map(left).collect()
    }
}

/// From a line of `mountinfo`, if it mounts the control groups of a version: which group is mounted, and where.
fn mount(line: &str, version: &Version) -> Option<(String, String)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let (filesystem, options) = (kind.next()?, kind.nth(1).unwrap_or_default());
    let memory = version.filesystem == "cgroup2" || options.split(',').any(|option| option == "memory");
    let mut fields = place.split(' ').skip(3).map(|field| field.replace("\\040", " "));
    (filesystem == version.filesystem && memory).then_some((fields.next()?, fields.next()?))
}
