//! The master key in a file: 32 raw bytes, readable by its owner alone.
//!
//! A new file appears under its name only when it is whole and on disk, and never in place of another one: data sealed with a
//! lost key stays lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::{KEY_BYTES, VaultError, random};

type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// Reads the key; makes a new one where there is no file.
pub(super) fn read_or_create(path: &Path) -> Result<KeyBytes, VaultError> {
    match File::open(path) {
        Ok(file) => read(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            read(&File::open(path).map_err(VaultError::KeyFile)?)
        }
        Err(error) => Err(VaultError::KeyFile(error)),
    }
}

fn read(mut file: &File) -> Result<KeyBytes, VaultError> {
    let metadata = file.metadata().map_err(VaultError::KeyFile)?;
    check_mode(&metadata)?;
    if usize::try_from(metadata.len()) != Ok(KEY_BYTES) {
        return Err(VaultError::KeyFileLength { found: metadata.len() });
    }
    let mut bytes = KeyBytes::default();
    file.read_exact(bytes.as_mut()).map_err(VaultError::KeyFile)?;
    Ok(bytes)
}

/// Another process may make the file first; then its key is the one.
fn create(path: &Path) -> Result<(), VaultError> {
    let name = hex::encode(random::<8>()?);
    let draft = path.with_extension(format!("{name}.draft"));
    let key = KeyBytes::new(random()?);
    let made = write_draft(&draft, &key).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let removed = fs::remove_file(&draft);
    made.and(removed).and_then(|()| sync_directory(path)).map_err(VaultError::KeyFile)
}

fn write_draft(draft: &Path, key: &KeyBytes) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(key.as_ref())?;
    file.sync_all()
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn check_mode(metadata: &fs::Metadata) -> Result<(), VaultError> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(VaultError::KeyFileMode { mode }) }
}

#[cfg(not(unix))]
fn check_mode(_: &fs::Metadata) -> Result<(), VaultError> {
    Ok(())
}
