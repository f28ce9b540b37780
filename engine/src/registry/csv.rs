//! The registry as a table: one noun a file, a header line, then a line for each entry (RFC 4180, UTF-8).
//!
//! A column is named as the member is in JSON, with dots into what lies below: `push.kind`, `plan.cycles`,
//! `home.lon`. Lists are parted by semicolons: `g1;g2`. What is empty is absent. Which noun it is follows from the
//! column that only this noun requires.

use serde_json::{Map, Value, json};

use super::{IMPORT_ROWS_MAX, RowError};
use crate::config::document::nearest;

/// The nouns, and the column that tells each from the others.
const NOUNS: [(&str, &str); 4] = [("orgs", "path"), ("people", "role"), ("wearers", "org"), ("devices", "kind")];
/// Columns whose value is a list.
const LISTS: [&str; 2] = ["guardians", "desk.people"];
/// What lies below these is numbers where it looks like one; all else is text, even a serial number.
const NUMBERS: [&str; 4] = ["plan.", "thresholds.", "home.", "birth_year"];
/// The most columns of a table.
const COLUMNS_MAX: usize = 100;

/// A table as a document, and the noun that it holds.
#[derive(Debug)]
pub struct Table {
    /// `{"people":[…]}`.
    pub document: Value,
    noun: &'static str,
    /// The line of the table, from 1 below the header, in which each row of the document stands.
    rows: Vec<usize>,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// What is wrong with it as a table, in the order of its lines.
    pub fn read(body: &[u8]) -> Result<Table, Vec<RowError>> {
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let text = std::str::from_utf8(body).map_err(|_| {
            vec![fault(
                "",
                "the table is not UTF-8: save it as \"CSV UTF-8\"",
                "文件不是 UTF-8 编码：请另存为“CSV UTF-8”",
            )]
        })?;
        let mut records = records(text).map_err(|error| vec![error])?.into_iter();
        let header: Vec<String> =
            records.next().unwrap_or_default().into_iter().map(|name| name.trim().to_owned()).collect();
        let noun = noun_of(&header).map_err(|error| vec![error])?;
        let (mut entries, mut rows, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (place, record) in records.enumerate() {
            let row = place + 1;
            if record.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if record.len() != header.len() {
                let (found, expected) = (record.len(), header.len());
                let en = format!("{found} cells where the header has {expected}");
                faults.push(fault(&format!("/rows/{row}"), &en, &format!("有 {found} 列，表头为 {expected} 列")));
                continue;
            }
            entries.push(entry(&header, &record));
            rows.push(row);
        }
        if entries.len() > IMPORT_ROWS_MAX {
            let en = format!("{} rows are more than one import takes ({IMPORT_ROWS_MAX})", entries.len());
            faults.push(fault("", &en, &format!("行数超过单次导入上限 {IMPORT_ROWS_MAX}")));
        }
        if faults.is_empty() { Ok(Table { document: json!({ noun: entries }), noun, rows }) } else { Err(faults) }
    }

    /// The same remark, with its place in the table: `/people/16/push/kind` is `/rows/17/push.kind`.
    #[must_use]
    pub fn placed(&self, mut error: RowError) -> RowError {
        let below = error.pointer.strip_prefix(&format!("/{}/", self.noun)).unwrap_or_default();
        let (index, column) = below.split_once('/').unwrap_or((below, ""));
        if let Some(row) = index.parse::<usize>().ok().and_then(|index| self.rows.get(index)) {
            let column =
                column.strip_prefix("fences/0/circle/").map_or(column.replace('/', "."), |c| format!("home.{c}"));
            error.pointer = format!("/rows/{row}/{column}").trim_end_matches('/').to_owned();
        }
        (error.detail, error.detail_zh) = (self.renamed(&error.detail), self.renamed(&error.detail_zh));
        error
    }

    /// A remark that speaks of another entry speaks of its row.
    fn renamed(&self, text: &str) -> String {
        let Some((before, rest)) = text.split_once(&format!("/{}/", self.noun)) else { return text.to_owned() };
        let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let index = rest.strip_suffix(after).and_then(|index| index.parse::<usize>().ok());
        let row = index.and_then(|index| self.rows.get(index));
        row.map_or_else(|| text.to_owned(), |row| format!("{before}/rows/{row}{after}"))
    }
}

fn fault(pointer: &str, detail: &str, detail_zh: &str) -> RowError {
    RowError { pointer: pointer.to_owned(), detail: detail.to_owned(), detail_zh: detail_zh.to_owned() }
}

fn noun_of(header: &[String]) -> Result<&'static str, RowError> {
    if header.len() > COLUMNS_MAX {
        let en = format!("at most {COLUMNS_MAX} columns are taken");
        return Err(fault("/rows/0", &en, &format!("最多 {COLUMNS_MAX} 列")));
    }
    if let Some(twice) = header.iter().enumerate().find(|(at, name)| header[..*at].contains(name)).map(|(_, n)| n) {
        return Err(fault("/rows/0", &format!("the column {twice:?} stands twice"), &format!("列 {twice:?} 重复")));
    }
    if let [only] = header
        && let Some(other) = only.chars().find(|character| matches!(character, ';' | '\t' | '，' | '；'))
    {
        let en =
            format!("the columns are parted by {other:?}; save the table with commas between them (CSV, RFC 4180)");
        return Err(fault("/rows/0", &en, &format!("列之间用了 {other:?}，请改用逗号分隔（CSV）另存")));
    }
    // `org` and `kind` are asked for last: a person's table may one day have them too.
    NOUNS.iter().find(|(_, column)| header.iter().any(|name| name == column)).map(|(noun, _)| *noun).ok_or_else(|| {
        let columns = NOUNS.map(|(_, column)| column);
        if let Some((name, near)) = header.iter().find_map(|name| Some((name, nearest(name, &columns)?))) {
            let en = format!("the column {name:?} is not known; did you mean `{near}`?");
            return fault("/rows/0", &en, &format!("没有 {name:?} 这一列，是否应为 `{near}`？"));
        }
        fault(
            "/rows/0",
            "the header must name the columns: organisations have `path`, people `role`, wearers `org`, devices `kind`",
            "表头须为列名：组织有 `path`，人员有 `role`，佩戴者有 `org`，设备有 `kind`",
        )
    })
}

fn entry(header: &[String], record: &[String]) -> Value {
    let mut members = Map::new();
    for (name, cell) in header.iter().zip(record) {
        let cell = cell.trim();
        if cell.is_empty() {
            continue;
        }
        let value = if LISTS.contains(&name.as_str()) {
            cell.split(';').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect()
        } else if NUMBERS.iter().any(|prefix| name.starts_with(prefix)) {
            serde_json::from_str(cell).ok().filter(Value::is_number).unwrap_or_else(|| cell.into())
        } else {
            Value::from(cell)
        };
        put(&mut members, name, value);
    }
    if let Some(home) = members.remove("home") {
        members.insert("fences".to_owned(), json!([{ "id": "home", "circle": home }]));
    }
    Value::Object(members)
}

fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            members.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let below = members.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

/// Lines of cells; quotes hold commas, line breaks and, doubled, quotes.
fn records(text: &str) -> Result<Vec<Vec<String>>, RowError> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut characters = text.chars().peekable();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            other => cell.push(other),
        }
    }
    if quoted {
        let row = format!("/rows/{}", records.len());
        return Err(fault(&row, "a quote is opened here and never closed", "此处的引号没有结束"));
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_the_document_that_it_stands_for() {
        let table = Table::read(
            "\u{feff}id,name,org,birth_year,guardians,plan.cycles,home.lon,home.lat,home.radius_m\r\n\
             w1,\"王,桂\"\"兰\",/a/b/,1943,g1; g2,3,117.2,31.8,300\r\n,,,,,,,,\r\n007,x,/a/,,,,,,\n"
                .as_bytes(),
        )
        .unwrap();
        let first = json!({
            "id": "w1", "name": "王,桂\"兰", "org": "/a/b/", "birth_year": 1943, "guardians": ["g1", "g2"],
            "plan": {"cycles": 3}, "fences": [{"id": "home", "circle": {"lon": 117.2, "lat": 31.8, "radius_m": 300}}],
        });
        assert_eq!(table.document, json!({"wearers": [first, {"id": "007", "name": "x", "org": "/a/"}]}));
        for (pointer, expected) in [
            ("/wearers/1/org", "/rows/3/org"),
            ("/wearers/0/plan/cycles", "/rows/1/plan.cycles"),
            ("/wearers/0/fences/0/circle/lat", "/rows/1/home.lat"),
            ("/wearers/0", "/rows/1"),
            ("", ""),
        ] {
            assert_eq!(table.placed(fault(pointer, "", "")).pointer, expected);
        }
        let twice =
            table.placed(fault("/wearers/2", "\"007\" stands at /wearers/1 already", "\"007\" 与 /wearers/1 重复"));
        assert_eq!(twice.detail, "\"007\" stands at /rows/3 already");
        assert_eq!(twice.detail_zh, "\"007\" 与 /rows/3 重复");
    }

    #[test]
    fn what_is_no_table_says_where() {
        let told: Vec<String> = [
            &b"id,name\n1,2"[..],
            b"id,rolle,name,phone,lang,birth_year\n",
            b"id;role;name\n1;desk;x\n",
            b"path,name\n/a/,b,c\n/b/\n",
            b"path,path\n",
            b"role,\"name\n",
            b"\xb0\xa1",
            b"",
        ]
        .into_iter()
        .flat_map(|body| Table::read(body).unwrap_err())
        .map(|error| format!("{}: {}", error.pointer, error.detail))
        .collect();
        expect_test::expect![[r#"
            /rows/0: the header must name the columns: organisations have `path`, people `role`, wearers `org`, devices `kind`
            /rows/0: the column "rolle" is not known; did you mean `role`?
            /rows/0: the columns are parted by ';'; save the table with commas between them (CSV, RFC 4180)
            /rows/1: 3 cells where the header has 2
            /rows/2: 1 cells where the header has 2
            /rows/0: the column "path" stands twice
            /rows/0: a quote is opened here and never closed
            : the table is not UTF-8: save it as "CSV UTF-8"
            /rows/0: the header must name the columns: organisations have `path`, people `role`, wearers `org`, devices `kind`"#]]
        .assert_eq(&told.join("\n"));
    }
}
