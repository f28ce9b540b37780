//! A data directory with its configuration, and the process that serves it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{Api, Feed, PATIENCE, Phones, eventually};

/// The binary under test.
pub const YINLING: &str = env!("CARGO_BIN_EXE_yinling");

/// A data directory that outlives the processes that serve it.
pub struct House {
    dir: tempfile::TempDir,
    /// The administrator's token, as `init` printed it.
    pub token: String,
    /// The password of the administrator's account.
    pub password: String,
}

impl House {
    /// A new house whose SMS, voice and push go to `phones`; `more` is appended to its configuration.
    pub fn new(phones: &Phones, more: &str) -> House {
        let dir = tempfile::tempdir().unwrap();
        let mut config = String::new();
        for channel in ["sms", "voice", "push"] {
            let (url, secret) = (phones.url(), phones.secret());
            config += &format!("[channels.{channel}]\nkind = \"gateway\"\nurl = \"{url}\"\nsecret = \"{secret}\"\n");
        }
        fs::write(dir.path().join("yinling.toml"), config + more).unwrap();
        let output = Command::new(YINLING).arg("init").arg("--data").arg(dir.path().join("data")).output().unwrap();
        assert!(output.status.success(), "init failed: {output:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let last = stdout.lines().last().unwrap_or_default();
        let token = last.strip_prefix("token: ").unwrap_or_else(|| panic!("last line of init: {last:?}")).to_owned();
        let password = stdout.lines().find_map(|line| line.strip_prefix("password: ")).unwrap_or_default().to_owned();
        House { dir, token, password }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A place beside the data directory for a test's own files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `yinling serve` on ports of its own choice.
    pub fn serve_command(&self) -> Command {
        let mut command = Command::new(YINLING);
        command.args(self.serve_arguments()).env("YINLING_LOG", "info");
        command
    }

    /// The arguments of [`serve_command`](Self::serve_command), for a story that starts it through another program.
    pub fn serve_arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = vec!["serve".into(), "--data".into(), self.data().into()];
        arguments.extend(["--config".into(), self.file("yinling.toml").into()]);
        arguments.extend(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"].map(Into::into));
        arguments
    }

    /// Serves at an address that is known before, as behind a name that others have.
    pub fn serve_at(&self, http: SocketAddr) -> Server {
        let mut command = Command::new(YINLING);
        let arguments = self.serve_arguments();
        let place = arguments.iter().position(|argument| argument == "--http").unwrap() + 1;
        command
            .args(&arguments[..place])
            .arg(http.to_string())
            .args(&arguments[place + 1..])
            .env("YINLING_LOG", "info");
        Server::start(command, &self.token, &self.file("serve.log"))
    }

    /// Serves, and returns when it says that it is ready.
    pub fn serve(&self) -> Server {
        Server::start(self.serve_command(), &self.token, &self.file("serve.log"))
    }

    /// What `journal dump` prints, line by line.
    pub fn dump(&self, kind: Option<&str>) -> Vec<serde_json::Value> {
        self.dump_text(kind).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The first line of `journal dump`: the oldest record.
    pub fn first_of_dump(&self) -> serde_json::Value {
        let mut command = Command::new(YINLING);
        command.args(["journal", "dump", "--data"]).arg(self.data());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let _ = child.kill();
        child.wait().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// What `journal dump` prints.
    pub fn dump_text(&self, kind: Option<&str>) -> String {
        self.dump_text_from(1, kind)
    }

    /// What `journal dump` prints from a record on, with everything that is on disk.
    pub fn dump_text_from(&self, seq: u64, kind: Option<&str>) -> String {
        let mut command = Command::new(YINLING);
        command.args(["journal", "dump", "--with-secrets", "--data"]).arg(self.data());
        command.args(["--from", &seq.to_string()]);
        if let Some(kind) = kind {
            command.args(["--kind", kind]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "journal dump: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Whether a child of the server is its watchdog, and not a server under a tracer.
fn is_watchdog(process: u32) -> bool {
    let command_line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    command_line.split(|byte| *byte == 0).nth(1) == Some(b"watchdog")
}

/// A serving process. Dropped: killed.
pub struct Server {
    child: Child,
    /// The process that serves: the child, or the child's child when it runs under a tracer.
    process: u32,
    log: PathBuf,
    /// Where the API listens.
    pub http: SocketAddr,
    /// Where the door listens.
    pub mqtt: SocketAddr,
    /// Both again, with TLS.
    tls: Option<(SocketAddr, SocketAddr)>,
    token: String,
}

impl Server {
    /// Runs `command` and waits for its `ready` line; its log is appended to `log`.
    pub fn start(mut command: Command, token: &str, log: &Path) -> Server {
        let stderr = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let (lines, said) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        // Reads on after `ready`, so that the process never blocks on a full pipe.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        // A machine that is busy with other tests takes its time over a start.
        let deadline = Instant::now() + 4 * PATIENCE;
        let ready = loop {
            match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with("ready ") => break line,
                Ok(_) => {}
                Err(_) => {
                    let _ = child.kill();
                    panic!("no `ready` line; the log says:\n{}", fs::read_to_string(log).unwrap_or_default());
                }
            }
        };
        let address = |key: &str| -> SocketAddr {
            let text = ready.split(' ').find_map(|word| word.strip_prefix(key)).unwrap_or_else(|| panic!("{ready}"));
            text.parse().unwrap_or_else(|_| panic!("{ready}"))
        };
        let (http, mqtt) = (address("http="), address("mqtt="));
        let tls = ready.contains("https=").then(|| (address("https="), address("mqtts=")));
        let process = only_child_of(child.id()).filter(|child| !is_watchdog(*child)).unwrap_or(child.id());
        Server { child, process, log: log.to_owned(), http, mqtt, tls, token: token.to_owned() }
    }

    /// Where the API listens with TLS.
    pub fn https(&self) -> SocketAddr {
        self.tls.unwrap().0
    }

    /// Where the door listens with TLS.
    pub fn mqtts(&self) -> SocketAddr {
        self.tls.unwrap().1
    }

    /// The API with the administrator's token.
    pub fn api(&self) -> Api {
        Api::new(self.http, &self.token)
    }

    /// The feed from its oldest event.
    pub fn feed(&self) -> Feed {
        Feed::from_oldest(self.api())
    }

    /// Imports a registry and expects that it is taken.
    pub fn import(&self, registry: &serde_json::Value) {
        let reply = self.api().post("/import", registry);
        assert!(reply.status / 100 == 2, "import: {reply:?}");
    }

    /// The value of a metric summed over its labels that contain `label`; 0 when it is not there.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.api().text_at("/metrics");
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name).unwrap_or("x");
            (rest.starts_with('{') || rest.starts_with(' ')) && rest.contains(label)
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.signal("KILL");
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name, e.g. `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.process, name);
    }

    /// Ends it as an operator would and expects that it goes by itself, without a fault.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert!(status.success(), "serve ended with {status}; the log says:\n{}", self.log());
    }

    /// Waits until the process ends.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the end of the process", || self.child.try_wait().unwrap())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A tracer that is killed takes what it traces with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(6_000).map_or(0, |(at, _)| at);
            eprintln!("---- the server's log ends with:\n{}", &log[from..]);
        }
    }
}

/// The one child of a process, if it has one.
fn only_child_of(process: u32) -> Option<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// Sends a signal by its name to a process.
pub fn signal(process: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status().unwrap();
    assert!(status.success(), "kill -{name} {process}");
}

/// Runs a command to its end, or kills it after `limit` and fails.
pub fn run_within(command: Command, limit: Duration) -> std::process::Output {
    run_with_input(command, Stdio::null(), limit)
}

/// The same with something to read.
pub fn run_with_input(mut command: Command, stdin: Stdio, limit: Duration) -> std::process::Output {
    let child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = child.id();
    let (sender, ended) = mpsc::channel();
    // Reads while it runs: a full pipe would hold it up.
    std::thread::spawn(move || drop(sender.send(child.wait_with_output().unwrap())));
    ended.recv_timeout(limit).unwrap_or_else(|_| {
        signal(process, "KILL");
        let output = ended.recv().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{command:?} did not end within {limit:?}; it said: {said}");
    })
}
