//! The 77 provinces of Thailand by their two-digit code (ISO 3166-2:TH without the prefix).

/// Every province's code. There are gaps, so a code is checked against the set.
pub const PROVINCES: [&str; 77] = [
    "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24", "25",
    "26", "27", "30", "31", "32", "33", "34", "35", "36", "37", "38", "39", "40", "41", "42", "43",
    "44", "45", "46", "47", "48", "49", "50", "51", "52", "53", "54", "55", "56", "57", "58", "60",
    "61", "62", "63", "64", "65", "66", "67", "70", "71", "72", "73", "74", "75", "76", "77", "80",
    "81", "82", "83", "84", "85", "86", "90", "91", "92", "93", "94", "95", "96",
];

/// Whether this is the code of a province.
pub fn is_province(code: &str) -> bool {
    PROVINCES.contains(&code)
}
