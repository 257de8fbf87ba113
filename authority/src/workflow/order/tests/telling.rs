//! What became of orders goes back: as rows, as cells that are no formulas, and as rows of a batch.

use chancery_carriers::files::create_new;
use serde_json::Value;

use super::*;
use crate::workflow::entitlement::standing::suspend;
use crate::workflow::order::export::{COLUMNS, Form, batch_rows, export};

fn sold() -> Desk {
    let mut desk = Desk::new();
    desk.take(
        "order,customer,product,edition,policy,quantity,until\n\
         SO-1,acme,pump,standard,,5,2027-12-31\n\
         \"=cmd|' /C calc'!A0\",globex,pump,standard,anywhere,3,\n\
         -2+3;=1,acme,pump,professional,,1,\n",
    );
    desk
}

fn written(desk: &Desk, name: &str, form: Form, filter: &OrderFilter<'_>, now: u64) -> String {
    let output = create_new(&desk.path(name)).unwrap();
    export(&desk.repository, filter, form, output, now).unwrap();
    std::fs::read_to_string(desk.path(name)).unwrap()
}

#[test]
fn a_table_tells_how_each_line_stands_and_holds_no_formula() {
    let mut desk = sold();
    let id = desk.entitlement("-2+3;=1").id;
    let note = crate::repository::Note { by: "Dana", reason: "not paid", at: NOW };
    suspend(&mut desk.repository, id, &note).unwrap();
    let text = written(&desk, "out.csv", Form::Csv, &OrderFilter::default(), NOW + 400 * DAY);
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines[0], COLUMNS.join(","));
    let starts: Vec<_> = lines.iter().skip(1).map(|line| line.split(",ent_").next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            "SO-1,1,acme,new,pump,standard,,expired",
            "\"'=cmd|' /C calc'!A0\",1,globex,new,pump,standard,,active",
            "\"'-2+3;'=1\",1,acme,new,pump,professional,,suspended",
        ]
    );
    assert!(lines[1].ends_with(",1,5,0,5,2027-12-31T23:59:59Z,0,2027-01-15T08:00:00Z,2027-01-15T08:00:00Z,"));
}

#[test]
fn json_lines_hold_the_words_as_they_came() {
    let desk = sold();
    let filter = OrderFilter { customer: Some("globex"), ..OrderFilter::default() };
    let text = written(&desk, "out.jsonl", Form::JsonLines, &filter, NOW);
    let row: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(row["order"], "=cmd|' /C calc'!A0");
    assert_eq!((row["until"].clone(), row["licenses"].as_u64()), (Value::Null, Some(0)));
    let places: Vec<_> = COLUMNS.iter().map(|column| text.find(&format!("\"{column}\":")).unwrap()).collect();
    assert!(places.is_sorted() && row.as_object().unwrap().len() == COLUMNS.len());
}

#[test]
fn rows_of_a_batch_are_those_that_need_no_request() {
    let desk = sold();
    let output = create_new(&desk.path("rows.jsonl")).unwrap();
    assert_eq!(batch_rows(&desk.repository, &OrderFilter::default(), output, NOW).unwrap(), 3);
    let text = std::fs::read_to_string(desk.path("rows.jsonl")).unwrap();
    let id = desk.entitlement("=cmd|' /C calc'!A0").id;
    assert_eq!(text, format!("{{\"entitlement\":\"{id}\"}}\n").repeat(3));
}

/// The examples and the schemas of the page are what the program reads and writes.
#[test]
fn schemas_name_every_field_and_every_column() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/spec");
    let schema = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(docs.join(name)).unwrap()).unwrap()
    };
    let named = |schema: &Value| -> Vec<String> {
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let order = schema("order.schema.json");
    assert_eq!(named(&order), Field::ALL.map(Field::name));
    let outcome = schema("order-outcome.schema.json");
    let mut columns = COLUMNS.map(str::to_owned);
    columns.sort_unstable();
    assert_eq!(named(&outcome), columns);
    for schema in [order, outcome] {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["additionalProperties"], false);
    }
}

#[test]
fn the_page_shows_what_the_program_reads() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/spec/orders.md");
    let page = std::fs::read_to_string(docs).unwrap();
    let block = |fence: &str| page.split(fence).nth(1).unwrap().split("```").next().unwrap().to_owned();
    let desk = Desk::new();
    let wishes = |text: &str| -> Vec<Wish> {
        let path = desk.path("page");
        std::fs::write(&path, text).unwrap();
        let source = Source::open(&path, &mut |_, _| {}).unwrap();
        let mapping = Mapping::default();
        let mut rows = rows::Rows::open(&source, &mapping).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.read().unwrap() {
            found.push(row.wish.unwrap());
        }
        found
    };
    let json = wishes(&block("```json\n"));
    assert_eq!(json, wishes(&block("```text\n")));
    assert_eq!((json.len(), json[1].action), (2, Action::Renew));
    let mapping = Mapping::read(&block("```toml\n")).unwrap();
    assert_eq!(mapping.column(Field::Until), Some("Gültig bis"));
    for field in Field::ALL {
        assert!(page.contains(&format!("`{}`", field.name())), "{}", field.name());
    }
    for column in COLUMNS {
        assert!(page.contains(&format!("`{column}`")), "{column}");
    }
}
