//! A database as another program would change it: past the triggers, the checks and the references.
//!
//! For tests elsewhere that look at what is made of it.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;

use crate::home::Home;

/// A value that another program writes.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    Blob(Vec<u8>),
    Text(String),
}

/// Runs SQL with values for its parameters.
pub(crate) fn tamper(home: &Home, sql: &str, values: &[Written]) {
    let connection = Connection::open(home.database()).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    connection.pragma_update(None, "ignore_check_constraints", true).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    let values = values.iter().map(|value| match value {
        Written::Blob(bytes) => Value::Blob(bytes.clone()),
        Written::Text(text) => Value::Text(text.clone()),
    });
    connection.execute(sql, rusqlite::params_from_iter(values)).unwrap();
}

/// Returns the one byte string that a query finds.
pub(crate) fn bytes(home: &Home, sql: &str) -> Vec<u8> {
    let connection = Connection::open(home.database()).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}
