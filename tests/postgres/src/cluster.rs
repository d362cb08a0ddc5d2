//! A whole cluster, for a test that stops, restarts or kills it.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where packages put the programs of a server, one folder a version.
const INSTALLED: &str = "/usr/lib/postgresql";
/// How long the processes of a killed server may take to go away, and a server to recover.
const START_MAX: Duration = Duration::from_secs(60);

/// A cluster of its own on a free port of the loopback, with the durability that Postgres has by default. It needs no password,
/// and goes with everything in it when this does.
#[derive(Debug)]
pub struct Cluster {
    directory: TempDir,
    programs: PathBuf,
    port: u16,
}

/// A cluster that stands still.
#[derive(Debug)]
pub struct Frozen<'cluster>(&'cluster Cluster);

impl Cluster {
    /// Makes one and starts it.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed, or does not start.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        if is_root() {
            let owner = |flag: &str| answer(Command::new("id").args([flag, "postgres"])).parse().expect("a number");
            std::os::unix::fs::chown(directory.path(), Some(owner("-u")), Some(owner("-g"))).expect("root may do this");
        }
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).expect("a free port").port();
        let cluster = Self { directory, programs: programs(), port };
        let initdb = cluster
            .program("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--pgdata"])
            .arg(cluster.data())
            .output()
            .expect("initdb runs");
        assert!(initdb.status.success(), "{}", String::from_utf8_lossy(&initdb.stderr));
        cluster.start_again();
        cluster
    }

    /// The address of its superuser.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it after it was stopped or killed, and waits until it takes connections.
    ///
    /// # Panics
    /// Where it does not start within a minute.
    pub fn start_again(&self) {
        let options = format!("-h 127.0.0.1 -p {} -k {}", self.port, self.directory.path().display());
        let limit = Instant::now() + START_MAX;
        // Processes of a killed server hold its memory for some moments, and a new one does not start beside them.
        while !self.control(&["start", "--wait", "--options", &options]) {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            assert!(Instant::now() < limit, "the cluster does not start: {}", log());
        }
    }

    /// Stops it in order: sessions are ended, and everything is written.
    ///
    /// # Panics
    /// Where it was not running.
    pub fn stop(&self) {
        assert!(self.control(&["stop", "--wait", "--mode", "fast"]), "the cluster stops");
    }

    /// Stops it at once: sessions are broken off, and what it had in memory is left to its recovery.
    ///
    /// # Panics
    /// Where it was not running.
    pub fn stop_at_once(&self) {
        assert!(self.control(&["stop", "--wait", "--mode", "immediate"]), "the cluster stops");
    }

    /// Kills it as a failing machine does; what it had not synced is for its recovery to find.
    ///
    /// # Panics
    /// Where it was not running.
    pub fn kill(&self) {
        self.signal("-KILL");
    }

    /// Lets it stand still until the answer goes: connections stay, and nobody answers on them.
    ///
    /// # Panics
    /// Where it was not running.
    pub fn freeze(&self) -> Frozen<'_> {
        self.signal("-STOP");
        Frozen(self)
    }

    /// To all of its processes: sessions would otherwise live on for some moments, and answer.
    fn signal(&self, signal: &str) {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).expect("the cluster runs");
        let process = file.lines().next().expect("its first line names the process");
        let mut kill = Command::new("kill");
        kill.args([signal, process]);
        let sessions = answer(Command::new("ps").args(["--ppid", process, "-o", "pid="]));
        // One that ended meanwhile is no matter.
        kill.args(sessions.split_whitespace()).stderr(Stdio::null()).status().expect("kill runs");
    }

    fn control(&self, arguments: &[&str]) -> bool {
        let mut command = self.program("pg_ctl");
        command.args(arguments).arg("--pgdata").arg(self.data()).arg("--log").arg(self.log());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("pg_ctl runs").success()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// The programs refuse to run as root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path());
        command
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.signal("-CONT");
    }
}

impl Drop for Cluster {
    /// Nothing in it is of use to anybody any longer.
    fn drop(&mut self) {
        self.control(&["stop", "--wait", "--mode", "immediate"]);
    }
}

fn is_root() -> bool {
    answer(Command::new("id").arg("-u")) == "0"
}

fn answer(command: &mut Command) -> String {
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it answers with text").trim().to_owned()
}

/// Those of the newest version.
fn programs() -> PathBuf {
    let version = |path: &Path| path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
    let versions = fs::read_dir(INSTALLED).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = versions.filter(|path| path.join("bin/pg_ctl").exists()).max_by_key(|path| version(path));
    newest.expect("PostgreSQL is installed; `.ci/with-postgres true` does that").join("bin")
}
