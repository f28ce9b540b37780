//! Health that tells the truth: what is stopped is said to be stopped, and said to be well again afterwards.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::harness::phones::Manner;
use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, quick_plan, up};
use crate::harness::server::signal;
use crate::harness::{House, PATIENCE, Phones, Server, Wire, eventually};

fn served(plan: serde_json::Value) -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(plan));
    (house, phones, server)
}

/// Waits until `/readyz` says 503 and names `what`, or 200 for `None`.
fn readiness_says(server: &Server, what: Option<&str>) -> String {
    eventually(&format!("/readyz about {what:?}"), || {
        let (status, text) = server.api().status_and_text_at("/readyz");
        let said = match what {
            Some(what) => status == 503 && text.contains(what),
            None => status == 200,
        };
        said.then_some(text)
    })
}

/// `strace` on a running process, injecting faults into its system calls. Detaches when dropped.
struct Tamper(Child);

impl Tamper {
    fn with(server: &Server, threads: &[u32], injection: &str) -> Tamper {
        let mut command = Command::new("strace");
        command.args(["-qq", "-o", "/dev/null", "-e", injection]);
        if threads.is_empty() {
            command.args(["-f", "-p", &server.id().to_string()]);
        }
        for thread in threads {
            command.args(["-p", &thread.to_string()]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("strace; ./test.sh installs it");
        let process = server.id();
        eventually("strace to attach", || {
            // A process that the fault has ended already was traced.
            let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Some(()) };
            let traced = |path: &std::path::Path| {
                let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
                let is_traced = |line: &str| line.starts_with("TracerPid:") && !line.ends_with("\t0");
                status.lines().any(|line| is_traced(line) || line.starts_with("State:\tZ"))
            };
            threads.filter_map(Result::ok).any(|entry| traced(&entry.path())).then_some(())
        });
        Tamper(child)
    }
}

impl Drop for Tamper {
    fn drop(&mut self) {
        // INT, not KILL: strace then detaches cleanly.
        if self.0.try_wait().is_ok_and(|status| status.is_none()) {
            signal(self.0.id(), "INT");
        }
        let _ = self.0.wait();
    }
}

#[test]
fn all_is_well_with_reasons() {
    let (_house, phones, server) = served(patient_plan());
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos"}"#);
    phones.expect_call("+8613800000001").press("1");
    readiness_says(&server, None);
    assert_eq!(server.api().status_and_text_at("/healthz").0, 200);
    let metrics = server.api().text_at("/metrics");
    assert!(metrics.contains("# TYPE "), "{metrics}");
    assert!(server.metric("yinling_reports_total", "") >= 1.0);
    assert!(metrics.contains("http_requests_total{"), "what the API counts by itself shows, too: {metrics}");
    let named = |what: &str| -> std::collections::BTreeSet<String> {
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(what));
        lines.filter_map(|rest| Some(rest.split_whitespace().next()?.to_owned())).collect()
    };
    assert_eq!(named("# TYPE "), named("# HELP "), "each of them says what it is");
    assert!(!metrics.lines().any(|line| line.contains("quantile=") && line.ends_with(" 0")), "{metrics}");
    eventually("the acknowledged incident to be counted", || {
        let counted = [server.metric("yinling_open_incidents", ""), server.metric("yinling_untaken_incidents", "")];
        (counted == [1.0, 0.0]).then_some(())
    });
    assert!(!metrics.contains("王桂兰") && !metrics.contains("+86138"), "no names and phones in metrics");
}

#[test]
fn a_box_that_is_gone_or_hangs_is_named_and_the_sos_waits_for_its_return() {
    for manner in [Manner::Refuses(503), Manner::Hangs] {
        let (_house, phones, server) = served(quick_plan());
        readiness_says(&server, None);
        phones.behave(manner);
        let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
        device.report(&up(BRACELET), br#"{"type":"sos"}"#);
        let text = readiness_says(&server, Some("voice"));
        assert!(text.contains("sms"), "every channel that fails is named: {text}");
        assert_eq!(server.api().status_and_text_at("/healthz").0, 200, "the process itself is well");
        phones.behave(Manner::Takes);
        phones.expect("a call once the box is back", |m| m.channel == "voice").press("1");
        assert_eq!(server.feed().wait_for("incident.acknowledged")["data"]["state"], "acknowledged");
        readiness_says(&server, None);
    }
}

#[test]
fn a_disk_that_stops_is_said_and_nothing_is_acknowledged_meanwhile() {
    let (house, _phones, server) = served(patient_plan());
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    assert_eq!(device.report(&up(BRACELET), br#"{"type":"alive","id":"before"}"#), 0);
    let tamper = Tamper::with(&server, &[], "inject=fdatasync,fsync:delay_enter=60000000");
    let packet = device.publish(&up(BRACELET), br#"{"type":"sos","id":"meanwhile"}"#, 1).unwrap();
    readiness_says(&server, Some("journal"));
    device.patience(Duration::from_millis(200));
    assert!(device.read().is_err(), "no PUBACK while the disk stands still");
    drop(tamper);
    device.patience(PATIENCE);
    assert_eq!(device.read().unwrap(), crate::harness::wire::Said::PubAck(packet, 0));
    readiness_says(&server, None);
    server.kill();
    assert!(house.dump_text(Some("report")).contains("meanwhile"));
}

#[test]
fn a_failed_sync_ends_the_process_and_is_never_acknowledged() {
    let (house, _phones, mut server) = served(patient_plan());
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    assert_eq!(device.report(&up(BRACELET), br#"{"type":"alive","id":"before"}"#), 0);
    let tamper = Tamper::with(&server, &[], "inject=fdatasync:error=EIO");
    // The journal's preparations sync too: the process may be gone before the report is out.
    let _ = device.publish(&up(BRACELET), br#"{"type":"heart_rate","bpm":70,"id":"lost"}"#, 1);
    assert!(device.is_closed_by_the_door(), "it is not acknowledged");
    let status = server.wait();
    assert!(!status.success(), "an operator's supervisor must see it: {status}");
    drop(tamper);
    let server = house.serve();
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    assert_eq!(device.report(&up(BRACELET), br#"{"type":"alive","id":"after"}"#), 0);
    let dump = house.dump_text(Some("report"));
    assert!(dump.contains("before") && dump.contains("after"), "{dump}");
}

/// The id of the thread that decides.
fn main_loop_of(server: &Server) -> u32 {
    let task = format!("/proc/{}/task", server.id());
    let name_of = |thread: &std::path::Path| std::fs::read_to_string(thread.join("comm")).unwrap_or_default();
    let threads: Vec<std::path::PathBuf> =
        std::fs::read_dir(&task).unwrap().map(|entry| entry.unwrap().path()).collect();
    let main_loop = threads.iter().find(|thread| name_of(thread).trim() == "main-loop").unwrap_or_else(|| {
        panic!("no thread `main-loop` among {:?}", threads.iter().map(|t| name_of(t)).collect::<Vec<_>>())
    });
    main_loop.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn a_loop_that_stands_still_is_said() {
    let (_house, _phones, server) = served(patient_plan());
    readiness_says(&server, None);
    let tamper = Tamper::with(&server, &[main_loop_of(&server)], "inject=all:delay_enter=60000000");
    readiness_says(&server, Some("loop"));
    drop(tamper);
    readiness_says(&server, None);
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    assert_eq!(device.report(&up(BRACELET), br#"{"type":"sos"}"#), 0);
    assert_eq!(server.feed().wait_for("incident.raised")["data"]["kind"], json!("sos"));
}

#[test]
fn a_supervisor_hears_that_we_serve_that_we_live_and_that_we_end() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let supervisor = UnixDatagram::bind(house.file("notify.sock")).unwrap();
    let mut command = house.serve_command();
    command.env("NOTIFY_SOCKET", house.file("notify.sock")).env("WATCHDOG_USEC", "400000");
    let server = Server::start(command, &house.token, &house.file("serve.log"));
    let hear = |patience: Duration| {
        let mut said = [0; 256];
        supervisor.set_read_timeout(Some(patience)).unwrap();
        let length = supervisor.recv(&mut said).ok()?;
        Some(String::from_utf8_lossy(&said[..length]).trim().to_owned())
    };
    assert_eq!(hear(PATIENCE).as_deref(), Some("READY=1"));
    assert_eq!(hear(PATIENCE).as_deref(), Some("WATCHDOG=1"));
    let tamper = Tamper::with(&server, &[main_loop_of(&server)], "inject=all:delay_enter=30000000");
    eventually("silence, so that it is started anew", || hear(Duration::from_secs(2)).is_none().then_some(()));
    drop(tamper);
    assert_eq!(hear(PATIENCE).as_deref(), Some("WATCHDOG=1"), "it goes round again");
    server.stop();
    let last = std::iter::from_fn(|| hear(Duration::from_millis(1))).last();
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn a_house_that_can_call_nobody_says_so_and_serves() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    std::fs::write(house.file("yinling.toml"), "").unwrap();
    let server = house.serve();
    let (status, text) = server.api().status_and_text_at("/readyz");
    assert_eq!(status, 200, "{text}");
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["status"], "degraded", "{text}");
    assert!(text.contains("nobody can be called: no provider is configured for sms or voice"), "{text}");
}
