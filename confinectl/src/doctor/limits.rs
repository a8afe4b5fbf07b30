//! Looks at the limits of threads: of the machine, of the user, and of the control group.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::facts::{Seen, ThreadLimits, Unseen};

/// The names of the server's systemd unit on Debian and on Fedora.
const UNITS: [&str; 2] = ["apache2.service", "httpd.service"];

/// The limits of the running server. If none runs, the limits that systemd would give it.
pub fn look(pid: Option<u32>) -> ThreadLimits {
    let threads_max = "/proc/sys/kernel/threads-max";
    ThreadLimits {
        threads_max: fs::read_to_string(threads_max)
            .map_err(|e| Unseen::file(threads_max, &e, "mount /proc"))
            .and_then(|text| number(text.trim()).ok_or_else(|| odd(threads_max))),
        processes: pid.map_or_else(|| of_unit("LimitNPROC").map(|l| l.map(|(_, n)| n)), processes),
        group: pid.map_or_else(
            || of_unit("TasksMax"),
            |pid| of_group(Path::new("/proc"), Path::new("/sys/fs/cgroup"), pid),
        ),
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn odd(path: &str) -> Unseen {
    Unseen::new(format!("{path} holds something unexpected"), "report this with the kernel's version")
}

/// /proc/PID/limits, `Max processes  SOFT  HARD  processes`.
fn processes(pid: u32) -> Seen<Option<u64>> {
    let path = format!("/proc/{pid}/limits");
    let text = fs::read_to_string(&path).map_err(|e| Unseen::file(&path, &e, "mount /proc"))?;
    soft_limit(&text).ok_or_else(|| odd(&path))
}

fn soft_limit(text: &str) -> Option<Option<u64>> {
    let line = text.lines().find_map(|l| l.strip_prefix("Max processes"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(None),
        soft => number(soft).map(Some),
    }
}

/// The lowest pids.max of the server's control group and the groups above it (kernel:
/// Documentation/admin-guide/cgroup-v2.rst). Under version 1 it is the group of the controller `pids`.
fn of_group(proc: &Path, cgroup: &Path, pid: u32) -> Seen<Option<(String, u64)>> {
    let path = proc.join(format!("{pid}/cgroup"));
    let shown = path.display().to_string();
    let text = fs::read_to_string(&path).map_err(|e| Unseen::file(&shown, &e, "mount /proc"))?;
    let groups: Vec<PathBuf> = text.lines().filter_map(|line| group_folder(cgroup, line)).collect();
    let mut least: Option<(String, u64)> = None;
    let mut any = false;
    for group in groups {
        for folder in group.ancestors().take_while(|f| f.starts_with(cgroup)) {
            let file = folder.join("pids.max");
            let Ok(text) = fs::read_to_string(&file) else { continue };
            any = true;
            let Some(max) = number(text.trim()) else { continue };
            if least.as_ref().is_none_or(|(_, l)| max < *l) {
                least = Some((file.display().to_string(), max));
            }
        }
    }
    // The root group of version 2 has no such file and no limit. Without the file system nothing is known.
    if any || cgroup.join("cgroup.procs").exists() {
        return Ok(least);
    }
    let why = format!("no control group of process {pid} has a file pids.max below {}", cgroup.display());
    Err(Unseen::new(why, "mount the control groups' file system there"))
}

/// Reads a line of /proc/PID/cgroup, `ID:CONTROLLERS:PATH`. In version 2 the id is 0 and there are no controllers.
fn group_folder(cgroup: &Path, line: &str) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = path.trim_start_matches('/');
    match controllers {
        "" if id == "0" => Some(cgroup.join(path)),
        list if list.split(',').any(|c| c == "pids") => Some(cgroup.join("pids").join(path)),
        _ => None,
    }
}

/// A limit in the server's systemd unit.
fn of_unit(property: &str) -> Seen<Option<(String, u64)>> {
    let none = |why: String| Unseen::new(why, "start the server, and run this again");
    for unit in UNITS {
        let output = Command::new("systemctl")
            .args(["show", "--property=LoadState", "--property", property, unit])
            .output()
            .map_err(|e| none(format!("no server runs, and systemctl cannot be run: {e}")))?;
        if let Some(limit) = unit_limit(&String::from_utf8_lossy(&output.stdout), property) {
            return Ok(limit.map(|n| (format!("{property} of {unit}"), n)));
        }
    }
    Err(none(format!("no server runs, and systemd has no {}", UNITS.join(" or "))))
}

fn unit_limit(printed: &str, property: &str) -> Option<Option<u64>> {
    let value = |name: &str| printed.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
    if value("LoadState") != Some("loaded") {
        return None;
    }
    match value(property)? {
        "infinity" => Some(None),
        text => number(text).map(|n| (n != u64::MAX).then_some(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let line =
            |v: &str| format!("Limit  Soft Limit\nMax processes             {v}      9999   processes\n");
        assert_eq!(soft_limit(&line("63432")), Some(Some(63432)));
        assert_eq!(soft_limit(&line("unlimited")), Some(None));
        assert_eq!(soft_limit("Max open files 1 2 files\n"), None);
    }

    #[test]
    fn the_least_limit_of_all_groups_above_counts() {
        let d = tempfile::tempdir().expect("a directory");
        let (proc, cgroup) = (d.path().join("proc"), d.path().join("cgroup"));
        let group = cgroup.join("system.slice/apache2.service");
        for folder in [&proc.join("7"), &proc.join("8"), &group, &cgroup.join("pids/x")] {
            fs::create_dir_all(folder).expect("a directory");
        }
        fs::write(proc.join("7/cgroup"), "0::/system.slice/apache2.service\n").expect("a file");
        fs::write(group.join("pids.max"), "max\n").expect("a file");
        assert_eq!(of_group(&proc, &cgroup, 7), Ok(None));
        fs::write(group.join("pids.max"), "400\n").expect("a file");
        fs::write(cgroup.join("system.slice/pids.max"), "300\n").expect("a file");
        let slice = cgroup.join("system.slice/pids.max").display().to_string();
        assert_eq!(of_group(&proc, &cgroup, 7), Ok(Some((slice, 300))));
        // Version 1.
        fs::write(proc.join("8/cgroup"), "3:cpu:/y\n8:pids:/x\n0::/\n").expect("a file");
        assert!(of_group(&proc, &cgroup, 8).is_err());
        fs::write(cgroup.join("pids/x/pids.max"), "12\n").expect("a file");
        assert_eq!(of_group(&proc, &cgroup, 8).map(|l| l.map(|l| l.1)), Ok(Some(12)));
        assert!(of_group(&proc, &cgroup, 9).is_err());
    }

    #[test]
    fn a_unit_that_systemd_does_not_have_has_no_limits() {
        assert_eq!(unit_limit("LoadState=not-found\nTasksMax=5\n", "TasksMax"), None);
        assert_eq!(unit_limit("LoadState=loaded\nTasksMax=4915\n", "TasksMax"), Some(Some(4915)));
        assert_eq!(unit_limit("TasksMax=infinity\nLoadState=loaded\n", "TasksMax"), Some(None));
    }
}
