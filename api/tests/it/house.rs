//! A house around the API: journal, follower and state are real, the engine is a stand-in that decides little.

mod answer;
mod door;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use api::{
    ApiConfig, Callback, Check, Committed, ConsoleSettings, FenceFormat, Health, Host, Import, Preview, PreviewFault,
    PreviewRequest, ProviderAnswer, ProviderPost, ProviderRefusal, RowError, Tile, Unavailable,
};
use compact_str::CompactString;
use model::event::RegistrySummary;
use model::staff::Look;
use model::step_up::Opened;
use model::{
    Account, Actor, AttemptId, AttemptOutcome, Counters, Decision, DownCommand, DownCommandState, Entity, Event,
    EventKind, Fence, Input, OrgPath, PersonId, Problem, ProblemCode, Record, RegistryChange, Reply, Role, Session,
    StaffCommand, StepUp, Timestamp, WearerId,
};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use store::{DataDir, Follower, FollowerConfig, ForgetfulDisk, Journal, JournalConfig, Progress, State, StateConfig};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

pub use answer::Answer;
use door::Door;

/// 2026-11-22T08:00:00Z.
pub const NOW: i64 = 1_795_334_400_000;
/// The callback token that the stand-in knows for every attempt.
pub const CALLBACK_TOKEN: &str = "c4llback";

/// The proof that the stand-in knows for every link.
pub const LINK_PROOF: &str = "0123456789abcdef";

/// The code that the stand-in knows for every attempt.
pub const CODE: &str = "123456";

/// The engine's stand-in.
pub struct Engine {
    journal: Mutex<Option<Journal<oneshot::Sender<u64>>>>,
    durable: Arc<Progress>,
    facts: Arc<Progress>,
    newest: watch::Sender<u64>,
    projected_events: Arc<Progress>,
    actors: Mutex<BTreeMap<String, Actor>>,
    token_hashes: Mutex<BTreeMap<[u8; 32], Actor>>,
    accounts: Mutex<BTreeMap<String, Account>>,
    sessions: Mutex<BTreeMap<[u8; 32], Session>>,
    counters: Mutex<Counters>,
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<(Actor, Option<CompactString>, StaffCommand)>>,
    called_back: Mutex<Vec<Callback>>,
    random: AtomicU64,
    now: AtomicI64,
    epoch: AtomicU64,
    stopped: AtomicBool,
    refuses_looks: AtomicBool,
    /// Whether where people are is behind glass.
    glass: AtomicBool,
    health: Mutex<Health>,
    photos: Mutex<BTreeMap<String, Vec<u8>>>,
    step_ups: Mutex<Vec<StepUp>>,
    watches: Mutex<Vec<model::Watch>>,
}

impl Engine {
    fn append(self: &Arc<Self>, input: Input, decisions: Vec<Decision>) -> oneshot::Receiver<u64> {
        let (sender, receiver) = oneshot::channel();
        let journal = self.journal.lock().unwrap();
        let journal = journal.as_ref().unwrap();
        let mut batch = journal.batch();
        batch.push(&Record { at: Timestamp::from_millis(self.now.load(Ordering::SeqCst)), input, decisions }).unwrap();
        journal.submit(batch, sender).unwrap();
        receiver
    }

    /// Commits and waits until the state has it.
    pub async fn commit(self: &Arc<Self>, input: Input, decisions: Vec<Decision>) -> u64 {
        let seq = self.append(input, decisions).await.unwrap();
        self.facts.reached(seq).await;
        self.tell_newest();
        seq
    }

    /// Tells what the state has, and never less than before.
    fn tell_newest(&self) {
        let reached = self.projected_events.get();
        self.newest.send_if_modified(|told| std::mem::replace(told, reached.max(*told)) < reached);
    }

    /// Tells the feed something, and waits until the state has it.
    pub async fn tell(self: &Arc<Self>, kind: EventKind, org: &str, entity: Entity) -> u64 {
        let event = self.event(kind, Some(OrgPath::new(org)), entity);
        let seq = event.seq;
        self.commit(Input::Tick, vec![Decision::Event(Box::new(event))]).await;
        seq
    }

    fn event(&self, kind: EventKind, org: Option<OrgPath>, entity: Entity) -> Event {
        let seq = self.counters.lock().unwrap().next_event();
        Event {
            seq,
            kind,
            at: Timestamp::from_millis(self.now.load(Ordering::SeqCst)),
            org,
            entity,
            changed: Vec::new(),
        }
    }

    pub fn set_now(&self, millis: i64) {
        self.now.store(millis, Ordering::SeqCst);
    }

    pub fn set_epoch(&self, epoch: u32) {
        self.epoch.store(u64::from(epoch), Ordering::SeqCst);
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// From now on no look can be written down.
    pub fn refuse_looks(&self) {
        self.refuses_looks.store(true, Ordering::SeqCst);
    }

    /// From now on where people are is behind glass.
    pub fn put_up_glass(&self) {
        self.glass.store(true, Ordering::SeqCst);
    }

    pub fn forget_token(&self, bearer: &str) {
        self.actors.lock().unwrap().remove(bearer);
    }

    /// From now on a bearer is somebody else.
    pub fn set_actor(&self, bearer: &str, actor: Actor) {
        self.actors.lock().unwrap().insert(bearer.to_owned(), actor);
    }

    pub fn set_health(&self, health: Health) {
        *self.health.lock().unwrap() = health;
    }

    /// What the next command is answered.
    pub fn reply_with(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    /// The commands that arrived since the last call, looks left out.
    pub fn asked(&self) -> Vec<(Actor, Option<CompactString>, StaffCommand)> {
        let mut asked = self.asked.lock().unwrap();
        let (looks, commands): (Vec<_>, Vec<_>) =
            asked.drain(..).partition(|(_, _, command)| matches!(command, StaffCommand::Look(_)));
        *asked = looks;
        commands
    }

    /// The looks since the last call, as `who subject fields`.
    pub fn looks(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap();
        let (looks, commands): (Vec<_>, Vec<_>) =
            asked.drain(..).partition(|(_, _, command)| matches!(command, StaffCommand::Look(_)));
        *asked = commands;
        looks
            .into_iter()
            .filter_map(|(actor, _, command)| match command {
                StaffCommand::Look(Look { subject, fields, purpose }) => {
                    let purpose = purpose.map(|purpose| format!(" ({purpose})")).unwrap_or_default();
                    Some(format!("{} {subject} {}{purpose}", actor.person, fields.join(",")))
                }
                _ => None,
            })
            .collect()
    }

    pub fn called_back(&self) -> Vec<Callback> {
        std::mem::take(&mut self.called_back.lock().unwrap())
    }

    fn decide(&self, actor: &Actor, command: &StaffCommand) -> Vec<Decision> {
        let done = |entity| Decision::Reply(Box::new(Reply::Done(entity)));
        match command {
            StaffCommand::Import(change) => {
                let summary = RegistrySummary {
                    orgs: change.orgs.len() as u32,
                    people: change.people.len() as u32,
                    wearers: change.wearers.len() as u32,
                    devices: change.devices.len() as u32,
                    warnings: 0,
                };
                let entity = Entity::Registry(summary);
                let event = self.event(EventKind::RegistryChanged, None, entity.clone());
                vec![Decision::Registry(change.clone()), Decision::Event(Box::new(event)), done(Some(entity))]
            }
            StaffCommand::Device { device, kind, time_to_live_seconds } => {
                let now = Timestamp::from_millis(self.now.load(Ordering::SeqCst));
                let seconds = time_to_live_seconds.unwrap_or_else(|| kind.time_to_live_seconds());
                let command = DownCommand {
                    id: self.counters.lock().unwrap().next_down_command(),
                    version: 1,
                    device: device.clone(),
                    kind: kind.clone(),
                    state: DownCommandState::Queued,
                    by: Some(actor.person.clone()),
                    created_at: now,
                    expires_at: now.plus_seconds(seconds),
                    changed_at: now,
                };
                let entity = Entity::DownCommand(Box::new(command));
                let event = self.event(EventKind::CommandQueued, None, entity.clone());
                vec![Decision::Event(Box::new(event)), done(Some(entity))]
            }
            StaffCommand::CreateToken(token) => {
                let actor =
                    Actor { person: PersonId::new(token.id.as_str()), role: token.role, scope: token.scope.clone() };
                self.token_hashes.lock().unwrap().insert(token.secret_sha256, actor);
                vec![Decision::Token(token.clone()), done(None)]
            }
            StaffCommand::CreateAccount(account) => {
                self.accounts.lock().unwrap().insert(account.id.to_string(), (**account).clone());
                vec![Decision::Account(account.clone()), done(None)]
            }
            StaffCommand::ChangeAccount { id, change, .. } => {
                let mut accounts = self.accounts.lock().unwrap();
                let account = accounts.get_mut(id.as_str()).unwrap();
                *account = account.changed(change, Timestamp::from_millis(self.now.load(Ordering::SeqCst)));
                vec![Decision::Account(Box::new(account.clone())), done(None)]
            }
            StaffCommand::BeginSession(session) => {
                self.sessions.lock().unwrap().insert(session.secret_sha256, session.clone());
                vec![Decision::Session(session.clone()), done(None)]
            }
            StaffCommand::EndSession(secret) => {
                self.sessions.lock().unwrap().remove(secret);
                vec![done(None)]
            }
            StaffCommand::SendCode(link) => {
                let sent = StepUp {
                    code: self.counters.lock().unwrap().next_attempt(),
                    person: actor.person.clone(),
                    wearer: link.wearer.clone(),
                    sent_at: Timestamp::from_millis(self.now.load(Ordering::SeqCst)),
                    wrong_tries: 0,
                    opened: None,
                };
                self.step_ups.lock().unwrap().push(sent);
                vec![done(None)]
            }
            StaffCommand::EnterCode { code, is_right, secret_sha256 } => {
                let mut known = self.step_ups.lock().unwrap();
                let known = known.iter_mut().find(|known| known.code == *code).unwrap();
                if !is_right {
                    let problem = Problem::new(ProblemCode::Invalid, "not this code", "验证码不正确");
                    return vec![Decision::Reply(Box::new(Reply::Refused(problem)))];
                }
                let until = Timestamp::from_millis(self.now.load(Ordering::SeqCst)).plus_seconds(1_800);
                known.opened = Some(Opened { secret_sha256: *secret_sha256, until });
                vec![done(None)]
            }
            StaffCommand::Incident { .. }
            | StaffCommand::SendLink(_)
            | StaffCommand::BreakGlass { .. }
            | StaffCommand::Erase { .. }
            | StaffCommand::Case { .. }
            | StaffCommand::RevokeToken(_)
            | StaffCommand::Write { .. }
            | StaffCommand::Webhook { .. }
            | StaffCommand::Look(_)
            | StaffCommand::FinishTask { .. }
            | StaffCommand::StartCampaign(_)
            | StaffCommand::Observe(_)
            | StaffCommand::FileCase(_)
            | StaffCommand::CaseReceipt { .. }
            | StaffCommand::StartPatrol(_)
            | StaffCommand::SetDuty { .. } => vec![done(None)],
            StaffCommand::Watch { on } => {
                let now = Timestamp::from_millis(self.now.load(Ordering::SeqCst));
                let mut watches = self.watches.lock().unwrap();
                watches.retain(|watch| watch.person != actor.person);
                if *on {
                    watches.push(model::Watch {
                        person: actor.person.clone(),
                        role: actor.role,
                        org: actor.scope.clone(),
                        since: now,
                        until: now.plus_seconds(60),
                    });
                }
                vec![done(None)]
            }
        }
    }

    fn commit_for_reply(
        self: &Arc<Self>,
        input: Input,
        decisions: Vec<Decision>,
    ) -> api::BoxFuture<'static, Result<Committed, Unavailable>> {
        let engine = Arc::clone(self);
        Box::pin(async move {
            if engine.stopped.load(Ordering::SeqCst) {
                return Err(Unavailable);
            }
            let reply = decisions.iter().find_map(|decision| match decision {
                Decision::Reply(reply) => Some((**reply).clone()),
                _ => None,
            });
            let seq = engine.append(input, decisions).await.map_err(|_| Unavailable)?;
            let later = Arc::clone(&engine);
            tokio::spawn(async move {
                later.facts.reached(seq).await;
                later.tell_newest();
            });
            Ok(Committed { seq, reply: reply.unwrap_or(Reply::Done(None)) })
        })
    }
}

/// A running house.
pub struct House {
    pub engine: Arc<Engine>,
    client: reqwest::Client,
    base: String,
    stop: Option<oneshot::Sender<()>>,
    follower: Option<Follower>,
    // Last, so that everything that holds files in it is gone before it is.
    _dir: TempDir,
}

impl House {
    pub async fn open() -> House {
        House::with(ApiConfig::default()).await
    }

    pub async fn with(config: ApiConfig) -> House {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let disk: Arc<dyn store::Disk> = Arc::new(ForgetfulDisk::new());
        let journal_config = JournalConfig { segment_bytes: 1 << 20, ..JournalConfig::default() };
        let (opened, _) = Journal::open(Arc::clone(&disk), &data.journal(), journal_config).unwrap();
        let journal = opened
            .start(
                |committed: store::Committed<oneshot::Sender<u64>>| {
                    let _ = committed.release.send(committed.first_seq);
                },
                |error| panic!("{error}"),
            )
            .unwrap();
        let (state, _) = State::open(&data.state(), &StateConfig::default()).unwrap();
        let durable = journal.progress();
        let follower = Follower::start(
            disk,
            &data.journal(),
            Arc::clone(&state),
            Arc::clone(&durable),
            FollowerConfig::default(),
            |error| panic!("{error}"),
        )
        .unwrap();
        let engine = Arc::new(Engine {
            journal: Mutex::new(Some(journal)),
            durable,
            facts: follower.facts(),
            newest: watch::Sender::new(0),
            projected_events: state.event_progress(),
            actors: Mutex::new(crate::samples::actors()),
            token_hashes: Mutex::new(BTreeMap::new()),
            accounts: Mutex::new(BTreeMap::new()),
            sessions: Mutex::new(BTreeMap::new()),
            counters: Mutex::new(Counters::default()),
            replies: Mutex::new(VecDeque::new()),
            asked: Mutex::new(Vec::new()),
            called_back: Mutex::new(Vec::new()),
            random: AtomicU64::new(1),
            now: AtomicI64::new(NOW),
            epoch: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            refuses_looks: AtomicBool::new(false),
            glass: AtomicBool::new(false),
            photos: Mutex::default(),
            step_ups: Mutex::default(),
            watches: Mutex::default(),
            health: Mutex::new(Health {
                live: vec![Check::new("loop", true, "turned 3 ms ago".to_owned())],
                ready: vec![Check::new("journal", true, "writable".to_owned())],
            }),
        });
        let router = api::router(Arc::new(Door(Arc::clone(&engine))), state, config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(api::serve(listener, router, async {
            let _ = stopped.await;
        }));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        House { engine, client, base, stop: Some(stop), follower: Some(follower), _dir: dir }
    }

    /// A house with the sample registry in it.
    pub async fn furnished() -> House {
        let house = House::open().await;
        house.furnish().await;
        house
    }

    pub async fn furnish(&self) {
        let change: RegistryChange = crate::samples::registry();
        self.engine.commit(Input::Tick, vec![Decision::Registry(Box::new(change))]).await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub fn request(&self, who: &str, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, self.url(path));
        if who.is_empty() { request } else { request.bearer_auth(who) }
    }

    pub async fn get(&self, who: &str, path: &str) -> Answer {
        Answer::of(self.request(who, Method::GET, path)).await
    }

    pub async fn post(&self, who: &str, path: &str, body: &str) -> Answer {
        Answer::of(self.request(who, Method::POST, path).body(body.to_owned())).await
    }

    /// Asks the house to stop serving.
    pub fn close(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.close();
        if let Some(journal) = self.engine.journal.lock().unwrap().take() {
            journal.close();
        }
        if let Some(follower) = self.follower.take() {
            follower.close();
        }
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn actor(person: &str, role: Role, scope: &str) -> Actor {
    Actor { person: PersonId::new(person), role, scope: OrgPath::new(scope) }
}
