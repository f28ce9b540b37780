//! One entry of the registry at a time, against the state of it that the caller saw; and tables.

use serde_json::{Value, json};

use crate::harness::registry::{household, patient_plan, street};
use crate::harness::{Api, House, Phones, Server, Wire};

fn served() -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let mut registry = street(1, &patient_plan());
    registry["orgs"] = household(patient_plan())["orgs"].clone();
    server.import(&registry);
    (house, phones, server)
}

fn tag(api: &Api, path: &str) -> String {
    format!("\"{}\"", api.get(path).etag.unwrap_or_else(|| panic!("{path} has no ETag")))
}

#[test]
fn an_entry_is_written_only_by_whoever_saw_it_as_it_is() {
    let (house, _phones, server) = served();
    let api = server.api();
    let wearer = json!({"name": "赵秀英", "org": "/luyang/xinghua/yinxing/", "guardians": ["g1"]});
    let made = api.put("/wearers/w7", &[("if-none-match", "*")], &wearer);
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["id"], "w7");
    let first = format!("\"{}\"", made.etag.clone().unwrap());
    assert_eq!(tag(&api, "/wearers/w7"), first);

    let blind = api.put("/wearers/w7", &[], &wearer);
    assert_eq!((blind.status, blind.code()), (428, "version-required"));
    let taken = api.put("/wearers/w7", &[("if-none-match", "*")], &wearer);
    assert_eq!((taken.status, taken.code()), (412, "stale"));

    // Contacts, doctor, fences, thresholds and plan are members of their wearer.
    let fence = json!({"id": "home", "circle": {"lon": 117.2272, "lat": 31.8206, "radius_m": 300}});
    let patch = json!({
        "guardians": ["g2", "g1"], "fences": [fence], "plan": {"cycles": 2}, "thresholds": {"heart_rate": {"high": 110}},
    });
    let changed = api.patch("/wearers/w7", &[("if-match", &first)], &patch);
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["guardians"], json!(["g2", "g1"]));
    assert_eq!(changed.body["plan"]["cycles"], 2);
    assert_eq!(changed.body["thresholds"]["heart_rate"]["high"], 110);
    assert_eq!(changed.body["name"], "赵秀英", "what is not in the patch stays");
    let stale = api.patch("/wearers/w7", &[("if-match", &first)], &json!({"guardians": ["g1"]}));
    assert_eq!((stale.status, stale.code()), (412, "stale"));
    assert_eq!(api.get("/wearers/w7").body["guardians"], json!(["g2", "g1"]), "nothing changed half");
    let second = tag(&api, "/wearers/w7");
    let back = api.patch("/wearers/w7", &[("if-match", &second)], &json!({"fences": null, "thresholds": null}));
    assert_eq!((back.status, &back.body["fences"]), (200, &json!([])), "{back:?}");

    for (noun, id, patch) in [
        ("people", "g1", json!({"lang": "en"})),
        ("devices", "dev0", json!({"wearer": null})),
        ("orgs", "%2Fluyang%2Fxinghua%2Fyinxing%2F", json!({"name": "银杏社区(新)"})),
    ] {
        let path = format!("/{noun}/{id}");
        let before = tag(&api, &path);
        let written = api.patch(&path, &[("if-match", &before)], &patch);
        assert_eq!(written.status, 200, "{noun}: {written:?}");
        for (name, value) in patch.as_object().unwrap() {
            assert_eq!(&written.body[name], value, "{noun}");
        }
        assert_ne!(tag(&api, &path), before);
    }
    assert!(Wire::login(server.mqtt, "dev0", "secret-dev0", 4).is_ok(), "a secret that is not named stays");

    let path = "/wearers/w7";
    let last = tag(&api, path);
    server.kill();
    let server = house.serve();
    assert_eq!(tag(&server.api(), path), last, "the same after a kill -9");
    let again = server.api().patch(path, &[("if-match", &last)], &json!({"birth_year": 1941}));
    assert_eq!(again.status, 200, "and the pipeline knows it too: {again:?}");
}

#[test]
fn what_is_wrong_with_an_entry_is_told_with_its_place_in_it() {
    let (_house, _phones, server) = served();
    let api = server.api();
    let now = tag(&api, "/wearers/w0");
    for (patch, pointer) in [
        (json!({"guardians": ["nobody"]}), "/guardians/0"),
        (json!({"plan": {"cycles": "many"}}), "/plan/cycles"),
        (json!({"fences": [{"id": "x", "circle": {"lon": 500, "lat": 1, "radius_m": 10}}]}), "/fences/0/circle/lon"),
        (json!({"id": "w1"}), "/id"),
        (json!({"nmae": "x"}), "/nmae"),
    ] {
        let reply = api.patch("/wearers/w0", &[("if-match", &now)], &patch);
        assert_eq!((reply.status, reply.code()), (422, "invalid"), "{patch} {reply:?}");
        assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{reply:?}");
    }
    assert_eq!(tag(&api, "/wearers/w0"), now);
    for bad in ["W/\"0123456789abcdef\"", "\"7\"", "*", "0123456789abcdef"] {
        let reply = api.patch("/wearers/w0", &[("if-match", bad)], &json!({}));
        assert_eq!((reply.status, reply.code()), (400, "bad-header"), "{bad}");
    }
    assert_eq!(api.patch("/wearers/nobody", &[("if-match", &now)], &json!({})).status, 404);
    let refused = api.delete("/devices/dev0");
    assert_eq!((refused.status, refused.code()), (409, "erasure-not-offered"));
}

#[test]
fn nobody_writes_outside_their_part_of_the_tree() {
    let (_house, _phones, server) = served();
    let api = server.api();
    let made = api.post("/tokens", &json!({"label": "x", "role": "operator", "scope": "/luyang/xinghua/guihua/"}));
    let outside = api.with_token(made.body["token"].as_str().unwrap());
    let now = tag(&api, "/wearers/w0");
    assert_eq!(outside.get("/wearers/w0").status, 404);
    assert_eq!(outside.patch("/wearers/w0", &[("if-match", &now)], &json!({"name": "x"})).status, 404);
    assert_eq!(outside.put("/wearers/w0", &[], &json!({"name": "x", "org": "/luyang/xinghua/guihua/"})).status, 404);
    let elsewhere = outside.put("/wearers/w8", &[], &json!({"name": "x", "org": "/luyang/xinghua/yinxing/"}));
    assert_eq!((elsewhere.status, elsewhere.code()), (403, "not-allowed"), "{elsewhere:?}");
    assert_eq!(api.get("/wearers/w8").status, 404);
}

#[test]
fn a_table_is_imported_as_the_document_it_stands_for() {
    let (_house, _phones, server) = served();
    let api = server.api();
    let send = |path: &str, table: &str| api.post_as(path, "text/csv; charset=utf-8", table);
    let table = "id,role,name,phone\nn1,guardian,孙一,+8613800000031\nn2,volunteer,\"孙, 二\",+8613800000032\n";
    let dry = send("/import?dry_run=true", table);
    assert_eq!((dry.status, &dry.body["counts"]["people"]), (200, &json!(2)), "{dry:?}");
    assert_eq!(api.get("/people/n1").status, 404);
    assert_eq!(send("/import", table).status, 200);
    assert_eq!(api.get("/people/n2").body["name"], "孙, 二");
    let wrong = send("/import", "id,role,name,phone\nn3,guardian,x,+8613800000033\n,,,\nn4,wizard,y,138\n");
    let found: Vec<&Value> = wrong.body["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!((wrong.status, found), (422, vec![&json!("/rows/3/role"), &json!("/rows/3/phone")]), "{wrong:?}");
    assert_eq!(api.get("/people/n3").status, 404, "all or nothing");
}
