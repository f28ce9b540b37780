//! The feed's epoch: part of every cursor, so that a cursor from before a restore is recognised as such.

use std::path::Path;

use crate::disk::{Access, Disk};
use crate::error::StoreError;

const FILE: &str = "epoch";
const FILE_NEW: &str = "epoch.new";
/// The longest decimal u32 and a newline.
const FILE_BYTES_MAX: usize = 11;

/// The present epoch: 1 until the first restore.
///
/// # Errors
/// When the file is there and cannot be read, or holds no number.
pub fn load(disk: &dyn Disk, root: &Path) -> Result<u32, StoreError> {
    let path = root.join(FILE);
    let file = match disk.open(&path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(1),
        Err(error) => return Err(StoreError::disk("open", &path)(error)),
    };
    let mut bytes = [0; FILE_BYTES_MAX];
    let count = file.read_at(0, &mut bytes).map_err(StoreError::disk("read", &path))?;
    let text = std::str::from_utf8(&bytes[..count]).ok();
    text.and_then(|text| text.trim_end().parse().ok())
        .ok_or_else(|| StoreError::BadFile { path, what: "holds no epoch number".to_owned() })
}

/// Begins a new epoch, durably: done once by a restore, before the restored server answers anybody.
///
/// # Errors
/// When the present epoch cannot be read or the new one cannot be made durable.
pub fn bump(disk: &dyn Disk, root: &Path) -> Result<u32, StoreError> {
    begin(disk, root, 0)
}

/// As [`bump`], and not below `at_least`: two restores of one backup are not to begin the same epoch.
///
/// # Errors
/// As [`bump`].
pub fn begin(disk: &dyn Disk, root: &Path, at_least: u32) -> Result<u32, StoreError> {
    let epoch = load(disk, root)?.saturating_add(1).max(at_least);
    let (path, new) = (root.join(FILE), root.join(FILE_NEW));
    let file = disk.open(&new, Access::Create).map_err(StoreError::disk("create", &new))?;
    file.write_at(0, format!("{epoch}\n").as_bytes()).map_err(StoreError::disk("write", &new))?;
    file.sync().map_err(StoreError::disk("sync", &new))?;
    disk.rename(&new, &path).map_err(StoreError::disk("rename", &path))?;
    disk.sync_dir(root).map_err(StoreError::disk("sync", root))?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, Survivors};

    #[test]
    fn an_epoch_survives_a_power_cut_whole_or_not_at_all() {
        let root = Path::new("/data");
        for k in 1..=5 {
            let disk = ForgetfulDisk::new();
            disk.crash_at(k);
            let bumped = bump(&disk, root);
            disk.restart(Survivors::Nothing);
            let expected = if bumped.is_ok() { 2 } else { 1 };
            assert_eq!(load(&disk, root).unwrap(), expected, "crash at operation {k}");
        }
    }
}
