//! The registry as people write it: the JSON document of `POST /api/v1/import`, checked row by row into the words
//! of [`model::registry`].
//!
//! All or nothing: either every row is right, or every fault is told with the JSON pointer of its place, and nothing
//! is written. References may point into the document itself or to what is there already.

mod care;
mod consent;
mod csv;
mod fence;
mod hours;
mod known;
mod rows;
#[cfg(test)]
mod tests;
mod thresholds;
mod wearer;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use model::{OrgPath, PersonId, RegistryChange, Wearer, WearerId};
use serde_json::Value;

use crate::config::document::{Fault, Faults, Object, below};

pub(crate) use hours::parse_weekly;
pub use known::{ImportContext, Known, Nothing, Unreadable};

/// The most rows (organisations, people, wearers and devices together) of one import.
pub const IMPORT_ROWS_MAX: usize = 50_000;
/// The most faults that are told in words; further ones are counted.
pub const ROW_ERRORS_MAX: usize = 500;
/// The most warnings that are told in words.
pub const ROW_WARNINGS_MAX: usize = 500;
/// The longest name of anybody or anything, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// A valid document.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// What it writes. Bindings of devices are empty: the pipeline completes them with the time.
    pub change: RegistryChange,
    /// What is allowed but worth saying.
    pub warnings: Vec<RowError>,
}

/// What is wrong, or worth saying, about one place of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// JSON pointer, e.g. `/wearers/3/fences/0/circle/lat`.
    pub pointer: String,
    /// What is wrong and what to do, in English.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
}

impl From<Fault> for RowError {
    fn from(fault: Fault) -> RowError {
        RowError { pointer: fault.pointer, detail: fault.detail, detail_zh: fault.detail_zh }
    }
}

/// Reads and checks a whole document.
///
/// # Errors
/// Everything that is wrong with it, in the order of the document, at most [`ROW_ERRORS_MAX`] in words.
pub fn validate(body: &[u8], context: &ImportContext<'_>) -> Result<Import, Vec<RowError>> {
    let mut walk = Walk {
        context,
        faults: Faults::new(ROW_ERRORS_MAX),
        warnings: Faults::new(ROW_WARNINGS_MAX),
        change: RegistryChange::default(),
        references: Vec::new(),
    };
    match parse(body) {
        Ok((document, twice)) => {
            for pointer in twice {
                walk.faults.add(pointer, "this member stands there twice; keep one", "此项出现两次，请只保留一个");
            }
            walk.document(&document);
        }
        Err(fault) => return Err(vec![fault]),
    }
    let list = |faults: Faults| faults.into_list().into_iter().map(RowError::from).collect();
    if walk.faults.count() > 0 {
        return Err(list(walk.faults));
    }
    Ok(Import { change: walk.change, warnings: list(walk.warnings) })
}

/// Reads and checks a table of one noun; what is wrong is told with its place in the table, `/rows/17/phone`.
///
/// # Errors
/// As [`validate`].
pub fn validate_csv(body: &[u8], context: &ImportContext<'_>) -> Result<Import, Vec<RowError>> {
    let table = csv::Table::read(body)?;
    let placed = |remarks: Vec<RowError>| remarks.into_iter().map(|remark| table.placed(remark)).collect();
    let body = table.document.to_string();
    match validate(body.as_bytes(), context) {
        Ok(import) => Ok(Import { warnings: placed(import.warnings), ..import }),
        Err(errors) => Err(placed(errors)),
    }
}

/// Reads and checks a document that stands for itself, over an empty registry and without secrets: a replay's.
///
/// # Errors
/// As [`validate`].
pub fn validate_alone(body: &[u8], zone: Tz) -> Result<RegistryChange, Vec<RowError>> {
    validate(body, &ImportContext::alone(zone)).map(|import| import.change)
}

/// A wearer with other `thresholds`, `fences` or `plan`, each as in a row of the document and in the place of what stands.
///
/// # Errors
/// Everything that is wrong with the change, with pointers into it.
pub fn amend(change: &Value, wearer: &Wearer, zone: Tz) -> Result<Wearer, Vec<RowError>> {
    let mut walk = Walk {
        context: &ImportContext::alone(zone),
        faults: Faults::new(ROW_ERRORS_MAX),
        warnings: Faults::new(ROW_WARNINGS_MAX),
        change: RegistryChange::default(),
        references: Vec::new(),
    };
    let mut wearer = wearer.clone();
    if let Some(object) = Object::new(change, String::new(), &mut walk.faults) {
        walk.amend(object, &mut wearer);
    }
    let faults = walk.faults.into_list();
    if faults.is_empty() { Ok(wearer) } else { Err(faults.into_iter().map(RowError::from).collect()) }
}

/// The document, and the places of members that stand there again.
fn parse(body: &[u8]) -> Result<(Value, Vec<String>), RowError> {
    let fail = |detail: String, detail_zh: String| RowError { pointer: String::new(), detail, detail_zh };
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(fail(
            "the body is empty; send the registry as JSON".into(),
            "请求体为空，请发送 JSON 格式的登记表".into(),
        ));
    }
    api::once::read(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        fail(format!("not JSON: {error}"), format!("不是合法的 JSON：第 {line} 行第 {column} 列"))
    })
}

/// The ids of one section and the row in which each stands.
type Ids = BTreeMap<String, usize>;

/// One check of one document.
struct Walk<'c> {
    context: &'c ImportContext<'c>,
    faults: Faults,
    warnings: Faults,
    change: RegistryChange,
    /// Checked at the end, when everything the document itself brings is known.
    references: Vec<(String, Reference)>,
}

enum Reference {
    Org(OrgPath),
    Person(PersonId),
    Wearer(WearerId),
}

impl Walk<'_> {
    fn document(&mut self, document: &Value) {
        let Some(mut root) = Object::new(document, String::new(), &mut self.faults) else { return };
        let orgs = root.list("orgs", &mut self.faults);
        let people = root.list("people", &mut self.faults);
        let wearers = root.list("wearers", &mut self.faults);
        let devices = root.list("devices", &mut self.faults);
        root.finish(&mut self.faults);
        let rows = orgs.len() + people.len() + wearers.len() + devices.len();
        if rows > IMPORT_ROWS_MAX {
            let detail = format!("{rows} rows are more than one import takes ({IMPORT_ROWS_MAX}); send it in parts");
            self.faults.add("", detail, format!("共 {rows} 行，超过单次导入上限 {IMPORT_ROWS_MAX}，请分批导入"));
            return;
        }
        if rows == 0 && self.faults.count() == 0 {
            let detail = "there is nothing in this document: none of orgs, people, wearers, devices has a row";
            self.warnings.add("", detail, "文件中没有任何内容：orgs、people、wearers、devices 均为空");
        }
        let orgs = self.section("/orgs", orgs, Walk::org);
        let people = self.section("/people", people, Walk::person);
        let wearers = self.section("/wearers", wearers, Walk::wearer);
        self.section("/devices", devices, Walk::device);
        self.check_references(&orgs, &people, &wearers);
        self.warn_of_missing_desks();
    }

    /// Reads the rows of one section; a row's reader returns its id, under which it may stand only once. Returns the
    /// ids and where they stand, rows with other faults included: they are in the document all the same.
    fn section(&mut self, at: &str, rows: &[Value], read: fn(&mut Self, Object<'_>) -> Option<String>) -> Ids {
        let mut first_of = Ids::new();
        for (index, row) in rows.iter().enumerate() {
            let pointer = below(at, index);
            let Some(object) = Object::new(row, pointer.clone(), &mut self.faults) else { continue };
            let Some(id) = read(self, object) else { continue };
            if let Some(first) = first_of.get(&id) {
                let detail = format!("{id:?} stands at {at}/{first} already");
                self.faults.add(pointer, detail, format!("{id:?} 与 {at}/{first} 重复"));
            } else {
                first_of.insert(id, index);
            }
        }
        first_of
    }

    /// The registry gave no answer: a fault of ours, told as one of the document's, so that nothing is written.
    fn unreadable(&mut self, Unreadable(why): &Unreadable) {
        let detail = format!("the registry as it stands cannot be read ({why}); nothing was written, try again");
        self.faults.add("", detail, format!("无法读取现有登记表（{why}）；未写入任何内容，请重试"));
    }

    fn check_references(&mut self, orgs: &Ids, people: &Ids, wearers: &Ids) {
        let known = self.context.known.as_ref();
        for (pointer, reference) in std::mem::take(&mut self.references) {
            let (answer, what, what_zh, name) = match &reference {
                Reference::Org(path) => {
                    let found = if orgs.contains_key(path.as_str()) {
                        Ok(true)
                    } else {
                        known.org(path).map(|org| org.is_some())
                    };
                    (found, "organisation", "组织", path.as_str())
                }
                Reference::Person(id) => {
                    let found = if people.contains_key(id.as_str()) { Ok(true) } else { known.has_person(id) };
                    (found, "person", "人员", id.as_str())
                }
                Reference::Wearer(id) => {
                    let found = if wearers.contains_key(id.as_str()) {
                        Ok(true)
                    } else {
                        known.wearer(id).map(|wearer| wearer.is_some())
                    };
                    (found, "wearer", "佩戴者", id.as_str())
                }
            };
            match answer {
                Ok(true) => {}
                Ok(false) => self.faults.add(
                    pointer,
                    format!("there is no {what} {name:?}, neither in this document nor in the registry"),
                    format!("登记表与本文件中都没有{what_zh} {name:?}"),
                ),
                Err(unreadable) => self.unreadable(&unreadable),
            }
        }
    }

    /// A wearer without any desk up the tree: when every contact fails, nobody would be left to page.
    fn warn_of_missing_desks(&mut self) {
        let own: BTreeMap<OrgPath, bool> =
            self.change.orgs.iter().map(|org| (org.path.clone(), org.desk.is_some())).collect();
        let homes: Vec<OrgPath> = self.change.wearers.iter().map(|wearer| wearer.org.clone()).collect();
        let mut covered: BTreeMap<OrgPath, bool> = BTreeMap::new();
        for (index, org) in homes.into_iter().enumerate() {
            let has_desk = match covered.get(&org) {
                Some(has_desk) => *has_desk,
                None => {
                    let has_desk = self.has_desk_up_the_tree(&org, &own);
                    covered.insert(org.clone(), has_desk);
                    has_desk
                }
            };
            if !has_desk {
                self.warnings.add(
                    format!("/wearers/{index}/org"),
                    format!(
                        "neither {org} nor any organisation above it has a desk, by a phone, people or a duty roster: when \
                         every contact of this wearer was tried in vain, nobody is left to page but operators, if there \
                         are any"
                    ),
                    format!(
                        "{org} 及其上级组织均未设值守台（电话、人员或排班）：联系人全部无人应答时，只能呼叫运维人员（如有）"
                    ),
                );
            }
        }
    }

    fn has_desk_up_the_tree(&mut self, org: &OrgPath, own: &BTreeMap<OrgPath, bool>) -> bool {
        std::iter::successors(Some(org.clone()), OrgPath::parent).any(|path| {
            let has_desk = match own.get(&path) {
                Some(true) => Ok(true),
                Some(false) => self.context.known.has_roster(&path),
                None => self.context.known.org(&path).and_then(|known| match known {
                    Some(org) if org.desk.is_some() => Ok(true),
                    _ => self.context.known.has_roster(&path),
                }),
            };
            has_desk.unwrap_or_else(|unreadable| {
                self.unreadable(&unreadable);
                false
            })
        })
    }
}
