//! The API against its own description: schemathesis, from PyPI, makes requests of it and holds the answers to it.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::clients::python;
use crate::harness::registry::{household, patient_plan, street, up};
use crate::harness::server::run_within;
use crate::harness::{House, Phones, Wire};

/// How many requests an operation is asked.
const EXAMPLES: &str = "8";
/// What an answer is held to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth";
const RUN_SECONDS_MAX: u64 = 280;

#[test]
fn schemathesis_finds_no_server_error_and_no_answer_beside_the_schema() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let mut registry = street(2, &patient_plan());
    registry["orgs"] = household(patient_plan())["orgs"].clone();
    server.import(&registry);
    let mut wire = Wire::login(server.mqtt, "dev0", "secret-dev0", 4).unwrap();
    assert_eq!(wire.report(&up("dev0"), br#"{"type":"sos"}"#), 0);
    server.feed().wait_for("case.filed");
    let hook = json!({"name": "x", "url": "https://localhost:1/"});
    assert_eq!(server.api().post("/webhooks", &hook).status, 201);

    let schemathesis = python().with_file_name("schemathesis");
    let mut command = Command::new(&schemathesis);
    command.args(["run", &format!("http://{}/api/v1/openapi.json", server.http)]);
    command.args(["--header", &format!("Authorization: Bearer {}", server.api().token())]);
    // A stream never ends; 503 is what `/readyz` is for; a session that is ended takes the rest of the run with it.
    for path in ["/api/v1/events/stream", "/readyz", "/api/v1/session"] {
        command.args(["--exclude-path", path]);
    }
    command.args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS]);
    // Deterministic: the same requests in every run.
    command.args(["--max-examples", EXAMPLES, "--generation-deterministic", "--max-time", "100"]);
    // The server answers within thirty seconds; longer than that only a machine may take that was paused meanwhile.
    command.args(["--request-timeout", "150", "--no-color", "--workers", "1"]);
    command.current_dir(house.file("."));
    let output = run_within(command, Duration::from_secs(RUN_SECONDS_MAX));
    let told = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} said:\n{told}\n{wrong}", schemathesis.display());
    assert!(server.api().get("/incidents").status == 200, "the server is as it was");
}
