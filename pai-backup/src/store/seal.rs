//! Whom a new archive is sealed for, if the store is encrypted: decided before a byte is sent.
//!
//! What counts is what was named, then what this machine has pinned, then what the store says when it is seen for the first
//! time. Whoever can write to the store can write its `recipients.txt`, too, so what it says later is only compared.

use std::fmt;

use anyhow::{Context, anyhow, bail};
use pai_common::console::Console;
use pai_common::hint::Hinted;

use super::backend::Kind;
use super::layout::{self, Form};
use super::{Store, readme};
use crate::crypt::Recipients;

/// Longest `recipients.txt` that is read.
const LONGEST: u64 = 1 << 20;

/// What a store's `recipients.txt` says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// The credentials do not allow reading it.
    Unknown,
    /// There is no such object.
    Nothing,
    /// These recipients.
    Them(Recipients),
    /// Something that is no list of recipients.
    Nonsense(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("something that may not be read"),
            Self::Nothing => f.write_str("nobody"),
            Self::Them(recipients) => recipients.fmt(f),
            Self::Nonsense(why) => write!(f, "nobody ({why})"),
        }
    }
}

/// Everything the decision is made from.
#[derive(Debug, Clone)]
struct Seen {
    /// The recipients that `--recipient` and `--recipients-file` name.
    named: Option<Recipients>,
    /// The recipients that this machine has pinned.
    pinned: Option<Recipients>,
    said: Said,
    /// Whether there are archives of each form.
    any_sealed: bool,
    any_plain: bool,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decision {
    /// The recipients to encrypt for.
    to: Recipients,
    /// Whether to write these recipients into the store.
    write: bool,
    /// What the user should know.
    tell: Option<String>,
}

/// `None` means that nothing is encrypted.
fn decide(seen: &Seen) -> anyhow::Result<Option<Decision>> {
    let decision = |to: &Recipients, tell: Option<String>| {
        let write = match &seen.said {
            // A machine that may not look writes them when they are new to it.
            Said::Unknown => seen.pinned.as_ref() != Some(to),
            said => *said != Said::Them(to.clone()),
        };
        Ok(Some(Decision { to: to.clone(), write, tell }))
    };
    match (&seen.named, &seen.pinned, &seen.said) {
        (Some(_), None, Said::Nothing) if seen.any_plain && !seen.any_sealed => Err(Hinted::new(
            anyhow!("could not encrypt: the store has archives that are not encrypted"),
            "begin a new store for what is encrypted, and keep this one as long as its archives are wanted",
        )
        .into()),
        (Some(named), pinned, said) => {
            let before = match (said, pinned) {
                (Said::Them(said), _) if said != named => Some(said),
                (_, Some(pinned)) if pinned != named => Some(pinned),
                _ => None,
            };
            decision(named, before.map(|before| {
                format!("encrypted for {named} from now on; what is there stays readable by {before} alone")
            }))
        }
        (None, Some(pinned), Said::Them(said)) if said == pinned => decision(pinned, None),
        (None, Some(pinned), Said::Unknown) => decision(pinned, None),
        (None, Some(pinned), Said::Nothing) => decision(
            pinned,
            seen.any_sealed.then(|| "recipients.txt was gone from the store: written again".to_owned()),
        ),
        (None, Some(pinned), said) => Err(Hinted::new(
            anyhow!("the recipients of the store have changed: it says {said}, and this machine knows {pinned}"),
            "if that was meant, name those to encrypt for with --recipient; if not, somebody else can write there",
        )
        .into()),
        (None, None, Said::Them(said)) => {
            decision(said, Some(format!("encrypted for {said} from now on, as recipients.txt of the store says")))
        }
        (None, None, _) if seen.any_sealed => Err(Hinted::new(
            anyhow!("the store is encrypted, and its recipients.txt names {}", seen.said),
            "name those to encrypt for with --recipient or --recipients-file",
        )
        .into()),
        (None, None, Said::Nonsense(why)) => bail!("could not read recipients.txt of the store: {why}"),
        (None, None, _) => Ok(None),
    }
}

fn said(store: &Store) -> anyhow::Result<Said> {
    match store.backend().get(layout::RECIPIENTS, 0, LONGEST) {
        Err(error) if error.kind == Kind::Missing => Ok(Said::Nothing),
        Err(error) if error.kind == Kind::Denied => Ok(Said::Unknown),
        other => {
            let parsed = std::str::from_utf8(&other?).map_err(anyhow::Error::new).and_then(Recipients::parse);
            Ok(parsed.map_or_else(|error| Said::Nonsense(format!("{error:#}")), Said::Them))
        }
    }
}

/// Decides, and writes the decision to this machine's state and to the store. `forms` are the forms of the archives in the
/// store, `None` if the credentials allow no listing.
pub(super) fn settle(
    store: &Store,
    named: Option<&Recipients>,
    forms: Option<&[Form]>,
    console: &Console,
) -> anyhow::Result<Option<Recipients>> {
    let pinned = store.state().pinned()?;
    let has = |form| forms.is_some_and(|forms| forms.contains(&form));
    let (any_sealed, any_plain) = (has(Form::Sealed), has(Form::Plain));
    let asks = named.is_some() || pinned.is_some() || any_sealed || !any_plain;
    let said = match forms {
        Some(_) if asks => said(store)?,
        Some(_) => Said::Nothing,
        None => Said::Unknown,
    };
    let seen = Seen { named: named.cloned(), pinned, said, any_sealed, any_plain };
    let Some(Decision { to, write, tell }) =
        decide(&seen).with_context(|| format!("could not send to {}", store.shown()))?
    else {
        return Ok(None);
    };
    if let Some(tell) = tell {
        console.warn(tell);
    }
    // Here first: what cannot be remembered must not be relied on.
    if seen.pinned.as_ref() != Some(&to) {
        store.state().pin(&to)?;
    }
    if write {
        store.backend().put(layout::RECIPIENTS, to.text().as_bytes())?;
        store.backend().put(layout::README, readme::text(Form::Sealed).as_bytes())?;
    }
    Ok(Some(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn them(number: usize) -> Recipients {
        static KEYS: std::sync::OnceLock<Vec<Recipients>> = std::sync::OnceLock::new();
        let new = || Recipients::parse(&age::x25519::Identity::generate().to_public().to_string()).unwrap();
        KEYS.get_or_init(|| (0..3).map(|_| new()).collect())[number].clone()
    }

    fn seen(named: Option<usize>, pinned: Option<usize>, said: Said) -> Seen {
        Seen { named: named.map(them), pinned: pinned.map(them), said, any_sealed: true, any_plain: false }
    }

    #[test]
    fn what_was_named_counts_then_what_is_pinned_then_what_the_store_says() {
        let says = |number| Said::Them(them(number));
        // (named, pinned, said) to (sealed for, written, told)
        for (named, pinned, said, to, write, told) in [
            (Some(0), None, Said::Nothing, 0, true, false),
            (Some(0), None, says(0), 0, false, false),
            (Some(0), Some(0), says(0), 0, false, false),
            (Some(0), Some(1), says(1), 0, true, true),
            (Some(0), Some(0), says(2), 0, true, true),
            (Some(0), Some(1), Said::Unknown, 0, true, true),
            (Some(0), Some(0), Said::Unknown, 0, false, false),
            (Some(0), None, Said::Unknown, 0, true, false),
            (None, Some(0), says(0), 0, false, false),
            (None, Some(0), Said::Unknown, 0, false, false),
            (None, Some(0), Said::Nothing, 0, true, true),
            (None, None, says(0), 0, false, true),
        ] {
            let case = format!("{named:?} {pinned:?} {said:?}");
            let decision = decide(&seen(named, pinned, said)).unwrap().expect(&case);
            assert_eq!(
                (decision.to, decision.write, decision.tell.is_some()),
                (them(to), write, told),
                "{case}"
            );
        }
    }

    #[test]
    fn recipients_that_changed_are_refused_and_both_sets_shown() {
        for said in [Said::Them(them(1)), Said::Nonsense("line 1".to_owned())] {
            let error = decide(&seen(None, Some(0), said.clone())).unwrap_err().to_string();
            assert!(error.contains(&them(0).to_string()) && error.contains(&said.to_string()), "{error}");
        }
    }

    #[test]
    fn an_encrypted_store_is_never_taken_for_a_plain_one_nor_a_plain_one_mixed() {
        for said in [Said::Nothing, Said::Unknown, Said::Nonsense("x".to_owned())] {
            decide(&seen(None, None, said)).unwrap_err();
        }
        let plain = |named| Seen { any_sealed: false, any_plain: true, ..seen(named, None, Said::Nothing) };
        assert_eq!(decide(&plain(None)).unwrap(), None);
        assert!(decide(&plain(Some(0))).unwrap_err().to_string().contains("not encrypted"));
        let blind = Seen { any_sealed: false, ..seen(None, None, Said::Unknown) };
        assert_eq!(decide(&blind).unwrap(), None);
    }
}
