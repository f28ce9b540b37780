//! The machine, described so that a number can be judged, without any path of it.

use std::path::Path;

/// One line: processor, cores, memory, kernel, file system, compiler.
pub(crate) fn describe(place: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned()));
    let memory = read("/proc/meminfo");
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{} ({cores} cores), {:.0} GiB, Linux {}, {}",
        model.as_deref().unwrap_or("unknown processor").trim(),
        kib as f64 / 1_048_576.0,
        kernel.trim(),
        file_system(place, &read("/proc/mounts")).unwrap_or_else(|| "unknown file system".to_owned()),
    )
}

/// The type of the file system that a directory lies on: that of the longest mount point above it.
fn file_system(place: &Path, mounts: &str) -> Option<String> {
    let place = place.canonicalize().ok()?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = fields.filter(|fields| fields.len() > 2 && place.starts_with(fields[1]));
    above.max_by_key(|fields| fields[1].len()).map(|fields| fields[2].to_owned())
}
