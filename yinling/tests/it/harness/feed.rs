//! The event feed, read as another system reads it: one cursor, nothing skipped.

use std::collections::VecDeque;

use serde_json::Value;

use super::{Api, eventually};

/// A reader of the feed.
pub struct Feed {
    api: Api,
    cursor: Option<String>,
    ahead: VecDeque<Value>,
    /// Everything read so far, in order.
    pub seen: Vec<Value>,
}

impl Feed {
    /// Begins at the oldest event.
    pub fn from_oldest(api: Api) -> Feed {
        Feed { api, cursor: None, ahead: VecDeque::new(), seen: Vec::new() }
    }

    /// The next event of this type, whatever else comes before it.
    pub fn wait_for(&mut self, kind: &str) -> Value {
        self.wait_until(kind, |event| event["type"] == kind)
    }

    /// The next event of this type about this subject, e.g. `incidents/i1`.
    pub fn wait_for_about(&mut self, kind: &str, subject: &str) -> Value {
        self.wait_until(&format!("{kind} of {subject}"), |e| e["type"] == kind && e["subject"] == subject)
    }

    /// The next event that fits.
    pub fn wait_until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut types = Vec::new();
        let deadline = std::time::Instant::now() + super::PATIENCE;
        loop {
            while let Some(event) = self.ahead.pop_front() {
                types.push(format!("{} {}", event["type"].as_str().unwrap_or("?"), event["subject"]));
                self.seen.push(event.clone());
                if fits(&event) {
                    return event;
                }
            }
            assert!(std::time::Instant::now() < deadline, "waited in vain for {what}; came: {types:#?}");
            if !self.read_page() {
                std::thread::park_timeout(std::time::Duration::from_millis(20));
            }
        }
    }

    /// Everything that is there now, appended to `seen`.
    pub fn catch_up(&mut self) -> &[Value] {
        while self.read_page() {}
        self.seen.extend(self.ahead.drain(..));
        &self.seen
    }

    /// The types of everything read so far about one subject, in order.
    pub fn story_of(&self, subject: &str) -> Vec<&str> {
        self.seen.iter().filter(|e| e["subject"] == subject).filter_map(|e| e["type"].as_str()).collect()
    }

    /// Reads the next page; whether there was anything on it.
    fn read_page(&mut self) -> bool {
        let path = match &self.cursor {
            None => "/events?limit=500".to_owned(),
            Some(cursor) => format!("/events?limit=500&after={cursor}"),
        };
        let reply = eventually("the feed", || self.api.try_get(&path).ok());
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        let next = reply.body["next_cursor"].as_str();
        self.cursor = Some(next.unwrap_or_else(|| panic!("next_cursor is null: {reply:?}")).to_owned());
        let data = reply.body["data"].as_array().unwrap_or_else(|| panic!("no data: {reply:?}"));
        self.ahead.extend(data.iter().cloned());
        !data.is_empty()
    }
}
