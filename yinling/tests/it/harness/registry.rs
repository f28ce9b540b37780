//! Registries to import. Everybody is invented; phones are +86138000000xx.

use serde_json::{Value, json};

/// The organisation of the one-household registry.
pub const COMMUNITY: &str = "/luyang/xinghua/yinxing/";
/// Its wearer's device.
pub const BRACELET: &str = "861234567890123";
/// That device's secret.
pub const SECRET: &str = "bracelet-secret-1";
/// The phone of guardian `g1`.
pub const G1: &str = "+8613800000001";
/// The phone of guardian `g2`.
pub const G2: &str = "+8613800000002";
/// The phone of guardian `g3`.
pub const G3: &str = "+8613800000003";
/// The phone of the community's desk.
pub const DESK: &str = "+8613800000010";
/// The grid worker's phone.
pub const WORKER: &str = "+8613800000011";

/// A plan that waits for seconds where the default waits for minutes.
pub fn quick_plan() -> Value {
    json!({"next_after_s": 2, "ring_s": 4, "gap_s": 1, "cycles": 2, "lease_s": 600, "fall_window_s": 1})
}

/// A plan that never moves on by itself within a story: only evidence moves it.
pub fn patient_plan() -> Value {
    json!({"next_after_s": 300, "ring_s": 600, "gap_s": 60, "cycles": 5, "lease_s": 600, "fall_window_s": 60})
}

/// One elder with three guardians, a doctor, a desk and a bracelet.
pub fn household(plan: Value) -> Value {
    json!({
        "orgs": [
            {"path": "/luyang/", "name": "庐阳区"},
            {"path": "/luyang/xinghua/", "name": "杏花街道"},
            {"path": COMMUNITY, "name": "银杏社区", "desk": {"phone": DESK, "people": ["s1"]}},
            {"path": "/luyang/xinghua/guihua/", "name": "桂花社区", "desk": {"phone": DESK, "people": []}},
        ],
        "people": [
            {"id": "g1", "role": "guardian", "name": "王芳", "phone": G1, "push": {"kind": "ntfy", "topic": "g1"}},
            {"id": "g2", "role": "guardian", "name": "王强", "phone": G2},
            {"id": "g3", "role": "guardian", "name": "李静", "phone": G3},
            {"id": "d1", "role": "doctor", "name": "于医生", "phone": "+8613800000009", "email": "d1@example.org"},
            {"id": "s1", "role": "grid_worker", "name": "陈网格", "phone": WORKER},
        ],
        "wearers": [{
            "id": "w1", "name": "王桂兰", "org": COMMUNITY, "birth_year": 1943,
            "guardians": ["g1", "g2", "g3"], "doctor": "d1",
            "fences": [{"id": "home", "datum": "wgs84", "margin_m": 30,
                        "circle": {"lon": 117.2272, "lat": 31.8206, "radius_m": 300}}],
            "thresholds": {"blood_pressure": {"sys_high": 180, "repeat_within_s": 1}},
            "plan": plan,
        }],
        "devices": [{"id": BRACELET, "kind": "bracelet", "wearer": "w1", "secret": SECRET, "datum": "wgs84"}],
    })
}

/// The topic on which a device speaks.
pub fn up(device: &str) -> String {
    format!("yl/v1/{device}/up/json")
}

/// `count` elders `w0`… with bracelets `dev0`… (secret `secret-dev0`…), all with the guardians g1, g2, g3.
pub fn street(count: usize, plan: &Value) -> Value {
    let mut registry = household(plan.clone());
    let (mut wearers, mut devices) = (Vec::new(), Vec::new());
    for index in 0..count {
        let id = format!("w{index}");
        wearers.push(json!({"id": id, "name": format!("老人{index}"), "org": COMMUNITY,
                            "guardians": ["g1", "g2", "g3"], "plan": plan}));
        let device = format!("dev{index}");
        let secret = format!("secret-{device}");
        devices.push(json!({"id": device, "kind": "bracelet", "wearer": id, "secret": secret}));
    }
    registry["wearers"] = json!(wearers);
    registry["devices"] = json!(devices);
    registry
}
