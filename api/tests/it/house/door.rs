//! What the API asks of the engine, answered by the test's own.

use super::*;

/// What the API is handed: the trait wants `&self`, commits want the `Arc`.
pub struct Door(pub Arc<Engine>);

impl Host for Door {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now.load(Ordering::SeqCst))
    }

    fn utc_offset_minutes(&self, _at: Timestamp) -> i32 {
        480
    }

    fn remains(&self, _: u64, _: Timestamp) -> Vec<api::Remains> {
        Vec::new()
    }

    fn epoch(&self) -> u32 {
        self.0.epoch.load(Ordering::SeqCst) as u32
    }

    fn random(&self, bytes: &mut [u8]) {
        let seed = self.0.random.fetch_add(1, Ordering::SeqCst);
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (seed as u8).wrapping_mul(31).wrapping_add(at as u8);
        }
    }

    fn authenticate(&self, bearer: &str) -> Option<Actor> {
        let known = self.0.actors.lock().unwrap().get(bearer).cloned();
        known.or_else(|| self.0.token_hashes.lock().unwrap().get(&api::token::sha256(bearer)).cloned())
    }

    fn session(&self, secret_sha256: &[u8; 32]) -> Option<(Account, Session)> {
        let session = self.0.sessions.lock().unwrap().get(secret_sha256).cloned()?;
        let account = self.account(session.account.as_str())?;
        account.admits(&session, self.now()).then_some((account, session))
    }

    fn account(&self, id: &str) -> Option<Account> {
        self.0.accounts.lock().unwrap().get(id).cloned()
    }

    fn glass(&self, _: &PersonId, _: &WearerId) -> Option<Timestamp> {
        (!self.0.glass.load(Ordering::SeqCst)).then(|| self.now().plus_seconds(1_800))
    }

    fn watches(&self) -> Vec<model::Watch> {
        self.0.watches.lock().unwrap().clone()
    }

    fn channels(&self) -> Vec<api::ChannelState> {
        vec![crate::samples::channel()]
    }

    fn reached_at(&self, person: &PersonId, phone: &str) -> Option<Timestamp> {
        (person.as_str() == "g1" && phone == "+8613800000001").then_some(Timestamp::EPOCH)
    }

    fn accounts(&self) -> Vec<Account> {
        self.0.accounts.lock().unwrap().values().cloned().collect()
    }

    fn hash_password(&self, password: &str) -> Result<String, String> {
        Ok(format!("hash of {password}"))
    }

    fn verify_password(&self, password: &str, stored: &str) -> bool {
        stored == format!("hash of {password}")
    }

    fn webhook_secret(&self, id: &model::WebhookId, generation: u32) -> String {
        format!("whsec_{id}{generation}")
    }

    fn check_outward_url(&self, url: &str) -> Result<(), (String, String)> {
        if url.starts_with("https://") { Ok(()) } else { Err(("not so".to_owned(), "不对".to_owned())) }
    }

    fn verify_callback(&self, _attempt: AttemptId, token: &str) -> bool {
        token == CALLBACK_TOKEN
    }

    fn step_ups(&self, person: &PersonId, wearer: &WearerId) -> Vec<StepUp> {
        let known = self.0.step_ups.lock().unwrap();
        known.iter().filter(|one| one.person == *person && one.wearer == *wearer).cloned().collect()
    }

    fn verify_code(&self, _attempt: AttemptId, code: &str) -> bool {
        code == CODE
    }

    fn verify_link(&self, _attempt: AttemptId, proof: &str) -> bool {
        proof == LINK_PROOF
    }

    /// `ok` in the body is a good import of the sample registry; anything else has two faults.
    fn validate_import(&self, body: &[u8], content_type: &str) -> Result<Import, Vec<RowError>> {
        let row = |pointer: &str| RowError {
            pointer: pointer.to_owned(),
            detail: format!("not so ({content_type})"),
            detail_zh: "不对".to_owned(),
        };
        match body.starts_with(b"ok") {
            true => Ok(Import { change: crate::samples::registry(), warnings: vec![row("/wearers/1/guardians")] }),
            false => Err(vec![row("/wearers/3/org"), row("/devices/0/secret")]),
        }
    }

    /// Says back what it was asked.
    fn draw(&self, fences: &[Fence], format: FenceFormat, in_wgs84: bool) -> Value {
        let ids: Vec<&str> = fences.iter().map(|fence| fence.id.as_str()).collect();
        serde_json::json!({"fences": ids, "format": format!("{format:?}"), "in_wgs84": in_wgs84})
    }

    /// `{"thresholds":"bad"}` is not valid; anything else finds nothing.
    fn preview(&self, request: PreviewRequest) -> Result<Preview, PreviewFault> {
        if request.change["thresholds"] == "bad" {
            let row = RowError { pointer: "/thresholds".into(), detail: "no".into(), detail_zh: "不".into() };
            return Err(PreviewFault::Invalid(vec![row]));
        }
        Ok(Preview { from: request.from, reports: 7, ..Preview::default() })
    }

    fn parse_callback(&self, body: &[u8]) -> Result<Callback, String> {
        let value: Value = serde_json::from_slice(body).map_err(|_| "not JSON".to_owned())?;
        let attempt = value["attempt"].as_str().and_then(|text| text.parse().ok()).ok_or("no attempt")?;
        let key = value["key"].as_str().map(CompactString::from);
        Ok(Callback { attempt, outcome: AttemptOutcome::Key, key, text: None })
    }

    fn command(
        &self,
        actor: Actor,
        idempotency_key: Option<CompactString>,
        command: StaffCommand,
    ) -> api::BoxFuture<'_, Result<Committed, Unavailable>> {
        if matches!(command, StaffCommand::Look(_)) && self.0.refuses_looks.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(Unavailable)));
        }
        let scripted = match command {
            StaffCommand::Look(_) => None,
            _ => self.0.replies.lock().unwrap().pop_front(),
        };
        let decisions = match scripted {
            Some(reply) => vec![Decision::Reply(Box::new(reply))],
            None => self.0.decide(&actor, &command),
        };
        self.0.asked.lock().unwrap().push((actor.clone(), idempotency_key.clone(), command.clone()));
        self.0.commit_for_reply(Input::Command { actor, idempotency_key, command }, decisions)
    }

    fn callback(&self, callback: Callback) -> api::BoxFuture<'_, Result<Committed, Unavailable>> {
        let Callback { attempt, outcome, key, text } = callback.clone();
        self.0.called_back.lock().unwrap().push(callback);
        let scripted = self.0.replies.lock().unwrap().pop_front();
        let decisions = scripted.into_iter().map(|reply| Decision::Reply(Box::new(reply))).collect();
        self.0.commit_for_reply(Input::Callback { attempt, outcome, key, text }, decisions)
    }

    /// Posts with the right token are evidence as [`parse_callback`](Host::parse_callback) reads it.
    fn provider_post(&self, post: ProviderPost) -> api::BoxFuture<'_, Result<ProviderAnswer, ProviderRefusal>> {
        Box::pin(async move {
            if post.token != CALLBACK_TOKEN {
                return Err(ProviderRefusal::NotFound);
            }
            if post.signature.as_deref() == Some("forged") {
                return Err(ProviderRefusal::NotBelieved("its signature does not fit".to_owned()));
            }
            let callback = self.parse_callback(&post.body).map_err(ProviderRefusal::Malformed)?;
            self.callback(callback).await.map_err(|_| ProviderRefusal::Unavailable)?;
            let body = format!("{} {} {:?}", post.channel, post.path_and_query, post.from);
            Ok(ProviderAnswer { content_type: "text/xml", body })
        })
    }

    fn keep_photo(&self, hash: &str, bytes: Vec<u8>) -> api::BoxFuture<'_, Result<(), Unavailable>> {
        self.0.photos.lock().unwrap().insert(hash.to_owned(), bytes);
        Box::pin(async { Ok(()) })
    }

    fn photo(&self, hash: &str) -> api::BoxFuture<'_, Result<Option<Vec<u8>>, Unavailable>> {
        let photo = self.0.photos.lock().unwrap().get(hash).cloned();
        Box::pin(async move { Ok(photo) })
    }

    fn durable_seq(&self) -> u64 {
        self.0.durable.get()
    }

    fn erased_through(&self, seq: u64) -> api::BoxFuture<'_, ()> {
        self.facts_through(seq)
    }

    fn facts_through(&self, seq: u64) -> api::BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.facts.reached(seq).await;
        })
    }

    fn newest_event(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    fn health(&self) -> Health {
        self.0.health.lock().unwrap().clone()
    }

    fn metrics(&self) -> String {
        "# TYPE yinling_up gauge\nyinling_up 1\n".to_owned()
    }

    fn tile(&self, zoom: u8, _x: u32, _y: u32) -> api::BoxFuture<'_, Option<Tile>> {
        let tile = (zoom < 20).then(|| Tile { kind: "image/png", bytes: b"tile".to_vec().into() });
        Box::pin(std::future::ready(tile))
    }

    fn console(&self) -> ConsoleSettings {
        ConsoleSettings { zone: "Asia/Shanghai".to_owned(), phones: None, tiles: None, demo: None }
    }
}
