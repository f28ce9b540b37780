//! TLS at both doors, with curl, mosquitto and openssl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, up};
use crate::harness::server::{Server, YINLING, run_within};
use crate::harness::{House, Phones, eventually};

const LISTEN: &str = "[http]\ntls_listen = \"127.0.0.1:0\"\n[mqtt]\ntls_listen = \"127.0.0.1:0\"\n";

/// A certificate for this machine, as a first try makes it, in a folder of its own.
fn certificate(folder: &Path) {
    let mut command = Command::new(YINLING);
    command.args(["init", "--self-signed", "--tls-name", "yinling.example", "--data"]).arg(folder);
    let output = run_within(command, Duration::from_secs(60));
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().starts_with("token: "));
}

/// A house whose certificate is that of `folder`.
fn house(phones: &Phones, folder: &Path, more: &str) -> House {
    let (certificate, key) = (folder.join("tls/certificate.pem"), folder.join("tls/key.pem"));
    House::new(phones, &format!("{LISTEN}[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{more}"))
}

fn curl(server: &Server, authority: &Path) -> Output {
    let mut command = Command::new("curl");
    command.args(["-q", "-sS", "--max-time", "30", "--cacert"]).arg(authority);
    run_within(
        {
            command.arg(format!("https://{}/healthz", server.https()));
            command
        },
        Duration::from_secs(60),
    )
}

fn publish(server: &Server, authority: &Path, more: &[&str]) -> Output {
    let mut command = Command::new("mosquitto_pub");
    let door = server.mqtts();
    command.args(["-h", &door.ip().to_string(), "-p", &door.port().to_string(), "-i", BRACELET, "-u", BRACELET]);
    command.args(["-q", "1", "-t", &up(BRACELET), "-m", r#"{"type":"heart_rate","bpm":71}"#, "--cafile"]);
    command.arg(authority).args(more);
    run_within(command, Duration::from_secs(60))
}

fn openssl(door: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &door.to_string()]).args(arguments).stdin(Stdio::null());
    let output = run_within(command, Duration::from_secs(60));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn both_doors_speak_tls_to_others_clients_and_take_a_new_certificate_without_dropping_anybody() {
    let (phones, dir) = (Phones::start(), tempfile::tempdir().unwrap());
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    certificate(&first);
    certificate(&second);
    let house = house(&phones, &first, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    let (authority, next) = (house.file("first.pem"), second.join("tls/certificate.pem"));
    std::fs::copy(first.join("tls/certificate.pem"), &authority).unwrap();

    let answer = curl(&server, &authority);
    assert!(answer.status.success(), "{answer:?}");
    // Our own command line trusts it when it is told to, and only then.
    for (trusts, works) in [(true, true), (false, false)] {
        let mut command = Command::new(YINLING);
        command.args(["token", "list", "--server", &format!("https://{}", server.https())]);
        command.args(["--token", &house.token]);
        if trusts {
            command.arg("--ca").arg(&authority);
        }
        let listed = run_within(command, Duration::from_secs(60));
        assert_eq!(listed.status.success(), works, "{listed:?}");
    }
    let published = publish(&server, &authority, &["-P", SECRET]);
    assert!(published.status.success(), "{published:?}");
    assert!(!publish(&server, &authority, &["-P", "wrong"]).status.success());
    for (version, works) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)] {
        for door in [server.https(), server.mqtts()] {
            let said = openssl(door, &[version]);
            assert_eq!(said.contains("Cipher is TLS_") || said.contains("Cipher is ECDHE"), works, "{version}: {said}");
        }
    }

    // Somebody is connected while the certificate changes, and stays.
    let mut listener = Command::new("mosquitto_sub");
    let door = server.mqtts();
    listener.args(["-h", &door.ip().to_string(), "-p", &door.port().to_string(), "-i", BRACELET, "-u", BRACELET]);
    listener.args(["-P", SECRET, "-q", "1", "-t", &format!("yl/v1/{BRACELET}/down"), "-C", "1", "--cafile"]);
    let mut listener = listener.arg(&authority).stdout(Stdio::piped()).spawn().unwrap();
    eventually("the bracelet to be there", || {
        let online = server.api().get("/events?types=device.online").body["data"].as_array().map_or(0, Vec::len);
        // One session was the publisher's.
        (online >= 2).then_some(())
    });
    for file in ["certificate.pem", "key.pem"] {
        std::fs::copy(second.join("tls").join(file), first.join("tls").join(file)).unwrap();
    }
    server.signal("HUP");
    eventually("the new certificate", || curl(&server, &next).status.success().then_some(()));
    assert!(!curl(&server, &authority).status.success(), "the old one is shown to nobody new");
    let sent = server.api().post(&format!("/devices/{BRACELET}/commands"), &serde_json::json!({"kind": "ring"}));
    assert_eq!(sent.status, 201, "{sent:?}");
    let mut said = String::new();
    listener.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    listener.wait().unwrap();
    assert!(said.contains("ring"), "the session of before got nothing: {said}");
    // What cannot be used is not taken.
    std::fs::write(first.join("tls/certificate.pem"), "nonsense").unwrap();
    server.signal("HUP");
    eventually("the complaint", || server.log().contains("cannot be used and the one before goes on").then_some(()));
    assert!(curl(&server, &next).status.success());
    server.stop();
}

#[test]
fn who_says_nothing_at_the_door_holds_up_nobody() {
    let (phones, dir) = (Phones::start(), tempfile::tempdir().unwrap());
    certificate(dir.path());
    let house = house(&phones, dir.path(), "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    let authority = dir.path().join("tls/certificate.pem");
    let mut silent = Vec::new();
    for door in [server.https(), server.mqtts()] {
        for n in 0..50 {
            let mut stream = TcpStream::connect(door).unwrap();
            // Some begin a handshake and stop, some speak another protocol, some say nothing.
            match n % 3 {
                0 => drop(stream.write_all(b"\x16\x03\x01\x02\x00\x01")),
                1 => drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")),
                _ => {}
            }
            silent.push(stream);
        }
    }
    assert!(curl(&server, &authority).status.success());
    assert!(publish(&server, &authority, &["-P", SECRET]).status.success());
    drop(silent);
    server.stop();
}

#[test]
fn a_devices_certificate_speaks_for_that_device_and_no_other() {
    let (phones, dir) = (Phones::start(), tempfile::tempdir().unwrap());
    certificate(dir.path());
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(arguments).stdin(Stdio::null());
        let output = run_within(command, Duration::from_secs(60));
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = |name: &str| openssl(&["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", &file(name)]);
    let authority = |prefix: &str| {
        let (its_key, its_certificate) = (format!("{prefix}.key"), format!("{prefix}.pem"));
        key(&its_key);
        let subject = format!("/CN={prefix}");
        openssl(&[
            "req",
            "-x509",
            "-new",
            "-key",
            &file(&its_key),
            "-subj",
            &subject,
            "-days",
            "30",
            "-out",
            &file(&its_certificate),
        ]);
    };
    let device = |authority: &str, name: &str, common_name: &str| {
        let (request, its_key) = (file(&format!("{name}.csr")), format!("{name}.key"));
        key(&its_key);
        let subject = format!("/CN={common_name}");
        openssl(&["req", "-new", "-key", &file(&its_key), "-subj", &subject, "-out", &request]);
        let (signer, signers_key) = (file(&format!("{authority}.pem")), file(&format!("{authority}.key")));
        let extensions = file("extensions");
        std::fs::write(&extensions, "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n").unwrap();
        let certificate = file(&format!("{name}.pem"));
        let signed = ["-CAcreateserial", "-days", "30", "-extfile", &extensions, "-out", &certificate];
        openssl(&[&["x509", "-req", "-in", &request, "-CA", &signer, "-CAkey", &signers_key], &signed[..]].concat());
    };
    authority("maker");
    authority("stranger");
    device("maker", "own", BRACELET);
    device("maker", "another", "861234567890999");
    device("stranger", "forged", BRACELET);
    let more = format!("client_ca = {:?}\n", dir.path().join("maker.pem"));
    let house = house(&phones, dir.path(), &more);
    let server = house.serve();
    server.import(&household(patient_plan()));
    let server_authority = dir.path().join("tls/certificate.pem");
    let works = |more: &[&str]| publish(&server, &server_authority, more).status.success();
    let with = |name: &str| [file(&format!("{name}.pem")), file(&format!("{name}.key"))];
    let (own, another, forged) = (with("own"), with("another"), with("forged"));
    assert!(works(&["-P", SECRET]), "a certificate is not asked of everybody");
    assert!(!works(&[]), "neither secret nor certificate");
    assert!(works(&["--cert", &own[0], "--key", &own[1]]), "the certificate stands in for the secret");
    assert!(!works(&["--cert", &own[0], "--key", &own[1], "-P", "wrong"]), "a wrong secret is wrong all the same");
    assert!(!works(&["--cert", &another[0], "--key", &another[1], "-P", SECRET]), "it names another device");
    assert!(!works(&["--cert", &forged[0], "--key", &forged[1]]), "signed by somebody else");
    server.stop();
}

#[test]
fn plain_text_beyond_this_machine_must_be_asked_for_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |config: &str| {
        let file = dir.path().join("yinling.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(YINLING);
        command.arg("check").arg("--config").arg(&file);
        let output = run_within(command, Duration::from_secs(60));
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        said.contains("without encryption; set `tls_listen`")
    };
    assert!(refused("[http]\nlisten = \"0.0.0.0:8080\"\n"));
    assert!(refused("[mqtt]\nlisten = \"[::]:1883\"\n"));
    assert!(!refused("[mqtt]\nlisten = \"0.0.0.0:1883\"\nallow_plaintext = true\n"));
    assert!(!refused("[mqtt]\ntls_listen = \"0.0.0.0:8883\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n"));
    assert!(!refused("[mqtt]\nlisten = \"127.0.0.1:1883\"\n"));
}
