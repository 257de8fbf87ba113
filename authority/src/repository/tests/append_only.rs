//! History is only ever added to, whoever asks the database.

use super::*;

const TABLES: [&str; 12] = [
    "bundle",
    "catalog_change",
    "entitlement_grant",
    "license",
    "log_leaf",
    "operation",
    "operation_outcome",
    "order_line",
    "revocation",
    "revocation_list",
    "sales_order",
    "signed_document",
];

fn with_a_row_in_each() -> (Folder, Repository) {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let entitlement = grant(&mut repository, 1, 5);
    let line = NewOrderLine {
        number: "SO-1",
        line: 1,
        customer: "acme",
        entitlement,
        grant: [1; 32],
        content: "{}",
    };
    repository.take_orders(NOW, |writer| writer.keep(&line)).unwrap();
    let intent = begin(&mut repository, &license(entitlement, 1, 1, 1)).unwrap();
    repository.complete(intent, b"signed", NOW).unwrap();
    let target = RevocationTarget::Customer("acme".to_owned());
    repository.add_revocation(&target, "not paid", NOW).unwrap();
    let published = Standing {
        list: Some(RevocationListRecord { number: 1, log_index: 0, last_revocation: Some(1) }),
        bundle: Some(BundleRecord { number: 1, log_index: 0, bytes: vec![0xa0] }),
        ..Standing::default()
    };
    repository.stand(&published, NOW).unwrap();
    for table in TABLES {
        assert_eq!(count(&repository, &format!("SELECT count(*) FROM {table}")), 1, "{table}");
    }
    (folder, repository)
}

fn refusal(repository: &Repository, sql: &str) -> String {
    repository.connection.execute(sql, []).expect_err(sql).to_string()
}

#[test]
fn rows_of_history_cannot_be_changed_or_deleted() {
    let (_folder, repository) = with_a_row_in_each();
    for table in TABLES {
        let columns = repository.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        for column in columns.column_names() {
            let update = format!("UPDATE {table} SET {column} = {column}");
            assert_eq!(refusal(&repository, &update), format!("{table} is append-only"), "{update}");
        }
        assert_eq!(refusal(&repository, &format!("DELETE FROM {table}")), format!("{table} is append-only"));
    }
}

#[test]
fn rows_of_history_cannot_be_replaced() {
    let (_folder, repository) = with_a_row_in_each();
    for table in TABLES {
        let replace = format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}");
        let refused = refusal(&repository, &replace);
        let expected = [format!("{table} is append-only"), format!("{table} is numbered without gaps")];
        assert!(expected.contains(&refused), "{replace}: {refused}");
    }
}

#[test]
fn numbers_have_no_gaps() {
    let (_folder, repository) = with_a_row_in_each();
    for (table, column) in [
        ("bundle", "number"),
        ("catalog_change", "number"),
        ("log_leaf", "log_index"),
        ("operation", "operation_id"),
        ("order_line", "position"),
        ("revocation", "revocation_id"),
        ("revocation_list", "number"),
    ] {
        let mut columns: Vec<String> = Vec::new();
        let statement = repository.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        for name in statement.column_names() {
            columns.push(if name == column { format!("{name} + 2") } else { name.to_owned() });
        }
        let insert = format!("INSERT INTO {table} SELECT {} FROM {table}", columns.join(", "));
        assert_eq!(refusal(&repository, &insert), format!("{table} is numbered without gaps"));
    }
}
