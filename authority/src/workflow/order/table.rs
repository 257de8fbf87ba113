//! Rows of CSV for spreadsheets (RFC 4180): cells that hold text, whatever the text is.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and so runs what a stranger wrote
//! into an order. Such a cell gets an apostrophe before it, which a spreadsheet shows as text. It may also take a
//! semicolon or a tab for the end of a cell, wherever quotes stand, so what follows one of these is treated alike.

/// What begins a formula, in letters of either width.
const BEGINS_FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Returns a text that no spreadsheet takes for a formula.
///
/// # Examples
///
/// ```
/// use chancery_authority::workflow::order::table::safe;
///
/// assert_eq!(safe("=1+1"), "'=1+1");
/// assert_eq!(safe("a;=1"), "a;'=1");
/// assert_eq!(safe("Acme = Co"), "Acme = Co");
/// ```
#[must_use]
pub fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 1);
    if text.starts_with(['\t', '\r', '\n']) {
        shown.push('\'');
    }
    let mut may_begin = true;
    for c in text.chars() {
        if may_begin && BEGINS_FORMULA.contains(&c) {
            shown.push('\'');
        }
        shown.push(c);
        may_begin = matches!(c, ';' | '\t' | '\r' | '\n') || (may_begin && matches!(c, ' ' | '"' | '\u{a0}'));
    }
    shown
}

/// Returns a row with its line break: every cell safe, and quoted where it has to be.
#[must_use]
pub fn row<S: AsRef<str>>(cells: impl IntoIterator<Item = S>) -> String {
    let mut line = String::new();
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        let cell = safe(cell.as_ref());
        if cell.contains([',', ';', '"', '\t', '\r', '\n', ' ']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_formula_gets_an_apostrophe() {
        for (text, expected) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\rx", "'\rx"),
            ("  =1", "  '=1"),
            ("\"=1", "\"'=1"),
            ("a;=1", "a;'=1"),
            ("a; \"@x", "a; \"'@x"),
            ("＝1", "'＝1"),
        ] {
            assert_eq!(safe(text), expected, "{text:?}");
        }
        for text in ["", "Acme", "a-b", "x=1", "SO-2027/17", "1 + 1", "Müller & Søn"] {
            assert_eq!(safe(text), text);
        }
    }

    #[test]
    fn cells_are_quoted_where_a_reader_would_split_them() {
        assert_eq!(row(["a", "b,c", "d\"e", ""]), "a,\"b,c\",\"d\"\"e\",\r\n");
        assert_eq!(row(["=1,2"]), "\"'=1,2\"\r\n");
        assert_eq!(row(["a\r\nb", "c;d"]), "\"a\r\nb\",\"c;d\"\r\n");
    }
}
