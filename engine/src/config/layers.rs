//! The layers of the configuration, the later ones over the earlier: defaults, file, environment, command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ConfigFault, ConfigFaults};

/// Environment variables that begin with this are configuration: `YINLING__HTTP__LISTEN` is `http.listen`.
pub const ENVIRONMENT_PREFIX: &str = "YINLING__";
const ENVIRONMENT_SEPARATOR: &str = "__";
const ENVIRONMENT_LAYER: &str = "environment";
const COMMAND_LINE_LAYER: &str = "command line";

/// Where the configuration comes from. The environment is passed in, so that a test needs none.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file of `--config`; `None`: no file.
    pub file: Option<PathBuf>,
    /// Environment variables; those without the prefix are left alone.
    pub environment: Vec<(String, String)>,
    /// The command line.
    pub overrides: Overrides,
}

/// What the command line may say over file and environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--http`
    pub http: Option<SocketAddr>,
    /// `--mqtt`
    pub mqtt: Option<SocketAddr>,
}

/// The layers put over each other, with the memory of where each value came from.
pub(super) struct Merged {
    /// The document that is walked.
    pub document: serde_json::Value,
    /// The whole environment: secrets may stand in variables that the configuration names.
    pub environment: Vec<(String, String)>,
    figment: Figment,
    file: Option<(PathBuf, String)>,
}

impl Sources {
    /// This process's arguments and environment: what the command line uses.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, overrides: Overrides) -> Sources {
        let environment =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        Sources { file, environment, overrides }
    }

    pub(super) fn merge(&self) -> Result<Merged, ConfigFaults> {
        let mut figment = Figment::new();
        let mut file = None;
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                whole(path.display().to_string(), format!("cannot be read: {error}; --config names it"))
            })?;
            // The span tells the line, which figment forgets.
            DeTable::parse(&text)
                .map_err(|error| whole(path.display().to_string(), format!("is not TOML: {error}")))?;
            figment = figment.merge(Toml::string(&text));
            file = Some((path.clone(), text));
        }
        figment = figment.merge(Environment(&self.environment));
        let overrides = &self.overrides;
        let listen = |address: Option<SocketAddr>| address.map(|address| address.to_string());
        for (key, value) in [
            ("data", overrides.data.as_ref().map(|path| path.to_string_lossy().into_owned())),
            ("http.listen", listen(overrides.http)),
            ("mqtt.listen", listen(overrides.mqtt)),
        ] {
            if let Some(value) = value {
                figment = figment.merge(CommandLine(Serialized::default(key, value)));
            }
        }
        let document = figment.extract().map_err(|error| whole(String::new(), error.to_string()))?;
        Ok(Merged { document, environment: self.environment.clone(), figment, file })
    }
}

fn whole(source: String, detail: String) -> ConfigFaults {
    ConfigFaults(vec![ConfigFault { source, key: String::new(), detail }])
}

impl Merged {
    /// Where the value at a dotted key was written, in the operator's terms.
    pub fn source_of(&self, key: &str) -> String {
        let layer = self.figment.find_metadata(key).map(|metadata| metadata.name.to_string());
        match layer.as_deref() {
            Some(ENVIRONMENT_LAYER) => {
                format!("{ENVIRONMENT_LAYER} {}", variable_of(key))
            }
            Some(COMMAND_LINE_LAYER) => COMMAND_LINE_LAYER.to_owned(),
            _ => self.file.as_ref().map_or_else(String::new, |(path, text)| match line_of(text, key) {
                Some(line) => format!("{} line {line}", path.display()),
                None => path.display().to_string(),
            }),
        }
    }
}

fn variable_of(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.replace('.', ENVIRONMENT_SEPARATOR).to_uppercase())
}

/// The line on which a dotted key, or the nearest table above it, is written.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let parsed = DeTable::parse(text).ok()?;
    let mut table = parsed.get_ref();
    let mut at = None;
    for step in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| *name.get_ref() == step) else { break };
        at = Some(name.span().start);
        match Spanned::get_ref(value) {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    Some(text[..at?].matches('\n').count() + 1)
}

/// The environment as a layer. Values stay text (`00123` is a fine secret); the walk reads numbers out of them.
struct Environment<'e>(&'e [(String, String)]);

impl Provider for Environment<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(ENVIRONMENT_LAYER)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        let mut variables: Vec<&(String, String)> = self.0.iter().collect();
        variables.sort();
        for (name, value) in variables {
            let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let lower = path.to_lowercase();
            let steps: Vec<&str> = lower.split(ENVIRONMENT_SEPARATOR).collect();
            insert(&mut dict, &steps, value);
        }
        Ok(Profile::Default.collect(dict))
    }
}

fn insert(dict: &mut Dict, steps: &[&str], text: &str) {
    let [first, rest @ ..] = steps else { return };
    if rest.is_empty() {
        // Everything in the environment is text; a list is one in JSON: `["10.0.0.0/8"]`.
        let list = serde_json::from_str::<Vec<String>>(text);
        dict.insert((*first).to_owned(), list.map_or_else(|_| Value::from(text), Value::from));
        return;
    }
    let below = dict.entry((*first).to_owned()).or_insert_with(|| Value::from(Dict::new()));
    match below {
        Value::Dict(_, inner) => insert(inner, rest, text),
        // `YINLING__HTTP=x` beside `YINLING__HTTP__LISTEN=y`: the table wins, and what it holds is checked.
        other => {
            let mut inner = Dict::new();
            insert(&mut inner, rest, text);
            *other = Value::from(inner);
        }
    }
}

/// One override of the command line as a layer.
struct CommandLine(Serialized<String>);

impl Provider for CommandLine {
    fn metadata(&self) -> Metadata {
        Metadata::named(COMMAND_LINE_LAYER)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        self.0.data()
    }
}
