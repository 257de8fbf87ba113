//! Currencies: the codes of ISO 4217 in which prices may stand, and how many digits their minor units have.
//!
//! As of 2026. Metals, funds and codes for tests are left out: nobody is billed in them.

/// Codes by the digits of their minor units: 0, 2 and 3.
const BY_DIGITS: [(usize, &str); 3] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP \
         CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS \
         INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN \
         MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE \
         SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR \
         ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
];

/// Returns how many digits the minor units of a currency have; `None` for what is no currency.
#[must_use]
pub fn digits(code: &str) -> Option<usize> {
    let known = |(_, codes): &&(usize, &str)| codes.split_ascii_whitespace().any(|known| known == code);
    BY_DIGITS.iter().find(known).map(|(digits, _)| *digits)
}

/// Shows an amount of minor units: `1200.00 EUR`, `500 JPY`.
#[must_use]
pub fn amount(minor_units: u64, code: &str) -> String {
    match digits(code).unwrap_or_default() {
        0 => format!("{minor_units} {code}"),
        digits => {
            let text = format!("{minor_units:0>width$}", width = digits + 1);
            let (whole, part) = text.split_at(text.len() - digits);
            format!("{whole}.{part} {code}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_three_capital_letters_each_once() {
        let mut codes: Vec<&str> =
            BY_DIGITS.iter().flat_map(|(_, codes)| codes.split_ascii_whitespace()).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!((codes.len(), count), (count, 155));
        assert!(
            codes.iter().all(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
        );
    }

    #[test]
    fn amounts_have_the_digits_of_their_currency() {
        for (minor_units, code, shown) in [
            (120_000, "EUR", "1200.00 EUR"),
            (5, "EUR", "0.05 EUR"),
            (0, "USD", "0.00 USD"),
            (500, "JPY", "500 JPY"),
            (1_234, "KWD", "1.234 KWD"),
            (u64::MAX, "EUR", "184467440737095516.15 EUR"),
        ] {
            assert_eq!(amount(minor_units, code), shown);
        }
        for code in ["", "eur", "EURO", "XAU", "XXX", "DEM", "EUR USD"] {
            assert_eq!(digits(code), None, "{code}");
        }
    }
}
