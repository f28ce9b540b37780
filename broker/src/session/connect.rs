//! The first packet: who is there, and may they come in.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use super::{Client, Device, Env, Output, Phase, Session, Subscriber};
use crate::packet::{self, ConnectRefusal, Welcome};
use crate::stats::add;
use crate::wire::{self, Protocol, Version};
use crate::{Credentials, Grant, Refusal};

/// The user name of API tokens; every other one is a device's id.
const TOKEN_USER_NAME: &str = "token";
/// The default of MQTT 5 for what a client does not limit.
const RECEIVE_MAXIMUM_DEFAULT: u16 = u16::MAX;

/// A CONNECT of either version.
struct Connect {
    client_id: String,
    clean: bool,
    user_name: Option<String>,
    password: String,
    keep_alive_seconds: u16,
    client: Client,
}

impl Session {
    /// Takes in a CONNECT, or refuses it and closes.
    pub(super) fn connect(&mut self, first: u8, body: &[u8], env: &Env<'_>, out: &mut Output) {
        let version = match wire::protocol(body) {
            Ok(Protocol::Spoken(version)) => version,
            Ok(Protocol::Unspoken { level }) => {
                packet::connack_unspoken(&mut out.bytes, level);
                add(&env.stats.refused_protocol, 1);
                self.phase = Phase::Closed;
                return;
            }
            Err(fault) => return self.fail(fault, env, out),
        };
        let admitted = read(first, body, version).and_then(|connect| {
            let grant = authorise(&connect, env)?;
            Ok((connect, grant))
        });
        match admitted {
            Ok((connect, grant)) => self.admit(connect, grant, env, out),
            Err(refusal) => {
                packet::connack_refused(&mut out.bytes, version, refusal);
                add(counter(refusal, env), 1);
                self.phase = Phase::Closed;
            }
        }
    }

    fn admit(&mut self, connect: Connect, grant: Grant, env: &Env<'_>, out: &mut Output) {
        let longest = env.config.keep_alive_seconds_max;
        let told = (connect.client.version == Version::V5
            && (connect.keep_alive_seconds == 0 || connect.keep_alive_seconds > longest))
            .then_some(longest);
        self.keep_alive_seconds = told.unwrap_or(connect.keep_alive_seconds);
        let wildcards = matches!(grant, Grant::Feed { .. });
        let mut welcome = Welcome { keep_alive_seconds: told, assigned_client_id: None, wildcards };
        self.phase = match &grant {
            Grant::Device(id) => Phase::Device(Box::new(Device::new(id.clone(), connect.client))),
            Grant::Feed { token, scope } => {
                if connect.client_id.is_empty() {
                    welcome.assigned_client_id = Some(format!("{token}-{}", env.now.millis()));
                }
                Phase::Feed(Box::new(Subscriber::new(scope.clone(), connect.client)))
            }
        };
        packet::connack(&mut out.bytes, connect.client.version, env.config, welcome);
        add(&env.stats.admitted, 1);
        out.admitted = Some(grant);
    }
}

/// Checks and decodes; the checks come first, because the codec makes few of its own.
fn read(first: u8, body: &[u8], version: Version) -> Result<Connect, ConnectRefusal> {
    let facts = wire::check_connect(body, version).map_err(|fault| match fault.code {
        wire::reason::PROTOCOL_ERROR => ConnectRefusal::Protocol,
        _ => ConnectRefusal::Malformed,
    })?;
    if facts.authentication_method {
        return Err(ConnectRefusal::AuthenticationMethod);
    }
    if !facts.password_is_text {
        return Err(ConnectRefusal::Credentials);
    }
    let mut frame = wire::frame(first, body);
    let connect = match version {
        Version::V4 => read_v4(&mut frame),
        Version::V5 => read_v5(&mut frame),
    };
    let mut connect = connect.ok_or(ConnectRefusal::Malformed)?;
    if !facts.user_name {
        connect.user_name = None;
    }
    Ok(connect)
}

fn read_v4(frame: &mut BytesMut) -> Option<Connect> {
    let Ok(v4::Packet::Connect(connect)) = v4::Packet::read(frame, usize::MAX) else { return None };
    let (user_name, password) = connect.login.map(|login| (login.username, login.password)).unwrap_or_default();
    Some(Connect {
        client_id: connect.client_id,
        clean: connect.clean_session,
        user_name: Some(user_name),
        password,
        keep_alive_seconds: connect.keep_alive,
        client: Client {
            version: Version::V4,
            packet_bytes_max: usize::MAX,
            receive_maximum: RECEIVE_MAXIMUM_DEFAULT,
            problem_information: false,
        },
    })
}

fn read_v5(frame: &mut BytesMut) -> Option<Connect> {
    let Ok(v5::Packet::Connect(connect, _will, login)) = v5::Packet::read(frame, None) else { return None };
    let (user_name, password) = login.map(|login| (login.username, login.password)).unwrap_or_default();
    let properties = connect.properties.unwrap_or_default();
    Some(Connect {
        client_id: connect.client_id,
        clean: connect.clean_start,
        user_name: Some(user_name),
        password,
        keep_alive_seconds: connect.keep_alive,
        client: Client {
            version: Version::V5,
            packet_bytes_max: properties.max_packet_size.map_or(usize::MAX, |bytes| bytes as usize),
            receive_maximum: properties.receive_maximum.unwrap_or(RECEIVE_MAXIMUM_DEFAULT),
            problem_information: properties.request_problem_info != Some(0),
        },
    })
}

fn authorise(connect: &Connect, env: &Env<'_>) -> Result<Grant, ConnectRefusal> {
    let client_id = connect.client_id.as_str();
    let Some(user_name) = connect.user_name.as_deref() else { return Err(ConnectRefusal::Credentials) };
    let is_token = user_name == TOKEN_USER_NAME;
    let anonymous = client_id.is_empty() && connect.client.version == Version::V4 && !connect.clean;
    if anonymous || (!is_token && user_name != client_id) {
        return Err(ConnectRefusal::ClientId);
    }
    // A certificate speaks for the one device that it names.
    if env.certified.is_some_and(|name| name != user_name) {
        return Err(ConnectRefusal::ClientId);
    }
    let certified = env.certified.is_some();
    let credentials = Credentials { client_id, user_name, password: connect.password.as_bytes(), certified };
    let grant = env.host.authorise(&credentials).map_err(|refusal| match refusal {
        Refusal::BadCredentials => ConnectRefusal::Credentials,
        Refusal::NotAuthorised => ConnectRefusal::NotAuthorised,
        Refusal::ServerBusy => ConnectRefusal::Busy,
    })?;
    match &grant {
        Grant::Device(device) if device.as_str() != client_id => Err(ConnectRefusal::ClientId),
        // A device's id becomes a level of a topic.
        Grant::Device(device) if !model::id::is_well_formed(device.as_str()) => Err(ConnectRefusal::ClientId),
        Grant::Feed { .. } if !is_token => Err(ConnectRefusal::NotAuthorised),
        Grant::Device(_) | Grant::Feed { .. } => Ok(grant),
    }
}

fn counter<'a>(refusal: ConnectRefusal, env: &'a Env<'_>) -> &'a std::sync::atomic::AtomicU64 {
    match refusal {
        ConnectRefusal::Malformed | ConnectRefusal::Protocol | ConnectRefusal::TooLarge => &env.stats.refused_not_mqtt,
        ConnectRefusal::ClientId => &env.stats.refused_client_id,
        ConnectRefusal::Credentials | ConnectRefusal::AuthenticationMethod => &env.stats.refused_credentials,
        ConnectRefusal::NotAuthorised => &env.stats.refused_not_authorised,
        ConnectRefusal::Busy => &env.stats.refused_busy,
    }
}
