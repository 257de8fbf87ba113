//! `log verify` finds every single change of the database: each column of each row changed, each row removed.
//!
//! The tables are read from the database, so that a new one is covered from its first day: it fails here until the
//! world has a row of it. Every change is made as another program would make it, past the triggers, in a copy of the
//! whole home.

use super::verifying::{Forged, World, check, found};
use super::*;
use rusqlite::types::Value;

/// Rows of tables that the world has no reason to fill otherwise.
const ROWS: [&str; 26] = [
    "INSERT INTO device_log_entry VALUES ('0012345678', 0, zeroblob(32), 7)",
    "INSERT INTO device_log_chain VALUES ('0012345678', 1, 'reset in ceremony 4', 8)",
    "INSERT INTO operation_settlement VALUES (5, '0012345678', NULL, 9)",
    "INSERT INTO device_log_acceptance VALUES (1, '0012345678', 0, NULL, 'made at the factory', 'auditor', 9)",
    "INSERT INTO device_log_acceptance VALUES (2, '0012345678', NULL, 5, 'the device was reset', 'auditor', 9)",
    "INSERT INTO revocation VALUES (1, 'customer', x'61636d65', NULL, NULL, 'left', 7)",
    "INSERT INTO revocation VALUES (2, 'key', zeroblob(32), 5, zeroblob(32), 'stolen', 8)",
    "INSERT INTO revocation_list VALUES (1, 0, 1)",
    "INSERT INTO bundle VALUES (1, 0, x'a0')",
    "INSERT INTO issuing_lock VALUES (1, 'log-unasked', 'one operation', 7)",
    "INSERT INTO issuing_lock_release VALUES (1, 'looked into', 8)",
    "INSERT INTO key_move SELECT 1, thumbprint, 'file:keys/old.pem', 2, 8 FROM key LIMIT 1",
    "INSERT INTO approval_policy VALUES (1, zeroblob(32), 'rule = []', 'board', 'decided', 7)",
    "INSERT INTO approver VALUES (1, zeroblob(32), x'a0', 'Dana', 'approver', '{}', 7, 9, 'clerk', 7)",
    "INSERT INTO approver_revocation VALUES (1, 'clerk', 'left', 9)",
    "INSERT INTO proposal VALUES (1, 'clerk', 'order 1', 1, 7)",
    "INSERT INTO proposal_grant VALUES (1, 0, zeroblob(8), x'a0', zeroblob(32), 'EUR', 4)",
    "INSERT INTO proposal_revocation VALUES (1, 0, 'license', zeroblob(16))",
    "INSERT INTO approval_request VALUES (1, zeroblob(16), 'clerk', 1, 'license 4711', 'allowed', 7, 9)",
    "INSERT INTO approval_request_proposal VALUES (1, 1)",
    "INSERT INTO approval VALUES (1, 1, 1, x'a0', 8)",
    "INSERT INTO proposal_end VALUES (1, 'active', 1, 'Dana', 'approved', 8)",
    "INSERT INTO site_record VALUES (1, 'acme', 'north', 1, x'a0', 8)",
    "INSERT INTO lease SELECT coalesce(max(epoch), 0) + 1, zeroblob(32), 8 FROM lease",
    "INSERT INTO sales_order VALUES ('SO-1', 'acme', 7)",
    "INSERT INTO order_line VALUES (1, 'SO-1', 1, x'0101010101010101', zeroblob(32), '{}', 7)",
];

/// A table with the columns that name its rows, and all its rows: each its name, then its values.
struct Table {
    name: String,
    key: Vec<String>,
    columns: Vec<String>,
    rows: Vec<(Vec<Value>, Vec<Value>)>,
}

impl Table {
    /// Every table of a database, as it says itself.
    fn all(connection: &Connection) -> Vec<Self> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let mut statement = connection.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        names.map(|name| Self::read(connection, name.unwrap())).collect()
    }

    fn read(connection: &Connection, name: String) -> Self {
        let sql = "SELECT name, pk FROM pragma_table_info(?1)";
        let mut statement = connection.prepare(sql).unwrap();
        let info = statement.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let info: Vec<(String, i64)> = info.map(Result::unwrap).collect();
        let key: Vec<String> =
            info.iter().filter(|column| column.1 > 0).map(|column| column.0.clone()).collect();
        assert!(!key.is_empty(), "{name} has no primary key");
        let columns: Vec<String> = info.into_iter().map(|column| column.0).collect();
        let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let mut found = statement.query([]).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = found.next().unwrap() {
            let value = |column: &String| row.get(column.as_str()).unwrap();
            rows.push((key.iter().map(value).collect(), columns.iter().map(value).collect()));
        }
        Self { name, key, columns, rows }
    }

    /// The condition that names a row, by parameters from `first` on.
    fn condition(&self, first: usize) -> String {
        let equal = self.key.iter().zip(first..).map(|(column, place)| format!("{column} = ?{place}"));
        equal.collect::<Vec<_>>().join(" AND ")
    }
}

/// A world in which every table has a row.
fn filled() -> (Folder, Vec<Table>) {
    let World { folder, mut repository, .. } = World::new();
    let insert = |transaction: &Transaction<'_>| {
        ROWS.iter().try_for_each(|sql| transaction.execute(sql, []).map(drop))?;
        Ok(())
    };
    repository.write(insert).unwrap();
    let tables = Table::all(&repository.connection);
    for table in &tables {
        assert!(!table.rows.is_empty(), "no row of {} is in this world: add one to ROWS", table.name);
    }
    (folder, tables)
}

/// Other values than one, each as little different as can be.
fn others(value: &Value) -> Vec<Value> {
    let flipped = |bytes: &[u8], place: usize| {
        let mut other = bytes.to_vec();
        if let Some(byte) = other.get_mut(place) {
            *byte ^= 1;
        }
        other
    };
    match value {
        // Of these the column takes the one of its type.
        Value::Null => vec![Value::Integer(1), Value::Blob(vec![0; 32]), Value::Text("other".to_owned())],
        Value::Integer(number) => vec![Value::Integer(number ^ 1), Value::Integer(number ^ (1 << 40))],
        Value::Real(_) => unreachable!("no table has one"),
        Value::Text(text) => {
            let places = [0, text.len() / 2, text.len() - 1];
            let changed = places.map(|place| String::from_utf8(flipped(text.as_bytes(), place)));
            changed.into_iter().flatten().map(Value::Text).collect()
        }
        Value::Blob(bytes) if bytes.is_empty() => vec![Value::Blob(vec![0])],
        Value::Blob(bytes) => {
            let places = [0, bytes.len() / 2, bytes.len() - 1];
            let mut changed: Vec<_> =
                places.iter().map(|place| Value::Blob(flipped(bytes, *place))).collect();
            changed.push(Value::Blob(bytes[..bytes.len() - 1].to_vec()));
            changed
        }
    }
}

#[test]
fn an_untouched_database_agrees_with_itself() {
    let (folder, tables) = filled();
    assert_eq!(check(&folder.home(), None).unwrap().findings, []);
    assert!(tables.len() >= 25, "only {} tables", tables.len());
}

#[test]
fn every_column_of_every_row_that_is_changed_is_found() {
    let (folder, tables) = filled();
    let original = folder.home();
    let (mut changes, mut missed) = (0, Vec::new());
    for table in &tables {
        for (key, values) in &table.rows {
            for (column, value) in table.columns.iter().zip(values) {
                let mut taken = 0;
                for other in others(value) {
                    let forged = Forged::of(&original);
                    let sql = format!("UPDATE {} SET {column} = ?1 WHERE {}", table.name, table.condition(2));
                    let parameters: Vec<Value> = [&other].into_iter().chain(key).cloned().collect();
                    if !forged.change(&sql, &parameters) {
                        continue;
                    }
                    taken += 1;
                    if found(&forged.0.home(), None).is_empty() {
                        missed.push(format!("{}.{column} of {key:?}: {value:?} to {other:?}", table.name));
                    }
                }
                assert!(taken > 0, "{}.{column} of {key:?} was not changed", table.name);
                changes += taken;
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
    assert!(changes > 800, "only {changes} changes");
}

#[test]
fn every_row_that_is_removed_is_found() {
    let (folder, tables) = filled();
    let original = folder.home();
    for table in &tables {
        for (key, _) in &table.rows {
            let forged = Forged::of(&original);
            assert!(forged.change(&format!("DELETE FROM {} WHERE {}", table.name, table.condition(1)), key));
            assert_ne!(found(&forged.0.home(), None), Vec::<String>::new(), "{} {key:?}", table.name);
        }
    }
}

#[test]
fn every_row_that_is_repeated_with_another_key_is_found() {
    let (folder, tables) = filled();
    let original = folder.home();
    let (mut added, mut alone) = (0, Vec::new());
    for table in &tables {
        let (_, values) = &table.rows[table.rows.len() - 1];
        // Whatever else must be unique gets another value as well, until the table takes the row.
        let taken = (1_u32..1 << table.columns.len()).find(|changed| {
            let value = |(place, value): (usize, &Value)| match changed >> place & 1 {
                1 => others(value).remove(0),
                _ => value.clone(),
            };
            let row: Vec<Value> = values.iter().enumerate().map(value).collect();
            let places: Vec<_> = (1..=row.len()).map(|place| format!("?{place}")).collect();
            let forged = Forged::of(&original);
            let sql = format!("INSERT INTO {} VALUES ({})", table.name, places.join(", "));
            let taken = forged.change(&sql, &row);
            if taken {
                assert_ne!(found(&forged.0.home(), None), Vec::<String>::new(), "{} {row:?}", table.name);
                added += 1;
            }
            taken
        });
        if taken.is_none() {
            alone.push(table.name.as_str());
        }
    }
    // A row with another name than its one is refused where a table holds one by its rules.
    assert!(alone.is_empty() && added == tables.len(), "no row was added to {alone:?}");
}
