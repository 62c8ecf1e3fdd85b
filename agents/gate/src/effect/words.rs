//! Words on buttons, in the languages that companies use, and which program is what.

use mz_protocol::Effect;

/// In a program on the desktop these words are about the document.
pub(super) const LOCAL_WORDS: [&str; 6] = ["update", "aktualisieren", "post", "apply", "order", "release"];

const MEANINGS: [(&str, Effect, &[&str]); 5] = [
    (
        "publish",
        Effect::External,
        &[
            "publish",
            "republish",
            "unpublish",
            "schedule",
            "update",
            "post",
            "share",
            "deploy",
            "merge",
            "release",
            "upload",
            "push",
            "launch",
            "veröffentlichen",
            "aktualisieren",
            "teilen",
            "hochladen",
            "publier",
            "publicar",
            "actualizar",
        ],
    ),
    (
        "send",
        Effect::Irreversible,
        &[
            "send",
            "reply",
            "tweet",
            "transmit",
            "invite",
            "forward",
            "senden",
            "absenden",
            "versenden",
            "antworten",
            "envoyer",
            "enviar",
        ],
    ),
    (
        "delete",
        Effect::Irreversible,
        &["delete", "remove", "erase", "destroy", "purge", "trash", "löschen", "entfernen", "supprimer", "eliminar", "borrar"],
    ),
    (
        "pay",
        Effect::Irreversible,
        &[
            "pay",
            "buy",
            "purchase",
            "checkout",
            "order",
            "transfer",
            "donate",
            "refund",
            "wire",
            "bezahlen",
            "zahlen",
            "kaufen",
            "bestellen",
            "überweisen",
            "payer",
            "acheter",
            "pagar",
            "comprar",
        ],
    ),
    (
        "confirm",
        Effect::External,
        &[
            "confirm",
            "submit",
            "approve",
            "accept",
            "agree",
            "yes",
            "ok",
            "apply",
            "sign",
            "register",
            "subscribe",
            "book",
            "finish",
            "proceed",
            "complete",
            "authorize",
            "authorise",
            "bestätigen",
            "zustimmen",
            "abschicken",
            "einreichen",
            "ja",
            "confirmer",
            "confirmar",
            "valider",
        ],
    ),
];

pub(super) fn meaning(word: &str) -> Option<(Effect, &'static str)> {
    MEANINGS.iter().find(|(_, _, words)| words.contains(&word)).map(|(intent, effect, _)| (*effect, *intent))
}

/// Whether this is about money that moves.
pub(super) fn names_payment(words: &[String]) -> bool {
    const NAMES: [&str; 10] = [
        "payment",
        "payments",
        "payout",
        "zahlung",
        "zahlungen",
        "überweisung",
        "paiement",
        "virement",
        "pago",
        "transferencia",
    ];
    words.iter().any(|word| NAMES.contains(&word.as_str()))
}

/// Words in lower case; hidden and posing characters do not keep a word from being found.
pub(super) fn words(name: &str) -> Vec<String> {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(u32::from(*c), 0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2069 | 0xFEFF))
        .collect();
    let lower = plain.to_lowercase();
    // "Sign in" is no signature.
    let lower = lower.replace("sign in", "login").replace("sign out", "logout").replace("log in", "login");
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

pub(super) fn field_intent(name: &str) -> &'static str {
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if has(&["password", "passwort", "username", "login", "benutzername", "anmelden", "kennwort"]) {
        "login"
    } else if has(&["search", "suche", "suchen", "find", "filter", "rechercher", "buscar"]) {
        "search"
    } else {
        ""
    }
}

/// A host that is not known may be any.
pub(super) fn is_outside(host: Option<&str>) -> bool {
    host.map(|host| host.split(':').next().unwrap_or(host)).is_none_or(|host| {
        !(host.is_empty() || host == "localhost" || host.starts_with("127.") || host == "[" || host == "::1")
    })
}

fn is_any(application: &str, names: &[&str]) -> bool {
    let lower = application.to_lowercase();
    names.iter().any(|name| lower.contains(name))
}

pub fn is_browser(application: &str) -> bool {
    is_any(
        application,
        &["chrom", "firefox", "navigator", "brave", "edge", "opera", "vivaldi", "epiphany", "falkon", "librewolf", "midori"],
    )
}

pub(super) fn is_terminal(application: &str) -> bool {
    is_any(
        application,
        &[
            "term",
            "konsole",
            "kitty",
            "alacritty",
            "st-256color",
            "rxvt",
            "tilix",
            "wezterm",
            "foot",
            "guake",
            "yakuake",
            "ptyxis",
            "console",
        ],
    )
}

pub(super) fn is_mail(application: &str) -> bool {
    is_any(application, &["thunderbird", "evolution", "geary", "claws", "sylpheed", "kmail", "balsa", "trojita"])
}
