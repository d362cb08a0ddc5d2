//! A disk whose syncs fail, and what is left on it after a power cut: the library of `disk.c` between the service and the system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The log's files in a data directory.
pub(super) const LOG: &str = "log.sqlite";
pub(super) const WRITE_AHEAD: &str = "log.sqlite-wal";

/// The disk under a data directory.
pub(super) struct Disk {
    data: PathBuf,
    directory: TempDir,
}

impl Disk {
    /// Under a data directory that is not there yet.
    pub(super) fn under(data: &Path) -> Self {
        fs::create_dir_all(data).expect("a directory");
        let disk = Self {
            data: data.canonicalize().expect("it is there"),
            directory: tempfile::tempdir().expect("a directory"),
        };
        fs::create_dir(disk.kept()).expect("a directory");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/faults/disk.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", source, "-ldl", "-lpthread", "-o"]);
        assert!(compile.arg(disk.library()).status().expect("a C compiler is there").success());
        disk
    }

    /// The command, with this disk under its data directory.
    pub(super) fn below(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", self.library()).env("DISK_DATA", &self.data).env("DISK_KEPT", self.kept());
        command
    }

    /// The next sync of a file fails.
    pub(super) fn fail_once(&self, file: &str) {
        fs::write(self.failing(file), "").expect("a file");
    }

    /// The sync of a file after the next one fails.
    pub(super) fn fail_second(&self, file: &str) {
        fs::write(self.failing_next(file), "").expect("a file");
    }

    /// All syncs of a file fail from now on.
    pub(super) fn fail(&self, file: &str) {
        // An empty file is one that fails once, so it may not be seen before it says more.
        let written = self.kept().join("fail");
        fs::write(&written, "always").expect("a file");
        fs::rename(written, self.failing(file)).expect("they are beside each other");
    }

    /// Whether syncs of a file fail, or one of the next does.
    pub(super) fn is_failing(&self, file: &str) -> bool {
        self.failing_next(file).exists() || self.failing(file).exists()
    }

    /// No sync of a file fails from now on.
    pub(super) fn mend(&self, file: &str) {
        fs::remove_file(self.failing(file)).expect("syncs of it fail");
    }

    /// When no process runs: the files are what the disk holds of them, and what was in the system's cache is gone.
    pub(super) fn cut_power(&self) {
        for file in [LOG, WRITE_AHEAD, "log.sqlite-shm"] {
            let (cached, kept) = (self.data.join(file), self.kept().join(file));
            let _was_not_there = fs::remove_file(&cached);
            if kept.exists() {
                fs::copy(kept, cached).expect("a copy");
            }
            // The first process after it reads clean pages.
            let _was_not_there = fs::remove_file(self.kept().join(format!("{file}.dirty")));
        }
    }

    fn failing(&self, file: &str) -> PathBuf {
        self.kept().join(format!("fail-{file}"))
    }

    fn failing_next(&self, file: &str) -> PathBuf {
        self.kept().join(format!("fail-next-{file}"))
    }

    fn kept(&self) -> PathBuf {
        self.directory.path().join("kept")
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("disk.so")
    }
}
