//! Hostile files as they may come on a stick, each with what becomes of it: `authority/tests/orders/corpus.json`.

use super::*;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/orders")
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

#[test]
fn every_file_gets_the_answer_of_the_table() {
    let table: Value =
        serde_json::from_str(&std::fs::read_to_string(folder().join("corpus.json")).unwrap()).unwrap();
    let cases = table.as_array().unwrap();
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let mut desk = Desk::new();
        let before = desk.state();
        let imported = desk.import_file(&folder().join(file), &Mapping::default(), false, NOW);
        match (text(&case["refused"]), imported) {
            (Some(code), Err(error)) => {
                assert_eq!(error.code(), code, "{file}");
                assert_eq!(desk.state(), before, "{file}: something of it was taken");
                let report = error.report();
                assert!(!report.causes.is_empty() && report.hint.is_some(), "{file}: {report:?}");
            }
            (None, Ok(imported)) => judge(file, case, &imported, &desk),
            (expected, found) => panic!("{file}: expected {expected:?}, found {found:?}"),
        }
        assert_eq!(desk.repository.changed_tables().unwrap(), Vec::<String>::new(), "{file}");
    }
    // No file that nobody tries.
    let files = std::fs::read_dir(folder()).unwrap().count() - 1;
    assert_eq!(cases.len(), files);
    assert!(cases.len() >= 40, "only {} files", cases.len());
}

fn judge(file: &str, case: &Value, imported: &Imported, desk: &Desk) {
    let expected = case["faults"].as_array().unwrap();
    assert_eq!(imported.faults.len(), expected.len(), "{file}: {:?}", imported.faults);
    for (fault, expected) in imported.faults.iter().zip(expected) {
        assert_eq!(
            (Some(fault.line), Some(fault.code)),
            (expected[0].as_u64(), text(&expected[2])),
            "{file}: {fault}"
        );
        // At which byte JSON is wrong is serde's to say.
        if fault.code != "json-malformed" {
            let column = fault.column.as_ref().map(ToString::to_string);
            assert_eq!(column.as_deref(), text(&expected[1]), "{file}: {fault}");
        }
        let shown = chancery_carriers::text::shown(&fault.to_string());
        assert!(shown.len() < 500, "{file}: {} bytes are told of one line", shown.len());
    }
    assert_eq!(Some(desk.outcomes().len() as u64), case["taken"].as_u64(), "{file}");
    let warned: Vec<_> = imported.warnings.iter().map(|warning| warning.code).collect();
    let expected: Vec<_> = case["warnings"].as_array().unwrap().iter().filter_map(text).collect();
    assert_eq!(warned, expected, "{file}");
}

/// Numbers that look drawn, and are the same in every run.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Bytes that mean something to one of the readers.
const TELLING: &[u8] = b"\"\",;\n\r\0{}[]:\\'=\xff\xc3\xa4 0";

#[test]
fn whatever_is_done_to_a_file_it_is_read_to_its_end_or_refused() {
    let desk = Desk::new();
    let path = desk.path("changed");
    let (mut drawn, mut read, mut refused) = (Drawn(4711), 0, 0);
    for entry in std::fs::read_dir(folder()).unwrap() {
        let original = std::fs::read(entry.unwrap().path()).unwrap();
        for _ in 0..60 {
            let mut bytes = original.clone();
            for _ in 0..=drawn.below(3) {
                let place = drawn.below(bytes.len() + 1);
                let telling = TELLING[drawn.below(TELLING.len())];
                match (drawn.below(4), bytes.get_mut(place)) {
                    (0, Some(byte)) => *byte = telling,
                    (1, Some(_)) => {
                        bytes.remove(place);
                    }
                    (2, _) => bytes.truncate(place),
                    _ => bytes.insert(place, telling),
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            match lines(&path) {
                Ok(spans) => {
                    read += 1;
                    assert!(spans.is_sorted() && spans.iter().all(|(start, end)| start < end));
                    assert!(spans.last().is_none_or(|(_, end)| *end <= bytes.len() as u64));
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.report().hint.is_some(), "{error:?}");
                }
            }
        }
    }
    assert!(read > 200 && refused > 200, "{read} read, {refused} refused");
}

/// Where each line of a file stands.
fn lines(path: &Path) -> Result<Vec<(u64, u64)>, CommandError> {
    let source = Source::open(path, &mut |_, _| {})?;
    let mapping = Mapping::default();
    let count = rows::check(&source, &mapping, &mut |_, _| {})?;
    let mut rows = rows::Rows::open(&source, &mapping)?;
    let mut spans = Vec::new();
    while let Some(row) = rows.read()? {
        spans.push(row.span);
    }
    assert_eq!(spans.len() as u64, count);
    Ok(spans)
}
