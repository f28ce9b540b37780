//! Organisations, people, devices, and the fields that rows have in common.

use compact_str::CompactString;
use model::escalation::DESK_PERSON;
use model::id::{ID_BYTES_MAX, is_well_formed};
use model::registry::{Desk, Push};
use model::{Channel, Datum, Device, DeviceId, Language, Org, OrgPath, Person, PersonId, Role, WearerId};
use serde_json::Value;

use super::{NAME_CHARS_MAX, Reference, Walk};
use crate::config::document::{Faults, Object, below, quote, wrong_type};

/// The most people on one desk.
const DESK_PEOPLE_MAX: usize = 50;
/// The most fences of one organisation: those of a city are its districts' and communities'.
const SHARED_FENCES_MAX: usize = 500;
/// The longest secret of a device, bytes.
const SECRET_BYTES_MAX: usize = 256;
/// A shorter secret of a device is worth a warning, bytes.
const SECRET_BYTES_ADVISED: usize = 8;
/// The longest electronic mail address, bytes (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;
/// The longest name of a push service or kind of device, characters.
const KIND_CHARS_MAX: usize = 32;
/// The longest push topic or device key, characters.
const TOPIC_CHARS_MAX: usize = 256;
/// E.164: at most 15 digits after the plus; below 5 nothing can be called.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 5..=15;

pub(super) const DATUMS: &[(&str, Datum)] =
    &[("wgs84", Datum::Wgs84), ("cgcs2000", Datum::Wgs84), ("gcj02", Datum::Gcj02), ("bd09", Datum::Bd09)];
const LANGUAGES: &[(&str, Language)] = &[("zh-CN", Language::ZhCn), ("en", Language::En)];
const ROLES: &[(&str, Role)] = &[
    ("guardian", Role::Guardian),
    ("doctor", Role::Doctor),
    ("operator", Role::Operator),
    ("desk", Role::Desk),
    ("grid_worker", Role::GridWorker),
    ("volunteer", Role::Volunteer),
    ("street", Role::Street),
    ("department", Role::Department),
    ("admin", Role::Admin),
    ("integration", Role::Integration),
];

impl Walk<'_> {
    pub(super) fn org(&mut self, mut row: Object<'_>) -> Option<String> {
        let faults = &mut self.faults;
        let path = org_path(&mut row, "path", faults);
        let name = name(&mut row, faults);
        let desk = row.object("desk", faults);
        let fences = self.fences(&mut row, SHARED_FENCES_MAX);
        let robot = self.robot(&mut row);
        row.finish(&mut self.faults);
        let desk = desk.and_then(|desk| self.desk(desk));
        let path = path?;
        let id = path.as_str().to_owned();
        if let Some(name) = name {
            self.change.orgs.push(Org { path, name, desk, fences, robot });
        }
        Some(id)
    }

    /// The name of the group that a robot tells about everybody here.
    fn robot(&mut self, row: &mut Object<'_>) -> Option<CompactString> {
        let robot = id(row, "robot", false, &mut self.faults)?;
        if self.context.reach.as_ref().is_some_and(|reach| !reach.speaks_in(robot)) {
            let detail =
                format!("no robot speaks in a group {robot:?}: [channels.robot.groups.{robot}] configures one");
            let detail_zh = format!("群 {robot:?} 未配置机器人，请配置 [channels.robot.groups.{robot}]");
            self.warnings.add(row.at("robot"), detail, detail_zh);
        }
        Some(CompactString::new(robot))
    }

    fn desk(&mut self, mut desk: Object<'_>) -> Option<Desk> {
        let phone = phone(&mut desk, &mut self.faults);
        let people = self.person_list(&mut desk, "people", DESK_PEOPLE_MAX);
        let pointer = desk.pointer().to_owned();
        desk.finish(&mut self.faults);
        if phone.is_none() && people.is_empty() {
            let detail = "the desk has neither a phone nor people: it counts as no desk";
            self.warnings.add(pointer, detail, "值守台既无电话也无人员，视为未设值守台");
            return None;
        }
        Some(Desk { phone, people })
    }

    pub(super) fn person(&mut self, mut row: Object<'_>) -> Option<String> {
        let faults = &mut self.faults;
        let id = id(&mut row, "id", true, faults);
        if !row.has("role") {
            row.required_text("role", faults);
        }
        let role = row.word("role", ROLES, faults);
        let name = name(&mut row, faults);
        let phone = phone(&mut row, faults);
        let email = email(&mut row, faults);
        let lang = row.word("lang", LANGUAGES, faults).unwrap_or_default();
        let push = row.object("push", faults).and_then(|mut push| {
            let kind = short_text(&mut push, "kind", KIND_CHARS_MAX, faults);
            let topic = short_text(&mut push, "topic", TOPIC_CHARS_MAX, faults);
            push.finish(faults);
            Some(Push { kind: CompactString::new(kind?), topic: CompactString::new(topic?) })
        });
        let pointer = row.pointer().to_owned();
        row.finish(faults);
        if role == Some(Role::Guardian) && phone.is_none() && push.is_none() && email.is_none() {
            let detail = "this guardian has neither a phone nor push nor mail: an alarm cannot reach them";
            self.warnings.add(pointer.clone(), detail, "该监护人既无电话、推送，也无邮箱，报警时无法联系");
        } else if role == Some(Role::Guardian) && phone.is_none() {
            let detail = "this guardian has no phone: an alarm reaches them in writing only, and nobody rings them";
            self.warnings.add(pointer.clone(), detail, "该监护人没有电话：报警时只能收到文字，不会拨打电话");
        }
        self.warn_of_unreached(&pointer, phone.as_ref(), email.as_ref(), push.as_ref());
        let id = id?;
        if id == DESK_PERSON {
            let detail = "this id stands for a desk's own phone: give the person another one";
            self.faults.add(below(&pointer, "id"), detail, "该 id 专指值班台自身的电话，请为此人换一个 id");
        }
        if let (Some(role), Some(name)) = (role, name) {
            self.change.people.push(Person { id: PersonId::new(id), role, name, phone, email, push, lang });
        }
        Some(id.to_owned())
    }

    /// What is right by itself, and yet reaches nobody with the providers that are configured.
    fn warn_of_unreached(
        &mut self,
        pointer: &str,
        phone: Option<&CompactString>,
        email: Option<&CompactString>,
        push: Option<&Push>,
    ) {
        let Some(reach) = &self.context.reach else { return };
        for (channel, what, what_zh) in [(Channel::Voice, "call", "拨打"), (Channel::Sms, "text", "发短信至")] {
            if phone.is_some_and(|phone| !reach.reaches(channel, phone)) {
                let detail =
                    format!("no provider that is configured can {what} this number (it is of another country)");
                let detail_zh = format!("已配置的服务商都无法{what_zh}该号码（国家或地区不符）");
                self.warnings.add(below(pointer, "phone"), detail, detail_zh);
            }
        }
        if let Some(push) = push.filter(|push| !reach.pushes_to(&push.kind)) {
            let kind = &push.kind;
            let detail = format!("no provider is configured for push of kind {kind:?}: [channels.push.{kind}]");
            self.warnings.add(
                format!("{pointer}/push/kind"),
                detail,
                format!("未配置推送方式 {kind:?}：[channels.push.{kind}]"),
            );
        }
        if email.is_some() && phone.is_none() && !reach.mails() {
            let detail = "they have no phone but mail, and mail is not configured: [channels.email]";
            self.warnings.add(below(pointer, "email"), detail, "此人没有电话只有邮箱，但未配置邮件：[channels.email]");
        }
    }

    pub(super) fn device(&mut self, mut row: Object<'_>) -> Option<String> {
        let faults = &mut self.faults;
        let id = id(&mut row, "id", true, faults);
        let kind = short_text(&mut row, "kind", KIND_CHARS_MAX, faults);
        let wearer_at = row.at("wearer");
        let wearer = self::id(&mut row, "wearer", false, faults).map(WearerId::new);
        let datum = row.word("datum", DATUMS, faults).unwrap_or_default();
        let carrier = self::id(&mut row, "carrier", false, faults).map(CompactString::new);
        let known = match id.map(|id| self.context.known.device(&DeviceId::new(id))) {
            None => None,
            Some(Ok(known)) => known,
            Some(Err(unreadable)) => {
                self.unreadable(&unreadable);
                None
            }
        };
        let before = known.as_ref().and_then(|device| device.wearer.as_ref());
        if let Some(before) = before.filter(|_| !row.has("wearer")) {
            let detail = format!(
                "this row does not say who wears it, and takes it off {before}: an alarm of it then reaches nobody but a \
                 desk; a row stands for the whole device"
            );
            let detail_zh =
                format!("此行未写佩戴者，设备将与 {before} 解绑：报警只会到值守台；每一行代表设备的全部内容");
            self.warnings.add(wearer_at.clone(), detail, detail_zh);
        }
        let faults = &mut self.faults;
        let may_lack = known.is_some() || !self.context.secrets_required;
        let secret = match row.has("secret") || !may_lack {
            true => row.required_text("secret", faults),
            false => row.text("secret", faults),
        };
        if secret.is_some_and(|secret| secret.len() > SECRET_BYTES_MAX) {
            let detail = format!("the secret is longer than {SECRET_BYTES_MAX} bytes");
            faults.add(row.at("secret"), detail, format!("密钥超过 {SECRET_BYTES_MAX} 字节"));
        }
        if secret.is_some_and(is_guessable) {
            let detail = "this secret can be guessed, and whoever has it speaks as the device: give each device one of \
                          its own, such as `openssl rand -hex 16` makes";
            let detail_zh =
                "该密钥过于简单，知道它即可冒充设备：请为每台设备使用独立的随机密钥，例如 openssl rand -hex 16";
            self.warnings.add(row.at("secret"), detail, detail_zh);
        }
        row.finish(faults);
        if let Some(wearer) = &wearer {
            self.references.push((wearer_at, Reference::Wearer(wearer.clone())));
        }
        let id = id?;
        let secret_hmac = match secret {
            Some(secret) => (self.context.device_secret_hmac)(secret.as_bytes()),
            None => known.map_or([0; 32], |device| device.secret_hmac),
        };
        if let Some(kind) = kind {
            let kind = CompactString::new(kind);
            let id = DeviceId::new(id);
            self.change.devices.push(Device { id, kind, wearer, bindings: Vec::new(), secret_hmac, datum, carrier });
        }
        Some(id.to_owned())
    }

    /// A list of person ids, each a reference, none twice.
    pub(super) fn person_list(&mut self, row: &mut Object<'_>, name: &'static str, most: usize) -> Vec<PersonId> {
        let at = row.at(name);
        let items = row.list(name, &mut self.faults);
        if items.len() > most {
            let count = items.len();
            let detail = format!("{count} people are more than the {most} that this list takes");
            self.faults.add(at, detail, format!("共 {count} 人，超过上限 {most} 人"));
            return Vec::new();
        }
        let mut people: Vec<PersonId> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let pointer = below(&at, index);
            let Some(id) = item_id(item, pointer.clone(), &mut self.faults) else { continue };
            let id = PersonId::new(id);
            if people.contains(&id) {
                let detail = format!("{id} stands in this list already");
                self.faults.add(pointer, detail, format!("{id} 在此列表中重复"));
                continue;
            }
            self.references.push((pointer, Reference::Person(id.clone())));
            people.push(id);
        }
        people
    }
}

/// Too short, or a word that stands for a secret in an example.
fn is_guessable(secret: &str) -> bool {
    const PLACEHOLDERS: [&str; 4] = ["password", "changeme", "change-me", "your-secret"];
    let first = secret.chars().next();
    secret.len() < SECRET_BYTES_ADVISED
        || secret.chars().all(|character| Some(character) == first)
        || PLACEHOLDERS.iter().any(|word| secret.eq_ignore_ascii_case(word))
}

pub(super) fn item_id<'v>(item: &'v Value, pointer: String, faults: &mut Faults) -> Option<&'v str> {
    match item {
        Value::String(text) => well_formed(text, pointer, faults),
        other => {
            wrong_type(faults, pointer, "an id", "编号", other);
            None
        }
    }
}

/// An identifier.
pub(super) fn id<'v>(row: &mut Object<'v>, name: &'static str, required: bool, faults: &mut Faults) -> Option<&'v str> {
    let text = if required { row.required_text(name, faults)? } else { row.text(name, faults)? };
    well_formed(text, row.at(name), faults)
}

fn well_formed<'v>(text: &'v str, pointer: String, faults: &mut Faults) -> Option<&'v str> {
    if is_well_formed(text) {
        return Some(text);
    }
    let quoted = quote(&Value::String(text.to_owned()));
    faults.add(
        pointer,
        format!("{quoted} is no id: 1 to {ID_BYTES_MAX} of the characters A–Z a–z 0–9 - _ . : are"),
        format!("{quoted} 不是合法编号：应为 1 至 {ID_BYTES_MAX} 个字符，可用 A–Z a–z 0–9 - _ . :"),
    );
    None
}

/// A required organisation path.
pub(super) fn org_path(row: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Option<OrgPath> {
    let path = OrgPath::new(row.required_text(name, faults)?);
    if path.is_well_formed() {
        return Some(path);
    }
    let quoted = quote(&Value::String(path.as_str().to_owned()));
    faults.add(
        row.at(name),
        format!(
            "{quoted} is no organisation path: it looks like /district/street/community/, with a slash at both ends"
        ),
        format!("{quoted} 不是合法的组织路径：应形如 /区/街道/社区/，首尾均为斜杠"),
    );
    None
}

/// The required `name`.
pub(super) fn name(row: &mut Object<'_>, faults: &mut Faults) -> Option<String> {
    short_text(row, "name", NAME_CHARS_MAX, faults).map(str::to_owned)
}

/// A required text without control characters and not too long: it is spoken and sent.
fn short_text<'v>(row: &mut Object<'v>, name: &'static str, most: usize, faults: &mut Faults) -> Option<&'v str> {
    let text = row.required_text(name, faults)?.trim();
    if text.chars().count() > most || text.chars().any(char::is_control) {
        let detail = format!("`{name}` is longer than {most} characters or has a control character in it");
        faults.add(row.at(name), detail, format!("`{name}` 超过 {most} 个字符或含控制字符"));
        return None;
    }
    Some(text)
}

/// An optional phone number. It is never quoted back: errors end up in logs.
pub(super) fn phone(row: &mut Object<'_>, faults: &mut Faults) -> Option<CompactString> {
    let text = row.text("phone", faults)?;
    let digits = text.strip_prefix('+').unwrap_or_default();
    let is_e164 = PHONE_DIGITS.contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if is_e164 {
        return Some(CompactString::new(text));
    }
    faults.add(
        row.at("phone"),
        "the phone is not E.164: a plus, the country's code and the number, digits only, like +8613800000001",
        "电话须为 E.164 格式：加号、国家代码和号码，仅含数字，如 +8613800000001",
    );
    None
}

fn email(row: &mut Object<'_>, faults: &mut Faults) -> Option<CompactString> {
    let text = row.text("email", faults)?;
    let plausible = text.len() <= EMAIL_BYTES_MAX
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ','))
        && text.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && !host.starts_with('.')
                && !host.ends_with('.')
        });
    if plausible {
        return Some(CompactString::new(text));
    }
    faults.add(
        row.at("email"),
        "this is no mail address, like doctor@example.org",
        "邮箱地址格式不正确，应形如 doctor@example.org",
    );
    None
}
