//! How much memory a process can still take, from trees of files as Linux writes them.

use std::path::Path;

use finemem::device::memory::{Free, free_under};

const MIB: u64 = 1 << 20;
/// The mounts of a machine with both versions, and of one with the second only.
const V1: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:2 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const V2: &str = "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
/// As in a container whose groups are those of the host: a part of the tree is mounted.
const PART: &str = "29 22 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";

/// Files and their contents; sizes are in MiB.
struct Tree(tempfile::TempDir);

impl Tree {
    /// A system with 1000 MiB available.
    fn new(memberships: &str, mounts: &str) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.with("proc/meminfo", "MemTotal:       4096000 kB\nMemFree:          10240 kB\nMemAvailable:    1024000 kB\n")
            .with("proc/self/cgroup", memberships)
            .with("proc/self/mountinfo", mounts)
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A group of the second version.
    fn v2(self, group: &str, max: &str, high: &str, used: u64, cached: u64) -> Self {
        let place = format!("sys/fs/cgroup/{group}");
        let stat = format!("anon 1\nfile {}\ninactive_file {cached}\nactive_file 0\nslab 5\n", cached + 7);
        self.with(&format!("{place}/memory.max"), &format!("{max}\n"))
            .with(&format!("{place}/memory.high"), &format!("{high}\n"))
            .with(&format!("{place}/memory.current"), &format!("{used}\n"))
            .with(&format!("{place}/memory.stat"), &stat)
    }

    /// A group of the first version.
    fn v1(self, group: &str, limit: u64, used: u64, cached: u64) -> Self {
        let place = format!("sys/fs/cgroup/memory/{group}");
        let stat =
            format!("inactive_file 1\nactive_file 1\ntotal_inactive_file {}\ntotal_active_file {}\n", cached / 2, cached - cached / 2);
        self.with(&format!("{place}/memory.limit_in_bytes"), &format!("{limit}\n"))
            .with(&format!("{place}/memory.usage_in_bytes"), &format!("{used}\n"))
            .with(&format!("{place}/memory.stat"), &stat)
    }

    fn limits(self, address_space: &str, data: &str) -> Self {
        let text = format!(
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max data size             {data:<20} unlimited            bytes     \n\
             Max processes             1                    1                    processes \n\
             Max address space         {address_space:<20} unlimited            bytes     \n"
        );
        self.with("proc/self/limits", &text).with("proc/self/status", "VmPeak:\t 999999 kB\nVmSize:\t  204800 kB\nVmData:\t  102400 kB\n")
    }

    fn free(&self) -> Option<Free> {
        free_under(self.0.path())
    }
}

const NONE: u64 = 9_223_372_036_854_771_712;

#[test]
fn the_least_along_the_way_counts() {
    let m = |mib: u64| (mib * MIB).to_string();
    let job = "0::/job/part\n";
    let mixed = "9:name=systemd:/\n4:memory:/job/part\n0::/\n";
    for (what, tree, mib, by) in [
        ("no groups", Tree::new("", ""), 1000, ""),
        ("no mounts", Tree::new(job, ""), 1000, ""),
        ("the root, which has no files", Tree::new("0::/\n", V2), 1000, ""),
        ("max and max", Tree::new(job, V2).v2("job/part", "max", "max", 5, 0), 1000, ""),
        ("its own", Tree::new(job, V2).v2("job/part", &m(300), "max", 100 * MIB, 0), 200, "memory.max of /sys/fs/cgroup/job/part"),
        ("high", Tree::new(job, V2).v2("job/part", &m(300), &m(250), 100 * MIB, 0), 150, "memory.high of /sys/fs/cgroup/job/part"),
        (
            "the file cache is given back",
            Tree::new(job, V2).v2("job/part", &m(300), "max", 290 * MIB, 240 * MIB),
            250,
            "memory.max of /sys/fs/cgroup/job/part",
        ),
        (
            "more cache than use",
            Tree::new(job, V2).v2("job/part", &m(300), "max", 10 * MIB, 240 * MIB),
            300,
            "memory.max of /sys/fs/cgroup/job/part",
        ),
        (
            "above it",
            Tree::new(job, V2).v2("job/part", "max", "max", 0, 0).v2("job", &m(400), "max", 50 * MIB, 0),
            350,
            "memory.max of /sys/fs/cgroup/job",
        ),
        (
            "both, the outer is less",
            Tree::new(job, V2).v2("job/part", &m(390), "max", 0, 0).v2("job", &m(400), "max", 50 * MIB, 0),
            350,
            "memory.max of /sys/fs/cgroup/job",
        ),
        (
            "both, the inner is less",
            Tree::new(job, V2).v2("job/part", &m(100), "max", 0, 0).v2("job", &m(400), "max", 50 * MIB, 0),
            100,
            "memory.max of /sys/fs/cgroup/job/part",
        ),
        ("at the mount", Tree::new(job, V2).v2("", &m(70), "max", 0, 0), 70, "memory.max of /sys/fs/cgroup"),
        ("more than the system has", Tree::new(job, V2).v2("job/part", &m(9000), "max", 0, 0), 1000, ""),
        ("used up", Tree::new(job, V2).v2("job/part", &m(300), "max", 400 * MIB, 0), 0, "memory.max of /sys/fs/cgroup/job/part"),
        ("nothing allowed", Tree::new(job, V2).v2("job/part", "0", "max", 0, 0), 0, "memory.max of /sys/fs/cgroup/job/part"),
        (
            "only a limit",
            Tree::new(job, V2).with("sys/fs/cgroup/job/part/memory.max", "104857600"),
            100,
            "memory.max of /sys/fs/cgroup/job/part",
        ),
        ("not a number", Tree::new(job, V2).v2("job/part", "lots", "", 0, 0), 1000, ""),
        ("a namespace of its own", Tree::new("0::/\n", V2).v2("", &m(120), "max", 20 * MIB, 0), 100, "memory.max of /sys/fs/cgroup"),
        (
            "a part is mounted",
            Tree::new("0::/docker/abc/in\n", PART).v2("in", &m(80), "max", 0, 0).v2("", &m(200), "max", 0, 0),
            80,
            "memory.max of /sys/fs/cgroup/in",
        ),
        ("that part itself", Tree::new("0::/docker/abc\n", PART).v2("", &m(200), "max", 0, 0), 200, "memory.max of /sys/fs/cgroup"),
        ("another part than its own", Tree::new("0::/../other\n", V2).v2("", &m(200), "max", 0, 0), 200, "memory.max of /sys/fs/cgroup"),
        ("outside of the mount", Tree::new("0::/elsewhere\n", PART).v2("", &m(200), "max", 0, 0), 200, "memory.max of /sys/fs/cgroup"),
        (
            "version 1",
            Tree::new(mixed, V1).v1("job/part", 300 * MIB, 100 * MIB, 40 * MIB),
            240,
            "memory.limit_in_bytes of /sys/fs/cgroup/memory/job/part",
        ),
        ("version 1 without a limit", Tree::new(mixed, V1).v1("job/part", NONE, 100 * MIB, 0).v1("", NONE, 100 * MIB, 0), 1000, ""),
        (
            "version 1, above",
            Tree::new(mixed, V1).v1("job/part", NONE, 0, 0).v1("job", 500 * MIB, 100 * MIB, 0),
            400,
            "memory.limit_in_bytes of /sys/fs/cgroup/memory/job",
        ),
        (
            "version 1, two controllers",
            Tree::new("4:cpu,memory:/job\n", &V1.replace("rw,memory", "rw,cpu,memory")).v1("job", 50 * MIB, 0, 0),
            50,
            "memory.limit_in_bytes of /sys/fs/cgroup/memory/job",
        ),
        ("another controller", Tree::new("4:cpu:/job\n", V1).v1("job", 50 * MIB, 0, 0), 1000, ""),
        (
            "a blank in the place",
            Tree::new("0::/job\n", "1 1 0:1 / /sys/fs/my\\040groups rw - cgroup2 none rw\n")
                .with("sys/fs/my groups/job/memory.max", "1048576"),
            1,
            "memory.max of /sys/fs/my groups/job",
        ),
        ("no limits of the process", Tree::new("", "").limits("unlimited", "unlimited"), 1000, ""),
        ("address space", Tree::new("", "").limits(&m(500), "unlimited"), 300, "ulimit -v"),
        ("data", Tree::new("", "").limits(&m(500), &m(350)), 250, "ulimit -d"),
        ("less than it has", Tree::new("", "").limits(&m(100), "unlimited"), 0, "ulimit -v"),
        (
            "all of them",
            Tree::new(job, V2).v2("job/part", &m(299), "max", 0, 0).limits(&m(500), "unlimited"),
            299,
            "memory.max of /sys/fs/cgroup/job/part",
        ),
    ] {
        assert_eq!(tree.free(), Some(Free { bytes: mib * MIB, by: (!by.is_empty()).then(|| by.to_owned()) }), "{what}");
    }
    assert_eq!(free_under(Path::new("/nowhere")), None);
}
