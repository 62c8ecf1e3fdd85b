//! What a typed text looks like: a secret, money, an address, or characters that do not show.

use mz_protocol::{TextClass, has_unusual};

/// Prefixes under which services hand out keys, each with the shortest whole length that counts.
const KEY_PREFIXES: [(&str, usize); 22] = [
    ("sk-", 20),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("ghu_", 20),
    ("github_pat_", 22),
    ("glpat-", 20),
    ("xoxb-", 15),
    ("xoxp-", 15),
    ("xoxa-", 15),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 30),
    ("ya29.", 20),
    ("npm_", 30),
    ("hf_", 30),
    ("SG.", 30),
    ("dop_v1_", 30),
    ("pypi-", 40),
];

const SECRET_WORDS: [&str; 9] =
    ["password", "passwd", "passphrase", "passwort", "kennwort", "secret", "api_key", "api-key", "token"];

/// What typed text looks like. A hint for policy, on the side of caution.
pub fn classify(text: &str) -> TextClass {
    let mut class = TextClass::empty();
    class.set(TextClass::SECRET, has_secret(text));
    class.set(TextClass::PAYMENT, has_iban(text) || has_card(text) || amount_in(text).is_some());
    class.set(TextClass::EMAIL, has_email(text));
    class.set(TextClass::UNUSUAL, has_unusual(text));
    class
}

fn has_secret(text: &str) -> bool {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return true;
    }
    text.split_whitespace().any(is_key) || names_secret(text)
}

fn is_key(word: &str) -> bool {
    // A key may be quoted, or stand behind an equals sign or inside an address.
    word.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'))).any(|token| {
        KEY_PREFIXES.iter().any(|(prefix, length)| token.starts_with(prefix) && token.len() >= *length)
            || is_jwt(token)
            || is_random(token)
    })
}

fn is_jwt(token: &str) -> bool {
    token.starts_with("eyJ") && token.len() >= 30 && token.matches('.').count() >= 2
}

/// Letters of both cases and digits in no order, as keys have and names do not.
fn is_random(token: &str) -> bool {
    if token.len() >= 32 && token.bytes().all(|b| b.is_ascii_hexdigit()) {
        // Forty digits are the name of a commit.
        let digits = token.bytes().filter(u8::is_ascii_digit).count();
        return token.len() != 40 && digits != token.len() && digits >= 4;
    }
    let token: Vec<u8> = token.bytes().filter(u8::is_ascii_alphanumeric).collect();
    if token.len() < 20 || token.iter().filter(|b| b.is_ascii_digit()).count() < 2 {
        return false;
    }
    let kind = |b: &u8| (b.is_ascii_uppercase(), b.is_ascii_digit());
    let changes = token.windows(2).filter(|pair| kind(&pair[0]) != kind(&pair[1])).count();
    let both_cases = token.iter().any(u8::is_ascii_uppercase) && token.iter().any(u8::is_ascii_lowercase);
    both_cases && changes * 5 >= token.len() * 2 && entropy(&token) >= 3.6
}

/// Bits for each byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| -p * p.log2()).sum()
}

/// "password: x", "token=x", "Passwort lautet x", "password is x".
fn names_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    SECRET_WORDS.iter().any(|word| {
        lower.match_indices(word).any(|(at, _)| {
            let rest = lower[at + word.len()..].trim_start_matches(['"', '\'', ' ']);
            let value = [":", "=", "is ", "lautet ", "ist "].iter().find_map(|sign| rest.strip_prefix(sign));
            value.is_some_and(|value| {
                let value = value.split_whitespace().next().unwrap_or("");
                // "the token is invalid" says nothing; a value has a digit or a sign in it.
                value.len() >= 4 && value.chars().any(|c| c.is_ascii_digit() || "!@#$%^&*_+?".contains(c))
            })
        })
    })
}

fn has_email(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "<>,;()\"".contains(c)).any(|word| {
        word.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && !host.contains('@')
                && host.trim_end_matches('.').split('.').count() >= 2
                && host.trim_end_matches('.').split('.').all(|part| !part.is_empty())
        })
    })
}

fn has_iban(text: &str) -> bool {
    let compact: Vec<char> = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
    (0..compact.len().saturating_sub(14)).any(|start| {
        let rest = &compact[start..];
        let head = rest[..2].iter().all(char::is_ascii_uppercase) && rest[2..4].iter().all(char::is_ascii_digit);
        head && (15..=34.min(rest.len())).any(|length| {
            let body = &rest[..length];
            body.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) && iban_checks(body)
        })
    })
}

fn iban_checks(iban: &[char]) -> bool {
    let digits = iban[4..].iter().chain(&iban[..4]).filter_map(|c| c.to_digit(36));
    digits.fold(0u32, |sum, d| if d > 9 { (sum * 100 + d) % 97 } else { (sum * 10 + d) % 97 }) == 1
}

fn has_card(text: &str) -> bool {
    let mut run: Vec<u32> = Vec::new();
    let mut found = false;
    for c in text.chars().chain(Some('x')) {
        match c.to_digit(10) {
            Some(digit) => run.push(digit),
            None if matches!(c, ' ' | '-') && !run.is_empty() => {}
            None => {
                found |= (13..=19).contains(&run.len()) && (2..=6).contains(&run[0]) && luhn(&run);
                run.clear();
            }
        }
    }
    found
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { d * 2 - if *d > 4 { 9 } else { 0 } }).sum();
    sum.is_multiple_of(10) && digits.iter().any(|d| *d != digits[0])
}

/// The largest amount of money that is written with its currency, in cents.
pub fn amount_in(text: &str) -> Option<i64> {
    let chars: Vec<char> = text.chars().collect();
    let mut best = None;
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < chars.len()
            && (chars[at].is_ascii_digit()
                || matches!(chars[at], '.' | ',' | '\'') && chars.get(at + 1).is_some_and(char::is_ascii_digit))
        {
            at += 1;
        }
        if is_currency_before(&chars[..start]) || is_currency_after(&chars[at..]) {
            best = best.max(cents(&chars[start..at]));
        }
    }
    best
}

const SIGNS: [char; 5] = ['€', '$', '£', '¥', '₹'];
const CODES: [&str; 9] = ["EUR", "USD", "GBP", "CHF", "JPY", "INR", "PLN", "SEK", "EURO"];

fn is_currency_before(head: &[char]) -> bool {
    let head: String = head.iter().rev().skip_while(|c| c.is_whitespace()).take(4).collect();
    head.starts_with(SIGNS)
        || is_code(&head.chars().take_while(|c| c.is_alphabetic()).collect::<Vec<_>>().into_iter().rev().collect::<String>())
}

fn is_currency_after(tail: &[char]) -> bool {
    let tail: String = tail.iter().skip_while(|c| c.is_whitespace()).take(5).collect();
    tail.starts_with(SIGNS) || is_code(&tail.chars().take_while(|c| c.is_alphabetic()).collect::<String>())
}

fn is_code(word: &str) -> bool {
    CODES.iter().any(|code| code.eq_ignore_ascii_case(word))
}

/// "1,234.56", "1.234,56" and "12" in cents; a last group of one or two digits are the cents.
fn cents(number: &[char]) -> Option<i64> {
    let split = number.iter().rposition(|c| matches!(c, '.' | ',')).filter(|i| number.len() - i <= 3);
    let (whole, part) = split.map_or((number, &[][..]), |i| (&number[..i], &number[i + 1..]));
    let whole: i64 = whole.iter().filter(|c| c.is_ascii_digit()).collect::<String>().parse().ok()?;
    let mut part: String = part.iter().collect();
    while part.len() < 2 {
        part.push('0');
    }
    whole.checked_mul(100)?.checked_add(part.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_example() {
        let table: [(&str, TextClass); 26] = [
            ("Summer sale starts on Friday", TextClass::empty()),
            ("python3 -m pytest tests/test_cart.py -q", TextClass::empty()),
            ("https://cms.atelier.local/wp-admin/post-new.php?post_type=page", TextClass::empty()),
            ("9fceb02d0ae598e95dc970b74767f19372d61af8", TextClass::empty()),
            ("TestParseInvoiceNumberReturnsTotal2", TextClass::empty()),
            ("The password field is empty", TextClass::empty()),
            ("the token is invalid", TextClass::empty()),
            ("Invoice 2024-10-0042", TextClass::empty()),
            ("Überweisung für Müller", TextClass::empty()),
            ("password: hunter2", TextClass::SECRET),
            ("export API_KEY=abc123!x", TextClass::SECRET),
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", TextClass::SECRET),
            ("AKIAIOSFODNN7EXAMPLE", TextClass::SECRET),
            ("curl -H 'X: Zk3jX9qLm2Wv8RtY5bNc'", TextClass::SECRET),
            ("d41d8cd98f00b204e9800998ecf8427e", TextClass::SECRET),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", TextClass::SECRET),
            ("DE89 3704 0044 0532 0130 00", TextClass::PAYMENT),
            ("DE88 3704 0044 0532 0130 00", TextClass::empty()),
            ("4111 1111 1111 1111", TextClass::PAYMENT),
            ("4111 1111 1111 1112", TextClass::empty()),
            ("pay 1.249,90 €", TextClass::PAYMENT),
            ("USD 12", TextClass::PAYMENT),
            ("write to ana@atelier.example today", TextClass::EMAIL),
            ("invoice\u{202e}fdp.exe", TextClass::UNUSUAL),
            ("p\u{430}ypal", TextClass::UNUSUAL),
            ("a\u{200b}b", TextClass::UNUSUAL),
        ];
        for (text, class) in table {
            assert_eq!(classify(text), class, "{text:?}");
        }
    }

    #[test]
    fn amounts_in_cents() {
        for (text, amount) in [
            ("€12", Some(1200)),
            ("1.234,56 EUR", Some(123_456)),
            ("$1,234.5", Some(123_450)),
            ("CHF 1'000", Some(100_000)),
            ("1,000 USD and 20 USD", Some(100_000)),
            ("12 apples", None),
            ("99999999999999999999 EUR", None),
        ] {
            assert_eq!(amount_in(text), amount, "{text}");
        }
    }
}
