//! `yinling demo`: a throw-away engine, a neighbourhood that lives, phones that ring, and the story told in words.

pub(crate) mod client;
mod narrator;
mod screen;
mod staff;
mod story;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::clock::SystemClock;
use engine::config::{ChannelSettings, Config};
use engine::serve::{Ready, Running};
use model::{Channel, Clock, Language};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::neighbourhood::bracelet::DownListener;
use crate::neighbourhood::{Living, Neighbourhood};
use crate::phones::{self, Happened, Phones, RING_MS, in_words};

use client::Client;
use narrator::Narrator;
pub use screen::Screen;
use story::Story;

/// Who can sign in to the console: account, role, person of the registry.
const ACCOUNTS: &[(&str, &str, &str)] =
    &[("desk", "desk", "s2"), ("doctor", "doctor", "d1"), ("grid", "grid_worker", "s4")];
/// What they see.
const SEEN: &str = "/luyang/xinghua/";
/// The password of all of them: the demo listens on loopback and is gone when it ends.
const PASSWORD: &str = "yinling-demo";
/// Where one would look for it.
const HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const MQTT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);
/// The port that the phones' page wishes for.
const PHONES_PORT: u16 = 8088;
/// How long the devices may take to connect, in seconds.
const CONNECT_SECONDS_MAX: u64 = 30;
/// How often the feed is asked for news, in milliseconds.
const FEED_POLL_MS: u64 = 150;
/// How often the line with the figures is renewed, in milliseconds.
const FIGURES_MS: u64 = 1_000;
/// How often the figures are printed where nothing can be renewed, in seconds.
const PLAIN_FIGURES_SECONDS: u64 = 60;

/// How the demo is to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where the engine listens for HTTP; `None`: where one would look for it, or at a free port if that is taken.
    pub http: Option<SocketAddr>,
    /// Where the engine listens for MQTT; likewise.
    pub mqtt: Option<SocketAddr>,
    /// How many elders; between [`ELDERS_MIN`](crate::neighbourhood::ELDERS_MIN) and
    /// [`ELDERS_MAX`](crate::neighbourhood::ELDERS_MAX), what lies outside is brought within.
    pub elders: u16,
    /// Decides who lives there and how their day goes.
    pub seed: u64,
}

/// Runs the demo until `shutdown` completes; then ends everything and removes its directory, which `directory` is told for
/// the case that the process has to end before that.
///
/// # Errors
/// When the engine does not start, does not take the neighbourhood, or does not let its devices in.
pub async fn run(
    options: Options,
    shutdown: impl Future<Output = ()> + Send,
    directory: &OnceLock<PathBuf>,
) -> anyhow::Result<()> {
    let language = language_of(std::env::var("LC_ALL").or_else(|_| std::env::var("LANG")).as_deref().unwrap_or(""));
    let neighbourhood = Neighbourhood::invent(options.seed, options.elders);
    let screen = Screen::new(language);
    let mut shutdown = std::pin::pin!(shutdown);
    let demo = tokio::select! {
        demo = Demo::start_in(thrown_away(directory)?, &options, neighbourhood, screen) => demo?,
        () = &mut shutdown => return Ok(()),
    };
    demo.introduce();
    tokio::select! {
        () = &mut shutdown => {}
        () = demo.show_figures() => {}
    }
    demo.end().await
}

/// A running demo.
pub struct Demo {
    /// The phones that ring.
    pub phones: Arc<Phones>,
    /// Where the engine can be reached.
    pub ready: Ready,
    /// The administrator's token.
    pub token: String,
    screen: Arc<Screen>,
    story: Arc<Story>,
    neighbourhood: Arc<Neighbourhood>,
    living: Living,
    running: Running,
    tasks: Vec<JoinHandle<()>>,
    directory: TempDir,
}

impl Demo {
    /// Starts the phones, the engine, and the neighbourhood's life.
    ///
    /// # Errors
    /// When the engine does not start, does not take the neighbourhood, or does not let its devices in.
    pub async fn start(options: &Options, neighbourhood: Neighbourhood, screen: Screen) -> anyhow::Result<Demo> {
        Demo::start_in(thrown_away(&OnceLock::new())?, options, neighbourhood, screen).await
    }

    async fn start_in(
        directory: TempDir,
        options: &Options,
        neighbourhood: Neighbourhood,
        screen: Screen,
    ) -> anyhow::Result<Demo> {
        let (screen, story) = (Arc::new(screen), Arc::new(Story::default()));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(None));

        let step = screen.begin("准备一次性数据目录", "a throw-away data directory");
        let data = directory.path().join("data");
        let token = {
            let data = data.clone();
            tokio::task::spawn_blocking(move || engine::init(&data)).await??.token
        };
        step.done(&directory.path().display().to_string());

        let step = screen.begin("启动演示手机", "demo phones");
        let secret = new_secret()?;
        let phones =
            Arc::new(start_phones(&neighbourhood, &secret, Arc::clone(&clock), screen.language(), &story).await?);
        step.done(&page_url(&phones, screen.language()));

        let step = screen.begin("启动引擎", "the engine");
        let config = configure(options, &data, &phones, &secret, screen.language());
        let running = engine::serve::start(config).await?;
        let ready = running.ready();
        step.done(&format!("http {} · mqtt {}", ready.http, ready.mqtt));
        for (wished, found, is_free) in [(HTTP, ready.http, options.http), (MQTT, ready.mqtt, options.mqtt)] {
            if is_free.is_none() && found != wished {
                screen.text(&[screen.say(
                    &format!("  {wished} 已被占用，改用 {found}"),
                    &format!("  {wished} is taken: it is {found} instead"),
                )]);
            }
        }

        let step = screen.begin("导入社区名册", "the neighbourhood's registry over REST");
        let client = Client::new(ready.http, &token)?;
        client.import(&neighbourhood.registry()).await?;
        for (id, role, person) in ACCOUNTS {
            let name = neighbourhood.people.iter().find(|one| one.id == *person).map_or(*id, |one| one.name.as_str());
            let account = json!({
                "id": id, "password": PASSWORD, "role": role, "name": name, "person": person, "scope": SEEN,
            });
            client.account(&account).await?;
        }
        let (desk, grid) = (client.sign_in("desk", PASSWORD), client.sign_in("grid", PASSWORD));
        let staff = staff::People { desk: desk.await?, grid: grid.await? };
        let (elders, people) = (neighbourhood.elders.len(), neighbourhood.people.len());
        step.done(
            &screen.say(&format!("{elders} 位老人，{people} 位联系人"), &format!("{elders} elders, {people} people")),
        );

        let step = screen.begin("手环上线", "bracelets and cuffs connect over MQTT");
        let living = Living::switch_on(&neighbourhood, ready.mqtt, Some(hear(&neighbourhood, &clock, &screen, &story)));
        wait_connected(&living, |done, all| step.progress(done, all)).await?;
        let devices = living.connected().0;
        step.done(&screen.say(&format!("{devices} 台"), &format!("{devices} devices")));

        let neighbourhood = Arc::new(neighbourhood);
        let mut demo =
            Demo { phones, ready, token, screen, story, neighbourhood, living, running, tasks: Vec::new(), directory };
        demo.begin(client, staff, clock);
        Ok(demo)
    }

    /// Time begins: lives, plots, the feed's story, the community's staff.
    fn begin(&mut self, client: Client, people: staff::People, clock: Arc<dyn Clock>) {
        let start = clock.now();
        self.living.begin(&self.neighbourhood, clock, start, None);
        let (screen, neighbourhood) = (Arc::clone(&self.screen), Arc::clone(&self.neighbourhood));
        let narrator = Narrator::new(Arc::clone(&neighbourhood), Arc::clone(&screen));
        let mut staff = staff::Staff::new(people, neighbourhood);
        let story = Arc::clone(&self.story);
        self.tasks.push(tokio::spawn(async move {
            let mut cursor = None;
            loop {
                // What rang so far is told after the next look at the feed: by then its cause is there.
                let mut lines = story.take();
                tokio::time::sleep(Duration::from_millis(FEED_POLL_MS)).await;
                loop {
                    let page = match client.events(cursor.as_deref()).await {
                        Ok(page) => page,
                        Err(error) => {
                            tracing::warn!(%error, "the feed did not answer");
                            break;
                        }
                    };
                    lines.extend(narrator.tell(&page.data));
                    staff.notice(&page.data);
                    cursor = Some(page.next_cursor);
                    if !page.has_more {
                        break;
                    }
                }
                lines.extend(story.take_before(&lines));
                story::in_order(&mut lines);
                screen.text(&lines.into_iter().map(|line| line.text()).collect::<Vec<_>>());
            }
        }));
    }

    /// The throw-away directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Prints what was started and what to try.
    fn introduce(&self) {
        let yours = self.neighbourhood.yours();
        let spare = &self.neighbourhood.spare;
        let (mqtt, http, token) = (self.ready.mqtt, self.ready.http, &self.token);
        let page = page_url(&self.phones, self.screen.language());
        let timeline: Vec<String> = {
            let mut plots: Vec<_> =
                self.neighbourhood.elders.iter().flat_map(|e| e.plot.iter().map(move |plot| (plot, &e.name))).collect();
            plots.sort_by_key(|(plot, _)| plot.after_s);
            plots.iter().map(|(plot, name)| format!("  {}", plot.announce(name, self.screen.language()))).collect()
        };
        let publish = format!(
            "mosquitto_pub -h {} -p {} -V mqttv5 -q 1 -i {id} -u {id} -P {} -t yl/v1/{id}/up/json -m '{{\"type\":\"sos\"}}'",
            mqtt.ip(),
            mqtt.port(),
            spare.secret,
            id = spare.id,
        );
        let curl = |path: &str| format!("curl -s -H \"Authorization: Bearer {token}\" 'http://{http}{path}'");
        self.screen.text(&[
            String::new(),
            self.screen
                .say("这些人都是虚构的，号码不属于任何人。", "Everybody here is invented; the numbers are nobody's."),
            String::new(),
            format!("  {}  http://{http}/console/", self.screen.say("控 制 台", "console")),
            self.screen.say(
                &format!("            账号 desk（值班）、doctor（医生）、grid（网格员），密码 {PASSWORD}"),
                &format!("           accounts desk, doctor, grid; password {PASSWORD}"),
            ),
            format!("  {}  {page}", self.screen.say("手机页面", "phones ")),
            format!("  {}  http://{http}/api/v1", self.screen.say("接口地址", "API    ")),
            format!("  {}  mqtt://{mqtt}", self.screen.say("设备入口", "MQTT   ")),
            format!("  {}  {token}", self.screen.say("访问令牌", "token  ")),
            String::new(),
            self.screen.say("接下来会发生：", "What is going to happen:"),
        ]);
        self.screen.text(&timeline);
        self.screen.text(&[
            String::new(),
            self.screen.say(
                &format!("{}家的手机留给您：在手机页面上接听、按 1 或 2，或让它响着。", yours.name),
                &format!(
                    "The family of {} is yours: answer on the phones' page, press 1 or 2, or let it ring.",
                    yours.name
                ),
            ),
            self.screen.say("试一试（在另一个终端）：", "Try this (in another terminal):"),
            format!(
                "  {}",
                self.screen.say(
                    &format!("# {}的备用手环求救", yours.name),
                    &format!("# the spare bracelet of {} calls for help", yours.name)
                )
            ),
            format!("  {publish}"),
            format!("  {}", self.screen.say("# 看事件流与工单", "# the feed, and the community's cases")),
            format!("  {}", curl("/api/v1/events?types=incident.*,case.*&limit=20")),
            format!("  {}", curl("/api/v1/cases")),
            self.screen.say("按 Ctrl-C 结束。", "Ctrl-C ends it."),
            String::new(),
        ]);
    }

    /// Renews the line with the figures; never ends by itself.
    async fn show_figures(&self) {
        let mut beats = 0_u64;
        loop {
            tokio::time::sleep(Duration::from_millis(FIGURES_MS)).await;
            beats += 1;
            let (connected, _, devices) = self.living.connected();
            let (saved, waiting) = self.living.acknowledged();
            let ringing = self.phones.look(|book| book.phones().filter(|p| p.open_call().is_some()).count());
            let figures = self.screen.say(
                &format!(
                    "{connected}/{devices} 台设备在线 · 已落盘确认 {saved} 条 · 待确认 {waiting} · 通话中 {ringing}"
                ),
                &format!(
                    "{connected}/{devices} devices online · {saved} reports saved · {waiting} waiting · {ringing} calls"
                ),
            );
            self.screen.figures(&figures, beats.is_multiple_of(PLAIN_FIGURES_SECONDS * 1000 / FIGURES_MS));
        }
    }

    /// Ends everything in order and removes the directory.
    ///
    /// # Errors
    /// When the engine ends with one, or the directory cannot be removed.
    pub async fn end(self) -> anyhow::Result<()> {
        let step = self.screen.begin("结束演示", "ending");
        self.tasks.iter().for_each(JoinHandle::abort);
        self.living.end().await;
        let ended = self.running.shutdown().await;
        if let Some(phones) = Arc::into_inner(self.phones) {
            phones.shutdown().await;
        }
        self.directory.close().context("removing the demo's directory")?;
        step.done(&self.screen.say("目录已删除", "the directory is removed"));
        ended
    }
}

/// A directory that goes when it is dropped.
fn thrown_away(told: &OnceLock<PathBuf>) -> anyhow::Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("yinling-demo-").tempdir()?;
    let _ = told.set(directory.path().to_owned());
    Ok(directory)
}

async fn start_phones(
    neighbourhood: &Neighbourhood,
    secret: &str,
    clock: Arc<dyn Clock>,
    language: Language,
    story: &Arc<Story>,
) -> std::io::Result<Phones> {
    let story = Arc::clone(story);
    Phones::start(phones::Options {
        listen: SocketAddr::from(([127, 0, 0, 1], PHONES_PORT)),
        secret: secret.to_owned(),
        clock,
        ring_ms: RING_MS,
        entries: neighbourhood.phones(),
        listener: Some(Box::new(move |happening| {
            // Texts go to half a dozen phones at once: the narrator says so in one line.
            if !matches!(happening.what, Happened::Receives { .. }) {
                story.add(happening.at, in_words(happening, language));
            }
        })),
    })
    .await
}

/// The phones' page in the language of the terminal.
fn page_url(phones: &Phones, language: Language) -> String {
    match language {
        Language::ZhCn => phones.page_url(),
        Language::En => format!("{}?lang=en", phones.page_url()),
    }
}

/// What the bracelets hear goes into the story.
fn hear(
    neighbourhood: &Neighbourhood,
    clock: &Arc<dyn Clock>,
    screen: &Arc<Screen>,
    story: &Arc<Story>,
) -> DownListener {
    let names: BTreeMap<String, String> =
        neighbourhood.devices().map(|(elder, device)| (device.id.clone(), elder.name.clone())).collect();
    let (clock, screen, story) = (Arc::clone(clock), Arc::clone(screen), Arc::clone(story));
    Arc::new(move |device: &str, payload: &[u8]| {
        let wearer = names.get(device).map_or(device, String::as_str);
        if let Some(words) = narrator::down(wearer, payload, &screen) {
            story.add(clock.now(), words);
        }
    })
}

fn configure(options: &Options, data: &Path, phones: &Phones, secret: &str, language: Language) -> Config {
    let channel = || ChannelSettings::gateway(&phones.gateway_url(), secret);
    let mut config = Config { data: data.to_owned(), ..Config::default() };
    config.http.listen = options.http.unwrap_or_else(|| free(HTTP));
    config.http.phones_page = Some(page_url(phones, language));
    config.http.demo = Some(engine::DemoSignIn {
        accounts: ACCOUNTS.iter().map(|(id, ..)| (*id).to_owned()).collect(),
        password: PASSWORD.to_owned(),
    });
    config.mqtt.listen = options.mqtt.unwrap_or_else(|| free(MQTT));
    config.channels = [Channel::Sms, Channel::Voice, Channel::Push].map(|name| (name, channel())).into();
    config
}

/// The address, or one with any free port if that one is taken: a demo should not fail because of its neighbours.
fn free(wished: SocketAddr) -> SocketAddr {
    if TcpListener::bind(wished).is_ok() { wished } else { SocketAddr::new(wished.ip(), 0) }
}

async fn wait_connected(living: &Living, progress: impl Fn(usize, usize)) -> anyhow::Result<()> {
    let all = async {
        loop {
            let (connected, refused, devices) = living.connected();
            progress(connected, devices);
            if connected == devices {
                return Ok(());
            }
            anyhow::ensure!(refused == 0, "{refused} of {devices} devices were refused at the door");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let within = Duration::from_secs(CONNECT_SECONDS_MAX);
    tokio::time::timeout(within, all).await.context("not every device could connect")?
}

fn new_secret() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness for the gateway's secret: {error}"))?;
    Ok(format!("whsec_{}", STANDARD.encode(bytes)))
}

fn language_of(locale: &str) -> Language {
    if locale.starts_with("zh") { Language::ZhCn } else { Language::En }
}
