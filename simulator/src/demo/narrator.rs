//! The feed in words: who is called, who goes, where the case stands.

use std::sync::Arc;

use model::{Language, Timestamp};
use serde_json::Value;

use super::screen::Screen;
use super::story::Line;
use crate::neighbourhood::Neighbourhood;

pub(super) struct Narrator {
    neighbourhood: Arc<Neighbourhood>,
    screen: Arc<Screen>,
}

impl Narrator {
    pub(super) fn new(neighbourhood: Arc<Neighbourhood>, screen: Arc<Screen>) -> Narrator {
        Narrator { neighbourhood, screen }
    }

    /// Tells a page of events; texts that went out together are one line.
    pub(super) fn tell(&self, events: &[Value]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut texts: Vec<(&Value, Vec<&str>)> = Vec::new();
        for event in events {
            let data = &event["data"];
            if event["type"] == "attempt.started" && data["channel"] != "voice" {
                let name = self.name(&data["callee"]["person"]);
                match texts.iter_mut().find(|(first, _)| {
                    first["data"]["incident"] == data["incident"] && first["data"]["purpose"] == data["purpose"]
                }) {
                    Some((_, names)) if names.contains(&name) => {}
                    Some((_, names)) => names.push(name),
                    None => texts.push((event, vec![name])),
                }
                continue;
            }
            self.flush(&mut texts, &mut lines);
            lines.extend(self.words(event).map(|words| Line::new(time(event), words)));
        }
        self.flush(&mut texts, &mut lines);
        lines
    }

    fn flush(&self, texts: &mut Vec<(&Value, Vec<&str>)>, lines: &mut Vec<Line>) {
        for (event, names) in texts.drain(..) {
            let about = self.name(&event["data"]["wearer"]);
            let names = names.join(self.pick("、", ", "));
            let words = match event["data"]["purpose"].as_str() {
                Some("taken") => self.say(
                    format!("✉ 告知 {names}：{about}已有人接警"),
                    format!("✉ tells {names} that somebody is going to {about}"),
                ),
                Some("ended") => self.say(
                    format!("✉ 告知 {names}：{about}的事情已处理完"),
                    format!("✉ tells {names} how it ended for {about}"),
                ),
                _ => self.say(format!("✉ 短信、推送给 {names}"), format!("✉ texts and push messages to {names}")),
            };
            lines.push(Line::new(time(event), words));
        }
    }

    fn words(&self, event: &Value) -> Option<String> {
        let data = &event["data"];
        let about = self.name(&data["wearer"]);
        let kind = self.kind(&data["kind"]);
        let id = data["id"].as_str().unwrap_or_default();
        let who = self.name(&data["acknowledged_by"]["person"]);
        match event["type"].as_str()? {
            "incident.raised" => {
                let explain = data[if self.zh() { "explain" } else { "explain_en" }].as_str().unwrap_or_default();
                Some(self.say(
                    format!("🔔 {about} · {kind} [{id}] {explain}"),
                    format!("🔔 {about}: {kind} [{id}] {explain}"),
                ))
            }
            // That a phone rings is told by the phone; which round it is, is not. The desk has no rounds.
            "attempt.started" if data["cycle"].as_u64() > Some(1) && data["callee"]["role"] == "guardian" => {
                let (callee, cycle) = (self.name(&data["callee"]["person"]), data["cycle"].as_u64().unwrap_or(1));
                Some(self.say(
                    format!("→ 为{about}第 {cycle} 轮拨打{callee}"),
                    format!("→ calls {callee} for {about}, round {cycle}"),
                ))
            }
            "attempt.started" if data["callee"]["role"] == "desk" && data["purpose"] == "reminder" => {
                let callee = self.name(&data["callee"]["person"]);
                Some(self.say(format!("→ 再次为{about}呼叫{callee}"), format!("→ calls {callee} for {about} again")))
            }
            "incident.acknowledged" => {
                Some(self.say(format!("✔ {who}确认前往{about}处"), format!("✔ {who} is going to {about}")))
            }
            "incident.lease_expired" => Some(self.say(
                format!("! 无人到场，继续呼叫（{about}）"),
                format!("! nobody arrived at {about}: calling goes on"),
            )),
            "incident.exhausted" => Some(self.say(
                format!("! {about}的家人都没有接警，转社区值班台"),
                format!("! nobody of {about}'s family answered: the human desk is called"),
            )),
            "incident.on_site" => {
                Some(self.say(format!("✔ 已有人到{about}身边"), format!("✔ somebody is with {about}")))
            }
            "incident.resolved" => {
                Some(self.say(format!("✔ {about}的{kind}已结束"), format!("✔ over: {kind} of {about}")))
            }
            "incident.recurred" => {
                Some(self.say(format!("🔔 {about}再次报警 [{id}]"), format!("🔔 {about} again [{id}]")))
            }
            "incident.cleared" => {
                Some(self.say(format!("· {about}的{kind}状况已恢复"), format!("· {about}: {kind} has cleared")))
            }
            "incident.reopened" => {
                Some(self.say(format!("🔔 {about}的事件重新打开"), format!("🔔 {about}: opened again")))
            }
            "device.low_battery" => {
                Some(self.say(format!("· {about}的手环电量低"), format!("· {about}'s bracelet is low on battery")))
            }
            other => self.case_words(other.strip_prefix("case.")?, data),
        }
    }

    fn case_words(&self, step: &str, case: &Value) -> Option<String> {
        let handler = self.name(&case["handler"]);
        let (zh, en) = match step {
            "filed" => ("立案".to_owned(), "filed".to_owned()),
            "dispatched" => (format!("派遣给{handler}"), format!("dispatched to {handler}")),
            "accepted" => ("接单".to_owned(), "accepted".to_owned()),
            "on_site" => ("到场".to_owned(), "on site".to_owned()),
            "feedback" => ("处理反馈".to_owned(), "feedback given".to_owned()),
            "verified" => ("核查".to_owned(), "verified".to_owned()),
            "closed" => ("结案".to_owned(), "closed".to_owned()),
            "whistled" => ("吹哨（超时）".to_owned(), "whistled, it is late".to_owned()),
            _ => return None,
        };
        let (id, about) = (case["id"].as_str().unwrap_or_default(), self.name(&case["wearer"]));
        Some(self.say(format!("▣ 工单 {id}（{about}）{zh}"), format!("▣ case {id} ({about}): {en}")))
    }

    fn name<'a>(&'a self, id: &'a Value) -> &'a str {
        let id = id.as_str().unwrap_or("?");
        match id {
            "desk" => self.pick("社区值班台", "the desk"),
            _ => self.neighbourhood.name_of(id).unwrap_or(id),
        }
    }

    fn kind(&self, kind: &Value) -> String {
        let kind = kind.as_str().unwrap_or_default();
        let zh = match kind {
            "sos" => "SOS 求救",
            "fall" => "跌倒",
            "fence_exit" => "走出围栏",
            "blood_pressure_high" => "血压过高",
            "blood_pressure_low" => "血压过低",
            other => other,
        };
        self.say(zh.to_owned(), if kind == "sos" { "SOS".to_owned() } else { kind.replace('_', " ") })
    }

    fn zh(&self) -> bool {
        self.screen.language() == Language::ZhCn
    }

    fn pick(&self, zh: &'static str, en: &'static str) -> &'static str {
        if self.zh() { zh } else { en }
    }

    fn say(&self, zh: String, en: String) -> String {
        if self.zh() { zh } else { en }
    }
}

/// What a device hears, in words; `None` for what only the device cares about.
pub(super) fn down(wearer: &str, payload: &[u8], screen: &Screen) -> Option<String> {
    let command: Value = serde_json::from_slice(payload).ok()?;
    let text = command["text"].as_str();
    let kind = command["command"].as_str().unwrap_or_default();
    match (kind, text) {
        (_, Some(text)) => Some(
            screen.say(&format!("⌚ {wearer}的手环显示：{text}"), &format!("⌚ {wearer}'s bracelet shows: {text}")),
        ),
        ("locate", _) => {
            Some(screen.say(
                &format!("⌚ {wearer}的手环被要求立即定位"),
                &format!("⌚ {wearer}'s bracelet is asked where it is"),
            ))
        }
        ("measure_again", _) => {
            Some(screen.say(&format!("⌚ 提醒{wearer}再量一次血压"), &format!("⌚ {wearer} is asked to measure again")))
        }
        ("ring", _) => Some(screen.say(&format!("⌚ {wearer}的手环响铃"), &format!("⌚ {wearer}'s bracelet rings"))),
        _ => None,
    }
}

fn time(event: &Value) -> Timestamp {
    event["time"].as_str().and_then(Timestamp::parse).unwrap_or_default()
}
