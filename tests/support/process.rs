//! The program as a process: started, listened to, signalled, and ended by its id, also when a test panics.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// How long a process may take for one thing; only a hanging one does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// How long to wait between two looks at a file that another process writes.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// The program with arguments, untouched by settings of the surroundings.
pub(crate) fn orderlight<Argument: AsRef<OsStr>>(arguments: impl IntoIterator<Item = Argument>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderlight"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ORDERLIGHT_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Runs a command of the program to its end.
pub(crate) fn run<Argument: AsRef<OsStr>>(arguments: impl IntoIterator<Item = Argument>) -> Finished {
    Process::start(orderlight(arguments)).wait()
}

/// Runs a command of the program on a data directory.
pub(crate) fn run_on(data: &Path, arguments: &[&str]) -> Finished {
    let mut command = orderlight(arguments);
    command.arg("--data").arg(data);
    Process::start(command).wait()
}

/// Imports a file into a data directory.
pub(crate) fn import(data: &Path, file: &Path) -> Finished {
    Process::start(importing(data, file)).wait()
}

/// The command that imports a file into a data directory.
pub(crate) fn importing(data: &Path, file: &Path) -> Command {
    let mut command = orderlight(["import"]);
    command.arg(file).arg("--data").arg(data);
    command
}

/// A process that this test started.
pub(crate) struct Process {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// What a process left.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// All of its standard output.
    pub(crate) stdout: String,
    /// All of its standard error.
    pub(crate) stderr: String,
}

/// Lines that a process writes, taken up by a thread so that it never waits for its reader.
struct Lines {
    arriving: Receiver<String>,
    seen: String,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdout = Lines::of(child.stdout.take().expect("standard output is piped"));
        let stderr = Lines::of(child.stderr.take().expect("standard error is piped"));
        Self { child, stdout, stderr }
    }

    /// The next line of its standard output that begins so.
    pub(crate) fn line(&mut self, beginning: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.stdout.next(until) {
                Some(line) if line.starts_with(beginning) => return line.trim_end().to_owned(),
                Some(_) => {}
                None => {
                    self.stderr.drain(until);
                    panic!("no line {beginning:?}\nstdout:\n{}\nstderr:\n{}", self.stdout.seen, self.stderr.seen);
                }
            }
        }
    }

    /// Waits for a line of its standard error that says so.
    pub(crate) fn told(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while let Some(line) = self.stderr.next(until) {
            if line.contains(text) {
                return;
            }
        }
        panic!("no line with {text:?}\nstderr:\n{}", self.stderr.seen);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // One that has ended by itself is not there any more, which its exit code will tell.
        let _gone = kill_process(self.id(), signal);
    }

    /// Lets no file of it grow beyond so many bytes; none takes the limit away. It may always be lowered and taken away again.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        prlimit(Some(self.id()), Resource::Fsize, Rlimit { current: bytes, maximum: None }).expect("it is ours");
    }

    fn id(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id")
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Finished {
        let until = Instant::now() + PATIENCE;
        self.stdout.drain(until);
        self.stderr.drain(until);
        assert!(Instant::now() < until, "the program hangs:\n{}\n{}", self.stdout.seen, self.stderr.seen);
        let code = self.child.wait().expect("it was not waited for before").code();
        Finished { code, stdout: std::mem::take(&mut self.stdout.seen), stderr: std::mem::take(&mut self.stderr.seen) }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(self) -> Finished {
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Looks until something is true of the world, or the process has ended by itself: whether it became true.
    pub(crate) fn until(&mut self, mut true_now: impl FnMut() -> bool) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if true_now() {
                return true;
            }
            if self.child.try_wait().expect("it can be asked").is_some() {
                return false;
            }
            std::thread::park_timeout(BETWEEN_LOOKS);
        }
        panic!("the program does not get on");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Finished {
    /// The exit code was this, or what was said is shown.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// A number of the summary that `import` prints; 0 for a tier that no order reached.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let mut counts = self.stdout.lines().filter_map(|line| {
            let (found, count) = line.trim().split_once(' ')?;
            (found == name).then(|| count.trim().parse().expect("a count"))
        });
        counts.next().unwrap_or(0)
    }
}

impl Lines {
    fn of(source: impl Read + Send + 'static) -> Self {
        let (sender, arriving) = channel();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self { arriving, seen: String::new() }
    }

    /// The next line; none at the end or when it did not come in time.
    fn next(&mut self, until: Instant) -> Option<String> {
        match self.arriving.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.seen.push_str(&line);
                Some(line)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    fn drain(&mut self, until: Instant) {
        while self.next(until).is_some() {}
    }
}
