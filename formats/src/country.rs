//! Countries: the officially assigned alpha-2 codes of ISO 3166-1, as of 2026.
//!
//! Documents hold two capital letters and decode with any, so that a verifier outlives changes of the list; who
//! writes a code looks here first. Not here: names of countries, which change more often than codes.

/// Every assigned code, in order.
const ASSIGNED: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ \
     BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH \
     ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE \
     IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC \
     MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE \
     PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV \
     SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT \
     ZA ZM ZW";

/// Returns every assigned code, in order.
pub fn assigned() -> impl Iterator<Item = &'static str> {
    ASSIGNED.split(' ')
}

/// Returns whether `code` is assigned to a country.
///
/// # Examples
///
/// ```
/// use chancery_formats::country::is_assigned;
///
/// assert!(is_assigned("GB"));
/// assert!(!is_assigned("UK") && !is_assigned("gb") && !is_assigned("EU"));
/// ```
#[must_use]
pub fn is_assigned(code: &str) -> bool {
    assigned().any(|country| country == code)
}

/// Returns the code that is meant by one that people write and that is assigned to nobody.
#[must_use]
pub fn meant(code: &str) -> Option<&'static str> {
    match code {
        "EL" => Some("GR"),
        "EN" | "UK" => Some("GB"),
        "NK" => Some("KP"),
        _ => assigned().find(|country| country.eq_ignore_ascii_case(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_two_capital_letters_each_once_and_in_order() {
        let mut before = "";
        for code in assigned() {
            assert!(code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()), "{code}");
            assert!(before < code, "{before} {code}");
            before = code;
        }
        assert_eq!(assigned().count(), 249);
    }

    #[test]
    fn what_is_no_country_is_not_assigned() {
        for code in
            ["", "A", "UK", "NK", "EU", "XK", "EL", "AN", "SU", "YU", "ZZ", "AA", "de", "DE ", "AD AE"]
        {
            assert!(!is_assigned(code), "{code}");
        }
        assert_eq!((meant("UK"), meant("NK"), meant("de")), (Some("GB"), Some("KP"), Some("DE")));
        assert_eq!((meant("ZZ"), meant("EU"), meant("DEU")), (None, None, None));
    }
}
